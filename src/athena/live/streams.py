"""The readers that ask: Server-Sent Events and long poll, each a task that reads the tail by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from athena.live.counts import Transport
from athena.live.gate import Permit


class Streams:
    """The tasks of one hub, and why each may be here."""

    def __init__(self) -> None:
        self._permits: dict[asyncio.Task[Any], Permit] = {}
        self.open: dict[Transport, int] = {"sse": 0, "longpoll": 0}
        """How many there are now."""

    def __len__(self) -> int:
        return len(self._permits)

    @contextmanager
    def tied(self, stream: asyncio.Task[Any], permit: Permit, transport: Transport) -> Iterator[None]:
        """Cancel `stream` if its permit ends within the block."""
        self._permits[stream] = permit
        self.open[transport] += 1
        try:
            yield
        finally:
            del self._permits[stream]
            self.open[transport] -= 1

    def end_unpermitted(self) -> int:
        """Cancel those whose permit has ended -> how many."""
        over = [stream for stream, permit in self._permits.items() if permit.ended()]
        for stream in over:
            stream.cancel()
        return len(over)
