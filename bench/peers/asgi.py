"""uvicorn for the peers that are ASGI applications: uvloop, httptools, no compression, no logs, no pings."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
import uvloop

from bench.peers.control import Broadcast, announce


def run(name: str, app: Any, broadcast: Broadcast | None = None) -> None:
    """Serve until it is ended. With `broadcast`, the messages to send arrive on a separate port."""
    uvloop.run(_run(name, app, broadcast))


async def _run(name: str, app: Any, broadcast: Broadcast | None) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app,
        http="httptools",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    serving = asyncio.ensure_future(uvicorn.Server(config).serve(sockets=[listener]))
    if broadcast is None:
        print(f"{name} is listening on http://127.0.0.1:{port}", flush=True)
        await serving
    else:
        await asyncio.gather(serving, announce(name, port, broadcast))
