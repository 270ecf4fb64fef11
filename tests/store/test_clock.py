"""The clock's setting, and what moves with it: kept by every engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.store.conftest import Run, deadlines

from athena.clock import HOUR_MS, Anchor
from athena.domain.model import Command, Edit, Expire, Notice, Notification, Open
from athena.store import sqlite_clock
from athena.store.base import Answer, IdempotencyKey, KeyedRequest, Outcome, Store
from athena.store.sqlite import SqliteStore

ANCHOR = Anchor("a run", 1_800_000_000_000_000_000, 1_800_000_000_000)
DAY_MS = 24 * HOUR_MS


def opening(tx_id: str, timeout_ms: int = 1000) -> Command:
    return Command(tx_id, Open(description="d", timeout_ms=timeout_ms))


def test_it_is_remembered_with_when_the_newest_step_came(run: Run) -> None:
    async def scenario(store: Store) -> None:
        assert await store.clock() == (Anchor("", 0, 0), 0)
        await store.set_clock(ANCHOR, 0, 1000)
        await store.write([opening("a")], 2000)
        await store.write([Command("n", Notice(status="success", message="m"))], 3000)
        assert await store.clock() == (ANCHOR, 2000)
        await store.purge(4000)
        assert await store.clock() == (ANCHOR, 0)

    run(scenario)


def test_deadlines_move_and_nothing_else_does(run: Run) -> None:
    async def scenario(store: Store) -> None:
        commands = [opening("a"), opening("b", 5000), opening("c"), Command("c", Edit(status="success"))]
        position = (await store.write(commands, 10_000)).position
        for shift in (DAY_MS, -2 * DAY_MS, 1):
            before = await deadlines(store)
            await store.set_clock(ANCHOR, shift, 10**15)
            assert await deadlines(store) == {key: deadline + shift for key, deadline in before.items()}
        assert await store.position() == position
        found = await store.get("a")
        assert found is not None
        assert found[0].ts_started == 10_000

    run(scenario)


def test_what_is_decided_next_goes_by_the_moved_deadline(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a")], 10_000)
        await store.set_clock(ANCHOR, DAY_MS, DAY_MS + 10_000)
        for late, outcome in ((-1, type(None)), (0, Notification)):
            written = await store.write([Command("a", Expire())], DAY_MS + 11_000 + late)
            assert isinstance(written.outcomes[0], outcome)

    run(scenario)


def test_no_deadline_is_further_off_than_its_timeout(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a"), opening("b", 5000)], 10_000)
        await store.set_clock(ANCHOR, 0, 7000)
        assert await deadlines(store) == {"a": 8000, "b": 12_000}
        await store.set_clock(ANCHOR, 0, 7500)
        assert await deadlines(store) == {"a": 8000, "b": 12_000}

    run(scenario)


def test_receipts_are_kept_as_long_when_the_clock_jumps(run: Run) -> None:
    async def scenario(store: Store) -> None:
        def asked(number: int) -> KeyedRequest[list[Outcome]]:
            return KeyedRequest(
                IdempotencyKey(number.to_bytes(16), b"r" * 16), lambda outcome: b"answer", [opening(f"t{number}")]
            )

        for number in range(600):
            await store.write([asked(number)], 10_000)
        await store.set_clock(ANCHOR, 2 * DAY_MS, 2 * DAY_MS + 10_000)
        for number in (0, 300, 599):
            written = await store.write([asked(number)], 2 * DAY_MS + 11_000)
            assert written.outcomes == [Answer(b"answer", replayed=True)]

    run(scenario)


def test_many_deadlines_move_in_one_commit_some_at_a_time(run: Run) -> None:
    async def scenario(store: Store) -> None:
        count = 3 * sqlite_clock.MOVED_AT_ONCE + 1
        await store.write([opening(f"t{number}") for number in range(count)], 10_000)
        await store.set_clock(ANCHOR, DAY_MS, DAY_MS + 10_000)
        assert {*(await deadlines(store, count)).values()} == {DAY_MS + 11_000}

    run(scenario)


def test_it_is_there_after_opening_again(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.write([opening("a")], 10_000)
        await store.set_clock(ANCHOR, DAY_MS, DAY_MS + 10_000)
        await store.close()
        store = SqliteStore(tmp_path)
        assert await store.clock() == (ANCHOR, 10_000)
        assert await deadlines(store) == {"a": DAY_MS + 11_000}
        await store.close()

    asyncio.run(main())
