"""Timeouts of waiting connections, in the order they began to wait: one timer for all, not one for each.

A timer of the event loop costs more than everything else that is done for a connection between two requests.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import takewhile
from typing import Protocol

log = logging.getLogger("athena.http")

LOOK_SECONDS = 0.25
"""Minimum time between two checks of the queue."""


class Waiter(Protocol):
    """A connection that waits."""

    def time_is_up(self) -> None:
        """The timeout has passed."""


class TimeoutQueue:
    """Waiters that all have the same timeout of `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[Waiter, float] = {}
        self._watched = False

    def add(self, waiter: Waiter, loop: asyncio.AbstractEventLoop) -> None:
        """Start the timeout of `waiter`, which must not be waiting already."""
        self._until[waiter] = loop.time() + self._seconds
        if not self._watched:
            self._watch(loop)

    def remove(self, waiter: Waiter) -> float:
        """Stop waiting -> the deadline it had (the loop's clock), or 0 if it was not waiting."""
        return self._until.pop(waiter, 0.0)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Notify those whose time is up, and check again when the next deadline is due."""
        now = loop.time()
        for waiter, _ in list(takewhile(lambda waiting: waiting[1] <= now, self._until.items())):
            if self._until.pop(waiter, None) is None:  # removed by an earlier one
                continue
            try:
                waiter.time_is_up()
            except Exception:
                log.exception("a connection could not be ended; the others go on")
        self._watched = bool(self._until)
        if self._watched:
            loop.call_at(max(next(iter(self._until.values())), now + LOOK_SECONDS), self._watch, loop)
