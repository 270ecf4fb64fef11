from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from time import monotonic
from typing import Any

import pytest

from athena.domain.model import AnyCommand, Command, Edit, Notice, Notification, Open
from athena.domain.wire import Encoded, encode_state
from athena.errors import InternalError, ShuttingDown, StoreUnavailable, UnknownTransaction
from athena.journal import MAX_COMMANDS, NEVER, Journal
from athena.relay.base import Committed
from athena.relay.local import LocalRelay
from athena.service import new_id
from athena.store.base import Answer, IdempotencyKey, KeyedRequest, Outcome, Query, Written
from athena.store.memory import MemoryStore


class SlowDisk(MemoryStore):
    """A store whose commits block until the test releases them, and fail on request."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.may_commit = asyncio.Semaphore(0)
        self.fail_with: Exception | None = None

    async def write(self, items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]], now: int) -> Written:
        self.batches.append(len(items))
        await self.may_commit.acquire()
        if self.fail_with is not None:
            error, self.fail_with = self.fail_with, None
            raise error
        return await super().write(items, now)


def opening(number: int) -> Command:
    return Command(f"t{number}", Open(description="d"))


def journal_on(store: MemoryStore) -> tuple[Journal, list[dict[str, Any]]]:
    """A journal, and the list that collects what it publishes."""
    pushed: list[dict[str, Any]] = []
    relay = LocalRelay()

    def listen(committed: Committed) -> None:
        pushed.extend(
            json.loads((message if isinstance(message, Encoded) else encode_state(message, "e")).data)
            for message in committed.messages
        )
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


def test_it_tells_since_when_the_oldest_has_waited_and_when_the_store_last_took_a_change() -> None:
    async def main() -> None:
        store = SlowDisk()
        journal, _ = journal_on(store)
        assert (journal.lag, journal.proven) == (0, NEVER)
        first = asyncio.ensure_future(journal.submit([opening(0)]))
        await spin()
        assert journal.waiting == 0
        assert journal.lag > 0, "it is on its way to the disk"
        store.may_commit.release()
        await first
        proven = journal.proven
        assert proven > NEVER
        assert journal.lag == 0
        store.fail_with = StoreUnavailable("disk is full")
        store.may_commit.release()
        with pytest.raises(StoreUnavailable):
            await journal.submit([opening(1)])
        assert (journal.proven, journal.failed, journal.lag) == (NEVER, 1, 0)
        await journal.probe()
        assert journal.proven > proven

    asyncio.run(main())


def test_a_commit_says_when_its_oldest_edit_came() -> None:
    async def main() -> None:
        store, relay, heard = SlowDisk(), LocalRelay(), list[float]()
        relay.subscribe(lambda committed: heard.append(committed.since or 0))
        journal = Journal(store, relay, lambda: 1000)
        work = [asyncio.ensure_future(journal.submit([opening(0)]))]
        await spin()
        before = monotonic()
        work.append(asyncio.ensure_future(journal.submit([opening(1)])))
        await spin()
        between = monotonic()
        work.append(asyncio.ensure_future(journal.submit([opening(2)])))
        await spin()
        store.may_commit.release()
        store.may_commit.release()
        await asyncio.gather(*work)
        assert store.batches == [1, 2]
        assert before <= heard[1] <= between
        assert list(journal.sizes.cumulative())[:2] == [(1, 1), (2, 2)]

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
        assert isinstance((await kept)[0], Notification)
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
            [Notification, UnknownTransaction],
            [Notification],
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
        first = journal.submit([opening(0), opening(1)])
        purging = asyncio.ensure_future(journal.purge())
        await asyncio.sleep(0)
        await asyncio.gather(first, purging, journal.submit([opening(2)]))
        assert purging.result().removed == 2
        assert [message.get("id", "restart") for message in pushed] == ["t0", "t1", "restart", "t2"]

    asyncio.run(main())


def posting() -> KeyedRequest[list[Outcome]]:
    """The same request each time, but as a new object with its own id."""
    command = Command(new_id(), Notice(status="success", message="m"))
    return KeyedRequest(IdempotencyKey(b"k" * 16, b"r" * 16), lambda outcomes: command.id.encode(), [command])


def test_requests_with_one_key_that_come_at_once_are_one_event_and_one_answer() -> None:
    """Whether they are in one commit or in consecutive ones."""

    async def main() -> None:
        store = SlowDisk()
        journal, pushed = journal_on(store)
        first = asyncio.ensure_future(journal.submit_keyed(posting()))
        await spin()
        others = [asyncio.ensure_future(journal.submit_keyed(posting())) for _ in range(19)]
        for _ in range(2):
            store.may_commit.release()
        told = await asyncio.gather(first, *others)
        assert store.batches == [1, 19]
        assert len(pushed) == 1
        id_ = pushed[0]["id"].encode()
        assert told == [Answer(id_, replayed=False)] + [Answer(id_, replayed=True)] * 19
        assert (journal.commits, journal.commands) == (2, 20)

    asyncio.run(main())


def test_a_request_with_a_key_counts_with_all_its_commands() -> None:
    async def main() -> None:
        store = SlowDisk()
        journal, _ = journal_on(store)
        half = [opening(number) for number in range(MAX_COMMANDS // 2 + 1)]
        work = [
            asyncio.ensure_future(
                journal.submit_keyed(KeyedRequest(IdempotencyKey(name * 16, b"r" * 16), lambda outcomes: b"", half))
            )
            for name in (b"a", b"b", b"c")
        ]
        for _ in work:
            store.may_commit.release()
        await asyncio.gather(*work)
        assert store.batches == [1] * 3

    asyncio.run(main())


def test_a_purge_that_was_done_before_tells_no_client() -> None:
    async def main() -> None:
        journal, pushed = journal_on(MemoryStore())
        once: KeyedRequest[int] = KeyedRequest(
            IdempotencyKey(b"k" * 16, b"r" * 16), lambda removed: str(removed).encode()
        )
        await journal.submit([opening(0)])
        await journal.purge(once)
        await journal.submit([opening(1)])
        assert (await journal.purge(once)).outcome == Answer(b"1", replayed=True)
        assert [message.get("id", "restart") for message in pushed] == ["t0", "restart", "t1"]

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


def test_listeners_hear_of_time_that_may_be_up_sooner() -> None:
    async def main() -> None:
        journal, pushed = journal_on(MemoryStore())
        heard: list[int | None] = []
        journal.on_earlier_deadlines(lambda states: heard.extend(state.deadline for state in states))
        await journal.submit([opening(0)])
        await journal.submit([Command("t0", Edit(status="pending"))])  # a heartbeat, and more time
        await journal.submit([Command("t0", Edit(status="pending", timeout_ms=7)), Command("x", Edit(status="error"))])
        assert heard == [181_000, 1007]
        assert len(pushed) == 1

    asyncio.run(main())


def test_a_listener_that_fails_is_no_part_of_the_commit(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        journal, pushed = journal_on(MemoryStore())
        heard: list[str] = []

        def defective(_: Sequence[Notification]) -> None:
            raise ZeroDivisionError

        journal.on_earlier_deadlines(defective)
        journal.on_earlier_deadlines(lambda states: heard.extend(state.id for state in states))
        (outcome,) = await journal.submit([opening(0)])
        assert isinstance(outcome, Notification)
        assert (heard, len(pushed), journal.failed) == (["t0"], 1, 0)

    asyncio.run(main())
    assert "ZeroDivisionError" in caplog.text


def test_the_log_says_what_failed(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        async def retire(self, before: int, limit: int) -> int:
            raise StoreUnavailable("no room")

    async def main() -> None:
        journal, _ = journal_on(Broken())
        with pytest.raises(StoreUnavailable):
            await journal.retire(0, 1)

    asyncio.run(main())
    assert "letting go of old rows failed" in caplog.text


def test_what_is_stored_is_answered_as_stored_also_when_it_could_not_be_pushed() -> None:
    class Broken(LocalRelay):
        def publish(self, committed: Committed) -> None:
            raise RuntimeError("a defect")

    async def main() -> None:
        store = MemoryStore()
        journal = Journal(store, Broken(), lambda: 1000)
        heard: list[str] = []
        journal.on_earlier_deadlines(lambda states: heard.extend(state.id for state in states))
        (outcome,) = await journal.submit([opening(0)])
        assert isinstance(outcome, Notification)
        assert heard == ["t0"]
        assert (journal.commits, journal.failed) == (1, 0)
        assert (await journal.purge()).removed == 1

    asyncio.run(main())
