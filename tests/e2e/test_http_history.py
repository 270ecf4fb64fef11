"""The history over HTTP (docs/api.md): order, filters, paging, notices, archive, purge."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.e2e.calls import (
    ARCHIVE,
    BULK,
    NOTIFICATIONS,
    PURGE,
    call,
    check_error,
    edit,
    history,
    new_id,
    ok,
    open_tx,
    pages,
    position,
)
from tests.e2e.expect import is_time
from tests.e2e.subscribers import PythonSubscriber
from tests.support.server import Athena

T = 1_700_000_000_000
"""A time (ms) long before the tests run."""


def notice(athena: Athena, **members: Any) -> str:
    notice_id: str = ok(athena, "POST", NOTIFICATIONS, {"status": "success", "message": "m", **members})["id"]
    return notice_id


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def found(athena: Athena, **query: Any) -> list[str]:
    """The ids that a query finds, in order."""
    return ids(history(athena, f"&{urlencode(query)}"))


# ---- one page --------------------------------------------------------------------------------------------------------
def test_a_page_of_the_history(fresh: Athena) -> None:
    assert ok(fresh, "GET", NOTIFICATIONS) == {
        "total": 0, "returning": 0, "notifications": [], "cursor": position(fresh), "next": None,
    }  # fmt: skip
    tx_id = open_tx(fresh, description="d", total_steps=2, component_id="c", by="dolorosa@us.ibm.com")
    got = ok(fresh, "GET", NOTIFICATIONS)
    assert got.keys() == {"total", "returning", "notifications", "cursor", "next"}
    assert (got["total"], got["returning"], got["next"]) == (1, 1, None)
    (row,) = got["notifications"]
    started = row.pop("ts_started")
    assert is_time(started)
    assert row.pop("ts_display") == started
    assert row.pop("description", "d") == "d"
    assert row.pop("sub_type", None) is None
    assert row == {
        "id": tx_id,
        "type": "webhook_tx",
        "status": "pending",
        "message": "d",
        "by": "d******a@us.ibm.com",
        "total_steps": 2,
        "timeout_ms": 180_000,
        "component_id": "c",
    }


def test_a_row_says_the_same_as_the_pushed_message(fresh: Athena) -> None:
    with PythonSubscriber(fresh) as subscriber:
        tx_id = open_tx(fresh, sub_type="template", on_step=0, total_steps=2, by="someone")
        edit(fresh, tx_id, on_step=1, athena_msg="m")
        edit(fresh, tx_id, "error")
        *_, message = [subscriber.receive() for _ in range(3)]
    page = ok(fresh, "GET", NOTIFICATIONS)
    assert page["cursor"] == message.pop("cursor")
    (row,) = page["notifications"]
    assert {name: row[name] for name in message} == message


def test_a_notice_keeps_what_it_carries(fresh: Athena) -> None:
    carried = {
        "status": "error", "message": "it failed", "ts_display": T, "by": "someone", "component_id": "c",
        "component_type": "ca", "component_display_name": "My CA", "api": "/x", "code": 503, "elapsed_ms": 17,
        "action_verb": "restart",
    }  # fmt: skip
    answer = call(fresh, "POST", NOTIFICATIONS, carried)
    assert answer.status in (200, 201)
    assert answer.body == {"message": "ok", "id": answer.body["id"]}
    (row,) = history(fresh)
    assert row == {**carried, "id": answer.body["id"], "type": "notification"}


@pytest.mark.parametrize("status", ["pending", "undoing", "", "SUCCESS", None, 1])
def test_a_notice_is_a_success_or_an_error(status: object, shared: Athena) -> None:
    check_error(call(shared, "POST", NOTIFICATIONS, {"status": status, "message": "m"}), 400, field="status")


# ---- order -----------------------------------------------------------------------------------------------------------
def expected_order(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Active ones first, by start, newest first; then the others by display time, newest first."""
    active = ("pending", "undoing")
    return [
        (row["status"] not in active, -(row["ts_started"] if row["status"] in active else row["ts_display"]))
        for row in rows
    ]


def test_active_first_then_newest_first(fresh: Athena) -> None:
    transactions = [open_tx(fresh, new_id()) for _ in range(8)]
    old, older = notice(fresh, ts_display=T), notice(fresh, ts_display=T - 1)
    for tx_id in (transactions[6], transactions[1], transactions[4]):
        edit(fresh, tx_id, "success")
    edit(fresh, transactions[2], "undoing")
    rows = history(fresh)
    assert expected_order(rows) == sorted(expected_order(rows))
    assert set(ids(rows)[:5]) == {transactions[i] for i in (0, 2, 3, 5, 7)}
    assert ids(rows)[-2:] == [old, older]


def test_ties_are_ordered_by_id(fresh: Athena) -> None:
    notices = [notice(fresh, ts_display=T) for _ in range(30)]
    listed = ids(history(fresh, limit=7))
    assert sorted(notices) in (listed, listed[::-1])


# ---- paging ----------------------------------------------------------------------------------------------------------
def fill(athena: Athena, dice: random.Random, count: int) -> None:
    """`count` transactions in all statuses, and some notices with equal times."""
    transactions = [new_id() for _ in range(count)]
    ok(athena, "POST", BULK, [{"op": "open", "tx_id": tx_id, "description": "d"} for tx_id in transactions])
    edits = [
        {
            "op": "edit",
            "tx_id": tx_id,
            "status": dice.choice(("pending", "undoing", "success", "error")),
            "athena_msg": "m",
        }
        for tx_id in dice.sample(transactions, count)
    ]
    for start in range(0, count, 50):
        ok(athena, "POST", BULK, edits[start : start + 50])
    for _ in range(20):
        notice(athena, ts_display=T + dice.randint(0, 3))


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
def test_next_and_skip_page_through_the_same_rows(limit: int, fresh: Athena, dice: random.Random) -> None:
    fill(fresh, dice, 130)
    whole = ok(fresh, "GET", f"{NOTIFICATIONS}?limit=1000")
    assert (whole["total"], whole["returning"], whole["next"]) == (150, 150, None)
    rows = whole["notifications"]
    by_next = list(pages(fresh, limit=limit))
    assert [row for page in by_next for row in page["notifications"]] == rows
    assert all(page["total"] == 150 and page["returning"] == len(page["notifications"]) <= limit for page in by_next)
    by_skip = [
        row
        for skip in range(0, 160, limit)
        for row in ok(fresh, "GET", f"{NOTIFICATIONS}?limit={limit}&skip={skip}")["notifications"]
    ]
    assert by_skip == rows
    assert ok(fresh, "GET", f"{NOTIFICATIONS}?skip=150")["notifications"] == []


def test_the_default_limit_is_100(fresh: Athena, dice: random.Random) -> None:
    fill(fresh, dice, 130)
    got = ok(fresh, "GET", NOTIFICATIONS)
    assert (got["returning"], len(got["notifications"]), got["total"]) == (100, 100, 150)
    assert got["next"]


def test_paging_on_does_not_shift_when_new_rows_arrive(fresh: Athena, dice: random.Random) -> None:
    fill(fresh, dice, 130)
    before = ids(history(fresh))
    walk = pages(fresh, limit=10)
    listed = ids(next(walk)["notifications"])
    for page in walk:
        open_tx(fresh)
        edit(fresh, open_tx(fresh), "success")
        notice(fresh)
        listed += ids(page["notifications"])
    assert len(listed) == len(set(listed)), "a row came twice"
    assert [row for row in listed if row in set(before)] == before


def test_next_keeps_the_filters(fresh: Athena, dice: random.Random) -> None:
    fill(fresh, dice, 130)
    everything = history(fresh)
    for status in ("pending", "undoing", "success", "error"):
        expected = [row for row in everything if row["status"] == status]
        assert history(fresh, f"&status={status}", limit=9) == expected


@pytest.mark.parametrize("query", ["next=garbage", "next=%00", "next=" + "A" * 5000, "next="])
def test_a_next_that_is_none_of_ours_is_refused(query: str, shared: Athena) -> None:
    answer = call(shared, "GET", f"{NOTIFICATIONS}?{query}")
    if query != "next=" or answer.status != 200:
        check_error(answer, 400, field="next")


# ---- filters ---------------------------------------------------------------------------------------------------------
def test_filters(fresh: Athena) -> None:
    tx = open_tx(fresh, description="Grow the Forest", component_id="c1", by="dolorosa@us.ibm.com", sub_type="template")
    undo = open_tx(fresh, description="cut 100% of it", sub_type="other")
    edit(fresh, undo, "undoing", athena_msg="under_score")
    done = open_tx(fresh, description="100 apples", component_id="c2")
    edit(fresh, done, "success")
    old = notice(fresh, status="error", message="underXscore", ts_display=T, component_id="c1", by="ops")
    assert set(found(fresh)) == {tx, undo, done, old}
    expected: list[tuple[dict[str, Any], set[str]]] = [
        ({"component_id": "c1"}, {tx, old}),
        ({"component_id": "c"}, set()),
        ({"status": "pending"}, {tx}),
        ({"status": "undoing"}, {undo}),
        ({"status": "success"}, {done}),
        ({"status": "error"}, {old}),
        ({"type": "webhook_tx"}, {tx, undo, done}),
        ({"type": "notification"}, {old}),
        ({"sub_type": "template"}, {tx}),
        ({"sub_type": "other"}, {undo}),
        ({"by": "ops"}, {old}),
        ({"by": "d******a@us.ibm.com"}, {tx}),
        ({"by": "-"}, {undo, done}),
        ({"search": "forest"}, {tx}),
        ({"search": "100%"}, {undo}),
        ({"search": "r_s"}, {undo}),
        ({"search": "100 a"}, {done}),
        ({"search": "'; drop table notifications; --"}, set()),
        ({"from": T, "to": T}, {old}),
        ({"from": T - 5, "to": T - 1}, set()),
        ({"to": T + 1}, {old}),
        ({"from": T + 1}, {tx, undo, done}),
        ({"component_id": "c1", "type": "webhook_tx"}, {tx}),
        ({"component_id": "c1", "status": "success"}, set()),
    ]
    for query, wanted in expected:
        assert set(found(fresh, **query)) == wanted, query
        page = ok(fresh, "GET", f"{NOTIFICATIONS}?{urlencode(query)}")
        assert (page["total"], page["returning"]) == (4, len(wanted)), query


def test_search_looks_at_what_people_read(fresh: Athena) -> None:
    tx_id = open_tx(fresh, description="Überweisung nach Zürich", athena_msg="first")
    edit(fresh, tx_id, athena_msg="last words")
    other = open_tx(fresh, description="something else")
    assert found(fresh, search="last words") == [tx_id]
    assert found(fresh, search="Zürich") == [tx_id]
    assert found(fresh, search="Überweisung nach Zürich: last") == [tx_id]
    assert found(fresh, search="something") == [other]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=1000000000", "limit"),
        ("limit=1001", "limit"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=%D9%A3", "limit"),
        ("skip=-1", "skip"),
        ("skip=x", "skip"),
        ("skip=1e3", "skip"),
        ("skip=" + "9" * 30, "skip"),
        ("status=finished", "status"),
        ("type=webhook", "type"),
        ("from=yesterday", "from"),
        ("to=1.5", "to"),
        ("from=-1", "from"),
        ("archived=maybe", "archived"),
    ],
)
def test_parameters_out_of_range_are_refused(query: str, field: str, shared: Athena) -> None:
    answer = call(shared, "GET", f"{NOTIFICATIONS}?{query}")
    check_error(answer, 400, field=field)
    assert answer.body["field"] == field
    if field in ("limit", "skip"):
        check_error(call(shared, "GET", f"/api/v3/webhooks?{query}"), 400, field=field)


# ---- archive and purge -----------------------------------------------------------------------------------------------
def test_archived_rows_are_left_out_unless_asked_for(fresh: Athena) -> None:
    kept, *gone = [notice(fresh) for _ in range(4)]
    assert ok(fresh, "POST", ARCHIVE, {"notification_ids": gone}) == {
        "message": "ok", "details": "archived 3 notification(s)",
    }  # fmt: skip
    assert found(fresh) == [kept]
    assert set(found(fresh, archived="true")) >= set(gone)
    assert found(fresh, archived="false") == [kept]
    now = position(fresh)
    again = ok(fresh, "POST", ARCHIVE, {"notification_ids": gone})
    assert again["message"] == "ok"
    assert position(fresh) == now, "archiving again changed something"


def test_archiving_a_transaction_leaves_it_readable(fresh: Athena) -> None:
    tx_id = open_tx(fresh)
    edit(fresh, tx_id, "success")
    ok(fresh, "POST", ARCHIVE, {"notification_ids": [tx_id]})
    assert ok(fresh, "GET", f"/api/v3/webhooks/txs/{tx_id}")["status"] == "success"
    assert call(fresh, "PUT", f"/api/v3/webhooks/txs/{tx_id}", {"status": "success"}).status == 200
    check_error(call(fresh, "PUT", f"/api/v3/webhooks/txs/{tx_id}", {"status": "error"}), 409, "transaction_finished")
    assert found(fresh) == []


@pytest.mark.parametrize(
    "body", [{}, {"notification_ids": "x"}, {"notification_ids": [1]}, {"notification_ids": ["a/b"]}, {"ids": []}, []]
)
def test_an_archive_of_nonsense_is_refused(body: Any, shared: Athena) -> None:
    check_error(call(shared, "POST", ARCHIVE, body), 400)


def test_purge_deletes_everything_and_says_how_much(athena: Athena) -> None:
    tx_id = open_tx(athena)
    for _ in range(100):
        notice(athena)
    ok(athena, "POST", ARCHIVE, {"notification_ids": [notice(athena)]})
    before = position(athena)
    details = ok(athena, "DELETE", PURGE)
    assert details == {"message": "ok", "details": "deleted 102 notification(s)"}
    assert history(athena, "&archived=true") == []
    check_error(call(athena, "GET", f"/api/v3/webhooks/txs/{tx_id}"), 404, "unknown_transaction")
    assert position(athena).rpartition(".")[0] != before.rpartition(".")[0]
    assert open_tx(athena, tx_id) == tx_id  # the id is free again
    athena.restart()
    assert found(athena) == [tx_id]
    assert ok(athena, "DELETE", PURGE)["details"] == "deleted 1 notification(s)"


def test_the_unmasked_address_is_nowhere(athena: Athena) -> None:
    """Not in a response, not in a file, not in the log."""
    secret = "dolorosa"
    tx_id = open_tx(athena, by=f"{secret}@us.ibm.com")
    edit(athena, tx_id, athena_msg="m")
    notice(athena, by=f"{secret}@us.ibm.com")
    found(athena, by=f"{secret}@us.ibm.com")
    for short, masked in (("abc", "a**"), ("ab", "**"), ("a", "*")):
        assert (
            ok(athena, "POST", "/api/v3/webhooks/txs", {"description": "d", "by": f"{short}@x.org"})["by"]
            == f"{masked}@x.org"
        )
    assert all(row["by"] in ("d******a@us.ibm.com", "a**@x.org", "**@x.org", "*@x.org") for row in history(athena))
    athena.stop()
    assert secret not in athena.log()
    for file in athena.data.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


def test_next_works_across_a_restart(athena: Athena, dice: random.Random) -> None:
    fill(athena, dice, 60)
    rows = history(athena)
    first = ok(athena, "GET", f"{NOTIFICATIONS}?limit=30")
    athena.restart()
    second = ok(athena, "GET", f"{NOTIFICATIONS}?limit=1000&next={quote(first['next'], safe='')}")
    assert first["notifications"] + second["notifications"] == rows
