from __future__ import annotations

import asyncio

import pytest
from tests.support.machine import Machine
from tests.support.server import PATIENCE

from athena.clock import DAY_MS, HOUR_MS, Clock
from athena.domain.model import Command, Edit, Open
from athena.journal import Journal
from athena.relay.local import LocalRelay
from athena.store.base import Query
from athena.store.memory import MemoryStore
from athena.workers.tending import Tending


def history(clock: Clock) -> tuple[MemoryStore, Journal]:
    store = MemoryStore()
    return store, Journal(store, LocalRelay(), clock.now)


async def finished(journal: Journal, tx_id: str) -> None:
    await journal.submit([Command(tx_id, Open(description="d")), Command(tx_id, Edit(status="success"))])


async def looked(store: MemoryStore, journal: Journal, clock: Clock) -> int:
    """How many rows are left after a look for what is too old."""
    await Tending(journal, clock, keep_days=365).step()
    return (await store.page(Query())).total


def test_what_is_too_old_goes() -> None:
    async def main() -> None:
        machine = Machine()
        clock = machine.clock()
        store, journal = history(clock)
        await finished(journal, "old")
        machine.passes(365 * DAY_MS)
        await finished(journal, "new")
        assert await looked(store, journal, clock) == 2
        machine.passes(1)
        assert await looked(store, journal, clock) == 1

    asyncio.run(main())


def test_a_clock_that_jumps_two_years_ahead_and_back_costs_nothing() -> None:
    async def main() -> None:
        machine = Machine()
        clock = machine.clock()
        store, journal = history(clock)
        await finished(journal, "a")
        machine.put(730 * DAY_MS)
        clock.adopt(clock.follow().anchor)
        assert await looked(store, journal, clock) == 1
        machine.passes(DAY_MS - 1)
        assert await looked(store, journal, clock) == 1
        machine.put(-730 * DAY_MS)
        clock.adopt(clock.follow().anchor)
        machine.passes(2 * DAY_MS)
        assert await looked(store, journal, clock) == 1

    asyncio.run(main())


def test_a_clock_that_stays_where_it_jumped_to_is_believed_after_a_day() -> None:
    async def main() -> None:
        machine = Machine()
        clock = machine.clock()
        store, journal = history(clock)
        await finished(journal, "a")
        machine.put(730 * DAY_MS)
        clock.adopt(clock.follow().anchor)
        machine.passes(DAY_MS)
        assert await looked(store, journal, clock) == 0

    asyncio.run(main())


@pytest.mark.parametrize("by", [HOUR_MS, -HOUR_MS])
def test_where_rows_are_kept_for_a_short_time_the_doubt_is_short_too(by: int) -> None:
    async def main() -> None:
        machine = Machine()
        clock = machine.clock()
        _, journal = history(clock)
        await finished(journal, "a")
        machine.put(by)
        clock.adopt(clock.follow().anchor)
        tending = Tending(journal, clock, keep_days=10 / 24 / 60)  # ten minutes
        await tending.step()
        assert tending.retired == 0
        machine.passes(60_000)
        await tending.step()
        assert tending.retired == (by > 0)

    asyncio.run(main())


def test_when_it_looks_again_does_not_depend_on_the_clock() -> None:
    """A clock put far ahead, and back: the next look is not as far away."""

    async def main() -> None:
        machine = Machine()
        clock = machine.clock()
        store, journal = history(clock)
        tending = Tending(journal, clock, keep_days=1 / 86_400)  # a second: it looks every tenth
        machine.put(DAY_MS)
        clock.adopt(clock.follow().anchor)
        machine.passes(1000)
        await tending.step()
        machine.put(-DAY_MS)
        clock.adopt(clock.follow().anchor)
        await finished(journal, "a")
        machine.passes(2000)
        async with asyncio.timeout(PATIENCE):
            while (await store.page(Query())).total:
                await asyncio.sleep(0.01)
                await tending.step()

    asyncio.run(main())
