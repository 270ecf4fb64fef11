"""`Idempotency-Key` over HTTP: a repeated request is carried out once and gets the first response again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apsw
import pytest
from tests.e2e.calls import (
    API,
    ARCHIVE,
    BULK,
    NOTIFICATIONS,
    PURGE,
    TXS,
    Answer,
    call,
    check_error,
    edit,
    history,
    new_id,
    ok,
    open_tx,
    position,
)
from tests.e2e.subscribers import PythonSubscriber
from tests.support.server import Athena

NOTICE = {"status": "success", "message": "the nightly backup is done"}


def send(athena: Athena, method: str, path: str, body: Any, key: str, **headers: str) -> Answer:
    sent = None if body is None else json.dumps(body).encode()
    typed = {} if body is None else {"Content-Type": "application/json"}
    return call(athena, method, path, sent, {**typed, "Idempotency-Key": key, **headers})


def replayed(answer: Answer) -> bool:
    said = answer.headers.get("idempotency-replayed")
    assert said in (None, "true")
    return said == "true"


def twice(athena: Athena, method: str, path: str, body: Any, status: int = 200) -> Answer:
    """Send a request twice with one key; both responses must be the same, except for the replay header."""
    key = new_id("key")
    first, again = send(athena, method, path, body, key), send(athena, method, path, body, key)
    assert (first.status, again.status) == (status, status), (first, again)
    assert first.body == again.body
    assert (replayed(first), replayed(again)) == (False, True)
    return first


def test_a_notice_is_posted_once(fresh: Athena) -> None:
    answer = twice(fresh, "POST", NOTIFICATIONS, NOTICE)
    assert [row["id"] for row in history(fresh)] == [answer.body["id"]]


def test_a_transaction_is_opened_once_and_its_answer_does_not_follow_it(fresh: Athena) -> None:
    body = {"description": "Import customers", "by": "dora@example.com"}
    first = send(fresh, "POST", TXS, body, "open-1")
    assert first.status == 201
    edit(fresh, first.body["tx_id"], "success")
    again = send(fresh, "POST", TXS, body, "open-1")
    assert (again.status, again.body, replayed(again)) == (201, first.body, True)
    assert len(history(fresh)) == 1


def test_a_repeated_edit_does_not_undo_what_came_between(fresh: Athena) -> None:
    tx_id = open_tx(fresh)
    path = f"{TXS}/{tx_id}"
    assert send(fresh, "PUT", path, {"status": "pending", "athena_msg": "first"}, "edit-1").status == 200
    edit(fresh, tx_id, athena_msg="second")
    before = position(fresh)
    again = send(fresh, "PUT", path, {"status": "pending", "athena_msg": "first"}, "edit-1")
    assert (again.body, replayed(again)) == ({"message": "ok", "tx_id": tx_id}, True)
    assert position(fresh) == before
    assert ok(fresh, "GET", path)["athena_messages"] == ["first", "second"]


def test_a_bulk_is_done_once_with_its_bad_lines(fresh: Athena) -> None:
    lines = [
        {"op": "open", "description": "no id of its own"},
        {"op": "edit", "tx_id": "nowhere", "status": "success"},
        {"op": "open", "description": ""},
        {"op": "open", "description": "d", "by": ["dora@example.com"]},
    ]
    answer = twice(fresh, "POST", BULK, lines)
    assert [result["status"] for result in answer.body["results"]] == [200, 404, 400, 400]
    assert [row["id"] for row in history(fresh)] == [answer.body["results"][0]["tx_id"]]
    # It has no valid line, but is remembered all the same.
    twice(fresh, "POST", BULK, lines[1:])


def test_archiving_tells_again_how_many_there_were(fresh: Athena) -> None:
    ids = [open_tx(fresh), "unknown"]
    assert twice(fresh, "POST", ARCHIVE, {"notification_ids": ids}).body["details"] == "archived 1 notification(s)"


def test_a_purge_that_is_sent_again_leaves_what_came_since(fresh: Athena) -> None:
    open_tx(fresh)
    first = send(fresh, "DELETE", PURGE, None, "purge-1")
    kept = open_tx(fresh)
    before = position(fresh)
    again = send(fresh, "DELETE", PURGE, None, "purge-1")
    assert (again.status, again.body, replayed(again)) == (200, first.body, True)
    assert first.body["details"] == "deleted 1 notification(s)"
    assert position(fresh) == before
    assert [row["id"] for row in history(fresh)] == [kept]
    # A late retry does not bring back purged rows.
    posted = send(fresh, "POST", NOTIFICATIONS, NOTICE, "notice-1")
    ok(fresh, "DELETE", PURGE)
    assert send(fresh, "POST", NOTIFICATIONS, NOTICE, "notice-1").body == posted.body
    assert history(fresh) == []


def test_nothing_is_pushed_again(fresh: Athena) -> None:
    with PythonSubscriber(fresh, position(fresh)) as client:
        twice(fresh, "POST", NOTIFICATIONS, NOTICE)
        last = open_tx(fresh)
        messages = client.receive_until(lambda message: message.get("id") == last)
    assert sorted(message["type"] for message in messages) == ["notification", "ready", "webhook_tx"]


def test_another_request_with_the_key_is_422_and_changes_nothing(fresh: Athena) -> None:
    assert send(fresh, "POST", NOTIFICATIONS, NOTICE, "one-key").status == 200
    before = position(fresh)
    tx_id = open_tx(fresh)
    for method, path, body in (
        ("POST", NOTIFICATIONS, {**NOTICE, "message": "another"}),
        ("POST", TXS, {"description": "d"}),
        ("PUT", f"{TXS}/{tx_id}", {"status": "success"}),
        ("POST", BULK, []),
        ("POST", ARCHIVE, {"notification_ids": [tx_id]}),
        ("DELETE", PURGE, None),
    ):
        check_error(send(fresh, method, path, body, "one-key"), 422, "idempotency_key_reused", "Idempotency-Key")
    assert len(history(fresh)) == 2
    assert history(fresh, "&status=pending")[0]["id"] == tx_id
    assert position(fresh) != before


def test_what_was_refused_is_decided_anew(fresh: Athena) -> None:
    tx_id = new_id()
    path, body = f"{TXS}/{tx_id}", {"status": "success"}
    check_error(send(fresh, "PUT", path, body, "refused"), 404, "unknown_transaction")
    check_error(send(fresh, "PUT", path, {"status": "no such"}, "refused"), 400, "invalid_field")
    open_tx(fresh, tx_id)
    done = send(fresh, "PUT", path, body, "refused")
    assert (done.status, replayed(done)) == (200, False)


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, '"'])
def test_a_key_that_is_none_is_named(shared: Athena, key: str) -> None:
    answer = send(shared, "POST", NOTIFICATIONS, NOTICE, key)
    check_error(answer, 400, "invalid_field", "Idempotency-Key")
    assert answer.body["field"] == "Idempotency-Key"


def test_the_prefix_and_quotes_make_no_difference(fresh: Athena) -> None:
    first = send(fresh, "POST", f"{API}/notifications", NOTICE, "one")
    again = send(fresh, "POST", "/ak/api/v1/notifications", NOTICE, '"one"')
    assert (again.body, replayed(again)) == (first.body, True)


def test_twenty_at_once_are_one(fresh: Athena) -> None:
    with ThreadPoolExecutor(20) as senders:
        work = [senders.submit(send, fresh, "POST", NOTIFICATIONS, NOTICE, "at-once") for _ in range(20)]
        answers = [one.result() for one in work]
    assert {(answer.status, answer.body["id"]) for answer in answers} == {(200, history(fresh)[0]["id"])}
    assert sum(not replayed(answer) for answer in answers) == 1
    assert len(history(fresh)) == 1


def test_it_is_known_after_a_crash(athena: Athena) -> None:
    first = send(athena, "POST", NOTIFICATIONS, NOTICE, "before-the-crash")
    athena.kill()
    athena.start()
    again = send(athena, "POST", NOTIFICATIONS, NOTICE, "before-the-crash")
    assert (again.body, replayed(again)) == (first.body, True)
    assert len(history(athena)) == 1


def test_an_address_is_not_on_disk_by_way_of_a_receipt(athena: Athena) -> None:
    address = "dora.the.producer@example.com"
    twice(athena, "POST", TXS, {"description": "d", "by": address}, 201)
    twice(athena, "POST", BULK, [{"op": "open", "description": "d", "by": [address]}, {"op": "open", "tx_id": address}])
    athena.stop()
    for file in athena.data.iterdir():
        assert address.encode() not in file.read_bytes(), file
    database = apsw.Connection(str(athena.data / "athena.db"))
    assert database.execute("SELECT count(*) FROM receipt").get == 2
    database.close()
