"""Lets the store do its background work, a little at a time: extending the search index, and deleting old rows."""

from __future__ import annotations

import asyncio
import logging

from athena.clock import DAY_MS, Clock
from athena.errors import AthenaError, ShuttingDown
from athena.journal import Journal

log = logging.getLogger("athena.maintenance")

REST_SECONDS = 1.0
"""Between two checks when there is nothing to do."""

PAUSE = 1.0
"""When there is more to do: a pause this many times as long as the work took, so that at least half of the time is left
for everything else."""

RETIRED_AT_ONCE = 200
LONGEST_RETIRE_REST = 60.0
"""Most seconds between two checks for rows that are too old; less when rows are kept for minutes only."""

LONGEST_DOUBT_MS = DAY_MS
"""Nothing is deleted for this long after the clock has jumped by an hour or more (or for a tenth of the time that rows
are kept, if that is less): if the clock is wrong, it can be corrected before a year of history is too old."""


class Maintenance:
    """Repeatedly asks the journal to maintain the store."""

    def __init__(self, journal: Journal, clock: Clock, keep_days: float) -> None:
        """`keep_days`: how long finished rows are kept; 0 is forever."""
        self.retired = 0
        self._journal = journal
        self._clock = clock
        self._keep_ms = int(keep_days * DAY_MS)
        self._doubt_ms = min(self._keep_ms // 10, LONGEST_DOUBT_MS)
        self._rest = min(LONGEST_RETIRE_REST, self._keep_ms / 10_000)
        self._retire_at = float("-inf")  # seconds of the event loop's clock

    async def run(self) -> None:
        """Run until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                more = await self.step()
            except ShuttingDown:
                more = False
            except AthenaError as error:
                log.warning("the store cannot be tended now: %s", error)
                more = False
            await asyncio.sleep(PAUSE * (loop.time() - began) if more else REST_SECONDS)

    async def step(self) -> bool:
        """A little of each kind of work -> whether there is more."""
        more = await self._journal.maintain()
        loop = asyncio.get_running_loop()
        if self._keep_ms and loop.time() >= self._retire_at and self._clock.settled(self._doubt_ms):
            removed = await self._journal.retire(self._clock.now() - self._keep_ms, RETIRED_AT_ONCE)
            self.retired += removed
            if removed == RETIRED_AT_ONCE:
                return True
            self._retire_at = loop.time() + self._rest
        return more
