"""`kill -9` and SIGTERM at any time: nothing acknowledged is lost, and the file opens again."""

from __future__ import annotations

import os
import random
import resource
import signal
import time

import apsw
import pytest
from tests.e2e.calls import BULK, UNREACHABLE, call, check_error, history, ok, open_tx, position
from tests.e2e.expect import check_fold, check_gapless, fold, seq_of, tx_path
from tests.e2e.producer import Reckless, check_kept, reckless
from tests.e2e.rawsocket import CLOSE, RawWebSocket, tcp
from tests.e2e.subscribers import Closed, Message, PythonSubscriber
from tests.support.server import Athena


def check_database(athena: Athena) -> None:
    """The file opens again and is intact (checked while no process has it open)."""
    database = apsw.Connection(str(athena.data / "athena.db"))
    try:
        assert list(database.execute("PRAGMA integrity_check")) == [("ok",)]
        assert list(database.execute("PRAGMA foreign_key_check")) == []
    finally:
        database.close()


def test_nothing_acknowledged_is_lost_by_kill_9(athena: Athena, dice: random.Random) -> None:
    everyone: list[Reckless] = []
    for number in range(5):
        start = position(athena)
        with PythonSubscriber(athena, after=start) as witness:
            producers, count = reckless(athena, dice, 4, f"k{number}")
            count.wait_for_more(dice.randint(1, 400))
            athena.kill()
            for producer in producers:
                with pytest.raises(UNREACHABLE):
                    producer.join()
            pushed = everything(witness)
        everyone += producers
        check_database(athena)
        athena.start()
        rows = history(athena, limit=1000)
        check_kept(everyone, rows)
        check_gapless(pushed)
        changes = [message for message in pushed if message["type"] != "ready"]
        assert not changes or seq_of(changes[0]["cursor"]) == seq_of(start) + 1
        # What was pushed is in the history: the same state, or a later one.
        assert fold(pushed).keys() <= {row["id"] for row in rows}
        with PythonSubscriber(athena, after=start) as again:
            replay = again.receive_until(lambda message: message["type"] == "ready")
        assert seq_of(replay[-1]["cursor"]) >= max((seq_of(m["cursor"]) for m in pushed), default=0)
        check_fold(fold(replay), [row for row in rows if row["id"] in fold(replay)])


def everything(subscriber: PythonSubscriber) -> list[Message]:
    """Everything that `subscriber` received before the connection was lost."""
    messages = []
    try:
        while True:
            messages.append(subscriber.receive())
    except Closed:
        return messages


def test_sigterm_under_load_finishes_what_it_acknowledged(athena: Athena, dice: random.Random) -> None:
    for number in range(2):
        producers, count = reckless(athena, dice, 4, f"s{number}")
        count.wait_for_more(dice.randint(50, 300))
        before = time.monotonic()
        athena.stop()  # with exit status 0
        assert time.monotonic() - before < 10
        for producer in producers:
            with pytest.raises((AssertionError, *UNREACHABLE)) as ended:
                producer.join()
            assert isinstance(ended.value, UNREACHABLE) or "shutting_down" in str(ended.value), ended.value
        check_database(athena)
        athena.start()
        check_kept(producers, history(athena, limit=1000))


def test_a_full_disk_fails_what_it_hits_and_nothing_else(athena: Athena) -> None:
    """A file size limit simulates the disk. Nothing of a change refused with 503 is stored; acknowledged ones stay."""
    ids = [open_tx(athena) for _ in range(20)]
    unlimited = resource.prlimit(athena.pid, resource.RLIMIT_FSIZE)
    with PythonSubscriber(athena) as subscriber:
        largest = max(file.stat().st_size for file in [*athena.data.iterdir(), athena.log_file])
        resource.prlimit(athena.pid, resource.RLIMIT_FSIZE, (largest, unlimited[1]))
        stored, refused = 0, 0
        for step in range(1, 2000):
            answer = call(athena, "PUT", tx_path(ids[step % 20]), {"status": "pending", "on_step": step})
            if answer.status == 200:
                stored += 1
                assert subscriber.receive()["on_step"] == step
                continue
            check_error(answer, 503)
            refused += 1
            assert ok(athena, "GET", tx_path(ids[step % 20])).get("on_step") != step, "refused, and yet there"
            if refused == 3:
                break
        assert refused == 3, "the disk never got full"
        lines = [{"op": "edit", "tx_id": tx_id, "status": "success", "athena_msg": "m" * 1000} for tx_id in ids]
        check_error(call(athena, "POST", BULK, lines), 503)
        assert {ok(athena, "GET", tx_path(tx_id))["status"] for tx_id in ids} == {"pending"}
        resource.prlimit(athena.pid, resource.RLIMIT_FSIZE, unlimited)
        assert call(athena, "PUT", tx_path(ids[0]), {"status": "success"}).status == 200
        after = subscriber.receive()  # the next message for any client
        assert (after["id"], after["status"]) == (ids[0], "success")
        assert seq_of(after["cursor"]) == 20 + stored + 1
    rows = history(athena)
    athena.kill()
    check_database(athena)
    athena.start()
    assert history(athena) == rows


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_an_impatient_operator_does_no_harm(first: signal.Signals, athena: Athena) -> None:
    """Ctrl-C and then SIGTERM, in any combination: it ends cleanly and at once."""
    tx_id = open_tx(athena)
    os.kill(athena.pid, first)
    athena.stop()  # sends SIGTERM, and expects exit status 0
    athena.start()
    assert ok(athena, "GET", tx_path(tx_id))["status"] == "pending"


def test_nobody_is_let_in_while_the_last_ones_leave(athena: Athena) -> None:
    """Clients get time to answer the close; new ones are refused at once meanwhile, not accepted and then cut."""
    with RawWebSocket(athena) as last:
        os.kill(athena.pid, signal.SIGTERM)
        goodbye = last.receive()
        assert (goodbye.opcode, goodbye.payload[:2]) == (CLOSE, (1001).to_bytes(2, "big"))
        with pytest.raises(ConnectionRefusedError):
            tcp(athena).close()
        assert athena.running, "it has not waited"
    assert athena.ended() == 0
