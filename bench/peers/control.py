"""How Python peers get the messages to send: as the lines of a POST on a separate port."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

Broadcast = Callable[[str], Awaitable[None]]
"""Sends a text message to all clients."""

MOST = 16 << 20
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


async def announce(name: str, port: int, broadcast: Broadcast) -> None:
    """Listen for messages to send, then announce the ports for clients and for messages."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                found = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
                body = await reader.readexactly(int(found[1]) if found else 0)
                for line in body.decode().splitlines():
                    await broadcast(line)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=MOST)
    control = server.sockets[0].getsockname()[1]
    print(f"{name} is listening on http://127.0.0.1:{port} and told what to send on {control}", flush=True)
    await server.serve_forever()
