"""A client for live messages over WebSocket, Server-Sent Events or long poll that can be cut off anywhere."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Self
from urllib.parse import quote

from tests.e2e.calls import strict_json
from tests.e2e.expect import STATES, seq_of
from tests.e2e.rawsocket import CLOSE, HANDSHAKE, PING, PONG, TEXT, frame
from tests.e2e.subscribers import CHANGES, LIVE, STREAM, Message, with_after
from tests.faults.promise import hold
from tests.faults.wire import LOST, Connection, connect
from tests.support.server import PATIENCE

TRANSPORTS = ("websocket", "sse", "poll")
REQUEST = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
READ = 65_536

decoded = lru_cache(4096)(strict_json)
"""Thousands of clients get the same bytes, so decoding them once is enough. The result is never modified."""


class Follower:
    """One connection of one client. `connect`, `receive` repeatedly, `abort`. Raises one of `LOST` at its end."""

    def __init__(self, transport: str, port: int) -> None:
        self.transport = transport
        self.code: int | None = None
        """The server's close code."""
        self.ready = False
        """Whether the replay is complete."""
        self._port = port
        self._waiting: deque[Message] = deque()
        self._data = bytearray()  # frames, the last of which may be incomplete
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._poll = Connection(port)
        self._cursor = ""

    async def ask(self, after: str) -> None:
        """Connect and send the request, without waiting for the response."""
        self._cursor = after
        if self.transport == "poll":
            return
        self._reader, self._writer = await connect(self._port)
        path = with_after(LIVE if self.transport == "websocket" else STREAM, after)
        request = HANDSHAKE if self.transport == "websocket" else REQUEST
        self._writer.write(request.format(path=path, port=self._port).encode())

    async def connect(self, after: str) -> Self:
        await self.ask(after)
        if self.transport != "poll":
            head = await self._reader.readuntil(b"\r\n\r\n")
            expected = b"101" if self.transport == "websocket" else b"200"
            if not head.startswith(b"HTTP/1.1 " + expected):
                raise ConnectionError(head.decode("latin-1"))
        return self

    async def receive(self) -> Message:
        """The next message."""
        if not self._waiting:
            async with asyncio.timeout(2 * PATIENCE):
                while not self._waiting:
                    await {"websocket": self._frames, "sse": self._event, "poll": self._answer}[self.transport]()
        message = self._waiting.popleft()
        self.ready = self.ready or message["type"] == "ready"
        return message

    def abort(self) -> None:
        """Cut the connection, whatever is in flight."""
        self._poll.close()
        if self._writer is not None:
            self._writer.transport.abort()

    def stop_reading(self) -> None:
        """Leave incoming data to the kernel, until its buffers are full."""
        if self._writer is not None:
            self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_on(self) -> None:
        if self._writer is not None:
            self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def _frames(self) -> None:
        """All complete frames that have arrived."""
        if self.code is not None:
            raise ConnectionResetError(f"closed with {self.code}")
        data = await self._reader.read(READ)
        if not data:
            raise asyncio.IncompleteReadError(bytes(self._data), None)
        self._data += data
        for opcode, payload in self._complete():
            if opcode == TEXT:
                self._waiting.append(decoded(payload))
            elif opcode == PING and self._writer is not None:
                self._writer.write(frame(PONG, payload))
            elif opcode == CLOSE:
                self.code = int.from_bytes(payload[:2])

    def _complete(self) -> Iterator[tuple[int, bytes]]:
        """Complete frames (opcode, payload), as servers send them: unmasked (RFC 6455 section 5.2)."""
        data, place = self._data, 0
        while len(data) >= place + 2:
            length, begin = data[place + 1], place + 2
            if length >= 126:
                begin += 2 if length == 126 else 8
                if len(data) < begin:
                    break
                length = int.from_bytes(data[place + 2 : begin])
            if len(data) < begin + length:
                break
            yield data[place] & 0x0F, bytes(data[begin : begin + length])
            place = begin + length
        del data[:place]

    async def _event(self) -> None:
        """One chunk of a chunked response (RFC 9112 section 7.1). Athena puts whole events into each."""
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        piece = (await self._reader.readexactly(size + 2))[:-2]
        if not size:
            raise ConnectionResetError("the stream ended")
        for line in piece.decode().splitlines():
            if line.startswith("data:"):
                self._waiting.append(decoded(line.removeprefix("data:").strip()))

    async def _answer(self) -> None:
        status, answer = await self._poll.ask("GET", f"{CHANGES}?after={quote(self._cursor)}&wait=5")
        if status == 503:
            raise ConnectionResetError("503")
        assert status == 200, (status, answer)
        self._waiting.extend(answer["messages"])
        self._cursor = answer["cursor"]


class Shown:
    """A client's state: it folds messages into states, and checks their order. Survives its connections."""

    def __init__(self, states: dict[str, Message] | None = None, cursor: str = "") -> None:
        self.states = states or {}
        self.cursor = cursor
        self.resets = 0

    def take(self, message: Message) -> None:
        if message["type"] == "reset":
            self.resets += 1
            self.states.clear()
        elif self.cursor and self.cursor.rpartition(".")[0] == message["cursor"].rpartition(".")[0]:
            before, seq = seq_of(self.cursor), seq_of(message["cursor"])
            later = seq >= before if message["type"] == "ready" else seq > before
            hold(later, f"position {seq} came after {before}: {message}")
        if message["type"] == "archived":
            for gone in message["ids"]:
                self.states.pop(gone, None)
        elif message["type"] in STATES:
            self.states[message["id"]] = message
        self.cursor = message["cursor"]


async def follow(follower: Follower, moment: Callable[[], int], end: int | None = None) -> list[tuple[int, Message]]:
    """All messages up to the position `end`, or until the connection is lost, each with the moment it arrived.

    No position may be left out.
    """
    messages: list[tuple[int, Message]] = []
    last: int | None = None
    try:
        while last is None or end is None or last < end:
            message = await follower.receive()
            messages.append((moment(), message))
            seq = seq_of(message["cursor"])
            hold(last is None or seq == last + (message["type"] != "ready"), f"{seq} was pushed after {last}")
            last = seq
    except LOST:
        pass
    finally:
        follower.abort()
    return messages
