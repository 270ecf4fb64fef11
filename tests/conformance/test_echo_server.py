"""Framing, as conformance suites check it: a raw socket against the echo server."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

ECHO_SERVER = Path(__file__).parent / "echo_server.py"
TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
FIN = 0x80
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    with subprocess.Popen([sys.executable, ECHO_SERVER, str(free)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        for _ in range(1000):  # it prints its line before it listens
            try:
                socket.create_connection(("127.0.0.1", free)).close()
                break
            except ConnectionRefusedError:
                continue
        yield free
        server.terminate()


def frame(opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    size = len(payload)
    length = (
        bytes([size])
        if size < 126
        else struct.pack("!BH", 126, size)
        if size < 65536
        else struct.pack("!BQ", 127, size)
    )
    head = bytes([(FIN if fin else 0) | rsv << 4 | opcode])
    if not mask:
        return head + length + payload
    key = b"\x12\x34\x56\x78"
    masked = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
    return head + bytes([length[0] | 0x80]) + length[1:] + key + masked


class Peer:
    """A client that sends arbitrary bytes and reads frames."""

    def __init__(self, port: int, with_handshake: bytes = b"") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(HANDSHAKE.encode() + with_handshake)
        assert b"101" in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass

    def send(self, *frames: bytes, one_by_one: bool = False) -> None:
        data = b"".join(frames)
        for piece in [data[i : i + 1] for i in range(len(data))] if one_by_one else [data]:
            self.socket.sendall(piece)

    def receive(self) -> tuple[int, bytes]:
        first, length = self.file.read(2)
        assert first & 0x70 == 0, "no extension was agreed on"
        if length == 126:
            (length,) = struct.unpack("!H", self.file.read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.file.read(8))
        return first, self.file.read(length)

    def closed_with(self) -> int:
        """The code of the close frame, which must come next and be followed by the end of the connection."""
        first, payload = self.receive()
        assert first == FIN | CLOSE, (first, payload)
        assert self.file.read() == b""
        return int(struct.unpack("!H", payload[:2])[0]) if payload else 1005

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def peer(port: int) -> Iterator[Peer]:
    with closing(Peer(port)) as connected:
        yield connected


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536, 300_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_messages_of_every_length_come_back(peer: Peer, opcode: int, size: int) -> None:
    payload = b"*" * size
    peer.send(frame(opcode, payload))
    assert peer.receive() == (FIN | opcode, payload)


def test_a_frame_may_come_byte_by_byte(peer: Peer) -> None:
    for number in range(3):
        text = f"Grüße {number}".encode()
        peer.send(frame(TEXT, text), one_by_one=True)
        assert peer.receive() == (FIN | TEXT, text)


def test_many_frames_may_come_at_once(peer: Peer) -> None:
    peer.send(*(frame(TEXT, b"%d" % number) for number in range(500)))
    assert [peer.receive()[1] for _ in range(500)] == [b"%d" % number for number in range(500)]


def test_what_comes_with_the_handshake_is_not_lost(port: int) -> None:
    with closing(Peer(port, with_handshake=frame(TEXT, b"early"))) as peer:
        assert peer.receive() == (FIN | TEXT, b"early")


@pytest.mark.parametrize("one_by_one", [False, True])
def test_fragments_with_control_frames_between(peer: Peer, one_by_one: bool) -> None:
    for _ in range(2):
        peer.send(
            frame(TEXT, b"gr", fin=False),
            frame(PING, b"1"),
            frame(CONT, "ü".encode()[:1], fin=False),
            frame(CONT, b"", fin=False),
            frame(PING, b"2"),
            frame(CONT, "ü".encode()[1:]),
            one_by_one=one_by_one,
        )
        assert [peer.receive() for _ in range(3)] == [
            (FIN | PONG, b"1"),
            (FIN | PONG, b"2"),
            (FIN | TEXT, "grü".encode()),
        ]


def test_pings_of_any_length_are_answered_and_pongs_are_not(peer: Peer) -> None:
    peer.send(frame(PONG, b"unasked"), frame(PONG), frame(PING), frame(PING, b"x" * 125))
    assert peer.receive() == (FIN | PONG, b"")
    assert peer.receive() == (FIN | PONG, b"x" * 125)


@pytest.mark.parametrize(
    "frames",
    [
        [frame(TEXT, b"x", mask=False)],
        [frame(TEXT, b"x", rsv=4)],
        [frame(TEXT, b"x", rsv=2)],
        [frame(PING, b"x", rsv=1)],
        [frame(3)],
        [frame(7, b"x")],
        [frame(11)],
        [frame(15, b"x")],
        [frame(PING, b"x" * 126)],
        [frame(CLOSE, struct.pack("!H", 1000) + b"x" * 124)],
        [frame(PING, b"x", fin=False)],
        [frame(CONT, b"x")],
        [frame(CONT, b"x", fin=False)],
        [frame(TEXT, b"x", fin=False), frame(TEXT, b"y")],
        [frame(TEXT, b"x", fin=False), frame(BINARY, b"y")],
        [frame(CLOSE, b"\x03")],
        *([frame(CLOSE, struct.pack("!H", code))] for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000)),
    ],
)
def test_what_breaks_the_protocol_is_closed_with_1002(peer: Peer, frames: list[bytes]) -> None:
    peer.send(*frames)
    assert peer.closed_with() == 1002


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_is_answered_with_its_code_and_what_follows_is_ignored(peer: Peer, code: int) -> None:
    peer.send(frame(CLOSE, struct.pack("!H", code) + b"bye"), frame(TEXT, b"too late"), frame(PING))
    assert peer.closed_with() == code


def test_a_close_without_a_code(peer: Peer) -> None:
    peer.send(frame(CLOSE))
    assert peer.closed_with() == 1005


@pytest.mark.parametrize(
    "frames",
    [
        [frame(TEXT, b"\xff")],
        [frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited")],  # a surrogate
        [frame(TEXT, b"\xf4\x90\x80\x80")],  # beyond U+10FFFF
        [frame(TEXT, b"\xc0\x80")],  # overlong
        [frame(TEXT, "ü".encode()[:1])],  # incomplete at the end
        [frame(TEXT, b"ok", fin=False), frame(CONT, b"\xff", fin=False)],  # refused as soon as it is certain
        [frame(TEXT, "ü".encode()[:1], fin=False), frame(CONT, b"x")],
        [frame(TEXT, b"\xff"), frame(TEXT, b"never echoed")],
        [frame(CLOSE, struct.pack("!H", 1000) + b"\xff")],
    ],
)
def test_text_that_is_not_utf_8_is_closed_with_1007(peer: Peer, frames: list[bytes]) -> None:
    peer.send(*frames)
    assert peer.closed_with() == 1007


def test_binary_may_be_anything(peer: Peer) -> None:
    peer.send(frame(BINARY, b"\xff", fin=False), frame(CONT, b"\xfe"))
    assert peer.receive() == (FIN | BINARY, b"\xff\xfe")


def test_lengths_beyond_the_limit_are_refused_before_they_arrive(peer: Peer) -> None:
    peer.send(bytes([FIN | BINARY, 0x80 | 127]) + struct.pack("!Q", 2**40) + b"\0\0\0\0")
    assert peer.closed_with() == 1009


def test_fragments_together_are_limited_too(peer: Peer) -> None:
    piece = b"\0" * (8 << 20)
    header = bytes([BINARY, 0x80 | 127]) + struct.pack("!Q", len(piece)) + b"\0\0\0\0"
    more = bytes([CONT, 0x80 | 127]) + struct.pack("!Q", len(piece)) + b"\0\0\0\0"
    peer.send(header, piece, more, piece)
    peer.send(bytes([FIN | CONT, 0x80 | 1]) + b"\0\0\0\0x")
    assert peer.closed_with() == 1009
