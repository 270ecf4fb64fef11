"""The promises of athena.store.base.Store, kept by every engine."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec import structs
from tests.store.conftest import Run, deadlines

from athena.domain.model import (
    AnyCommand,
    ArchiveOne,
    BulkEdit,
    BulkOpen,
    Command,
    Edit,
    Expire,
    Notice,
    Notification,
    Open,
)
from athena.errors import TransactionFinished, UnknownTransaction
from athena.store.base import Query, SortKey, Store


def opening(tx_id: str, **members: Any) -> Command:
    return Command(tx_id, Open(description=f"about {tx_id}", **members))


def editing(tx_id: str, status: Any = "pending", **members: Any) -> Command:
    return Command(tx_id, Edit(status=status, **members))


def ids(rows: list[Notification]) -> list[str]:
    return [row.id for row in rows]


def test_a_new_history_is_at_position_zero(run: Run) -> None:
    async def scenario(store: Store) -> None:
        position = await store.position()
        assert position.seq == 0
        assert position.epoch
        page = await store.page(Query())
        assert page == ([], False, position, 0, 0)
        assert await store.get("a") is None
        assert await store.changed_since(0, 10) == ([], position, 0)
        assert await store.deadlines(10) == []

    run(scenario)


def test_a_probe_changes_nothing_that_anybody_sees(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a")], 1000)
        before = await store.page(Query()), await store.changed_since(0, 10)
        await store.probe()
        assert (await store.page(Query()), await store.changed_since(0, 10)) == before

    run(scenario)


def test_visible_changes_get_gapless_seqs_in_order_and_nothing_else_does(run: Run) -> None:
    async def scenario(store: Store) -> None:
        written = await store.write(
            [
                opening("a"),
                opening("a"),  # the same again
                editing("a"),  # a heartbeat
                editing("x"),  # unknown
                editing("a", athena_msg="m"),
                Command("n", Notice(status="success", message="m")),
                Command("a", Expire()),  # not due
            ],
            1000,
        )
        assert [(row.id, row.seq) for row in written.changes] == [("a", 1), ("a", 2), ("n", 3)]
        assert written.position.seq == 3
        seqs = [outcome.seq if isinstance(outcome, Notification) else outcome for outcome in written.outcomes]
        assert seqs[:3] == [1, 1, 1]
        assert isinstance(seqs[3], UnknownTransaction)
        assert seqs[4:] == [2, 3, None]
        assert written.outcomes[0] is written.outcomes[1] is not written.outcomes[2], "opened, so already, a heartbeat"
        assert await store.position() == written.position
        again = await store.write([opening("b")], 1000)
        assert [row.seq for row in again.changes] == [4]

    run(scenario)


def test_a_line_of_a_bulk_is_a_command_as_it_is(run: Run) -> None:
    async def scenario(store: Store) -> None:
        lines = [
            BulkOpen(id="a", description="about a"),
            BulkEdit(id="a", status="pending", on_step=1),
            BulkEdit(id="x", status="error"),
        ]
        as_lines = await store.write(cast(list[AnyCommand], lines), 1000)
        assert isinstance(as_lines.outcomes[2], UnknownTransaction)
        same = [opening("a"), editing("a", on_step=1)]
        assert [type(outcome) for outcome in (await store.write(same, 1000)).outcomes] == [Notification] * 2
        assert (await store.position()).seq == 2, "nothing was new in it"

    run(scenario)


def test_a_row_keeps_its_latest_state_and_all_its_changes(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a", total_steps=2, by="dora@x.org", component_id="c", sub_type="s")], 1000)
        await store.write([editing("a", on_step=1, athena_msg="first")], 2000)
        await store.write([editing("a")], 2500)
        await store.write([Command("a", ArchiveOne())], 2700)
        await store.write([editing("a", "success", on_step=2)], 3000)
        found = await store.get("a")
        assert found is not None
        state, changes = found
        assert (state.status, state.message, state.on_step, state.by) == ("success", "first", 2, "d**a@x.org")
        assert (state.component_id, state.sub_type, state.ts_completed, state.archived) == ("c", "s", 3000, False)
        assert [(change.ts, change.status, change.message, change.on_step) for change in changes] == [
            (1000, "pending", None, None),
            (2000, "pending", "first", 1),
            (3000, "success", "first", 2),
        ]

    run(scenario)


def test_text_comes_back_as_it_was(run: Run) -> None:
    text = "<img src=x onerror=…> \u202e'; DROP TABLE notification;-- \\ \" \n\t 🚀 \x00 %_"

    async def scenario(store: Store) -> None:
        await store.write([Command("a", Open(description=text, athena_msg=text, by=text, component_id=text))], 1)
        found = await store.get("a")
        assert found is not None
        assert (found[0].description, found[0].message, found[0].by, found[0].component_id) == (text,) * 4
        assert found[1][0].message == text
        assert (await store.page(Query())).rows == [found[0]]
        assert (await store.changed_since(0, 1))[0] == [found[0]]

    run(scenario)


def test_changed_since_gives_each_row_once_in_the_order_of_its_last_change(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a"), opening("b"), opening("c"), editing("a", athena_msg="m")], 1000)
        rows, position, _ = await store.changed_since(0, 10)
        assert [(row.id, row.seq) for row in rows] == [("b", 2), ("c", 3), ("a", 4)]
        assert position.seq == 4
        assert ids((await store.changed_since(2, 10))[0]) == ["c", "a"]
        assert ids((await store.changed_since(0, 2))[0]) == ["b", "c"]
        assert (await store.changed_since(4, 2))[0] == []

    run(scenario)


def test_archived_rows_are_left_out_unless_asked_for(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a"), opening("b"), editing("a", "success")], 1000)
        written = await store.write(
            [Command("a", ArchiveOne()), Command("a", ArchiveOne()), Command("x", ArchiveOne())], 2000
        )
        assert [(row.id, row.archived) for row in written.changes] == [("a", True)]
        page = await store.page(Query())
        assert (ids(page.rows), page.total) == (["b"], 2)
        assert ids((await store.page(Query(archived=True))).rows) == ["b", "a"]
        assert [(row.id, row.archived) for row in (await store.changed_since(0, 9))[0]] == [("b", False), ("a", True)]

    run(scenario)


def test_a_purge_removes_everything_and_begins_a_new_epoch(run: Run) -> None:
    async def scenario(store: Store) -> None:
        before = (await store.write([opening("a"), opening("b"), editing("b", "error")], 1000)).position
        removed, position, _ = await store.purge(20_000)
        assert removed == 2
        assert position.epoch != before.epoch
        assert position.seq == before.seq + 1
        assert await store.position() == position
        assert await store.page(Query(archived=True)) == ([], False, position, 0, 0)
        assert await store.get("b") is None
        assert await store.deadlines(9) == []
        written = await store.write([editing("a", athena_msg="m"), opening("b")], 2000)
        assert isinstance(written.outcomes[0], UnknownTransaction)
        assert [row.seq for row in written.changes] == [position.seq + 1]

    run(scenario)


def test_deadlines_are_those_of_active_transactions(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a", timeout_ms=300), opening("b", timeout_ms=100), opening("c")], 1000)
        await store.write([Command("n", Notice(status="success", message="m")), editing("c", "success")], 1000)
        assert await store.deadlines(10) == [("b", 1100, 1100), ("a", 1300, 1300)]
        assert await store.deadlines(1) == [("b", 1100, 1100)]
        assert await store.due(1099, 9) == []
        await store.write([editing("b")], 1250)
        assert await deadlines(store) == {"a": 1300, "b": 1350}
        assert await store.due(1299, 9) == []
        assert await store.due(1300, 9) == ["a"]
        assert sorted(await store.due(1350, 9)) == ["a", "b"]
        assert await store.due(1350, 1) in (["a"], ["b"])
        await store.write([Command("a", Expire()), Command("b", Expire())], 1320)
        assert await deadlines(store) == {"b": 1350}

    run(scenario)


def test_an_earlier_deadline_is_looked_at_in_time(run: Run) -> None:
    """A shorter timeout, by a change, a heartbeat, an edit after a longer one in the same commit, and one by one."""

    async def scenario(store: Store) -> None:
        await store.write([opening(tx_id, timeout_ms=9000) for tx_id in "abcd"], 1000)
        await store.write([editing("a", timeout_ms=100, athena_msg="m"), editing("b", timeout_ms=100)], 1100)
        await store.write([editing("c", timeout_ms=99_000), editing("c", timeout_ms=100)], 1100)
        for timeout in (8000, 100):
            await store.write([editing("d", "undoing", timeout_ms=timeout)], 1100)
        assert await deadlines(store) == dict.fromkeys("abcd", 1200)

    run(scenario)


def test_a_clock_that_was_put_back_makes_nobody_look_late(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a", timeout_ms=1000), opening("b", timeout_ms=1000)], 100_000)
        await store.write([editing("a"), editing("b", athena_msg="m")], 50_000)
        assert await deadlines(store) == {"a": 51_000, "b": 51_000}

    run(scenario)


def test_what_was_looked_at_too_early_is_looked_at_at_its_deadline(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening(f"t{number}", timeout_ms=100 + number) for number in range(9)], 1000)
        await store.write([editing(f"t{number}") for number in range(5)], 1050)
        position, left = await store.position(), await deadlines(store)
        postponed = 0
        while some := await store.postpone(1103, 3):
            assert some <= 3
            postponed += some
        found = await store.deadlines(99)
        assert all(one.look_at == one.deadline for one in found if one.look_at <= 1103)
        assert postponed in (0, 4)  # an engine that uses only deadlines postpones none
        assert (await store.position(), await deadlines(store)) == (position, left)

    run(scenario)


def test_a_refused_command_hinders_none_of_the_others(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a"), editing("a", "success")], 1000)
        written = await store.write([editing("a", "error"), opening("b"), editing("a", "error")], 2000)
        assert [type(outcome) for outcome in written.outcomes] == [
            TransactionFinished,
            Notification,
            TransactionFinished,
        ]
        assert ids(written.changes) == ["b"]

    run(scenario)


# ---- pages -----------------------------------------------------------------------------------------------------------
async def fill(store: Store, count: int, seed: int, step: int = 1) -> None:
    """Random rows, many with the same ts_display, in every status; moments are `step` ms apart."""
    rng = random.Random(seed)
    for number in range(count):
        now = 1000 + rng.randrange(count // 4 + 1) * step
        name = f"t{rng.randrange(10**6)}-{number}"
        if rng.random() < 0.2:
            await store.write([Command(name, Notice(status="error", message=f"notice {name}", ts_display=now))], now)
            continue
        members = {"component_id": rng.choice(["c1", "c2", None]), "sub_type": rng.choice(["template", None])}
        await store.write([opening(name, by=rng.choice(["dora@x.org", None]), **members)], now)
        status = rng.choice(["pending", "undoing", "success", "error"])
        await store.write([editing(name, status, athena_msg=rng.choice(["50% done", "a_b", "AB"]))], now + 1)
        if rng.random() < 0.1:
            await store.write([Command(name, ArchiveOne())], now + 2)


def place(row: Notification) -> tuple[bool, int, str]:
    return (not row.active, -row.ts_display, row.id)


def test_pages_by_skip_and_by_place_tell_the_same_in_the_documented_order(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await fill(store, 60, seed=5)
        everything = (await store.page(Query(limit=1000))).rows
        assert everything == sorted(everything, key=place)
        assert len({row.status for row in everything}) == 4
        for limit in (1, 7, 60):
            by_skip: list[Notification] = []
            by_place: list[Notification] = []
            more = True
            while more:
                page = await store.page(Query(limit=limit, skip=len(by_skip)))
                by_skip += page.rows
                last = by_place[-1] if by_place else None
                after = None if last is None else SortKey(not last.active, last.ts_display, last.id)
                by_place += (await store.page(Query(limit=limit, after=after))).rows
                more = page.more
            assert by_skip == by_place == everything

    run(scenario)


@pytest.mark.parametrize("step", [1, 20_000, 1_500_000], ids=["a minute", "minutes", "hours"])
@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(archived=True),
        Query(type=("webhook_tx",), archived=True),
        Query(type=("notification",)),
        Query(type=("notification", "webhook_tx"), status=("pending", "success", "error")),
        Query(component_id="c1", status=("error",)),
        Query(by="d**a@x.org", archived=True),
        Query(from_ts=200_000),
    ],
    ids=str,
)
def test_any_skip_begins_where_the_rows_before_it_end(run: Run, query: Query, step: int) -> None:
    async def scenario(store: Store) -> None:
        await fill(store, 60, seed=8, step=step)
        everything = (await store.page(structs.replace(query, limit=1000))).rows
        for skip in range(len(everything) + 2):
            page = await store.page(structs.replace(query, limit=3, skip=skip))
            assert page.rows == everything[skip : skip + 3], skip
            assert page.more == (skip + 3 < len(everything))

    run(scenario)


def test_paging_by_place_does_not_shift_when_new_rows_arrive(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await fill(store, 30, seed=6)
        everything = ids((await store.page(Query(limit=1000))).rows)
        first = (await store.page(Query(limit=10))).rows
        await store.write([opening("brand-new")], 10**6)
        last = first[-1]
        after = SortKey(not last.active, last.ts_display, last.id)
        assert ids(first) + ids((await store.page(Query(limit=1000, after=after))).rows) == everything

    run(scenario)


@pytest.mark.parametrize(
    ("query", "keep"),
    [
        (Query(component_id="c1"), lambda row: row.component_id == "c1"),
        (Query(status=("pending", "error")), lambda row: row.status in ("pending", "error")),
        (Query(type=("notification",)), lambda row: row.type == "notification"),
        (Query(sub_type="template"), lambda row: row.sub_type == "template"),
        (Query(by="d**a@x.org"), lambda row: row.by == "d**a@x.org"),
        (Query(from_ts=1005), lambda row: row.ts_display >= 1005),
        (Query(to_ts=1005), lambda row: row.ts_display <= 1005),
        (Query(search="50%"), lambda row: row.message == "50% done"),
        (Query(search="A_B"), lambda row: row.message == "a_b"),
        (Query(search="about T"), lambda row: row.type == "webhook_tx"),
        (Query(search="' OR 1=1--"), lambda row: False),
        (Query(search="\\"), lambda row: False),
        (
            Query(status=("error",), type=("webhook_tx",), search="A_b"),
            lambda row: row.status == "error" and row.type == "webhook_tx" and row.message == "a_b",
        ),
    ],
)
def test_filters(run: Run, query: Query, keep: Callable[[Notification], bool]) -> None:
    async def scenario(store: Store) -> None:
        await fill(store, 60, seed=7)
        everything = await store.page(Query(limit=1000))
        found = await store.page(query)
        assert found.rows == [row for row in everything.rows if keep(row)]
        assert (found.total, found.total_transactions) == (everything.total, everything.total_transactions)
        assert everything.total == 60

    run(scenario)


# ---- letting go ------------------------------------------------------------------------------------------------------
def test_what_is_old_and_over_is_let_go_a_few_at_a_time(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await fill(store, 60, seed=9, step=20_000)
        everything = (await store.page(Query(limit=1000, archived=True))).rows
        before = sorted(row.ts_display for row in everything)[40]
        old = [row for row in everything if not row.active and row.ts_display < before]
        left = [row for row in everything if row not in old]
        assert any(row.active and row.ts_display < before for row in left), "the seed should make one"
        removed = []
        while (count := await store.retire(before, 7)) > 0:
            removed.append(count)
        assert sum(removed) == len(old) > 7
        assert (await store.changed_since(0, 10)).retired == max(row.seq for row in old)
        assert max(removed) == 7
        for query in (Query(limit=1000, archived=True), Query(limit=1000, archived=True, search="t")):
            page = await store.page(query)
            assert page.rows == [row for row in left if query.search is None or "t" in row.text + row.id]
            assert page.total == len(left)
            assert page.total_transactions == sum(row.type == "webhook_tx" for row in left)
        for skip in range(len(left)):
            assert (await store.page(Query(archived=True, skip=skip, limit=1))).rows == left[skip : skip + 1]
        assert await store.get(old[0].id) is None
        for row in left:
            found = await store.get(row.id)
            assert found is not None
            assert len(found[1]) > 0 or row.type == "notification"

    run(scenario)


def test_an_id_that_was_let_go_is_free_again(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.write([opening("a"), editing("a", "success")], 1000)
        assert await store.retire(1001, 10) == 1
        written = await store.write([opening("a")], 2000)
        assert isinstance(written.outcomes[0], Notification)
        found = await store.get("a")
        assert found is not None
        assert len(found[1]) == 1

    run(scenario)
