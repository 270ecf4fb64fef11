"""Sets the clock to the wall clock: at startup, and when that is put forward or back; all deadlines move with it.

Both happen in one commit, and nothing else is decided meanwhile: so no transaction ends early or late because someone
corrected a clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from athena.clock import Anchor, Clock
from athena.errors import AthenaError
from athena.journal import Journal
from athena.store.base import Store

log = logging.getLogger("athena.clock")

LOOK_SECONDS = 1.0
STEP_MS = 1000
"""The wall clock is followed once it is this far away. (What NTP does gradually, the ticks do too.)"""

REST_SECONDS = 10.0
"""After the clock was set. A wall clock that has stopped is too far away again at once."""

WORTH_TELLING_MS = 60_000


class Timekeeping:
    """Call `start` before anything else reads the time, then `run`. `moved` is called after deadlines were moved."""

    def __init__(self, clock: Clock, store: Store, journal: Journal, moved: Callable[[], None]) -> None:
        self._clock = clock
        self._store = store
        self._journal = journal
        self._moved = moved
        self._stored: Anchor | None = None

    async def start(self) -> None:
        """Continue with the clock as set when Athena last ran here. Raises `StoreUnavailable`."""
        self._stored, last = await self._store.clock()
        self._clock.resume(self._stored, last)
        await self.step()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            was_set = await self.step()
            await asyncio.sleep(REST_SECONDS if was_set else LOOK_SECONDS)

    async def step(self) -> bool:
        """Check once -> whether the clock had to be set. Until that can be stored, it stays as it was."""
        if abs(self._clock.drift()) < STEP_MS and self._clock.anchor == self._stored:
            return False
        try:
            await self._journal.alone("following the clock", self._follow)
        except AthenaError as error:
            log.warning("the clock cannot be set now: %s", error)
        return True

    async def _follow(self) -> None:
        """If Athena ends between storing and adopting it, the next start reads what was stored."""
        setting = self._clock.follow()
        await self._store.set_clock(setting.anchor, setting.shift, setting.now)
        self._clock.adopt(setting.anchor)
        self._stored = setting.anchor
        self._moved()
        if abs(setting.shift) >= WORTH_TELLING_MS:
            way = "forward" if setting.shift > 0 else "back"
            log.warning("the clock was put %s by %d s; deadlines went with it", way, abs(setting.shift) // 1000)
