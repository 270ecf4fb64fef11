"""Request bodies that are on their way: the memory they hold is bounded, over all connections together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from athena.sockets.peer import reset

MOST_UNFINISHED = 64 * 1024 * 1024
"""Bytes of unfinished bodies. Four bulks of the largest size, unless --max-bulk-bytes says otherwise."""

HARD_LIMIT = 4
"""The bound for clients that go on sending, as a multiple."""

STALLED_SECONDS = 2.0
"""A client that has sent nothing for this long has stopped, as far as memory is short."""


class _Unfinished(NamedTuple):
    size: int
    since: float  # when the last piece came


class UnfinishedBodies:
    """Transports with a part of a body, in the order of their last piece.

    Above the bound, clients that have stopped sending are disconnected, the longest silent first; above four times as
    much, so is the one whose last piece is the oldest. A body that came in one piece is never counted.
    """

    def __init__(self, most: int = MOST_UNFINISHED, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: bytes."""
        self.ended = 0
        """How many clients were disconnected."""
        self._most = most
        self._clock = clock
        self._waiting: dict[asyncio.Transport, _Unfinished] = {}
        self._bytes = 0

    def grow(self, transport: asyncio.Transport, size: int) -> None:
        """`size` more bytes of this client's body have come, and more is to follow."""
        now = self._clock()
        before = self._waiting.pop(transport, None)
        self._waiting[transport] = _Unfinished(size + (before.size if before else 0), now)
        self._bytes += size
        while self._bytes > self._most and len(self._waiting) > 1:
            oldest, seen = next(iter(self._waiting.items()))
            if now - seen.since < STALLED_SECONDS and self._bytes <= HARD_LIMIT * self._most:
                break
            self.remove(oldest)
            self.ended += 1
            reset(oldest)

    def remove(self, transport: asyncio.Transport) -> None:
        """The body is complete, or the client is gone."""
        seen = self._waiting.pop(transport, None)
        if seen is not None:
            self._bytes -= seen.size
