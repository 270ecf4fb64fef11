"""Bounds the memory held by responses that clients do not read, over all connections together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from athena.http.budget import Budget
from athena.sockets.peer import acknowledged

MOST_UNREAD = 64 * 1024 * 1024
"""Bytes of responses that may wait for their clients. A page of a thousand long rows is 7 MB."""

LOOK_SECONDS = 0.5
"""Minimum time between two checks of their progress."""


class UnreadAnswers:
    """The transports with much of a response left to send; progress is what their peers acknowledge."""

    def __init__(self, most: int = MOST_UNREAD, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: bytes."""
        self._budget = Budget(most, clock)
        self._clock = clock
        self._acknowledged: dict[asyncio.Transport, int] = {}  # bytes, at the last progress
        self._looked = float("-inf")

    @property
    def ended(self) -> int:
        """How many connections were cut off."""
        return self._budget.ended

    def add(self, transport: asyncio.Transport) -> None:
        """Track a peer for which much of a response is waiting, and cut off others above the bound."""
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        self._note(transport)
        self._budget.enforce()

    def remove(self, transport: asyncio.Transport) -> None:
        """Stop tracking a peer that has read nearly all, or is gone."""
        self._budget.release(transport)
        self._acknowledged.pop(transport, None)

    def _look(self) -> None:
        """Note those that have read something since the last check."""
        for transport, before in list(self._acknowledged.items()):
            if acknowledged(transport) > before:
                self._note(transport)

    def _note(self, transport: asyncio.Transport) -> None:
        self._budget.hold(transport, transport.get_write_buffer_size())
        self._acknowledged[transport] = acknowledged(transport)
