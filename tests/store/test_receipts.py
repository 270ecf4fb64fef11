"""Requests with a key: carried out once, the same response each time. For every engine; SQLite's own tests are at the
end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.store.conftest import Run

from athena.domain.model import Command, Edit, Notice, Notification, Open
from athena.errors import (
    Conflict,
    IdempotencyKeyReused,
    NotFound,
    StoreUnavailable,
    TransactionFinished,
    UnknownTransaction,
)
from athena.store.base import RECEIPT_MS, Answer, IdempotencyKey, KeyedRequest, Outcome, Query, Store
from athena.store.sqlite import SLICE, SqliteStore
from athena.store.sqlite_receipts import FORGOTTEN_AT_ONCE

NOW = 1_000_000


def key(name: str, request: str = "the first request") -> IdempotencyKey:
    return IdempotencyKey(name.encode().ljust(16), request.encode()[:16])


def shown(outcomes: Sequence[Outcome]) -> bytes:
    """A response that says what was done, as those over HTTP do."""
    ids = []
    for outcome in outcomes:
        if isinstance(outcome, Conflict | NotFound):
            raise outcome
        ids.append("nothing" if outcome is None else outcome.id)
    return " ".join(ids).encode()


def posting(key: IdempotencyKey, *ids: str) -> KeyedRequest[list[Outcome]]:
    return KeyedRequest(key, shown, [Command(id_, Notice(status="success", message="m")) for id_ in ids])


async def ids(store: Store) -> list[str]:
    return sorted(row.id for row in (await store.page(Query(limit=1000, archived=True))).rows)


def test_a_write_that_raises_leaves_nothing(run: Run) -> None:
    async def scenario(store: Store) -> None:
        def fail(outcomes: Sequence[Outcome]) -> bytes:
            raise RuntimeError("a defect")

        opening = Command("t", Open(description="d"))
        before = await store.position()
        with pytest.raises(RuntimeError):
            await store.write([opening, KeyedRequest(key("k"), fail, [Command("u", Open(description="d"))])], NOW)
        assert await ids(store) == []
        assert await store.position() == before
        written = await store.write([opening], NOW)
        assert [row.seq for row in written.changes] == [before.seq + 1]

    run(scenario)


def test_what_has_a_key_and_what_has_none_is_done_in_order(run: Run) -> None:
    """They may be in one commit, each building on the previous ones."""

    async def scenario(store: Store) -> None:
        opening, editing = Command("t", Open(description="d")), Command("t", Edit(status="pending", on_step=1))
        ending: KeyedRequest[list[Outcome]] = KeyedRequest(key("k"), shown, [Command("t", Edit(status="success"))])
        written = await store.write([opening, editing, ending, editing, posting(key("n"), "a")], NOW)
        assert [(row.id, row.status, row.on_step) for row in written.changes] == [
            ("t", "pending", None),
            ("t", "pending", 1),
            ("t", "success", 1),
            ("a", "success", None),
        ]
        assert written.outcomes[2] == Answer(b"t", replayed=False)
        assert isinstance(written.outcomes[3], TransactionFinished)
        assert written.outcomes[4] == Answer(b"a", replayed=False)

    run(scenario)


def test_the_same_request_is_done_once_and_told_the_same(run: Run) -> None:
    async def scenario(store: Store) -> None:
        first = await store.write([posting(key("k"), "a", "b"), Command("t", Open(description="d"))], NOW)
        assert first.outcomes[0] == Answer(b"a b", replayed=False)
        assert isinstance(first.outcomes[1], Notification)
        assert [row.id for row in first.changes] == ["a", "b", "t"]
        assert sorted(row.id for row in first.earlier_deadlines) == ["a", "b", "t"]
        for later in (0, 1, RECEIPT_MS - 1):
            again = await store.write([posting(key("k"), "c", "d")], NOW + later)
            assert again.outcomes == [Answer(b"a b", replayed=True)]
            assert (again.changes, again.earlier_deadlines, again.position) == ([], [], first.position)
        assert await ids(store) == ["a", "b", "t"]

    run(scenario)


def test_in_one_commit_too_the_second_gets_the_answer_of_the_first(run: Run) -> None:
    async def scenario(store: Store) -> None:
        written = await store.write([posting(key("k"), f"a{number}") for number in range(20)], NOW)
        assert written.outcomes == [Answer(b"a0", replayed=False)] + [Answer(b"a0", replayed=True)] * 19
        assert await ids(store) == ["a0"]

    run(scenario)


def test_another_request_with_the_key_is_refused_and_another_key_is_another_request(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([posting(key("k"), "a")], NOW)
        written = await store.write([posting(key("k", "another"), "b"), posting(key("l"), "c")], NOW)
        assert isinstance(written.outcomes[0], IdempotencyKeyReused)
        assert written.outcomes[1] == Answer(b"c", replayed=False)
        both = await store.write([posting(key("m"), "d"), posting(key("m", "another"), "e")], NOW)
        assert isinstance(both.outcomes[1], IdempotencyKeyReused)
        assert await ids(store) == ["a", "c", "d"]

    run(scenario)


def test_what_was_refused_is_decided_anew(run: Run) -> None:
    async def scenario(store: Store) -> None:
        editing: KeyedRequest[list[Outcome]] = KeyedRequest(key("k"), shown, [Command("t", Edit(status="success"))])
        refused = await store.write([editing], NOW)
        assert isinstance(refused.outcomes[0], UnknownTransaction)
        assert refused.position.seq == 0
        written = await store.write([Command("t", Open(description="d")), editing, editing], NOW)
        assert written.outcomes[1:] == [Answer(b"t", replayed=False), Answer(b"t", replayed=True)]
        assert [row.status for row in written.changes] == ["pending", "success"]

    run(scenario)


def test_after_a_day_it_is_a_new_request_whether_or_not_anybody_tidied_up(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([posting(key("k"), "a"), posting(key("l"), "b")], NOW)
        late = NOW + RECEIPT_MS
        written = await store.write([posting(key("k", "another"), "c")], late)
        assert written.outcomes == [Answer(b"c", replayed=False)]
        assert not await store.maintain(late)
        written = await store.write([posting(key("k", "another"), "d"), posting(key("l"), "e")], late)
        assert written.outcomes == [Answer(b"c", replayed=True), Answer(b"e", replayed=False)]

    run(scenario)


def test_a_purge_leaves_receipts_so_that_nothing_comes_back(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([posting(key("k"), "a")], NOW)
        await store.purge(NOW)
        written = await store.write([posting(key("k"), "b")], NOW)
        assert written.outcomes == [Answer(b"a", replayed=True)]
        assert await ids(store) == []

    run(scenario)


def test_a_purge_with_a_key_deletes_once(run: Run) -> None:
    async def scenario(store: Store) -> None:
        def once(name: str, request: str = "purge") -> KeyedRequest[int]:
            return KeyedRequest(key(name, request), lambda removed: f"deleted {removed}".encode())

        await store.write([posting(key("k"), "a", "b")], NOW)
        first = await store.purge(NOW, once("p"))
        assert (first.removed, first.outcome, first.done) == (2, Answer(b"deleted 2", replayed=False), True)
        await store.write([Command("c", Open(description="d"))], NOW)
        position = await store.position()
        again = await store.purge(NOW + 1, once("p"))
        assert (again.outcome, again.position, again.done) == (Answer(b"deleted 2", replayed=True), position, False)
        reused = await store.purge(NOW + 1, once("p", "another"))
        assert isinstance(reused.outcome, IdempotencyKeyReused)
        assert not reused.done
        taken = await store.purge(NOW + 1, once("k"))
        assert isinstance(taken.outcome, IdempotencyKeyReused)
        assert await ids(store) == ["c"]
        assert (await store.purge(NOW + RECEIPT_MS, once("p"))).outcome == Answer(b"deleted 1", replayed=False)

    run(scenario)


# ---- SQLite ----------------------------------------------------------------------------------------------------------
def count(store: SqliteStore) -> int:
    return int(store._writer.execute("SELECT count(*) FROM receipt").get)


def test_receipts_are_there_after_opening_again(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.write([posting(key("k"), "a")], NOW)
        await store.close()
        store = SqliteStore(tmp_path)
        assert (await store.write([posting(key("k"), "b")], NOW)).outcomes == [Answer(b"a", replayed=True)]
        assert await ids(store) == ["a"]
        await store.close()

    asyncio.run(main())


def test_a_failed_commit_leaves_neither_the_change_nor_the_receipt(tmp_path: Path) -> None:
    """A SQLite hook makes a real commit fail; no part of Athena is replaced."""

    async def main() -> None:
        store = SqliteStore(tmp_path)
        store._writer.set_commit_hook(lambda: True)
        with pytest.raises(StoreUnavailable):
            await store.write([posting(key("k"), "a")], NOW)
        store._writer.set_commit_hook(None)
        assert (await ids(store), count(store)) == ([], 0)
        assert (await store.write([posting(key("k"), "b")], NOW)).outcomes == [Answer(b"b", replayed=False)]
        assert (await ids(store), count(store)) == (["b"], 1)
        await store.close()

    asyncio.run(main())


def test_old_receipts_are_forgotten_a_few_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.write([posting(key(f"old {number}")) for number in range(2 * FORGOTTEN_AT_ONCE)], NOW)
        await store.write([posting(key("new"))], NOW + 1)
        assert not await store.maintain(NOW + RECEIPT_MS - 1)
        assert count(store) == 2 * FORGOTTEN_AT_ONCE + 1
        left = []
        while await store.maintain(NOW + RECEIPT_MS):
            left.append(count(store))
        assert left == [FORGOTTEN_AT_ONCE + 1, 1]
        assert count(store) == 1
        await store.close()

    asyncio.run(main())


def test_a_large_request_lets_others_have_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("athena.time_slice.TURN_SECONDS", 0.0)

    async def main() -> None:
        store = SqliteStore(tmp_path)
        commands = [Command(f"t{number}", Open(description="d")) for number in range(10 * SLICE)]
        turns = 0

        def answer(outcomes: list[Outcome]) -> bytes:
            return f"{turns} turns before it was decided".encode()

        writing = asyncio.ensure_future(store.write([KeyedRequest(key("k"), answer, commands)], NOW))
        while not writing.done():
            await asyncio.sleep(0)
            turns += 1
        told = writing.result().outcomes[0]
        assert isinstance(told, Answer)
        assert int(told.body.split()[0]) >= 9
        await store.close()

    asyncio.run(main())
