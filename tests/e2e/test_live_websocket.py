"""The live messages over WebSocket, received by commonly used clients (docs/live.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.calls import ARCHIVE, BULK, PREFIXES, PURGE, edit, new_id, ok, open_tx, position
from tests.e2e.expect import check_fold, check_gapless, check_order, fold, seq_of, tell_everything
from tests.e2e.subscribers import (
    WEBSOCKETS,
    Closed,
    Message,
    NodeSubscriber,
    PythonSubscriber,
    Subscriber,
    all_closed,
    subscribe,
)
from tests.support.server import PATIENCE, Athena

PATHS = ("/", *(f"{prefix}/notifications/live" for prefix in PREFIXES))


FIELDS = {
    "type", "sub_type", "id", "status", "message", "ts_display", "ts_started", "ts_completed", "on_step", "total_steps",
    "by", "cursor",
}  # fmt: skip
"""The table of docs/live.md; the story must contain all of them, so that no test below is accidentally empty."""


@pytest.fixture(params=WEBSOCKETS)
def client(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def is_ready(message: Message) -> bool:
    return bool(message["type"] == "ready")


# ---- what a message says ---------------------------------------------------------------------------------------------
def test_every_field_of_every_message(client: str, shared: Athena) -> None:
    with subscribe(client, shared) as subscriber:
        story = tell_everything(shared)
        messages = story.check(subscriber)
        check_gapless(messages)
    assert {name for message in messages for name in message} == FIELDS | {"ids"}


def test_all_clients_get_the_same_bytes(shared: Athena) -> None:
    with all_closed([subscribe(client, shared, path="/") for client in WEBSOCKETS]) as subscribers:
        tell_everything(shared)
        end = open_tx(shared)
        for subscriber in subscribers:
            subscriber.receive_of(end)
        for subscriber in subscribers[1:]:
            assert subscriber.raw == subscribers[0].raw


@pytest.mark.parametrize("path", PATHS)
def test_every_path(path: str, shared: Athena) -> None:
    with PythonSubscriber(shared, path=path) as subscriber:
        story = tell_everything(shared)
        story.check(subscriber)


# ---- positions -------------------------------------------------------------------------------------------------------
def test_without_after_only_what_happens_from_now_on(client: str, shared: Athena) -> None:
    open_tx(shared, description="before")
    with subscribe(client, shared) as subscriber:
        tx_id = open_tx(shared, description="after")
        first = subscriber.receive()
        assert (first["type"], first["id"]) == ("webhook_tx", tx_id)


def test_empty_after_says_where_now_is(client: str, shared: Athena) -> None:
    open_tx(shared, description="before")
    now = position(shared)
    with subscribe(client, shared, after="") as subscriber:
        assert subscriber.receive() == {"type": "ready", "cursor": now}
        tx_id = open_tx(shared)
        assert subscriber.receive()["id"] == tx_id


def test_a_client_that_never_saw_a_message_can_resume(client: str, fresh: Athena) -> None:
    with subscribe(client, fresh, after="") as subscriber:
        cursor = subscriber.receive()["cursor"]
    missed = open_tx(fresh)
    with subscribe(client, fresh, after=cursor) as subscriber:
        assert subscriber.receive()["id"] == missed
        assert subscriber.receive()["type"] == "ready"


def test_after_a_cursor_first_what_was_missed_then_ready_then_live(client: str, shared: Athena) -> None:
    with subscribe(client, shared) as subscriber:
        open_tx(shared)
        cursor = subscriber.receive()["cursor"]
    story = tell_everything(shared)
    now = position(shared)
    with subscribe(client, shared, after=cursor) as subscriber:
        *replay, ready = subscriber.receive_until(is_ready)
        assert ready == {"type": "ready", "cursor": now}
        check_order(replay)
        check_last_states(replay, story.expected)
        live = open_tx(shared)
        assert subscriber.receive()["id"] == live
    # The history's cursor is the same kind of cursor.
    with subscribe(client, shared, after=now) as subscriber:
        assert [m["type"] for m in subscriber.receive_until(is_ready)] == ["webhook_tx", "ready"]


def check_last_states(replay: list[Message], expected: list[Any]) -> None:
    """`replay` ends in the final states of the story; superseded states may be omitted."""
    archived = {gone for one in expected if one.fields["type"] == "archived" for gone in one.fields["ids"]}
    last = {one.fields["id"]: one for one in expected if "id" in one.fields and one.fields["id"] not in archived}
    states = fold(replay)
    assert states.keys() == last.keys()
    for tx_id, state in states.items():
        last[tx_id].check(state)
    told = {gone for message in replay if message["type"] == "archived" for gone in message["ids"]}
    assert told == archived


def test_nothing_missed_is_ready_at_once(client: str, shared: Athena) -> None:
    now = position(shared)
    with subscribe(client, shared, after=now) as subscriber:
        assert subscriber.receive() == {"type": "ready", "cursor": now}


def unknown_cursors(athena: Athena) -> Iterator[str]:
    epoch, _, seq = position(athena).rpartition(".")
    yield from ("garbage", "0", ".", "-1", "a.b", f"{epoch}", f"{epoch}.", f"{epoch}.-1", f"{epoch}.x", f"{epoch}.1e3")
    yield f"{epoch}.{seq_of(position(athena)) + 1}"  # still to come
    yield f"{epoch}.{2**64}"
    yield f"{epoch}x.{seq}"
    yield f"{epoch}.{seq}.{seq}"
    yield f"{epoch}.{chr(0x0663)}"  # a digit, but not an ASCII one
    yield "ü\n\0"
    yield "x" * 5000


def test_an_unknown_cursor_is_a_reset(shared: Athena) -> None:
    open_tx(shared)
    now = position(shared)
    for cursor in unknown_cursors(shared):
        with PythonSubscriber(shared, after=cursor) as subscriber:
            first = subscriber.receive()
            assert first == {"type": "reset", "cursor": now}, cursor
            assert subscriber.receive() == {"type": "ready", "cursor": now}
            tx_id = open_tx(shared)
            assert subscriber.receive()["id"] == tx_id
            now = position(shared)


def test_every_client_understands_a_reset(client: str, shared: Athena) -> None:
    now = position(shared)
    with subscribe(client, shared, after="garbage") as subscriber:
        assert subscriber.receive() == {"type": "reset", "cursor": now}
        assert subscriber.receive()["type"] == "ready"


def test_purge_resets_every_client(fresh: Athena) -> None:
    open_tx(fresh)
    before = position(fresh)
    with all_closed([subscribe(client, fresh) for client in WEBSOCKETS]) as subscribers:
        ok(fresh, "DELETE", PURGE)
        now = position(fresh)
        for subscriber in subscribers:
            assert subscriber.receive() == {"type": "reset", "cursor": now}
        tx_id = open_tx(fresh)
        for subscriber in subscribers:
            assert subscriber.receive()["id"] == tx_id
    with PythonSubscriber(fresh, after=before) as subscriber:
        assert [m["type"] for m in subscriber.receive_until(is_ready)] == ["reset", "ready"]
    with PythonSubscriber(fresh, after=now) as subscriber:
        assert [m["type"] for m in subscriber.receive_until(is_ready)] == ["webhook_tx", "ready"]


def test_archiving_is_told_and_replayed(athena: Athena) -> None:
    start = position(athena)
    kept, *gone = [open_tx(athena) for _ in range(4)]
    for tx_id in (kept, *gone):
        edit(athena, tx_id, "success")
    middle = position(athena)
    with PythonSubscriber(athena) as subscriber:
        ok(athena, "POST", ARCHIVE, {"notification_ids": gone})
        message = subscriber.receive()
        assert message.keys() == {"type", "ids", "cursor"}
        assert (message["type"], sorted(message["ids"])) == ("archived", sorted(gone))
        assert message["cursor"] == position(athena)
    for restarted in (False, True):
        if restarted:
            athena.restart()
        with PythonSubscriber(athena, after=middle) as subscriber:
            replay = subscriber.receive_until(is_ready)
            assert sorted(i for m in replay if m["type"] == "archived" for i in m["ids"]) == sorted(gone)
        with PythonSubscriber(athena, after=start) as subscriber:
            assert fold(subscriber.receive_until(is_ready)).keys() == {kept}


# ---- what clients send -----------------------------------------------------------------------------------------------
def test_what_clients_send_is_tolerated(client: str, shared: Athena) -> None:
    with subscribe(client, shared) as subscriber:
        assert isinstance(subscriber, PythonSubscriber | NodeSubscriber)
        for text in ('{"type":"ping"}', "no JSON", "[]", "null", '{"type":"purge"}', "x" * 4096, '{"type":"ping"}'):
            subscriber.send(text)
        tx_id = open_tx(shared)
        assert subscriber.receive()["id"] == tx_id


def test_a_message_over_4_kib_is_closed_with_1009(client: str, shared: Athena) -> None:
    with subscribe(client, shared) as subscriber:
        assert isinstance(subscriber, PythonSubscriber | NodeSubscriber)
        subscriber.send("x" * 4097)
        assert closing_code(subscriber) == 1009


def test_a_client_may_say_goodbye(client: str, shared: Athena) -> None:
    with subscribe(client, shared) as subscriber:
        assert isinstance(subscriber, PythonSubscriber | NodeSubscriber)
        subscriber.say_goodbye()
        assert closing_code(subscriber) == 1000


def closing_code(subscriber: Subscriber) -> int | None:
    with pytest.raises(Closed) as closed:
        subscriber.receive_until(lambda _: False)
    return closed.value.code


# ---- the end ---------------------------------------------------------------------------------------------------------
def test_sigterm_says_1001_and_what_is_committed_before_it(athena: Athena) -> None:
    with all_closed([subscribe(client, athena) for client in WEBSOCKETS]) as subscribers:
        tx_id = open_tx(athena)
        athena.stop()  # with exit status 0
        for subscriber in subscribers:
            assert subscriber.receive()["id"] == tx_id
            assert closing_code(subscriber) == 1001


def test_a_client_that_reads_late_has_missed_nothing(fresh: Athena) -> None:
    """A burst of several megabytes: the fastest reader and one that starts to read afterwards receive the same."""
    with all_closed([subscribe(client, fresh) for client in WEBSOCKETS]) as subscribers:
        ids = [new_id() for _ in range(4000)]
        ok(fresh, "POST", BULK, [{"op": "open", "tx_id": i, "description": "d" * 250} for i in ids])
        ok(
            fresh,
            "POST",
            BULK,
            [{"op": "edit", "tx_id": i, "status": "success", "athena_msg": "m" * 1000} for i in ids],
        )
        rows = ok(fresh, "GET", "/api/v3/notifications?limit=1000")["notifications"]
        for subscriber in subscribers:
            messages = subscriber.receive_until(lambda m: m["id"] == ids[-1] and m["status"] == "success", 2 * PATIENCE)
            check_order(messages)
            states = fold(messages)
            assert states.keys() == set(ids)
            check_fold({row["id"]: states[row["id"]] for row in rows}, rows)
