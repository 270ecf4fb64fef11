"""Ends transactions that went silent: it sleeps until one is to be looked at, and looks at nothing else.

Each edit moves a deadline, and nearly all deadlines are moved before they are reached. So the store does not keep the
transactions in the order of their deadlines, but by when to look at them, which is earlier: whoever has time left then
is looked at again when that is up. docs/decisions/0025-deadlines-are-looked-at-late.md.
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
"""Transactions put off in one commit, 3 to 6 µs each. It has to wait for its turn among bulks, of which few a second
may be done: a thousand at a time would not keep up with tens of thousands that are busy."""

LONGEST_SLEEP = 60.0
"""Seconds. Looks now and then even when nothing is due, in case a deadline came from elsewhere."""

LONGEST_NAP = 1.0
"""Seconds. Timers of the event loop stand still while the machine sleeps; the clock does not."""

RETRY = 1.0

AHEAD = 10_000
"""Milliseconds. Where one transaction has time left, all that are to be looked at so soon after it are put off with it:
a commit in so many seconds, or in the time that edits leave until a deadline if that is less, not one for each."""

_deadline = attrgetter("deadline")


class Expiry:
    """Has the journal expire what is due, and only then put off what was to be looked at and is not: however many are
    busy, nobody who is silent waits for them.

    Whether a deadline has really passed is decided in the commit, where no edit can come between.
    """

    def __init__(self, store: Store, journal: Journal, now: Callable[[], int]) -> None:
        self.expired = 0
        self._store = store
        self._journal = journal
        self._now = now
        self._next: float = 0.0  # ms; when to look, infinity when there is nothing to look at
        self._earlier = asyncio.Event()
        journal.on_earlier_deadlines(self._notice)

    def _notice(self, states: Sequence[Notification]) -> None:
        """Wake up when a transaction's deadline comes before the look that is waited for."""
        earliest = min(filter(None, map(_deadline, states)), default=self._next)
        if earliest < self._next:
            self._next = earliest
            self._earlier.set()

    async def begin(self) -> None:
        """The first sweep. A store that takes no changes now can be read all the same: `run` tries again."""
        try:
            await self.sweep()
        except AthenaError as error:
            log.warning("expiry waits: %s", error)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                delay = await self.sweep()
            except AthenaError as error:
                log.warning("expiry waits: %s", error)
                delay = RETRY
            await self._sleep(min(delay, LONGEST_SLEEP))

    def look_again(self) -> None:
        """Deadlines have changed in another way than by an edit. Counts also while a look is going on."""
        self._next = 0.0
        self._earlier.set()

    async def _sleep(self, seconds: float) -> None:
        """So long by the clock, or until there is an earlier deadline."""
        self._earlier.clear()
        until = self._now() + seconds * 1000
        while (left := (until - self._now()) / 1000) > 0:
            try:
                await asyncio.wait_for(self._earlier.wait(), min(left, LONGEST_NAP))
            except TimeoutError:
                continue
            return

    async def sweep(self) -> float:
        """Expire everything that is due -> seconds until the next look, infinity when there is none."""
        stuck: list[Deadline] = []
        while True:
            self._next = float("inf")  # from here on, commits tell
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
                        return RETRY  # by a defect it can neither be ended nor put off
                    stuck = first  # or it has ended by itself just now
                continue
            if first:
                self._next = min(self._next, first[0].look_at)
            return max(0.0, (self._next - self._now()) / 1000)
