"""Ends transactions that went silent, by deadline: it sleeps until the earliest one, and looks at nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from athena.domain.model import Command, Expire, Notification
from athena.errors import AthenaError
from athena.journal import Journal
from athena.store.base import Store

log = logging.getLogger("athena.expiry")

BATCH = 1000
LONGEST_SLEEP = 60.0
"""Seconds. Wakes now and then even when nothing is due, in case a deadline came from elsewhere."""

RETRY = 1.0


class Expiry:
    """Asks the store for the earliest deadlines and has the journal expire what is due.

    Whether a deadline has really passed is decided in the commit, where no edit can come between.
    """

    def __init__(self, store: Store, journal: Journal, now: Callable[[], int]) -> None:
        self.expired = 0
        self._store = store
        self._journal = journal
        self._now = now
        self._next: float = 0.0  # ms; the earliest deadline known, infinity when there is none
        self._earlier = asyncio.Event()
        journal.on_states(self._notice)

    def _notice(self, states: Sequence[Notification]) -> None:
        """Wake up when a transaction's deadline comes before the one that is waited for."""
        for state in states:
            if state.deadline is not None and state.deadline < self._next:
                self._next = state.deadline
                self._earlier.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                delay = await self.sweep()
            except AthenaError as error:
                log.warning("expiry waits: %s", error)
                delay = RETRY
            self._earlier.clear()
            try:
                await asyncio.wait_for(self._earlier.wait(), min(delay, LONGEST_SLEEP))
            except TimeoutError:
                continue

    async def sweep(self) -> float:
        """Expire everything that is due -> seconds until the next deadline, infinity when there is none."""
        while True:
            self._next = float("inf")  # from here on, commits tell
            earliest = await self._store.deadlines(BATCH)
            now = self._now()
            due = [Command(tx_id, Expire()) for tx_id, deadline in earliest if deadline <= now]
            if due:
                outcomes = await self._journal.submit(due)
                self.expired += sum(isinstance(outcome, tuple) for outcome in outcomes)
                continue
            if earliest:
                self._next = min(self._next, earliest[0][1])
            return max(0.0, (self._next - self._now()) / 1000)
