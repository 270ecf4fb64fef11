"""uvicorn's server, on connections of our own."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any, cast

import uvicorn

from athena.http.door import FrontDoor
from athena.sockets import AVAILABLE, Connections


class Server(uvicorn.Server):
    """Serves listening sockets by `athena.sockets` where those can be had, else by the event loop, which knows TLS."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        config = self.config
        if config.is_ssl or not AVAILABLE:
            await super().startup(sockets)
            return
        await super().startup([])
        door = partial(FrontDoor, config, self.server_state, self.lifespan.state)
        self.servers += [cast(Any, Connections(listener, door, config.backlog)) for listener in sockets or []]
