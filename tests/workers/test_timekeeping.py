from __future__ import annotations

import asyncio
import logging

import pytest
from tests.support.machine import START, Machine
from tests.support.server import PATIENCE

from athena.clock import DAY_MS, HOUR_MS, Anchor
from athena.domain.model import Command, Notification, Open
from athena.errors import StoreUnavailable
from athena.journal import Journal
from athena.relay.local import LocalRelay
from athena.store.base import Store
from athena.store.memory import MemoryStore
from athena.workers.expiry import Expiry
from athena.workers.timekeeping import STEP_MS, Timekeeping


class Node:
    """The time-related parts of one process, on a store that outlives it."""

    def __init__(self, machine: Machine, store: Store) -> None:
        self.clock = machine.clock()
        self.store = store
        self.relay = LocalRelay()
        self.journal = Journal(store, self.relay, self.clock.now)
        self.expiry = Expiry(store, self.journal, self.clock.now)
        self.timekeeping = Timekeeping(self.clock, store, self.journal, self.expiry.look_again)

    async def open(self, tx_id: str, timeout_ms: int) -> None:
        await self.journal.submit([Command(tx_id, Open(description="d", timeout_ms=timeout_ms))])

    async def row(self, tx_id: str) -> Notification:
        found = await self.store.get(tx_id)
        assert found is not None
        return found[0]


class Refusing(MemoryStore):
    refuses = False

    async def set_clock(self, anchor: Anchor, shift: int, now: int) -> None:
        if self.refuses:
            raise StoreUnavailable("disk full")
        await super().set_clock(anchor, shift, now)


@pytest.mark.parametrize("by", [HOUR_MS, -HOUR_MS, DAY_MS, -DAY_MS])
@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "not noticed"])
@pytest.mark.parametrize("restarted", [True, False], ids=["restarted", "running"])
def test_a_deadline_comes_when_it_should_whatever_the_wall_clock_does(by: int, noticed: bool, restarted: bool) -> None:
    async def main() -> None:
        machine, store = Machine(), MemoryStore()
        node = Node(machine, store)
        await node.timekeeping.start()
        await node.open("a", 5000)
        machine.passes(2000)
        machine.put(by)
        if noticed:
            assert await node.timekeeping.step()
            assert not await node.timekeeping.step()
        if restarted:
            node = Node(machine, store)
            await node.timekeeping.start()
        machine.passes(2999)
        await node.expiry.sweep()
        assert (await node.row("a")).status == "pending"
        machine.passes(1)
        await node.expiry.sweep()
        assert (await node.row("a")).status == "error"

    asyncio.run(main())


def test_what_is_opened_after_the_clock_was_set_shows_the_new_time() -> None:
    async def main() -> None:
        machine = Machine()
        node = Node(machine, MemoryStore())
        await node.timekeeping.start()
        machine.put(DAY_MS)
        await node.timekeeping.step()
        await node.open("a", 5000)
        row = await node.row("a")
        assert (row.ts_started, row.deadline) == (START + DAY_MS, START + DAY_MS + 5000)

    asyncio.run(main())


def test_a_wall_clock_that_is_a_little_off_is_left_alone() -> None:
    async def main() -> None:
        machine, store = Machine(), MemoryStore()
        node = Node(machine, store)
        await node.timekeeping.start()
        machine.put(STEP_MS - 1)
        assert not await node.timekeeping.step()
        machine.put(1)
        assert await node.timekeeping.step()

    asyncio.run(main())


def test_after_a_start_with_a_dead_clock_nothing_runs_for_ever() -> None:
    async def main() -> None:
        machine, store = Machine(), MemoryStore()
        node = Node(machine, store)
        await node.timekeeping.start()
        await node.open("a", 5000)
        machine.boot(after=-20_000 * DAY_MS)
        node = Node(machine, store)
        await node.timekeeping.start()
        machine.put(20_000 * DAY_MS)
        await node.timekeeping.step()
        machine.passes(5000)
        await node.expiry.sweep()
        assert (await node.row("a")).status == "error"

    asyncio.run(main())


def test_a_deadline_that_is_nearer_after_the_clock_was_put_back_is_not_slept_through() -> None:
    """By the old numbers it would be a day away: Expiry must be notified."""

    async def main() -> None:
        machine = Machine()
        node = Node(machine, MemoryStore())
        await node.timekeeping.start()
        await node.open("a", 50_000)
        ended = asyncio.Event()
        node.relay.subscribe(lambda committed: ended.set())
        machine.put(-DAY_MS)
        running = asyncio.ensure_future(node.expiry.run())
        await spin()
        await node.timekeeping.step()
        machine.passes(50_000)
        await asyncio.wait_for(ended.wait(), PATIENCE)
        running.cancel()

    asyncio.run(main())


async def spin() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_store_that_refuses_is_asked_again_and_nothing_moves(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        machine, store = Machine(), Refusing()
        node = Node(machine, store)
        await node.timekeeping.start()
        store.refuses = True
        machine.put(DAY_MS)
        assert await node.timekeeping.step()
        assert node.clock.now() == START
        store.refuses = False
        with caplog.at_level(logging.WARNING, "athena.clock"):
            assert await node.timekeeping.step()
        assert node.clock.now() == START + DAY_MS
        assert "put forward by 86400 s" in caplog.text

    asyncio.run(main())


def test_a_restart_with_the_clock_as_it_was_writes_nothing() -> None:
    class Counting(MemoryStore):
        writes = 0

        async def set_clock(self, anchor: Anchor, shift: int, now: int) -> None:
            self.writes += 1
            await super().set_clock(anchor, shift, now)

    async def main() -> None:
        machine, store = Machine(), Counting()
        await Node(machine, store).timekeeping.start()
        machine.passes(5000)
        await Node(machine, store).timekeeping.start()
        assert store.writes == 1
        machine.boot(after=1000)
        await Node(machine, store).timekeeping.start()
        assert store.writes == 2

    asyncio.run(main())


@pytest.mark.parametrize("boots", [True, False], ids=["another run of the machine", "the same"])
def test_a_start_on_a_full_disk_goes_by_what_is_stored_and_tries_again(boots: bool) -> None:
    async def main() -> None:
        machine, store = Machine(), Refusing()
        node = Node(machine, store)
        await node.timekeeping.start()
        await node.open("a", 5000)
        machine.put(0 if boots else DAY_MS)
        if boots:
            machine.boot(after=0)
        store.refuses = True
        node = Node(machine, store)
        await node.timekeeping.start()
        machine.passes(4999)
        await node.expiry.sweep()
        assert (await node.row("a")).status == "pending"
        store.refuses = False
        await node.timekeeping.step()
        assert (await store.clock())[0] == node.clock.anchor
        assert node.clock.drift() == 0
        machine.passes(1)
        await node.expiry.sweep()
        assert (await node.row("a")).status == "error"

    asyncio.run(main())
