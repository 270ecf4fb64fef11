"""Starlette on uvicorn: one `send_text` per client, as ASGI requires."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from bench.peers.asgi import run

clients: set[WebSocket] = set()


class Client(WebSocketEndpoint):
    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        clients.add(websocket)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        clients.discard(websocket)


async def send(message: str) -> None:
    for client in list(clients):
        await client.send_text(message)


run("Starlette", Starlette(routes=[WebSocketRoute("/", Client)]), send)
