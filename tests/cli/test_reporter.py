"""athena.cli.reporter: what is reported about a command, and that it arrives whatever happens to Athena."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.e2e.calls import Deadline
from tests.support.server import PATIENCE, Athena

from athena.cli.reporter import MESSAGE_LIMIT, Outbox, Progress, Reporter, State
from athena.cli.steps import Step
from athena.client import Client

DONE = State("success", message="done")


# ---- progress --------------------------------------------------------------------------------------------------------
def numbers(least: int) -> st.SearchStrategy[int]:
    return st.integers(least, 999_999_999) | st.integers(least, 10)


@given(
    total_steps=st.none() | numbers(1),
    said=st.lists(st.builds(Step, numbers(0), st.none() | numbers(0), st.none() | st.text(max_size=2000))),
    error=st.none() | st.text(max_size=2000),
)
def test_states_are_such_as_athena_accepts(total_steps: int | None, said: list[Step], error: str | None) -> None:
    progress = Progress(total_steps)
    states = [progress.state, *(progress.step(step) for step in said), progress.finish(error)]
    on_steps = [state.on_step or 0 for state in states]
    assert on_steps == sorted(on_steps)
    for state in states:
        assert state.total_steps is None or state.total_steps >= 1
        assert state.total_steps is None or state.on_step is None or state.on_step <= state.total_steps
        assert len(state.message or "") <= MESSAGE_LIMIT
    assert [state.final for state in states] == [False] * (len(states) - 1) + [True]
    assert states[-1].status == ("success" if error is None else "error")


def test_steps_fold_into_whole_states() -> None:
    progress = Progress(3)
    assert progress.state.as_edit() == {"status": "pending", "total_steps": 3}
    assert progress.step(Step(1, None, "one")) == State("pending", 1, 3, "one")
    assert progress.step(Step(2)) == State("pending", 2, 3, "one")
    assert progress.step(Step(1, None, "lower: only the message")) == State("pending", 2, 3, "lower: only the message")
    assert progress.step(Step(4, None, "one more than announced")) == State("pending", 4, 4, "one more than announced")
    assert progress.step(Step(4, 9, "\x1b[1mbold")) == State("pending", 4, 9, "�[1mbold")
    assert progress.finish(None) == State("success", 9, 9, "done")


def test_an_error_leaves_the_step_where_it_was() -> None:
    progress = Progress()
    progress.step(Step(2, 7, "two"))
    assert progress.finish("exit status 3") == State("error", 2, 7, "exit status 3")


def test_a_success_of_unknown_length_keeps_its_step() -> None:
    progress = Progress()
    assert progress.finish(None) == DONE
    progress = Progress()
    progress.step(Step(2))
    assert progress.finish(None).on_step == 2


# ---- the outbox ------------------------------------------------------------------------------------------------------
@given(st.lists(st.integers(), min_size=1), st.integers(1, 10))
def test_the_outbox_is_bounded_in_order_and_keeps_the_newest(numbers: list[int], length: int) -> None:
    outbox = Outbox(length)
    states = [State(message=str(number)) for number in numbers]
    for state in states:
        outbox.put(state)
        assert len(outbox) <= length
    assert [outbox.take() for _ in range(len(outbox))] == states[-length:]
    assert outbox.take() is None


def test_what_could_not_be_delivered_gives_way_to_what_is_newer() -> None:
    outbox = Outbox()
    outbox.put_back(State(message="old"))
    assert outbox.take() == State(message="old")
    outbox.put(State(message="newer"))
    outbox.put(State(message="newest"))
    outbox.put_back(State(message="old"))
    assert outbox.take() == State(message="newest")
    assert outbox.take() is None


# ---- delivery --------------------------------------------------------------------------------------------------------
Start = Callable[..., Reporter]


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Start:
    """Starts a reporter for a new transaction at this address; stops it after the test."""

    def start(url: str, heartbeat: float = PATIENCE, timeout: float = PATIENCE, **opening: Any) -> Reporter:
        client = Client(url, timeout=timeout)
        opening = {"tx_id": f"r-{uuid.uuid4().hex}", "description": "x", **opening}
        reporter = Reporter(client, opening, heartbeat=heartbeat)
        request.addfinalizer(client.close)
        request.addfinalizer(lambda: reporter.ended.wait(PATIENCE))
        request.addfinalizer(reporter.stop)
        reporter.start()
        return reporter

    return start


def finished(reporter: Reporter) -> Reporter:
    reporter.report(DONE)
    assert reporter.ended.wait(PATIENCE)
    return reporter


def changes(athena: Athena, tx_id: str) -> list[tuple[Any, ...]]:
    _, transaction = athena.request("GET", f"/api/v3/webhooks/txs/{tx_id}")
    return [(change["status"], change.get("on_step"), change.get("message")) for change in transaction["changes"]]


def opened(athena: Athena, reporter: Reporter) -> None:
    athena.wait_for(lambda row: row["id"] == reporter.tx_id)


def test_while_athena_answers_every_state_arrives_in_order(athena: Athena, start: Start) -> None:
    reporter = start(athena.url)
    progress = Progress()
    for number in range(1, 31):
        reporter.report(progress.step(Step(number, None, f"step {number}")))
    assert finished(reporter).problem is None
    assert changes(athena, reporter.tx_id) == [
        ("pending", None, None),
        *(("pending", number, f"step {number}") for number in range(1, 31)),
        ("success", 30, "done"),
    ]


def test_athena_comes_up_later_and_gets_the_latest_state(athena: Athena, start: Start) -> None:
    athena.stop()
    reporter = start(athena.url)
    for number in range(1, 500):
        reporter.report(State("pending", number, 999, f"step {number}"))
    deadline = Deadline()
    while (
        len(reporter._outbox) > 1
    ):  # until an attempt has failed since: on a busy machine, none may have been made yet
        assert not deadline.passed
        time.sleep(0.01)
    athena.start()
    athena.wait_for(lambda row: row["id"] == reporter.tx_id and row.get("on_step") == 499)
    assert len(changes(athena, reporter.tx_id)) <= 3  # opened, at most one in flight, the latest
    assert finished(reporter).problem is None
    assert changes(athena, reporter.tx_id)[-1] == ("success", 499, "done")


def test_athena_is_killed_in_between(athena: Athena, start: Start) -> None:
    reporter = start(athena.url)
    opened(athena, reporter)
    athena.kill()
    reporter.report(State("pending", 1, None, "while it was down"))
    athena.start()
    athena.wait_for(lambda row: row.get("on_step") == 1)
    assert finished(reporter).problem is None
    assert changes(athena, reporter.tx_id)[-1][0] == "success"


def test_heartbeats_keep_a_silent_command_alive_and_are_no_changes(athena: Athena, start: Start) -> None:
    reporter = start(athena.url, heartbeat=0.2, timeout_ms=3000)
    reporter.report(State("pending", 1, 3, "long and silent"))
    # Another one, without heartbeats, shows when the time is over.
    athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "clock", "description": "x", "timeout_ms": 5000})
    athena.wait_for(lambda row: row["id"] == "clock" and row["status"] == "error")
    assert changes(athena, reporter.tx_id) == [("pending", None, None), ("pending", 1, "long and silent")]


def test_without_heartbeats_it_times_out(athena: Athena, start: Start) -> None:
    reporter = start(athena.url, timeout_ms=300)
    row = athena.wait_for(lambda row: row["id"] == reporter.tx_id and row["status"] == "error")
    assert row["message"] == "x: this transaction has timed out"


def test_what_athena_took_for_dead_continues_as_a_new_transaction(athena: Athena, start: Start) -> None:
    reporter = start(athena.url, timeout_ms=300)
    first = reporter.tx_id
    athena.wait_for(lambda row: row["id"] == first and row["status"] == "error")
    reporter.report(State("pending", 2, 3, "still here"))
    athena.wait_for(lambda row: row["id"] == f"{first}-2" and row.get("on_step") == 2)
    assert finished(reporter).problem is None
    assert reporter.tx_id == f"{first}-2"


def test_what_somebody_else_finished_well_is_left_alone(athena: Athena, start: Start) -> None:
    reporter = start(athena.url)
    opened(athena, reporter)
    athena.request("PUT", f"/api/v3/webhooks/txs/{reporter.tx_id}", {"status": "success", "athena_msg": "by hand"})
    reporter.report(State("error", message="exit status 3"))
    assert reporter.ended.wait(PATIENCE)
    assert "has finished as success" in str(reporter.problem)


def test_after_a_purge_it_is_opened_again(athena: Athena, start: Start) -> None:
    reporter = start(athena.url)
    opened(athena, reporter)
    athena.request("DELETE", "/api/v3/notifications/purge")
    assert finished(reporter).problem is None
    assert changes(athena, reporter.tx_id)[-1][0] == "success"


def test_an_opening_that_is_refused_ends_it(athena: Athena, start: Start) -> None:
    reporter = start(athena.url, no_such_member=1)
    assert reporter.ended.wait(PATIENCE)
    assert not reporter.opened
    assert "no_such_member" in str(reporter.problem)


def test_an_edit_that_is_refused_does_not_end_it(athena: Athena, start: Start) -> None:
    reporter = start(athena.url)
    reporter.report(State("pending", message="x" * (MESSAGE_LIMIT + 1)))
    reporter.report(State("pending", 1, None, "fine"))
    athena.wait_for(lambda row: row["id"] == reporter.tx_id and row.get("on_step") == 1)
    assert finished(reporter).problem is None


def test_a_server_that_never_answers_costs_nothing_but_the_result(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reporter = start(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        for number in range(1000):
            reporter.report(State("pending", number))  # never waits
        reporter.report(DONE)
        assert not reporter.ended.wait(0.3)
        assert "no answer in time" in str(reporter.problem)
