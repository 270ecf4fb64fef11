from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from tests.support.server import PATIENCE

from athena.domain.lifecycle import TIMED_OUT
from athena.domain.model import AnyCommand, Command, Edit, Open
from athena.journal import Journal
from athena.relay.local import LocalRelay
from athena.store.base import Deadline, KeyedRequest, Outcome, Store, Written
from athena.store.memory import MemoryStore
from athena.store.sqlite import SqliteStore
from athena.workers.expiry import AHEAD, BATCH, RETRY, Expiry


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


class Counting(MemoryStore):
    looks = 0

    async def deadlines(self, limit: int) -> list[Deadline]:
        self.looks += 1
        return await super().deadlines(limit)


def opening(tx_id: str, timeout_ms: int) -> Command:
    return Command(tx_id, Open(description="d", timeout_ms=timeout_ms))


async def status(store: Store, tx_id: str) -> tuple[str, str | None]:
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
        relay = LocalRelay()
        journal = Journal(store, relay, clock)
        expiry = Expiry(store, journal, clock)
        await journal.submit([opening("a", 50_000)])
        ended = asyncio.Event()
        relay.subscribe(lambda committed: ended.set())
        running = asyncio.ensure_future(expiry.run())
        await spin()
        clock.now += 3 * 3600 * 1000
        await asyncio.wait_for(ended.wait(), PATIENCE)
        assert (await status(store, "a"))[0] == "error"
        running.cancel()

    asyncio.run(main())


def test_whoever_falls_silent_is_ended_when_its_time_is_up_and_nobody_else(tmp_path: Path) -> None:
    """On SQLite, which checks early and postpones; compared with each transaction's last edit."""

    async def main(directory: Path, choose: random.Random) -> None:
        store, clock = SqliteStore(directory), Clock()
        journal = Journal(store, LocalRelay(), clock)
        expiry = Expiry(store, journal, clock)
        left: dict[str, tuple[int, int]] = {}  # the deadline of each, and its timeout
        for turn in range(120):
            tx_id = f"t{turn}"
            left[tx_id] = clock.now + (timeout := choose.choice((5, 50, 5000, 2 * AHEAD))), timeout
            commands = [opening(tx_id, timeout)]
            for edited in choose.sample(sorted(left), len(left) // 2):
                timeout = choose.choice((left[edited][1], left[edited][1], 3, 300))
                left[edited] = clock.now + timeout, timeout
                message = choose.choice((f"turn {turn}", None))
                commands.append(Command(edited, Edit(status="pending", athena_msg=message, timeout_ms=timeout)))
            await journal.submit(commands)
            clock.now += choose.choice((0, 1, 40, 4000))
            delay = await expiry.sweep()
            for ended in [key for key, (until, _) in left.items() if until <= clock.now]:
                del left[ended]
                assert await status(store, ended) == ("error", TIMED_OUT)
            assert {one.id: one.deadline for one in await store.deadlines(999)} == {k: v[0] for k, v in left.items()}
            assert clock.now + delay * 1000 <= min((until for until, _ in left.values()), default=float("inf"))
        await store.close()

    for seed in range(5):
        asyncio.run(main(tmp_path / str(seed), random.Random(seed)))


def test_busy_transactions_are_looked_at_together_and_rarely(tmp_path: Path) -> None:
    """Opened one after the other, and edited all the time: a separate check of each would be a commit for each."""

    class Counted(SqliteStore):
        postponed = 0

        async def postpone(self, before: int, limit: int) -> int:
            self.postponed += 1
            return await super().postpone(before, limit)

    async def main() -> None:
        store, clock = Counted(tmp_path), Clock()
        journal = Journal(store, LocalRelay(), clock)
        expiry = Expiry(store, journal, clock)
        for number in range(100):
            await journal.submit([opening(f"t{number}", 180_000)])
            clock.now += 90
        until = clock.now + 600_000
        while clock.now < until:
            await journal.submit([Command(f"t{number}", Edit(status="pending")) for number in range(100)])
            clock.now += 1000 + int(1000 * min(60.0, await expiry.sweep()))
        assert expiry.expired == 0
        assert 1 < store.postponed < 12, "all hundred by a few commits, each time that their timeout is over"
        await store.close()

    asyncio.run(main())


def test_whoever_is_silent_does_not_wait_for_the_many_that_are_busy(tmp_path: Path) -> None:
    """Each step waits for its turn in the journal, after bulks: due transactions are ended in the first one."""
    busy = 5 * BATCH
    steps: list[tuple[str, int]] = []

    class Recorded(SqliteStore):
        async def write(self, items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]], now: int) -> Written:
            written = await super().write(items, now)
            steps.append(("write", len(written.changes)))
            return written

        async def postpone(self, before: int, limit: int) -> int:
            steps.append(("postpone", await super().postpone(before, limit)))
            return steps[-1][1]

    async def main() -> None:
        store, clock = Recorded(tmp_path), Clock()
        journal = Journal(store, LocalRelay(), clock)
        expiry = Expiry(store, journal, clock)
        await journal.submit([opening(f"busy{number}", 6000) for number in range(busy)])
        clock.now += 10
        await journal.submit([opening(f"silent{number}", 6000) for number in range(3)])
        clock.now += 4000
        await journal.submit([Command(f"busy{number}", Edit(status="pending")) for number in range(busy)])
        clock.now += 2000
        steps.clear()
        assert await expiry.sweep() == 4.0
        assert steps == [("write", 3), ("postpone", busy)]
        assert await status(store, "silent0") == ("error", TIMED_OUT)
        await store.close()

    asyncio.run(main())


def test_what_can_neither_be_ended_nor_put_off_is_tried_again_later() -> None:
    class Stuck(MemoryStore):
        async def due(self, now: int, limit: int) -> list[str]:
            return ["nowhere"]

        async def deadlines(self, limit: int) -> list[Deadline]:
            return [Deadline("nowhere", 0, 0)]

    async def main() -> None:
        store, clock = Stuck(), Clock()
        expiry = Expiry(store, Journal(store, LocalRelay(), clock), clock)
        assert await asyncio.wait_for(expiry.sweep(), PATIENCE) == RETRY
        assert expiry.expired == 0

    asyncio.run(main())


def test_one_that_ends_while_it_is_looked_at_delays_nobody() -> None:
    class Ending(MemoryStore):
        ended = False

        async def due(self, now: int, limit: int) -> list[str]:
            return []

        async def deadlines(self, limit: int) -> list[Deadline]:
            before, self.ended = self.ended, True
            return await super().deadlines(limit) if before else [Deadline("gone", 0, 0)]

    async def main() -> None:
        store, clock = Ending(), Clock()
        journal = Journal(store, LocalRelay(), clock)
        await journal.submit([opening("next", 300)])
        assert await Expiry(store, journal, clock).sweep() == 0.3

    asyncio.run(main())


def test_a_start_on_a_store_that_takes_no_changes_goes_on(tmp_path: Path) -> None:
    """A busy transaction should be postponed but cannot be: reads must work all the same."""

    async def main() -> None:
        store, clock = SqliteStore(tmp_path), Clock()
        journal = Journal(store, LocalRelay(), clock)
        await journal.submit([opening("a", 55_000)])
        clock.now += 54_000
        await journal.submit([Command("a", Edit(status="pending"))])
        clock.now += 6_000
        expiry = Expiry(store, journal, clock)
        store._writer.set_commit_hook(lambda: True)
        await expiry.begin()
        store._writer.set_commit_hook(None)
        assert await expiry.sweep() == 49.0
        assert (await status(store, "a"))[0] == "pending"
        await store.close()

    asyncio.run(main())
