"""A handwritten WebSocket client (RFC 6455), for data that no good library sends and for clients that do not read."""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple, Self

from tests.e2e.calls import strict_json
from tests.e2e.subscribers import LIVE, Message
from tests.support.server import PATIENCE, Athena

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
"""It offers compression, as browsers do. Athena declines: it would cost memory for each client."""
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The accept value for the key above, from RFC 6455 §1.3."""


class Frame(NamedTuple):
    opcode: int
    payload: bytes


def frame(opcode: int, payload: bytes = b"", first: int | None = None, masked: bool = True) -> bytes:
    """One frame; `first` overrides its first byte (FIN, RSV and opcode)."""
    head = bytes([FIN | opcode if first is None else first])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def tcp(athena: Athena, receive_buffer: int | None = None) -> socket.socket:
    """A plain connection, optionally with a small receive buffer (bytes)."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE)
    try:
        sock.connect(("127.0.0.1", athena.port))
    except OSError:
        sock.close()
        raise
    return sock


class RawWebSocket:
    """A connection after its handshake. It sends nothing by itself, not even pongs."""

    def __init__(self, athena: Athena, path: str = LIVE, receive_buffer: int | None = None, early: bytes = b"") -> None:
        """`early` is sent in one piece with the handshake."""
        self.sock = tcp(athena, receive_buffer)
        self._received = b""
        try:
            self.sock.sendall(HANDSHAKE.format(path=path, port=athena.port).encode() + early)
            while b"\r\n\r\n" not in self._received:
                self._more()
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
            assert ACCEPT in head, head
            assert b"sec-websocket-extensions" not in head.lower(), head
        except BaseException:
            self.sock.close()
            raise

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def receive(self) -> Frame:
        """The next frame. Servers must not mask, and Athena does not fragment."""
        first, second = self._take(2)
        assert first & 0x70 == 0, f"reserved bits are set: {first:#x}"
        assert first & FIN, "fragmented"
        assert second & 0x80 == 0, "masked"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        return Frame(first & 0x0F, self._take(length))

    def receive_message(self) -> Message:
        """The next message, decoded; frames other than text are skipped."""
        while (got := self.receive()).opcode != TEXT:
            assert got.opcode != CLOSE, got
        message: Message = strict_json(got.payload.decode())
        return message

    def receive_close(self) -> int:
        """Read to the close frame and the end of the connection -> the close code."""
        while (got := self.receive()).opcode != CLOSE:
            pass
        (code,) = struct.unpack("!H", got.payload[:2])
        got.payload[2:].decode()  # a reason must be UTF-8
        self.send_quietly(frame(CLOSE, got.payload[:2]))
        assert self.is_cut(), "the connection stays open after the close handshake"
        return int(code)

    def send_quietly(self, data: bytes) -> None:
        """Send to a peer that may be gone."""
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def is_cut(self) -> bool:
        return is_cut(self.sock)

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, count: int) -> bytes:
        while len(self._received) < count:
            self._more()
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def _more(self) -> None:
        data = self.sock.recv(65536)
        assert data, "the connection ended in the middle"
        self._received += data


def is_cut_in_a_flood(sock: socket.socket, more: bytes) -> bool:
    """Send `more` repeatedly until the peer ends the connection (True), or has accepted it 256 times (False)."""
    try:
        for _ in range(256):
            sock.sendall(more)
    except OSError:
        return True
    return False


def is_cut(sock: socket.socket) -> bool:
    """Read until the peer ends the connection (True), or nothing arrives within the timeout (False)."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True
