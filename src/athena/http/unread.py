"""Answers that their clients do not take: the memory they hold is bounded, over all connections together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from athena.sockets.peer import acknowledged, reset

MOST_UNREAD = 64 * 1024 * 1024
"""Bytes of answers that may wait for their clients. A page of a thousand long rows has 7 MB."""

AT_ALL = 4
"""So many times as much may wait for clients that go on reading."""

STILL_SECONDS = 2.0
"""Who takes nothing for so long has stopped, as far as memory is short."""

LOOK_SECONDS = 0.5
"""They are not looked at more often."""


class _Waiting(NamedTuple):
    """What was seen of a client: bytes that wait for it here, bytes that it has acknowledged, since when so many."""

    size: int
    acknowledged: int
    since: float


class UnreadAnswers:
    """The transports with much of an answer to send, in the order in which their peers were last seen to take any.

    Above the bound, who has stopped reading is cut off, the longest first. So clients that ask and do not read end each
    other, and one that reads stays, however slow it is; above four times as much, it goes in the same order.
    """

    def __init__(self, most: int = MOST_UNREAD, clock: Callable[[], float] = time.monotonic) -> None:
        self.ended = 0
        """How many were cut off."""
        self._most = most
        self._clock = clock
        self._waiting: dict[asyncio.Transport, _Waiting] = {}
        self._bytes = 0
        self._looked = float("-inf")

    def add(self, transport: asyncio.Transport) -> None:
        """From now on much of an answer waits for this peer."""
        now = self._clock()
        self.remove(transport)
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look(now)
        self._note(transport, now)
        while self._bytes > self._most and len(self._waiting) > 1:
            first, seen = next(iter(self._waiting.items()))
            if now - seen.since < STILL_SECONDS and self._bytes <= AT_ALL * self._most:
                break
            self.remove(first)
            self.ended += 1
            reset(first)

    def remove(self, transport: asyncio.Transport) -> None:
        """Its peer has taken nearly all, or is gone."""
        seen = self._waiting.pop(transport, None)
        if seen is not None:
            self._bytes -= seen.size

    def _look(self, now: float) -> None:
        """Put those that have taken something since they were last looked at to the end of the order."""
        for transport, seen in list(self._waiting.items()):
            if acknowledged(transport) > seen.acknowledged:
                self.remove(transport)
                self._note(transport, now)

    def _note(self, transport: asyncio.Transport, now: float) -> None:
        size = transport.get_write_buffer_size()
        self._waiting[transport] = _Waiting(size, acknowledged(transport), now)
        self._bytes += size
