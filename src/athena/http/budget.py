"""Memory that all connections share: which of them are cut off when they hold too much together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from athena.sockets.peer import reset

HARD_LIMIT = 4
"""Clients that make progress may hold this many times the bound together."""

STALLED_SECONDS = 2.0
"""A client without progress for this long has stopped, as far as memory is short."""


class _Held(NamedTuple):
    size: int  # bytes
    since: float  # when the client last made progress


class Budget:
    """What each transport holds, in the order in which their clients last made progress.

    Above the bound, clients that have stopped are cut off, the longest-stalled first. So clients that stop displace
    each other, and one that makes progress stays, however slow it is; above `HARD_LIMIT` times the bound, it is cut off
    too, in the same order. A client that holds everything alone stays.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: bytes."""
        self.ended = 0
        """How many connections were cut off."""
        self._most = most
        self._clock = clock
        self._held: dict[asyncio.Transport, _Held] = {}
        self._bytes = 0

    def held(self, transport: asyncio.Transport) -> int:
        """Bytes that a transport holds."""
        held = self._held.get(transport)
        return 0 if held is None else held.size

    def hold(self, transport: asyncio.Transport, size: int) -> None:
        """The client has just made progress, and its transport holds `size` bytes now."""
        self.release(transport)
        self._held[transport] = _Held(size, self._clock())
        self._bytes += size

    def release(self, transport: asyncio.Transport) -> None:
        """It holds nothing any more. May be called more than once."""
        held = self._held.pop(transport, None)
        if held is not None:
            self._bytes -= held.size

    def enforce(self) -> None:
        """Cut off clients until what the others hold is within the bound."""
        now = self._clock()
        while self._bytes > self._most and len(self._held) > 1:
            oldest, held = next(iter(self._held.items()))
            if now - held.since < STALLED_SECONDS and self._bytes <= HARD_LIMIT * self._most:
                break
            self.release(oldest)
            self.ended += 1
            reset(oldest)
