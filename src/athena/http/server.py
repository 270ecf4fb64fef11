"""uvicorn's server, on Athena's own connections."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import cast

import uvicorn

from athena.http.door import FrontDoor
from athena.http.protocol import HttpProtocol
from athena.sockets.connections import AVAILABLE, Connections


class Server(uvicorn.Server):
    """Serves listening sockets with `athena.sockets` where possible, else with the event loop, which supports TLS."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        for listener in sockets or []:
            self.servers.append(await self._listen(listener))

    async def _listen(self, listener: socket.socket) -> asyncio.Server:
        config = self.config
        door = partial(FrontDoor, config, self.server_state, self.lifespan.state)
        if AVAILABLE and not config.is_ssl:
            return cast(asyncio.Server, Connections(listener, door, config.backlog))
        return await asyncio.get_running_loop().create_server(
            door,
            sock=listener,
            backlog=config.backlog,
            ssl=config.ssl,
            ssl_handshake_timeout=HttpProtocol.header_timeout if config.is_ssl else None,
        )
