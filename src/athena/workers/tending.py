"""Lets the store do its work in the background, a little at a time: the search index, for now."""

from __future__ import annotations

import asyncio
import logging

from athena.errors import AthenaError
from athena.journal import Journal

log = logging.getLogger("athena.tending")

REST_SECONDS = 1.0
"""Between two looks when there is nothing to do."""

PAUSE = 1.0
"""When there is more to do: a pause this many times as long as the work took, so that at least half of the time is
everyone else's."""


class Tending:
    """Asks the journal to tend the store, again and again."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                more = await self._journal.tend()
            except AthenaError as error:
                log.warning("the store cannot be tended now: %s", error)
                more = False
            await asyncio.sleep(PAUSE * (loop.time() - began) if more else REST_SECONDS)
