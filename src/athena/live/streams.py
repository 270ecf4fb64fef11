"""Pull readers: Server-Sent Events and long poll, each a task that reads the tail by itself."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import Receive

from athena.live.counts import TransportName
from athena.live.gate import Permit

AT_ONCE = 8
"""Streams that write in one turn of the event loop: at most 128 KiB each, which takes less than a millisecond."""


class Streams:
    """The tasks of one hub, each with its permit."""

    def __init__(self) -> None:
        self._permits: dict[asyncio.Task[Any], Permit] = {}
        self.open: dict[TransportName, int] = {"sse": 0, "longpoll": 0}
        """How many are open now."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._permits)

    @contextmanager
    def tied(self, stream: asyncio.Task[Any], permit: Permit, transport: TransportName) -> Iterator[None]:
        """Cancel `stream` if its permit ends within the block."""
        self._permits[stream] = permit
        self.open[transport] += 1
        try:
            yield
        finally:
            del self._permits[stream]
            self.open[transport] -= 1

    async def turn(self) -> None:
        """Wait for a turn to write. A new message wakes all streams at once, and each writes its own copy: the event
        loop does other work in between."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._next)
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _next(self) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():  # it may have been cancelled
                waiting.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)

    def end_unpermitted(self) -> int:
        """Cancel those whose permit has ended -> how many."""
        over = [stream for stream, permit in self._permits.items() if permit.ended()]
        for stream in over:
            stream.cancel()
        return len(over)


async def disconnected(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
