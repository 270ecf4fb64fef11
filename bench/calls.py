"""The minimal HTTP and WebSocket clients that measuring needs: blocking, prepared bytes in, responses out."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

PATIENCE = 30.0
"""Seconds until a measurement gives up waiting for data."""


def request(method: str, path: str, body: bytes = b"", content_type: str = "application/json", key: str = "") -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n{_authorization(key)}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _authorization(key: str) -> str:
    return f"Authorization: Bearer {key}\r\n" if key else ""


class Stream:
    """A connection that returns exactly as many bytes as requested."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._more()
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def head(self) -> bytes:
        """Everything up to a blank line."""
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head

    def _more(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._unread += data


class Http(Stream):
    """A keep-alive connection."""

    def answer(self, expected: tuple[int, ...] = (200,)) -> bytes:
        """The body of the next response. Raises `ConnectionError` if its status is not one of `expected`."""
        head = self.head().decode("latin-1")
        fields = dict(line.lower().split(":", 1) for line in head.split("\r\n")[1:])
        body = self.read(int(fields.get("content-length", "0")))
        if int(head.split(" ", 2)[1]) not in expected:
            raise ConnectionError(f"expected status {expected}, got {head.splitlines()[0]}: {body[:300]!r}")
        return body

    def call(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json", key: str = ""
    ) -> bytes:
        """Send a request -> the body of its response."""
        self.send(request(method, path, body, content_type, key))
        return self.answer()


class WebSocket(Stream):
    """A subscriber."""

    def __init__(self, port: int, path: str = "/", key: str = "") -> None:
        super().__init__(port)
        self.send(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"{_authorization(key)}\r\n".encode()
        )
        status = self.head().split(b"\r\n")[0]
        if b" 101 " not in status:
            raise ConnectionError(f"expected a WebSocket, got {status!r}")

    def message(self) -> bytes:
        """The next text message (RFC 6455 section 5.2; no fragments, no control frames)."""
        first, length = self.read(2)
        if first != 0x81:
            raise ConnectionError(f"expected a text frame, got {first:#x}")
        if length >= 126:
            length = int.from_bytes(self.read(2 if length == 126 else 8))
        return self.read(length)

    def until_closed(self) -> None:
        """Read until the server sends a close frame. Raises `ConnectionError` if it closes without one."""
        while True:
            first, length = self.read(2)
            if length >= 126:
                length = int.from_bytes(self.read(2 if length == 126 else 8))
            self.read(length)
            if first == 0x88:
                return
