"""Ends transactions that went silent: it sleeps until one is due for a check, and checks nothing else.

Each edit moves a deadline, and nearly all deadlines are moved before they are reached. So the store does not keep the
transactions in the order of their deadlines, but by when to check them, which is earlier: one that has time left then
is checked again when that is up. docs/decisions/0025-deadlines-are-looked-at-late.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from operator import attrgetter

from athena.domain.model import Command, Expire, Notification
from athena.errors import AthenaError
from athena.journal import Journal
from athena.store.base import Deadline, Store

log = logging.getLogger("athena.expiry")

BATCH = 1000
"""Transactions ended in one commit."""

POSTPONED = 10_000
"""Transactions postponed in one commit, 3 to 6 µs each. The commit must wait its turn among bulks, of which there may
be only a few per second: a thousand at a time would not keep up with tens of thousands that are busy."""

LONGEST_SLEEP = 60.0
"""Seconds. Checks now and then even when nothing is due, in case a deadline came from elsewhere."""

LONGEST_NAP = 1.0
"""Seconds. Timers of the event loop stand still while the machine sleeps; the clock does not."""

RETRY = 1.0

AHEAD = 10_000
"""Milliseconds. When one transaction has time left, all that are to be checked within this time are postponed with it:
one commit per this interval, or per the time that edits leave until a deadline if that is less, not one for each."""

_deadline = attrgetter("deadline")


class Expiry:
    """Has the journal expire what is due, and only then postpones the checks of transactions that have time left:
    however many are busy, silent ones do not wait for them.

    Whether a deadline has really passed is decided in the commit, where no edit can intervene.
    """

    def __init__(self, store: Store, journal: Journal, now: Callable[[], int]) -> None:
        self.expired = 0
        self._store = store
        self._journal = journal
        self._now = now
        self._next: float = 0.0  # ms; the next check, infinity if there is none
        self._earlier = asyncio.Event()
        journal.on_earlier_deadlines(self._notice)

    def _notice(self, states: Sequence[Notification]) -> None:
        """Wake up if a transaction's deadline comes before the next check."""
        earliest = min(filter(None, map(_deadline, states)), default=self._next)
        if earliest < self._next:
            self._next = earliest
            self._earlier.set()

    async def begin(self) -> None:
        """The first sweep. A store that accepts no changes now can still be read: `run` tries again."""
        try:
            await self.sweep()
        except AthenaError as error:
            log.warning("expiry waits: %s", error)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                delay = await self.sweep()
            except AthenaError as error:
                log.warning("expiry waits: %s", error)
                delay = RETRY
            await self._sleep(min(delay, LONGEST_SLEEP))

    def look_again(self) -> None:
        """Check again, since deadlines have changed other than by an edit. Also takes effect during a check."""
        self._next = 0.0
        self._earlier.set()

    async def _sleep(self, seconds: float) -> None:
        """Sleep for `seconds` by the clock, or until there is an earlier deadline."""
        self._earlier.clear()
        until = self._now() + seconds * 1000
        while (left := (until - self._now()) / 1000) > 0:
            try:
                await asyncio.wait_for(self._earlier.wait(), min(left, LONGEST_NAP))
            except TimeoutError:
                continue
            return

    async def sweep(self) -> float:
        """Expire everything that is due -> seconds until the next check, infinity if there is none."""
        stuck: list[Deadline] = []
        while True:
            self._next = float("inf")  # from here on, commits update it
            now = self._now()
            due = [Command(tx_id, Expire()) for tx_id in await self._store.due(now, BATCH)]
            outcomes = await self._journal.submit(due) if due else []
            ended = sum(isinstance(outcome, Notification) for outcome in outcomes)
            self.expired += ended
            if ended == BATCH:
                continue
            first = await self._store.deadlines(1)
            if first and first[0].look_at <= now:
                if not await self._journal.postpone(now + AHEAD, POSTPONED) and not ended:
                    if first == stuck:
                        return RETRY  # a defect: it can be neither ended nor postponed
                    stuck = first  # or it has just ended by itself
                continue
            if first:
                self._next = min(self._next, first[0].look_at)
            return max(0.0, (self._next - self._now()) / 1000)
