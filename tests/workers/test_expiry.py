from __future__ import annotations

import asyncio

from tests.support.server import PATIENCE

from athena.domain.lifecycle import TIMED_OUT
from athena.domain.model import Command, Edit, Open
from athena.journal import Journal
from athena.relay.local import LocalRelay
from athena.store.memory import MemoryStore
from athena.workers.expiry import BATCH, Expiry


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


class Counting(MemoryStore):
    looks = 0

    async def deadlines(self, limit: int) -> list[tuple[str, int]]:
        self.looks += 1
        return await super().deadlines(limit)


def opening(tx_id: str, timeout_ms: int) -> Command:
    return Command(tx_id, Open(description="d", timeout_ms=timeout_ms))


async def status(store: MemoryStore, tx_id: str) -> tuple[str, str | None]:
    found = await store.get(tx_id)
    assert found is not None
    return found[0].status, found[0].message


async def spin() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def test_it_ends_what_is_due_and_tells_when_to_come_back() -> None:
    async def main() -> None:
        store, clock = MemoryStore(), Clock()
        journal = Journal(store, LocalRelay(), clock)
        expiry = Expiry(store, journal, clock)
        assert await expiry.sweep() == float("inf")
        await journal.submit([opening("a", 1000), opening("b", 5000)])
        assert await expiry.sweep() == 1.0
        clock.now += 1000
        assert await expiry.sweep() == 4.0
        assert await status(store, "a") == ("error", TIMED_OUT)
        assert (await status(store, "b"))[0] == "pending"
        assert expiry.expired == 1

    asyncio.run(main())


def test_many_at_once() -> None:
    async def main() -> None:
        store, clock = MemoryStore(), Clock()
        journal = Journal(store, LocalRelay(), clock)
        await journal.submit([opening(f"t{number}", 10) for number in range(2 * BATCH + 1)])
        clock.now += 10
        expiry = Expiry(store, journal, clock)
        assert await expiry.sweep() == float("inf")
        assert expiry.expired == 2 * BATCH + 1

    asyncio.run(main())


def test_it_sleeps_until_the_earliest_deadline_and_an_earlier_one_wakes_it() -> None:
    async def main() -> None:
        store, clock = Counting(), Clock()
        journal = Journal(store, LocalRelay(), clock)
        expiry = Expiry(store, journal, clock)
        await journal.submit([opening("late", 50_000)])
        running = asyncio.ensure_future(expiry.run())
        await spin()
        looks = store.looks
        for _ in range(100):
            await journal.submit([Command("late", Edit(status="pending"))])
        await spin()
        assert store.looks == looks, "edits do not make it look"
        clock.now += 5
        await journal.submit([opening("early", 1)])
        clock.now += 1
        await spin()
        assert (await status(store, "early"))[0] == "error"
        assert (await status(store, "late"))[0] == "pending"
        running.cancel()

    asyncio.run(main())


def test_time_that_no_timer_counted_is_noticed() -> None:
    """The machine slept: the timers of the event loop stood still, the clock did not."""

    async def main() -> None:
        store, clock = MemoryStore(), Clock()
        journal = Journal(store, LocalRelay(), clock)
        expiry = Expiry(store, journal, clock)
        await journal.submit([opening("a", 50_000)])
        ended = asyncio.Event()
        journal.on_states(lambda states: ended.set())
        running = asyncio.ensure_future(expiry.run())
        await spin()
        clock.now += 3 * 3600 * 1000
        await asyncio.wait_for(ended.wait(), PATIENCE)
        assert (await status(store, "a"))[0] == "error"
        running.cancel()

    asyncio.run(main())
