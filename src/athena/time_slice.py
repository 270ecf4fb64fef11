"""Turns on the event loop: long work in small pieces, which others may interrupt without slowing it down much."""

from __future__ import annotations

import asyncio
from time import perf_counter

TURN_SECONDS = 0.002
"""As long as a slice of a flush."""


class TimeSlice:
    """One piece of work begins now. It calls `yield_if_due` as often as it can."""

    def __init__(self) -> None:
        self._until = perf_counter() + TURN_SECONDS

    async def yield_if_due(self) -> None:
        """Let others go on, if they have waited for `TURN_SECONDS`: to give way costs as much as two edits."""
        if perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = perf_counter() + TURN_SECONDS
