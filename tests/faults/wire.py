"""HTTP by hand on asyncio streams: thousands of producers and clients in one process, cut off anywhere."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any, Self
from urllib.parse import quote

from tests.e2e.calls import NOTIFICATIONS, strict_json
from tests.support.server import PATIENCE

LOST = (OSError, asyncio.IncompleteReadError)
"""What a peer meets when the other end is gone."""


class Connection:
    """A keep-alive connection. One request at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request -> (status, decoded JSON, or text). Raises one of `LOST`."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n"
        if body is not None:
            head += "Content-Type: application/json\r\n"
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
            self._writer.write(head.encode() + b"\r\n" + content)
            async with asyncio.timeout(PATIENCE):
                return await self._answer()
        except BaseException:
            self.close()
            raise

    async def _answer(self) -> tuple[int, Any]:
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        content = await self._reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        decoded = strict_json(content) if headers["content-type"].startswith("application/json") else content.decode()
        return int(head.split(" ", 2)[1]), decoded

    def close(self) -> None:
        """Let go of the connection at once; the next request makes a new one."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def reset(sock: socket.socket) -> None:
    """End a connection by a reset (RST) instead of an orderly end: linger for no time."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def all_rows(connection: Connection, query: str = "") -> tuple[str, int, list[dict[str, Any]]]:
    """The whole history by pages -> (the cursor of the first page, its total, all rows)."""
    rows: list[dict[str, Any]] = []
    path, first = f"{NOTIFICATIONS}?limit=1000{query}", None
    while True:
        status, page = await connection.ask("GET", path)
        assert status == 200, (status, page)
        first = first or page
        rows += page["notifications"]
        if page["next"] is None:
            return first["cursor"], first["total"], rows
        path = f"{NOTIFICATIONS}?limit=1000{query}&next={quote(page['next'], safe='')}"
