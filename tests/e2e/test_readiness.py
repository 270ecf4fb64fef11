"""`/readyz` of a real server whose disk is full, stuck or too small, and recovers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
from tests.e2e.calls import TXS, Answer, Deadline, StartAthena, call, check_error, ok
from tests.e2e.test_metrics import number
from tests.faults.server import server
from tests.support.server import Athena

OPENING = {"description": "a test"}


def described(athena: Athena, answer: Answer) -> dict[str, Any]:
    """The body, checked against the API's description."""
    document = ok(athena, "GET", "/openapi.json")
    content = document["paths"]["/readyz"]["get"]["responses"][str(answer.status)]["content"]
    schema = content["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer.body)
    body: dict[str, Any] = answer.body
    return body


def not_ready(athena: Athena) -> dict[str, Any]:
    """The checks of a 503 response."""
    answer = call(athena, "GET", "/readyz")
    check_error(answer, 503, "not_ready")
    body = described(athena, answer)
    assert body["status"] == "not_ready"
    assert str(athena.data) not in str(body)
    checks: dict[str, Any] = body["checks"]
    return checks


def until_ready(athena: Athena) -> dict[str, Any]:
    """The response of a server that eventually becomes ready."""
    deadline = Deadline()
    while (answer := call(athena, "GET", "/readyz")).status != 200:
        assert not deadline.passed, answer
    return described(athena, answer)


def test_a_server_that_is_well(athena: Athena) -> None:
    body = until_ready(athena)
    assert body["status"] == "ready"
    assert body["version"] == ok(athena, "GET", "/healthz")["version"]
    assert body["checks"]["store"] == {"ok": True}
    assert body["checks"]["access"] == {"ok": True}  # access control is off, so this cannot fail
    assert body["checks"]["disk"]["ok"]
    assert body["checks"]["disk"]["free_bytes"] > 0
    assert body["checks"]["journal"]["ok"] is True
    assert body["checks"]["journal"]["lag_ms"] < 10_000  # from background commits at that moment


def test_asking_an_idle_server_writes_little_and_stores_nothing(athena: Athena) -> None:
    until_ready(athena)
    log = athena.data / "athena.db-wal"
    size = len(log.read_bytes().rstrip(b"\0"))  # preallocated zeros may follow the written part
    for _ in range(50):
        assert call(athena, "GET", "/readyz").status == 200
    assert len(log.read_bytes().rstrip(b"\0")) - size < 10 * 4200
    assert number(athena, "athena_changes_total") == number(athena, "athena_commits_total") == 0


def test_a_full_disk_and_room_again(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with server(tmp_path / "data", faults="fillable_disk", FULL=str(full)) as athena:
        until_ready(athena)
        full.touch()
        check_error(call(athena, "POST", TXS, OPENING), 503, "store_unavailable")
        checks = not_ready(athena)
        assert not checks["store"]["ok"]
        assert checks["disk"]["ok"]
        assert checks["journal"]["ok"]
        assert number(athena, "athena_ready", check="store") == 0
        assert number(athena, "athena_ready", check="disk") == 1
        assert number(athena, "athena_store_failures_total") >= 1
        assert call(athena, "GET", "/healthz").status == 200
        full.unlink()
        until_ready(athena)
        assert number(athena, "athena_ready", check="store") == 1
        assert call(athena, "POST", TXS, OPENING).status == 201


def test_a_disk_that_was_full_before_anyone_reported_is_noticed_too(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with server(tmp_path / "data", faults="fillable_disk", FULL=str(full)) as athena:
        full.touch()
        assert not not_ready(athena)["store"]["ok"]
        full.unlink()
        until_ready(athena)


def test_a_start_on_a_full_disk_with_a_transaction_to_be_put_off(tmp_path: Path) -> None:
    """It has time left, but its check cannot be postponed: reads are served all the same, and it ends on time
    afterwards."""
    full = tmp_path / "full"
    with server(tmp_path / "data", faults="fillable_disk", FULL=str(full)) as athena:
        opened = time.monotonic()
        assert call(athena, "POST", TXS, OPENING | {"tx_id": "busy", "timeout_ms": 6000}).status == 201
        time.sleep(2)
        assert call(athena, "PUT", f"{TXS}/busy", {"status": "pending", "athena_msg": "at work"}).status == 200
        athena.kill()
        full.touch()
        time.sleep(max(0, opened + 6.1 - time.monotonic()))
        athena.start()
        assert not not_ready(athena)["store"]["ok"]
        assert ok(athena, "GET", f"{TXS}/busy")["athena_messages"][-1] == "at work"
        full.unlink()
        until_ready(athena)
        deadline = Deadline()
        while ok(athena, "GET", f"{TXS}/busy")["status"] == "pending":
            assert not deadline.passed
            time.sleep(0.1)


@contextmanager
def stuck(gate: Path) -> Iterator[None]:
    """No commit finishes inside this context."""
    os.mkfifo(gate)
    try:
        yield
    finally:
        descriptor = os.open(gate, os.O_RDWR)  # O_RDWR opens at once, and releases a waiting reader
        gate.unlink()
        os.close(descriptor)


def test_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    answers: list[Answer] = []
    with server(tmp_path / "data", faults="stuck_disk", GATE=str(gate)) as athena:
        producer = threading.Thread(target=lambda: answers.append(call(athena, "POST", TXS, OPENING)))
        with stuck(gate):
            producer.start()
            checks = not_ready(athena)
            assert not checks["store"]["ok"]
            assert number(athena, "athena_journal_lag_seconds") > 0
            while (checks := not_ready(athena))["journal"]["ok"]:
                assert checks["journal"]["lag_ms"] < 10_000
            assert call(athena, "GET", "/healthz").status == 200
            assert not answers
        producer.join()
        assert answers[0].status == 201
        until_ready(athena)
        assert number(athena, "athena_journal_lag_seconds") == 0


def test_less_free_space_than_is_wanted_names_the_disk(start_athena: StartAthena) -> None:
    athena = start_athena("--min-free-bytes", "900000000000000")
    checks = not_ready(athena)
    assert not checks["disk"]["ok"]
    assert checks["store"]["ok"]
    assert "a disk with" in call(athena, "GET", "/readyz").body["error"]
    assert call(athena, "POST", TXS, OPENING).status == 201, "it is a warning, not a refusal"
    assert number(athena, "athena_ready", check="disk") == 0
