"""python-socketio on uvicorn."""

from __future__ import annotations

import socketio  # type: ignore[import-not-found]

from bench.peers.asgi import run

server = socketio.AsyncServer(
    async_mode="asgi", transports=["websocket"], ping_interval=1_000_000, http_compression=False
)


async def send(message: str) -> None:
    await server.emit("change", message)


run("python-socketio", socketio.ASGIApp(server), send)
