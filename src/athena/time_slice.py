"""Slices of the event loop's time: long work in small pieces, which other work can interrupt at little cost."""

from __future__ import annotations

import asyncio
from time import perf_counter

TURN_SECONDS = 0.002
"""As long as a slice of a flush."""


class TimeSlice:
    """Created when a piece of work begins, which calls `yield_if_due` as often as it can."""

    def __init__(self) -> None:
        self._until = perf_counter() + TURN_SECONDS

    async def yield_if_due(self) -> None:
        """Let other work run once it has waited for `TURN_SECONDS`: yielding costs as much as two edits."""
        if perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = perf_counter() + TURN_SECONDS
