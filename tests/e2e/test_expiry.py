"""Transactions that go silent end as errors, in time and whatever happens to the server (docs/lifecycle.md)."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from tests.e2e.calls import call, check_error, edit, now_ms, ok, open_tx, position
from tests.e2e.expect import tx_path
from tests.e2e.subscribers import PythonSubscriber
from tests.support.server import Athena


def test_a_transaction_that_goes_silent_becomes_an_error(shared: Athena) -> None:
    with PythonSubscriber(shared) as subscriber:
        tx_id = open_tx(shared, description="job", timeout_ms=300, athena_msg="working")
        opened, expired = subscriber.receive(), subscriber.receive()
    assert (expired["id"], expired["status"]) == (tx_id, "error")
    assert expired["message"] == "job: this transaction has timed out"
    assert expired["ts_started"] == opened["ts_started"]
    assert expired["ts_completed"] - opened["ts_started"] >= 300
    assert expired["ts_display"] == expired["ts_completed"] <= now_ms()
    check_error(call(shared, "PUT", tx_path(tx_id), {"status": "success"}), 409, "transaction_finished")
    assert ok(shared, "GET", tx_path(tx_id))["message"] == "job: this transaction has timed out"


def test_deadlines_are_kept_in_their_order(shared: Athena) -> None:
    with PythonSubscriber(shared) as subscriber:
        ids = {timeout: open_tx(shared, timeout_ms=timeout) for timeout in (1800, 200, 1000, 600_000)}
        expired = [m["id"] for m in subscriber.receive_until(lambda m: m["id"] == ids[1800] and m["status"] == "error")]
    assert [tx_id for tx_id in expired if tx_id != ids[600_000]][3:] == [ids[200], ids[1000], ids[1800]]
    assert ok(shared, "GET", tx_path(ids[600_000]))["status"] == "pending"


def test_an_edit_moves_the_deadline_and_a_shorter_one_comes_sooner(shared: Athena) -> None:
    with PythonSubscriber(shared) as subscriber:
        later, sooner = open_tx(shared, timeout_ms=3000), open_tx(shared, timeout_ms=600_000)
        edit(shared, later, timeout_ms=600_000)
        edit(shared, sooner, timeout_ms=3200)
        messages = subscriber.receive_until(lambda m: m["status"] == "error")
        assert messages[-1]["id"] == sooner
    assert ok(shared, "GET", tx_path(later))["status"] == "pending"


def test_heartbeats_keep_a_transaction_alive(shared: Athena) -> None:
    """If the heartbeats arrive in time; on a machine too busy for that, the test proves nothing."""
    timeout = 1000
    with PythonSubscriber(shared) as subscriber:
        alive = open_tx(shared, timeout_ms=timeout)
        beats = [time.monotonic()]
        while beats[-1] - beats[0] < 2 * timeout / 1000:
            with pytest.raises(TimeoutError):
                subscriber.receive_of("nobody", timeout=0.1)
            if call(shared, "PUT", tx_path(alive), {"status": "pending"}).status != 200:
                break
            beats.append(time.monotonic())
        longest_pause = max(later - earlier for earlier, later in pairwise(beats))
        if longest_pause < timeout / 1000 / 2:
            assert ok(shared, "GET", tx_path(alive))["status"] == "pending"
        expired = subscriber.receive_of(alive)  # now that the heartbeats have stopped
        assert expired["status"] == "error"


def test_a_deadline_that_passes_while_athena_is_down(athena: Athena) -> None:
    cursor = position(athena)
    tx_id = open_tx(athena, timeout_ms=1000)
    still_alive = open_tx(athena, timeout_ms=600_000)
    deadline = ok(athena, "GET", tx_path(tx_id))["ts_started"] + 1000
    athena.kill()
    clock = threading.Event()
    while now_ms() <= deadline:
        clock.wait(0.05)
    athena.start()
    with PythonSubscriber(athena, after=cursor) as subscriber:
        messages = subscriber.receive_until(lambda m: m.get("id") == tx_id and m["status"] == "error")
    assert messages[-1]["message"] == "a test: this transaction has timed out"
    assert messages[-1]["ts_completed"] >= deadline
    assert ok(athena, "GET", tx_path(still_alive))["status"] == "pending"
