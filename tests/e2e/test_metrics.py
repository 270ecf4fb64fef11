"""`/metrics` of a real server: each number moves when, and only when, what it counts happens."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_strictly
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.calls import BULK, NOTIFICATIONS, PURGE, TXS, Deadline, StartAthena, call, edit, ok, open_tx, position
from tests.e2e.rawsocket import BINARY, RawWebSocket, frame, tcp
from tests.e2e.subscribers import STREAM, PythonSubscriber, subscribe
from tests.support.server import Athena


def families(athena: Athena) -> list[Metric]:
    return list(text_string_to_metric_families(ok(athena, "GET", "/metrics")))


def number(athena: Athena, name: str, **labels: str) -> float:
    """One sample."""
    (value,) = [
        sample.value
        for family in families(athena)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return value


def until(athena: Athena, wanted: float, name: str, **labels: str) -> None:
    """Poll until a sample has this value: the server notices a client's end with a delay."""
    deadline = Deadline()
    while (value := number(athena, name, **labels)) != wanted:
        assert not deadline.passed, f"{name} {labels} stays at {value:g}, expected {wanted:g}"


class Moves:
    """How far a sample has moved since this object was created."""

    def __init__(self, athena: Athena, name: str, **labels: str) -> None:
        self._now = partial(number, athena, name, **labels)
        self._before = self._now()

    def by(self) -> float:
        return self._now() - self._before


MovesOf = Callable[..., Moves]


@pytest.fixture
def moves(shared: Athena) -> MovesOf:
    return partial(Moves, shared)


# ---- the format ------------------------------------------------------------------------------------------------------
def test_it_can_be_told_in_openmetrics_which_is_stricter(shared: Athena) -> None:
    class Told:
        @staticmethod
        def collect() -> list[Metric]:
            return families(shared)

    again = list(parse_strictly(generate_latest(Told()).decode()))  # type: ignore[no-untyped-call]
    assert {family.name for family in again} == {family.name for family in families(shared)}


def test_names_follow_prometheus_conventions(shared: Athena) -> None:
    """https://prometheus.io/docs/practices/naming: one prefix, base units, `_total` for counters alone."""
    for family in families(shared):
        assert re.fullmatch(r"(athena|process)_[a-z_]+", family.name)
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|kilobytes|percent)(_|$)", family.name)
        assert family.documentation
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            for label in sample.labels:
                assert re.fullmatch(r"[a-z_]+", label)


def test_buckets_are_cumulative_and_end_with_all(shared: Athena) -> None:
    edit(shared, open_tx(shared), "success")
    histograms = [family for family in families(shared) if family.type == "histogram"]
    assert len(histograms) == 2
    for family in histograms:
        buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
        counts = [sample.value for sample in buckets]
        assert counts == sorted(counts)
        assert buckets[-1].labels == {"le": "+Inf"}
        (count,) = [sample.value for sample in family.samples if sample.name.endswith("_count")]
        assert counts[-1] == count > 0


# ---- edits and commits -----------------------------------------------------------------------------------------------
def test_edits_and_commits(shared: Athena, moves: MovesOf) -> None:
    commands, commits = moves("athena_commands_total"), moves("athena_commits_total")
    changes, rows = moves("athena_changes_total"), moves("athena_rows")
    tx_id = open_tx(shared)
    edit(shared, tx_id)  # a heartbeat
    edit(shared, tx_id, "success")
    assert (commands.by(), commits.by(), changes.by(), rows.by()) == (3, 3, 2, 1)


def test_the_size_of_commits(shared: Athena, moves: MovesOf) -> None:
    to_64, to_128 = moves("athena_commit_size_bucket", le="64.0"), moves("athena_commit_size_bucket", le="128.0")
    total = moves("athena_commit_size_sum")
    lines = [{"op": "open", "tx_id": f"sized-{line}", "description": "d"} for line in range(100)]
    ok(shared, "POST", BULK, lines)
    assert (to_64.by(), to_128.by(), total.by()) == (0, 1, 100)


def test_the_push_latency_counts_each_commit_once(shared: Athena, moves: MovesOf) -> None:
    count, seconds = moves("athena_push_latency_seconds_count"), moves("athena_push_latency_seconds_sum")
    with PythonSubscriber(shared) as first, PythonSubscriber(shared) as second:
        for reached in range(1, 6):
            tx_id = open_tx(shared)
            first.receive_of(tx_id)
            second.receive_of(tx_id)
            assert count.by() == reached
    assert 0 < seconds.by() < 5 * 30


def test_nothing_waits_when_nothing_is_reported(shared: Athena) -> None:
    assert number(shared, "athena_journal_waiting") == 0
    assert number(shared, "athena_journal_lag_seconds") == 0


# ---- clients ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("transport", "label"), [("python", "websocket"), ("sse", "sse")])
def test_clients_by_transport(transport: str, label: str, shared: Athena) -> None:
    before = number(shared, "athena_clients", transport=label)
    with subscribe(transport, shared), subscribe(transport, shared):
        until(shared, before + 2, "athena_clients", transport=label)
    until(shared, before, "athena_clients", transport=label)


def test_a_poll_is_a_client_while_it_waits(shared: Athena) -> None:
    until(shared, 0, "athena_clients", transport="longpoll")
    sock = waiting_poll(shared)
    until(shared, 1, "athena_clients", transport="longpoll")
    open_tx(shared)
    assert b"200 OK" in sock.recv(65536)
    until(shared, 0, "athena_clients", transport="longpoll")
    sock.close()


def waiting_poll(athena: Athena) -> socket.socket:
    sock = tcp(athena)
    sock.sendall(f"GET {NOTIFICATIONS}/changes?wait=30 HTTP/1.1\r\nHost: 127.0.0.1:{athena.port}\r\n\r\n".encode())
    return sock


@pytest.mark.parametrize(("transport", "label"), [("python", "websocket"), ("sse", "sse"), ("longpoll", "longpoll")])
def test_resumes_by_kind(transport: str, label: str, shared: Athena, moves: MovesOf) -> None:
    tail = moves("athena_resumes_total", transport=label, kind="tail")
    reset = moves("athena_resumes_total", transport=label, kind="reset")
    resets = moves("athena_resets_total", cause="unknown_cursor")
    cursor = position(shared)
    tx_id = open_tx(shared)
    with subscribe(transport, shared, cursor) as back:
        back.receive_of(tx_id)
    assert (tail.by(), reset.by(), resets.by()) == (1, 0, 0)
    with subscribe(transport, shared, "0a0b0c0d.1") as lost:
        assert lost.receive()["type"] == "reset"
    assert (tail.by(), reset.by(), resets.by()) == (1, 1, 1)


def test_a_resume_from_before_the_tail_is_from_the_store(start_athena: StartAthena) -> None:
    athena = start_athena("--tail-bytes", "2000")
    open_tx(athena)
    cursor = position(athena)
    last = [open_tx(athena) for _ in range(50)][-1]
    with PythonSubscriber(athena, cursor) as back:
        back.receive_of(last)
    assert number(athena, "athena_resumes_total", transport="websocket", kind="store") == 1
    assert number(athena, "athena_store_reads_total") >= 1


def test_a_purge_resets_those_who_are_there(shared: Athena, moves: MovesOf) -> None:
    until(shared, 0, "athena_clients", transport="websocket")
    until(shared, 0, "athena_clients", transport="sse")
    purged = moves("athena_resets_total", cause="purge")
    with PythonSubscriber(shared) as one, subscribe("sse", shared) as other:
        until(shared, 1, "athena_clients", transport="sse")
        ok(shared, "DELETE", PURGE)
        assert one.receive()["type"] == other.receive()["type"] == "reset"
    assert purged.by() == 2
    assert number(shared, "athena_rows") == 0


def test_a_client_that_sends_too_much_is_counted(shared: Athena, moves: MovesOf) -> None:
    ended = moves("athena_ended_clients_total", cause="flood")
    with RawWebSocket(shared) as client:
        client.send_quietly(frame(BINARY, bytes(4000)) * 20)
        assert client.receive_close() == 1008
    assert ended.by() == 1


def test_silent_clients_are_counted(start_athena: StartAthena) -> None:
    athena = start_athena("--ping-interval", "0.1", "--ping-timeout", "0.1")
    with RawWebSocket(athena) as client:
        assert client.is_cut()
    assert number(athena, "athena_ended_clients_total", cause="silent") == 1
    assert number(athena, "athena_ended_clients_total", cause="slow") == 0


# ---- the rest --------------------------------------------------------------------------------------------------------
def test_expiries(shared: Athena, moves: MovesOf) -> None:
    expired = moves("athena_expired_total")
    with PythonSubscriber(shared) as subscriber:
        tx_id = open_tx(shared, timeout_ms=1)
        subscriber.receive_until(lambda message: message["id"] == tx_id and message["status"] == "error")
    assert expired.by() == 1


@pytest.mark.parametrize(
    ("code", "method", "path", "body"),
    [
        ("unknown_transaction", "PUT", f"{TXS}/nobody", {"status": "success"}),
        ("not_found", "GET", "/nowhere", None),
        ("method_not_allowed", "PATCH", TXS, None),
        ("invalid_field", "POST", TXS, {"description": 1}),
        ("upgrade_required", "GET", f"{NOTIFICATIONS}/live", None),
    ],
)
def test_errors_by_code(code: str, method: str, path: str, body: Any, shared: Athena, moves: MovesOf) -> None:
    errors = moves("athena_errors_total", code=code)
    assert call(shared, method, path, body).body["code"] == code
    assert errors.by() == 1


def test_what_is_no_request_is_counted_too(shared: Athena, moves: MovesOf) -> None:
    errors = moves("athena_errors_total", code="bad_request")
    with tcp(shared) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert b"bad_request" in sock.recv(65536)
    with tcp(shared) as sock:
        handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: x"
        sock.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{shared.port}\r\n{handshake}\r\n\r\n".encode())
        assert b"bad_request" in sock.recv(65536)
    assert errors.by() == 2


def test_the_store_and_its_disk(shared: Athena) -> None:
    open_tx(shared)
    for file, name in (("main", "athena.db"), ("wal", "athena.db-wal")):
        before = (shared.data / name).stat().st_size
        told = number(shared, "athena_store_bytes", file=file)
        assert before <= told <= (shared.data / name).stat().st_size
    assert number(shared, "athena_disk_free_bytes") > 0


def test_readiness_is_told_check_by_check(shared: Athena) -> None:
    checks = ("store", "disk", "journal", "access")
    assert [number(shared, "athena_ready", check=check) for check in checks] == [1, 1, 1, 1]


@pytest.mark.parametrize("behind", [1, 2])
def test_a_stream_with_requests_behind_it_ends_with_its_connection(shared: Athena, behind: int) -> None:
    before = number(shared, "athena_clients", transport="sse")
    get = "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(3):
        with tcp(shared) as sock:
            sock.sendall((get.format(STREAM) + behind * get.format("/healthz")).encode())
            assert sock.recv(12) == b"HTTP/1.1 200"
    until(shared, before, "athena_clients", transport="sse")


def test_the_head_of_a_stream_is_no_stream(shared: Athena) -> None:
    before = number(shared, "athena_clients", transport="sse")
    with tcp(shared) as sock:
        sock.sendall(f"HEAD {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b"text/event-stream" in sock.recv(65536)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"
    assert number(shared, "athena_clients", transport="sse") == before


def test_a_poll_ends_with_its_connection(shared: Athena) -> None:
    until(shared, 0, "athena_clients", transport="longpoll")
    for _ in range(3):
        waiting_poll(shared).close()
    until(shared, 0, "athena_clients", transport="longpoll")
