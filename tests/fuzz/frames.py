"""WebSocket conversations: a handshake and frames, most of them valid, split into pieces anywhere."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import NamedTuple

from tests.fuzz.bodies import scrambled, some_bytes, text

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10

HANDSHAKE = (
    b"GET /api/v3/notifications/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Sent(NamedTuple):
    """The data a client sends after its handshake. `pings` are the payloads that must come back when all is `valid`."""

    pieces: list[bytes]
    pings: list[bytes]
    valid: bool


class Wanted(NamedTuple):
    opcode: int
    payload: bytes
    first: int
    masked: bool
    form: int


def encode(frame: Wanted, key: bytes) -> bytes:
    """The encoded frame; a length that does not fit into `form` bytes takes as many as it needs."""
    size, mask = len(frame.payload), 0x80 if frame.masked else 0
    if size < 126 and frame.form == 1:
        head = bytes([frame.first, mask | size])
    elif size < 65536 and frame.form <= 2:
        head = bytes([frame.first, mask | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([frame.first, mask | 127]) + size.to_bytes(8, "big")
    if not frame.masked:
        return head + frame.payload
    return head + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(frame.payload))


def valid_frames(random: Random) -> list[Wanted]:
    """Messages, whole and fragmented with control frames in between; no close."""
    frames: list[Wanted] = []
    for _ in range(random.randint(0, 4)):
        kind = random.choice((TEXT, BINARY, PING, PONG))
        if kind in (PING, PONG):
            payload = some_bytes(random, 8) * random.choice((1, 15))
            frames.append(Wanted(kind, payload, 0x80 | kind, True, 1))
            continue
        payload = text(random, 6).encode() * random.choice((1, 1, 40, 150))
        parts = random.randint(1, 4)
        size = len(payload) // parts + 1  # a character may be split: only the whole must be UTF-8
        for number in range(parts):
            last = number == parts - 1
            opcode = kind if number == 0 else CONTINUATION
            part = payload[number * size :] if last else payload[number * size : (number + 1) * size]
            frames.append(Wanted(opcode, part, (0x80 if last else 0) | opcode, True, 1 if len(part) < 126 else 2))
            if not last and random.randint(0, 1):
                frames.append(Wanted(PING, b"between", 0x80 | PING, True, 1))
    return frames


def conversation(random: Random) -> Sent:
    """A valid one, or one with up to three faults, in pieces."""
    frames = valid_frames(random)
    faults = random.randint(0, 3)
    for _ in range(faults):
        payload = some_bytes(random, 6) * random.choice((1, 1, 22, 800))
        first, form = random.randint(0, 255), random.choice((1, 2, 8))
        wanted = Wanted(first & 15, payload, first, random.randint(0, 9) > 0, form)
        frames.insert(random.randint(0, len(frames)), wanted)
    data = b"".join(encode(frame, random.randint(0, 2**32 - 1).to_bytes(4, "big")) for frame in frames)
    if faults and random.randint(0, 3) == 0:
        data = scrambled(random, data)
    pings = [frame.payload for frame in frames if frame.opcode == PING]
    edges = [0, *sorted(random.randint(0, len(data)) for _ in range(random.randint(0, 4))), len(data)]
    return Sent([data[start:end] for start, end in pairwise(edges)], pings, not faults)


def received(data: bytes) -> list[tuple[int, bytes]]:
    """A server's frames after its 101, as (opcode, payload). Fails on frames that a server must not send (RFC 6455)."""
    frames = []
    while data:
        first, second = data[0], data[1]
        assert first & 0x70 == 0, "reserved bits"
        assert first & 0x80, "a fragment"
        assert second & 0x80 == 0, "a masked frame"
        start, size = 2, second
        if second == 126:
            start, size = 4, int.from_bytes(data[2:4], "big")
            assert size > 125, "a length in more bytes than it needs"
        elif second == 127:
            start, size = 10, int.from_bytes(data[2:10], "big")
            assert size > 65535, "a length in more bytes than it needs"
        assert len(data) >= start + size, "half a frame"
        frames.append((first & 15, data[start : start + size]))
        data = data[start + size :]
    assert CLOSE not in [opcode for opcode, _ in frames[:-1]], "something after a close"
    return frames
