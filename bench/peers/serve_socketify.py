"""socketify: uWebSockets and its publish()."""

from __future__ import annotations

import socket
from typing import Any

from socketify import App, AppListenOptions, CompressOptions, OpCode  # type: ignore[import-not-found]

EVERYONE = "everyone"

app = App()


def opened(client: Any) -> None:
    client.subscribe(EVERYONE)


def send(lines: list[str]) -> None:
    for line in lines:
        app.publish(EVERYONE, line, OpCode.TEXT)


def publish(response: Any, request: Any) -> None:
    """Not a coroutine: awaiting the body sometimes ends the process when the connection is closed."""
    pieces: list[bytes] = []

    def take(_: Any, piece: bytes | None, complete: bool) -> None:
        pieces.append(piece or b"")
        if complete:
            response.end("ok")
            # In a later turn: messages published within the request's turn are sent one by one, 20 times slower.
            app.loop.loop.call_soon(send, b"".join(pieces).decode().splitlines())

    response.on_data(take)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


options = {
    "compression": CompressOptions.DISABLED,
    "idle_timeout": 960,  # seconds; the maximum
    "send_pings_automatically": False,
    "max_backpressure": 64 << 20,
    "open": opened,
}
app.ws("/", options)
app.post("/", publish)
app.listen(
    AppListenOptions(port=free_port(), host="127.0.0.1"),
    lambda config: print(f"uWebSockets is listening on http://127.0.0.1:{config.port}", flush=True),
)
app.run()
