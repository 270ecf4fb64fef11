"""Transactions over HTTP (docs/api.md): opening, editing, the lifecycle, bulk, reading."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.calls import (
    BULK,
    NDJSON,
    PREFIXES,
    PURGE,
    TXS,
    Answer,
    call,
    check_error,
    edit,
    history,
    new_id,
    now_ms,
    ok,
    open_tx,
    position,
)
from tests.e2e.expect import check_gapless, is_time, seq_of, tx_path
from tests.e2e.subscribers import PythonSubscriber
from tests.support.server import Athena

WEBHOOKS = "/api/v3/webhooks"


def put(athena: Athena, tx_id: str, status: str, **members: Any) -> Answer:
    return call(athena, "PUT", tx_path(tx_id), {"status": status, **members})


def state(athena: Athena, tx_id: str) -> dict[str, Any]:
    transaction: dict[str, Any] = ok(athena, "GET", tx_path(tx_id))
    return transaction


# ---- open ------------------------------------------------------------------------------------------------------------
def test_open_answers_201_with_the_transaction(shared: Athena) -> None:
    before, tx_id = now_ms(), new_id()
    body = {
        "tx_id": tx_id,
        "description": "import",
        "by": "dolorosa@us.ibm.com",
        "sub_type": "template",
        "on_step": 1,
        "total_steps": 4,
        "athena_msg": "reading",
        "timeout_ms": 60_000,
        "component_id": "c1",
    }
    answer = call(shared, "POST", TXS, body)
    assert answer.status == 201
    got = answer.body
    expected = {**body, "status": "pending", "by": "d******a@us.ibm.com", "message": "import: reading"}
    del expected["athena_msg"]
    assert {name: got.get(name) for name in expected} == expected
    assert before <= got["ts_started"] <= now_ms()
    assert "ts_completed" not in got


def test_open_without_an_id_makes_one(shared: Athena) -> None:
    ids = {ok(shared, "POST", TXS, {"description": "d"})["tx_id"] for _ in range(20)}
    assert len(ids) == 20
    for tx_id in ids:
        assert state(shared, tx_id)["status"] == "pending"


def test_opening_again_with_the_same_content_is_the_same_201(shared: Athena) -> None:
    body = {"tx_id": new_id(), "description": "once", "total_steps": 2, "by": "dolorosa@us.ibm.com"}
    first = call(shared, "POST", TXS, body)
    now = position(shared)
    again = call(shared, "POST", TXS, body)
    assert (again.status, again.body) == (201, first.body)
    edit(shared, body["tx_id"], "success")  # type: ignore[arg-type]
    assert call(shared, "POST", TXS, body).status == 201
    assert state(shared, str(body["tx_id"]))["status"] == "success"
    assert seq_of(position(shared)) == seq_of(now) + 1


@pytest.mark.parametrize(
    "other", [{"description": "other"}, {"total_steps": 3}, {"by": "me"}, {"athena_msg": "m"}, {"sub_type": "template"}]
)
def test_opening_again_with_other_content_is_409(other: dict[str, Any], shared: Athena) -> None:
    tx_id = open_tx(shared, description="once", total_steps=2)
    answer = call(shared, "POST", TXS, {"tx_id": tx_id, "description": "once", "total_steps": 2, **other})
    check_error(answer, 409, "transaction_exists", tx_id)


@pytest.mark.parametrize("tx_id", ["bulk", "..", ".", "-", "_", "a" * 128, "0", "A.b_c-9", "templates", "null"])
def test_ids_that_look_odd_but_are_fine(tx_id: str, shared: Athena) -> None:
    open_tx(shared, tx_id)
    edit(shared, tx_id, on_step=1)
    assert state(shared, tx_id)["on_step"] == 1


@pytest.mark.parametrize(
    "text", ["ä" * 256, "🚀" * 256, "<img src=x onerror=alert(1)>", 'a"b\\c\n\t\0', "\u2028\u202e"]
)
def test_text_comes_back_as_it_was(text: str, shared: Athena) -> None:
    tx_id = open_tx(shared, description=text)
    assert state(shared, tx_id)["description"] == text
    assert history(shared, limit=1000)[0]["message"] == text


def test_on_step_is_at_most_total_steps(shared: Athena) -> None:
    tx_id = open_tx(shared, on_step=9, total_steps=4)
    assert state(shared, tx_id)["on_step"] == 4
    edit(shared, tx_id, on_step=10**9)
    assert state(shared, tx_id)["on_step"] == 4
    edit(shared, tx_id, on_step=10**9, total_steps=6)
    assert (state(shared, tx_id)["on_step"], state(shared, tx_id)["total_steps"]) == (6, 6)


# ---- edit ------------------------------------------------------------------------------------------------------------
def test_edit_answers_200_with_the_id(shared: Athena) -> None:
    tx_id = open_tx(shared)
    answer = put(shared, tx_id, "pending", athena_msg="on the way")
    assert (answer.status, answer.body) == (200, {"message": "ok", "tx_id": tx_id})


def test_an_edit_of_an_unknown_id_is_404(shared: Athena) -> None:
    check_error(put(shared, "nobody-knows", "success"), 404, "unknown_transaction", "nobody-knows")
    check_error(call(shared, "GET", tx_path("nobody-knows")), 404, "unknown_transaction", "nobody-knows")


def test_the_transaction_with_all_its_messages(shared: Athena) -> None:
    tx_id = open_tx(shared, description="build", total_steps=3)
    edit(shared, tx_id, on_step=1, athena_msg="one")
    edit(shared, tx_id, on_step=2, athena_msg="two")
    edit(shared, tx_id, "error", athena_msg="three")
    got = state(shared, tx_id)
    assert (got["tx_id"], got["status"], got["message"]) == (tx_id, "error", "build: three")
    assert (got["on_step"], got["total_steps"], got["timeout_ms"]) == (2, 3, 180_000)
    assert is_time(got["ts_started"])
    assert is_time(got["ts_completed"])
    assert got["athena_messages"] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("start", "wanted", "status", "code"),
    [
        ("pending", "pending", 200, None),
        ("pending", "undoing", 200, None),
        ("pending", "success", 200, None),
        ("pending", "error", 200, None),
        ("undoing", "undoing", 200, None),
        ("undoing", "error", 200, None),
        ("undoing", "pending", 409, "illegal_transition"),
        ("undoing", "success", 409, "illegal_transition"),
        ("success", "pending", 409, "transaction_finished"),
        ("success", "undoing", 409, "transaction_finished"),
        ("success", "error", 409, "transaction_finished"),
        ("success", "success", 409, "transaction_finished"),
        ("error", "pending", 409, "transaction_finished"),
        ("error", "undoing", 409, "transaction_finished"),
        ("error", "success", 409, "transaction_finished"),
        ("error", "error", 409, "transaction_finished"),
    ],
)
def test_the_lifecycle(start: str, wanted: str, status: int, code: str | None, shared: Athena) -> None:
    tx_id = open_tx(shared)
    edit(shared, tx_id, start, athena_msg="before")
    before = state(shared, tx_id)
    answer = put(shared, tx_id, wanted, athena_msg="after")
    if code is None:
        assert answer.status == status
        assert state(shared, tx_id)["status"] == wanted
    else:
        check_error(answer, status, code, tx_id)
        assert state(shared, tx_id) == before


@pytest.mark.parametrize("status", ["success", "error"])
def test_repeating_the_final_edit_is_200_and_changes_nothing(status: str, shared: Athena) -> None:
    tx_id = open_tx(shared, total_steps=3)
    body = {"athena_msg": "over", "on_step": 3}
    assert put(shared, tx_id, status, **body).status == 200
    before, now = state(shared, tx_id), position(shared)
    assert put(shared, tx_id, status, **body).status == 200
    assert (state(shared, tx_id), position(shared)) == (before, now)


def test_a_heartbeat_is_answered_and_not_pushed(shared: Athena) -> None:
    tx_id = open_tx(shared, on_step=1, athena_msg="m")
    with PythonSubscriber(shared) as subscriber:
        for members in ({}, {"on_step": 1}, {"athena_msg": "m"}, {"timeout_ms": 99_000}, {"description": "a test"}):
            assert put(shared, tx_id, "pending", **members).status == 200
        edit(shared, tx_id, on_step=2)
        assert subscriber.receive()["on_step"] == 2
    assert state(shared, tx_id)["timeout_ms"] == 99_000


def test_on_step_may_not_fall_while_pending_and_may_while_undoing(shared: Athena) -> None:
    tx_id = open_tx(shared, on_step=3, total_steps=5)
    for status in ("pending", "success", "error"):
        check_error(put(shared, tx_id, status, on_step=2), 409, "step_regression", "3")
    assert state(shared, tx_id)["on_step"] == 3
    edit(shared, tx_id, "undoing", on_step=2)
    edit(shared, tx_id, "undoing", on_step=1)
    edit(shared, tx_id, "undoing", on_step=2)
    assert state(shared, tx_id)["on_step"] == 2


@pytest.mark.parametrize(
    "members", [{"total_steps": 3}, {"total_steps": 3, "on_step": 5}, {"total_steps": 3, "on_step": 9}]
)
def test_on_step_does_not_fall_by_way_of_total_steps(members: dict[str, int], shared: Athena) -> None:
    tx_id = open_tx(shared, on_step=5, total_steps=8)
    put(shared, tx_id, "pending", **members)
    assert state(shared, tx_id)["on_step"] == 5
    assert state(shared, tx_id)["total_steps"] >= 5


def test_an_error_without_a_message_gets_one(shared: Athena) -> None:
    for members in ({}, {"athena_msg": ""}):
        tx_id = open_tx(shared, athena_msg="so far so good")
        edit(shared, tx_id, "error", **members)
        assert state(shared, tx_id)["message"] == "a test: no error message was given"
    tx_id = open_tx(shared, athena_msg="so far so good")
    edit(shared, tx_id, "success")
    assert state(shared, tx_id)["message"] == "a test: so far so good"


# ---- bulk ------------------------------------------------------------------------------------------------------------
def lines_with_faults() -> tuple[list[dict[str, Any]], list[tuple[str, int, str | None]]]:
    """Lines of a bulk, and the expected (tx_id, status, code) of each."""
    a, b, c = new_id(), new_id(), new_id()
    cases: list[tuple[dict[str, Any], int, str | None]] = [
        ({"op": "open", "tx_id": a, "description": "a"}, 200, None),
        ({"op": "open", "tx_id": b, "description": "b", "total_steps": 2}, 200, None),
        ({"op": "edit", "tx_id": a, "status": "pending", "on_step": 1}, 200, None),
        ({"op": "edit", "tx_id": c, "status": "pending"}, 404, "unknown_transaction"),
        ({"op": "edit", "tx_id": a, "status": "finished"}, 400, "invalid_field"),
        ({"op": "edit", "tx_id": b, "status": "success"}, 200, None),
        ({"op": "edit", "tx_id": b, "status": "error"}, 409, "transaction_finished"),
        ({"op": "edit", "tx_id": b, "status": "success"}, 200, None),
        ({"op": "open", "tx_id": a, "description": "other"}, 409, "transaction_exists"),
        ({"op": "open", "tx_id": c, "description": "c", "wishes": 3}, 400, "invalid_field"),
        ({"op": "close", "tx_id": c, "status": "success"}, 400, "invalid_field"),
        ({"op": "edit", "tx_id": a, "status": "pending", "on_step": 0}, 409, "step_regression"),
        ({"op": "open", "tx_id": c, "description": "c"}, 200, None),
    ]
    return [line for line, _, _ in cases], [(line["tx_id"], status, code) for line, status, code in cases]


def as_ndjson(lines: list[dict[str, Any]]) -> bytes:
    import json

    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.parametrize("form", ["array", "ndjson"])
def test_bulk_answers_each_line_in_order(form: str, shared: Athena) -> None:
    lines, expected = lines_with_faults()
    with PythonSubscriber(shared) as subscriber:
        if form == "array":
            answer = call(shared, "POST", BULK, lines)
        else:
            answer = call(shared, "POST", BULK, as_ndjson(lines), NDJSON)
        assert answer.status == 200
        assert answer.body.keys() == {"message", "results"}
        assert answer.body["message"] == "ok"
        check_results(answer.body["results"], expected)
        messages = [subscriber.receive() for _ in range(5)]
        check_gapless(messages)
        a, b, c = expected[0][0], expected[1][0], expected[-1][0]
        assert [(m["id"], m["status"]) for m in messages] == [
            (a, "pending"), (b, "pending"), (a, "pending"), (b, "success"), (c, "pending")
        ]  # fmt: skip


def check_results(results: list[dict[str, Any]], expected: list[tuple[str, int, str | None]]) -> None:
    assert len(results) == len(expected)
    for result, (tx_id, status, code) in zip(results, expected, strict=True):
        if code is None:
            assert result["status"] == 200, result
            assert result.keys() == {"tx_id", "status"}, result
            assert result["tx_id"] == tx_id
        else:
            assert (result["status"], result["code"]) == (status, code), result
            assert result["error"]
            assert result.get("tx_id") in (tx_id, None), result


def test_ndjson_with_one_bad_line_fails_that_line_alone(shared: Athena) -> None:
    good, later = new_id(), new_id()
    for bad in (b'{"op":"edit",', b"nonsense", b"\xff\xfe", b"[]", b"7", b"null", b"[" * 10_000, b'{"op":"open"}'):
        body = as_ndjson([{"op": "open", "tx_id": good, "description": "d"}]) + bad + b"\r\n"
        body += as_ndjson([{"op": "open", "tx_id": later, "description": "d"}])[:-1]  # without the last line break
        answer = call(shared, "POST", BULK, body, NDJSON)
        assert answer.status == 200, (bad[:20], answer)
        first, wrong, last = answer.body["results"]
        assert (first["tx_id"], last["tx_id"]) == (good, later)
        assert first["status"] in (200, 201)
        assert last["status"] in (200, 201)
        assert wrong["status"] == 400, (bad[:20], wrong)
        assert wrong["code"]
        assert wrong["error"]


def test_bulk_is_one_commit(athena: Athena) -> None:
    """A concurrent reader sees all of it or nothing."""
    total = 10_000
    with PythonSubscriber(athena) as subscriber:
        lines = [{"op": "open", "tx_id": f"b{i}", "description": "d"} for i in range(total)]
        results = ok(athena, "POST", BULK, lines)["results"]
        assert [result["tx_id"] for result in results] == [line["tx_id"] for line in lines]
        messages = [subscriber.receive() for _ in range(total)]
        check_gapless(messages)
        assert [message["id"] for message in messages] == [line["tx_id"] for line in lines]
    assert ok(athena, "GET", "/api/v3/notifications?limit=1")["total"] == total
    check_error(call(athena, "POST", BULK, [*lines, lines[0]]), 400)
    assert seq_of(position(athena)) == total


def test_a_bulk_without_ids_makes_them(shared: Athena) -> None:
    results = ok(shared, "POST", BULK, [{"op": "open", "description": "d"}] * 3)["results"]
    assert len({result["tx_id"] for result in results}) == 3
    for result in results:
        assert state(shared, result["tx_id"])["status"] == "pending"


# ---- reading ---------------------------------------------------------------------------------------------------------
def test_webhooks_pending_first_then_newest_finished(fresh: Athena) -> None:
    ids = [open_tx(fresh, new_id()) for _ in range(6)]
    for tx_id in (ids[3], ids[0], ids[4]):
        edit(fresh, tx_id, "success")
    edit(fresh, ids[2], "undoing")
    got = ok(fresh, "GET", WEBHOOKS)
    assert got.keys() == {"total", "matches", "webhooks"}
    assert (got["total"], got["matches"]) == (6, 6)
    listed = [webhook["tx_id"] for webhook in got["webhooks"]]
    assert set(listed[:3]) == {ids[1], ids[2], ids[5]}
    assert listed[3:] == sorted(listed[3:], key=lambda i: state(fresh, i)["ts_completed"], reverse=True)
    page = ok(fresh, "GET", f"{WEBHOOKS}?limit=2&skip=3")
    assert (page["total"], page["matches"]) == (6, 2)
    assert [webhook["tx_id"] for webhook in page["webhooks"]] == listed[3:5]
    assert ok(fresh, "GET", f"{WEBHOOKS}?skip=6") == {"total": 6, "matches": 0, "webhooks": []}
    ok(fresh, "DELETE", PURGE)
    assert ok(fresh, "GET", WEBHOOKS) == {"total": 0, "matches": 0, "webhooks": []}


def test_templates(fresh: Athena) -> None:
    open_tx(fresh)
    open_tx(fresh, sub_type="other")
    template = open_tx(fresh, sub_type="template")
    done = open_tx(fresh, sub_type="template")
    edit(fresh, done, "success")
    got = ok(fresh, "GET", f"{WEBHOOKS}/templates")
    assert got.keys() == {"template_webhooks"}
    assert {webhook["tx_id"] for webhook in got["template_webhooks"]} == {template, done}
    assert all(webhook["sub_type"] == "template" for webhook in got["template_webhooks"])


# ---- prefixes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_route_under_every_prefix(prefix: str, fresh: Athena) -> None:
    tx_id, bulk_id = new_id(), new_id()
    expected: list[tuple[str, str, Any, int]] = [
        ("POST", "/webhooks/txs", {"tx_id": tx_id, "description": "d"}, 201),
        ("PUT", f"/webhooks/txs/{tx_id}", {"status": "success"}, 200),
        ("GET", f"/webhooks/txs/{tx_id}", None, 200),
        ("POST", "/webhooks/txs/bulk", [{"op": "open", "tx_id": bulk_id, "description": "d"}], 200),
        ("GET", "/webhooks", None, 200),
        ("GET", "/webhooks?limit=5&skip=0", None, 200),
        ("GET", "/webhooks/templates", None, 200),
        ("GET", "/notifications", None, 200),
        ("GET", "/notifications/changes?after=&wait=0", None, 200),
        ("POST", "/notifications/bulk", {"notification_ids": [tx_id]}, 200),
        ("DELETE", "/notifications/purge", None, 200),
        ("GET", "/nowhere", None, 404),
        ("PATCH", "/webhooks/txs", {}, 405),
    ]
    for method, path, body, status in expected:
        answer = call(fresh, method, prefix + path, body)
        assert answer.status == status, (method, path, answer)
    answer = call(fresh, "POST", f"{prefix}/notifications", {"status": "success", "message": "m"})
    assert answer.status in (200, 201)
    assert answer.body == {"message": "ok", "id": answer.body["id"]}
