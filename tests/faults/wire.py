"""Handwritten HTTP on asyncio streams: thousands of producers and clients in one process, cut off anywhere."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Coroutine
from typing import Any, Self
from urllib.parse import quote

from tests.e2e.calls import NOTIFICATIONS, strict_json
from tests.support.server import PATIENCE

LOST = (OSError, asyncio.IncompleteReadError)
"""Errors that a peer gets when the other end is gone."""


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection; nothing stays open when it fails or the caller is cancelled meanwhile."""
    sock = socket.socket()
    try:
        sock.setblocking(False)
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise


async def together(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of all. When one fails, the others are cancelled and finished before its exception is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Connection:
    """A keep-alive connection. One request at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """One request -> (status, decoded JSON, or text). `key` is an Idempotency-Key. Raises one of `LOST`."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n"
        if body is not None:
            head += "Content-Type: application/json\r\n"
        if key is not None:
            head += f"Idempotency-Key: {key}\r\n"
        try:
            if self._writer is None:
                self._reader, self._writer = await connect(self.port)
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
        """Close the connection at once; the next request opens a new one."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def reset(sock: socket.socket) -> None:
    """End a connection with a reset (RST) instead of an orderly close, by a linger time of 0."""
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
