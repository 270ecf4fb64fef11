"""The live messages by long poll (docs/live.md): the same messages, order and cursors."""

from __future__ import annotations

import json
import threading
from contextlib import suppress

import pytest
from tests.e2e.calls import (
    PREFIXES,
    PURGE,
    UNREACHABLE,
    Answer,
    Caller,
    Deadline,
    call,
    check_error,
    ok,
    open_tx,
    position,
)
from tests.e2e.expect import check_gapless, tell_everything
from tests.e2e.subscribers import CHANGES, LongPollSubscriber, PythonSubscriber
from tests.support.server import PATIENCE, Athena


def test_every_field_of_every_message(shared: Athena) -> None:
    with LongPollSubscriber(shared, after=position(shared)) as subscriber:
        story = tell_everything(shared)
        story.check(subscriber)


def test_every_field_one_by_one(shared: Athena) -> None:
    """A client that polls again in time gets every change, since the tail still has them."""
    with LongPollSubscriber(shared, after=position(shared)) as subscriber:
        story = tell_everything(shared)
        check_gapless(story.check(subscriber))


def test_the_same_text_as_over_websocket(shared: Athena) -> None:
    start = position(shared)
    with PythonSubscriber(shared) as socket:
        tell_everything(shared)
        end = open_tx(shared)
        socket.receive_of(end)
    answer = poll_raw(shared, start)
    for text in socket.raw:
        assert text in answer


def poll_raw(athena: Athena, after: str) -> str:
    """The raw text of the response."""
    status, body = athena.request("GET", f"{CHANGES}?after={after}&wait=5")
    assert status == 200
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_path(prefix: str, shared: Athena) -> None:
    now = position(shared)
    tx_id = open_tx(shared)
    with LongPollSubscriber(shared, now, f"{prefix}/notifications/changes") as subscriber:
        assert subscriber.receive()["id"] == tx_id


def test_what_is_waiting_is_answered_at_once(shared: Athena) -> None:
    now = position(shared)
    tx_id = open_tx(shared)
    with LongPollSubscriber(shared, now) as subscriber:
        answer = subscriber.poll(wait=30)  # the connection times out before such a wait is over
    assert [message["id"] for message in answer["messages"]] == [tx_id]
    assert answer["cursor"] == answer["messages"][0]["cursor"] == position(shared)


@pytest.mark.parametrize("wait", [0, 1])
def test_nothing_new_is_an_empty_answer_after_the_wait(wait: int, shared: Athena) -> None:
    now = position(shared)
    with LongPollSubscriber(shared, now) as subscriber:
        assert subscriber.poll(wait) == {"messages": [], "cursor": now}
        tx_id = open_tx(shared)
        assert [message["id"] for message in subscriber.poll(wait)["messages"]] == [tx_id]


def waiting(athena: Athena, after: str | None) -> tuple[threading.Thread, list[Answer]]:
    """A waiting request, and the list that will hold its response."""
    answers: list[Answer] = []
    query = "" if after is None else f"&after={after}"

    def wait() -> None:
        with Caller(athena) as caller, suppress(*UNREACHABLE):
            answers.append(caller.call("GET", f"{CHANGES}?wait=25{query}"))

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, answers


def test_a_change_ends_the_wait(shared: Athena) -> None:
    now = position(shared)
    thread, answers = waiting(shared, now)
    tx_id = open_tx(shared)
    thread.join(PATIENCE)
    # The response is the same whether the request came before or after the change.
    assert [message["id"] for message in answers[0].body["messages"]] == [tx_id]


def test_without_after_only_what_happens_from_now_on(shared: Athena) -> None:
    before = open_tx(shared)
    thread, answers = waiting(shared, None)
    opened: list[str] = []
    deadline = Deadline()
    while not answers and not deadline.passed:  # the first change after the request has arrived ends the wait
        opened.append(open_tx(shared))
    thread.join(PATIENCE)
    got = [message["id"] for message in answers[0].body["messages"]]
    assert before not in got
    assert got == opened[opened.index(got[0]) :][: len(got)]
    assert answers[0].body["cursor"] == answers[0].body["messages"][-1]["cursor"]


def test_empty_after_says_where_now_is(shared: Athena) -> None:
    open_tx(shared, description="before")
    now = position(shared)
    with LongPollSubscriber(shared, after="") as subscriber:
        answer = subscriber.poll(wait=0)
        assert answer["cursor"] == now
        assert [message for message in answer["messages"] if message["type"] != "ready"] == []
        tx_id = open_tx(shared)
        assert subscriber.receive()["id"] == tx_id


@pytest.mark.parametrize("cursor", ["garbage", "0", "a.b", "x" * 2000])
def test_an_unknown_cursor_is_a_reset(cursor: str, shared: Athena) -> None:
    now = position(shared)
    with LongPollSubscriber(shared, after=cursor) as subscriber:
        answer = subscriber.poll(wait=30)  # at once
        assert answer["messages"][0] == {"type": "reset", "cursor": now}
        assert answer["cursor"] == now
        tx_id = open_tx(shared)
        assert [message["id"] for message in subscriber.poll(wait=30)["messages"]] == [tx_id]


def test_purge_resets_those_who_wait_and_those_who_come_back(fresh: Athena) -> None:
    open_tx(fresh)
    before = position(fresh)
    thread, answers = waiting(fresh, before)
    ok(fresh, "DELETE", PURGE)
    now = position(fresh)
    thread.join(PATIENCE)
    with LongPollSubscriber(fresh, before) as late:
        bodies = [answers[0].body, late.poll(wait=0)]
    for body in bodies:
        assert body["messages"][0] == {"type": "reset", "cursor": now}
        assert body["cursor"] == now


@pytest.mark.parametrize("wait", ["31", "30.5", "-1", "x", "", "nan", "inf", "1e9", "9" * 500])
def test_a_wait_out_of_range_is_refused(wait: str, shared: Athena) -> None:
    check_error(call(shared, "GET", f"{CHANGES}?after={position(shared)}&wait={wait}"), 400, field="wait")


def test_sigterm_ends_the_wait(athena: Athena) -> None:
    thread, answers = waiting(athena, position(athena))
    tx_id = open_tx(athena)  # the server is up, and its loop has run
    thread.join(PATIENCE)
    assert [message["id"] for message in answers[0].body["messages"]] == [tx_id]
    now = position(athena)
    with Caller(athena) as caller:
        assert caller.call("GET", f"{CHANGES}?after={now}&wait=0").status == 200
        thread, answers = waiting(athena, now)
        athena.stop()  # within its time, with exit status 0
    thread.join(PATIENCE)


def test_other_methods_are_refused(shared: Athena) -> None:
    check_error(call(shared, "POST", CHANGES, {}), 405, "method_not_allowed")
