from __future__ import annotations

import asyncio

import pytest
from tests.support.machine import Machine
from tests.support.server import PATIENCE

from athena.clock import DAY_MS, HOUR_MS
from athena.domain.model import Command, Edit, Open
from athena.journal import Journal
from athena.relay.local import LocalRelay
from athena.store.base import Query
from athena.store.memory import MemoryStore
from athena.workers.maintenance import Maintenance


class World:
    """A store and its journal, on the clock of a machine that the test controls."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.clock = self.machine.clock()
        self.store = MemoryStore()
        self.journal = Journal(self.store, LocalRelay(), self.clock.now)

    def jump(self, by: int) -> None:
        """Set the wall clock, and let Athena notice it."""
        self.machine.put(by)
        self.clock.adopt(self.clock.follow().anchor)

    async def finish(self, tx_id: str) -> None:
        await self.journal.submit([Command(tx_id, Open(description="d")), Command(tx_id, Edit(status="success"))])

    async def looked(self) -> int:
        """The number of rows left after a check for old ones."""
        await Maintenance(self.journal, self.clock, keep_days=365).step()
        return await self.rows()

    async def rows(self) -> int:
        return (await self.store.page(Query())).total


def test_what_is_too_old_goes() -> None:
    async def main() -> None:
        world = World()
        await world.finish("old")
        world.machine.passes(365 * DAY_MS)
        await world.finish("new")
        assert await world.looked() == 2
        world.machine.passes(1)
        assert await world.looked() == 1

    asyncio.run(main())


def test_a_clock_that_jumps_two_years_ahead_and_back_costs_nothing() -> None:
    async def main() -> None:
        world = World()
        await world.finish("a")
        world.jump(730 * DAY_MS)
        assert await world.looked() == 1
        world.machine.passes(DAY_MS - 1)
        assert await world.looked() == 1
        world.jump(-730 * DAY_MS)
        world.machine.passes(2 * DAY_MS)
        assert await world.looked() == 1

    asyncio.run(main())


def test_a_clock_that_stays_where_it_jumped_to_is_believed_after_a_day() -> None:
    async def main() -> None:
        world = World()
        await world.finish("a")
        world.jump(730 * DAY_MS)
        world.machine.passes(DAY_MS)
        assert await world.looked() == 0

    asyncio.run(main())


@pytest.mark.parametrize("by", [HOUR_MS, -HOUR_MS])
def test_where_rows_are_kept_for_a_short_time_the_doubt_is_short_too(by: int) -> None:
    async def main() -> None:
        world = World()
        await world.finish("a")
        world.jump(by)
        maintenance = Maintenance(world.journal, world.clock, keep_days=10 / 24 / 60)  # ten minutes
        await maintenance.step()
        assert maintenance.retired == 0
        world.machine.passes(60_000)
        await maintenance.step()
        assert maintenance.retired == (by > 0)

    asyncio.run(main())


def test_when_it_looks_again_does_not_depend_on_the_clock() -> None:
    """A clock set far ahead, and back: the next check is not delayed by that."""

    async def main() -> None:
        world = World()
        maintenance = Maintenance(world.journal, world.clock, keep_days=1 / 86_400)  # one second: checks every tenth
        world.jump(DAY_MS)
        world.machine.passes(1000)
        await maintenance.step()
        world.jump(-DAY_MS)
        await world.finish("a")
        world.machine.passes(2000)
        async with asyncio.timeout(PATIENCE):
            while await world.rows():
                await asyncio.sleep(0.01)
                await maintenance.step()

    asyncio.run(main())
