"""Connections from which something is due, in the order they began to wait: one timer for all, not one for each.

A timer of the event loop costs more than all else that is done about a connection between two requests.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import takewhile
from typing import Protocol

log = logging.getLogger("athena.http")

LOOK_SECONDS = 0.25
"""Those that wait are not looked at more often."""


class Waiter(Protocol):
    """A connection that waits."""

    def time_is_up(self) -> None:
        """It has said nothing for as long as it could."""


class TimeoutQueue:
    """Each has `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[Waiter, float] = {}
        self._watched = False

    def add(self, waiter: Waiter, loop: asyncio.AbstractEventLoop) -> None:
        """From now on. It is not waiting yet."""
        self._until[waiter] = loop.time() + self._seconds
        if not self._watched:
            self._watch(loop)

    def remove(self, waiter: Waiter) -> float:
        """Until when it had time (the loop's clock); long ago when it was not waiting any more."""
        return self._until.pop(waiter, 0.0)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell those whose time is up, and look again when that of the next one is."""
        now = loop.time()
        for waiter, _ in list(takewhile(lambda waiting: waiting[1] <= now, self._until.items())):
            if self._until.pop(waiter, None) is None:  # ended by one before it
                continue
            try:
                waiter.time_is_up()
            except Exception:
                log.exception("a connection could not be ended; the others go on")
        self._watched = bool(self._until)
        if self._watched:
            loop.call_at(max(next(iter(self._until.values())), now + LOOK_SECONDS), self._watch, loop)
