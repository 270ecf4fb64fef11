"""websockets, with its own broadcast()."""

from __future__ import annotations

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.peers.control import announce


async def listen(client: ServerConnection) -> None:
    await client.wait_closed()


async def main() -> None:
    async with serve(listen, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096) as server:

        async def send(message: str) -> None:
            broadcast(server.connections, message)

        port = next(iter(server.sockets)).getsockname()[1]
        await announce("websockets", port, send)


uvloop.run(main())
