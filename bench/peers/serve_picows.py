"""picows: frames in C, no queue, one send per client."""

from __future__ import annotations

import uvloop
from picows import WSListener, WSMsgType, WSTransport, ws_create_server  # type: ignore[import-not-found]

from bench.peers.control import announce

clients: set[WSTransport] = set()


class Client(WSListener):  # type: ignore[misc]
    def on_ws_connected(self, transport: WSTransport) -> None:
        clients.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        clients.discard(transport)


async def send(message: str) -> None:
    payload = message.encode()
    for client in clients:
        client.send(WSMsgType.TEXT, payload)


async def main() -> None:
    server = await ws_create_server(lambda _request: Client(), "127.0.0.1", 0, backlog=4096)
    await announce("picows", server.sockets[0].getsockname()[1], send)


uvloop.run(main())
