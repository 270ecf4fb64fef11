"""Bounds the memory held by responses that clients do not read, over all connections together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from athena.sockets.peer import acknowledged, reset

MOST_UNREAD = 64 * 1024 * 1024
"""Bytes of responses that may wait for their clients. A page of a thousand long rows is 7 MB."""

AT_ALL = 4
"""This many times as much may wait for clients that keep reading."""

STILL_SECONDS = 2.0
"""A client that reads nothing for this long has stopped, as far as memory is short."""

LOOK_SECONDS = 0.5
"""Minimum time between two checks of their progress."""


class _Waiting(NamedTuple):
    """A client when it was last seen to read: bytes waiting for it here, bytes it had acknowledged, and the time."""

    size: int
    acknowledged: int
    since: float


class UnreadAnswers:
    """The transports with much of a response left to send, in the order in which their peers were last seen to read.

    Above the bound, clients that have stopped reading are cut off, the longest-stalled first. So clients that send
    requests and do not read displace each other, and one that reads stays, however slow it is; above four times the
    bound, it is cut off too, in the same order.
    """

    def __init__(self, most: int = MOST_UNREAD, clock: Callable[[], float] = time.monotonic) -> None:
        self.ended = 0
        """How many connections were cut off."""
        self._most = most
        self._clock = clock
        self._waiting: dict[asyncio.Transport, _Waiting] = {}
        self._bytes = 0
        self._looked = float("-inf")

    def add(self, transport: asyncio.Transport) -> None:
        """Track a peer for which much of a response is waiting, and cut off others above the bound."""
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
        """Stop tracking a peer that has read nearly all, or is gone."""
        seen = self._waiting.pop(transport, None)
        if seen is not None:
            self._bytes -= seen.size

    def _look(self, now: float) -> None:
        """Move those that have read something since the last check to the end of the order."""
        for transport, seen in list(self._waiting.items()):
            if acknowledged(transport) > seen.acknowledged:
                self.remove(transport)
                self._note(transport, now)

    def _note(self, transport: asyncio.Transport, now: float) -> None:
        size = transport.get_write_buffer_size()
        self._waiting[transport] = _Waiting(size, acknowledged(transport), now)
        self._bytes += size
