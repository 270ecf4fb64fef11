from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from athena.domain.lifecycle import Decision
from athena.domain.model import Command, Edit, Open
from athena.errors import InternalError, ShuttingDown, StoreUnavailable, UnknownTransaction
from athena.journal import MAX_COMMANDS, Journal
from athena.relay.base import Committed
from athena.relay.local import LocalRelay
from athena.store.base import Query, Written
from athena.store.memory import MemoryStore


class SlowDisk(MemoryStore):
    """A store whose commits take until the test lets them, and fail when it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.may_commit = asyncio.Semaphore(0)
        self.fail_with: Exception | None = None

    async def write(self, commands: Sequence[Command], now: int) -> Written:
        self.batches.append(len(commands))
        await self.may_commit.acquire()
        if self.fail_with is not None:
            error, self.fail_with = self.fail_with, None
            raise error
        return await super().write(commands, now)


def opening(number: int) -> Command:
    return Command(f"t{number}", Open(description="d"))


def journal_on(store: MemoryStore) -> tuple[Journal, list[dict[str, Any]]]:
    """A journal, and the list that what it publishes goes to."""
    pushed: list[dict[str, Any]] = []
    relay = LocalRelay()

    def listen(committed: Committed) -> None:
        pushed.extend(json.loads(message) for _, message in committed.messages)
        if committed.restart is not None:
            pushed.append({"restart": str(committed.restart)})

    relay.subscribe(listen)
    return Journal(store, relay, lambda: 1000), pushed


async def spin() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_single_edit_waits_for_nobody_and_what_comes_meanwhile_is_one_commit() -> None:
    async def main() -> None:
        store = SlowDisk()
        journal, pushed = journal_on(store)
        first = asyncio.ensure_future(journal.submit([opening(0)]))
        await spin()
        rest = [asyncio.ensure_future(journal.submit([opening(number)])) for number in range(1, 50)]
        await spin()
        assert store.batches == [1]
        assert journal.waiting == 49
        assert pushed == [], "nothing is pushed before it is committed"
        assert not first.done()
        store.may_commit.release()
        store.may_commit.release()
        await asyncio.gather(first, *rest)
        assert store.batches == [1, 49]
        assert [message["id"] for message in pushed] == [f"t{number}" for number in range(50)]
        assert (journal.commits, journal.commands, journal.waiting) == (2, 50, 0)

    asyncio.run(main())


def test_a_failed_commit_fails_exactly_the_edits_in_it() -> None:
    async def main() -> None:
        store = SlowDisk()
        journal, pushed = journal_on(store)
        store.fail_with = StoreUnavailable("disk is full")
        lost = asyncio.ensure_future(journal.submit([opening(0)]))
        await spin()
        kept = asyncio.ensure_future(journal.submit([opening(1)]))
        store.may_commit.release()
        store.may_commit.release()
        with pytest.raises(StoreUnavailable):
            await lost
        assert isinstance((await kept)[0], Decision)
        assert [message["id"] for message in pushed] == ["t1"]
        assert [row.id for row in (await store.page(Query())).rows] == ["t1"]

    asyncio.run(main())


def test_a_defect_fails_the_commit_and_not_the_journal(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        store = SlowDisk()
        journal, _ = journal_on(store)
        store.fail_with = ZeroDivisionError()
        store.may_commit.release()
        with pytest.raises(InternalError):
            await journal.submit([opening(0)])
        store.may_commit.release()
        await journal.submit([opening(0)])

    asyncio.run(main())
    assert "ZeroDivisionError" in caplog.text


def test_each_submission_gets_its_own_outcomes_in_order() -> None:
    async def main() -> None:
        journal, _ = journal_on(MemoryStore())
        answers = await asyncio.gather(
            journal.submit([opening(0), Command("x", Edit(status="error"))]), journal.submit([opening(1)])
        )
        assert [[type(outcome) for outcome in outcomes] for outcomes in answers] == [
            [Decision, UnknownTransaction],
            [Decision],
        ]

    asyncio.run(main())


def test_a_caller_that_goes_away_takes_nothing_with_it() -> None:
    async def main() -> None:
        store = SlowDisk()
        journal, pushed = journal_on(store)
        caller = asyncio.ensure_future(journal.submit([opening(0)]))
        await spin()
        caller.cancel()
        await spin()
        store.may_commit.release()
        await journal.close()
        assert [message["id"] for message in pushed] == ["t0"]

    asyncio.run(main())


def test_a_purge_keeps_its_place_in_the_order() -> None:
    async def main() -> None:
        journal, pushed = journal_on(MemoryStore())
        _, removed, _ = await asyncio.gather(
            journal.submit([opening(0), opening(1)]), journal.purge(), journal.submit([opening(2)])
        )
        assert removed == 2
        assert [message.get("id", "restart") for message in pushed] == ["t0", "t1", "restart", "t2"]

    asyncio.run(main())


def test_a_submission_is_never_split_and_a_commit_has_a_limit() -> None:
    async def main() -> None:
        store = SlowDisk()
        journal, _ = journal_on(store)
        half = [opening(number) for number in range(MAX_COMMANDS // 2 + 1)]
        work = [asyncio.ensure_future(journal.submit(half)) for _ in range(3)]
        for _ in work:
            store.may_commit.release()
        await asyncio.gather(*work)
        assert store.batches == [len(half)] * 3

    asyncio.run(main())


def test_closing_finishes_what_was_submitted_and_takes_no_more() -> None:
    async def main() -> None:
        store = SlowDisk()
        journal, pushed = journal_on(store)
        waiting = [asyncio.ensure_future(journal.submit([opening(number)])) for number in range(5)]
        await spin()
        closing = asyncio.ensure_future(journal.close())
        await spin()
        with pytest.raises(ShuttingDown):
            await journal.submit([opening(9)])
        store.may_commit.release()
        store.may_commit.release()
        await closing
        await asyncio.gather(*waiting)
        assert len(pushed) == 5

    asyncio.run(main())


def test_listeners_hear_of_heartbeats_too() -> None:
    async def main() -> None:
        journal, pushed = journal_on(MemoryStore())
        heard: list[int | None] = []
        journal.on_states(lambda states: heard.extend(state.deadline for state in states))
        await journal.submit([opening(0)])
        await journal.submit([Command("t0", Edit(status="pending", timeout_ms=7)), Command("x", Edit(status="error"))])
        assert heard == [181_000, 1007]
        assert len(pushed) == 1

    asyncio.run(main())
