"""Misbehaving clients harm only themselves, and cost bounded memory."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.calls import BULK, Deadline, StartAthena, call, new_id, ok, open_tx
from tests.e2e.expect import check_order, fold
from tests.e2e.rawsocket import PING, RawWebSocket, frame, is_cut, is_cut_in_a_flood, tcp
from tests.e2e.subscribers import STREAM, PythonSubscriber, SseSubscriber
from tests.support.server import PATIENCE, Athena


def memory(athena: Athena) -> int:
    """Resident memory of the server in bytes."""
    for line in Path(f"/proc/{athena.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def sockets(athena: Athena) -> int:
    """The number of sockets that the server has open."""
    links = Path(f"/proc/{athena.pid}/fd")
    return sum(1 for number in os.listdir(links) if _target(links / number).startswith("socket:"))


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # closed in the meantime
        return ""


def burst(athena: Athena, count: int, rounds: int) -> list[str]:
    """`rounds` edits of 1.2 kB to each of `count` transactions -> their ids."""
    ids = [new_id() for _ in range(count)]
    ok(athena, "POST", BULK, [{"op": "open", "tx_id": tx_id, "description": "d" * 200} for tx_id in ids])
    for step in range(1, rounds + 1):
        lines = [
            {"op": "edit", "tx_id": i, "status": "pending", "on_step": step, "athena_msg": "m" * 1000} for i in ids
        ]
        ok(athena, "POST", BULK, lines)
    return ids


def test_clients_that_never_read_hinder_nobody(start_athena: StartAthena) -> None:
    """60 clients leave 12 MB each unread. The others receive everything, and memory does not grow by it."""
    athena = start_athena("--tail-bytes", "4000000")
    with ExitStack() as opened, PythonSubscriber(athena) as reader, SseSubscriber(athena) as stream:
        burst(athena, 10, 1)  # the memory of the first use of everything
        before = memory(athena)
        for _ in range(30):
            opened.enter_context(RawWebSocket(athena, receive_buffer=4096))
            lazy = opened.enter_context(tcp(athena, receive_buffer=4096))
            lazy.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert lazy.recv(12) == b"HTTP/1.1 200"
        ids = burst(athena, 2500, 4)
        for subscriber in (reader, stream):
            messages = subscriber.receive_until(lambda m: m["id"] == ids[-1] and m.get("on_step") == 4, 2 * PATIENCE)
            check_order(messages)
            states = fold(messages)
            assert all(states[tx_id]["on_step"] == 4 for tx_id in ids)
        grown = memory(athena) - before
    assert grown < 150_000_000, f"{grown:,} bytes more"


def test_a_client_that_reads_again_gets_the_latest_states(start_athena: StartAthena) -> None:
    """What it missed has left the tail: each transaction is sent once more, in order, then live messages continue."""
    athena = start_athena("--tail-bytes", "65536")
    with RawWebSocket(athena, receive_buffer=4096) as late:
        ids = burst(athena, 3000, 3)
        end = open_tx(athena)
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["id"] != end:
            messages.append(late.receive_message())
        check_order(messages)
        states = fold(messages)
        assert all(states[tx_id]["on_step"] == 3 for tx_id in ids)
        assert len(messages) < 4 * 3000, "it should not have got everything"
        tx_id = open_tx(athena)
        assert late.receive_message()["id"] == tx_id


def test_a_client_that_makes_no_progress_is_cut(start_athena: StartAthena) -> None:
    athena = start_athena("--slow-timeout", "1")
    with RawWebSocket(athena, receive_buffer=4096) as stuck, PythonSubscriber(athena) as reader:
        connected = sockets(athena)
        with ThreadPoolExecutor(1) as aside:  # it reads all the time: a client that does not is cut
            read = aside.submit(reader.receive_until, lambda message: message.get("id") == "the-end")
            burst(athena, 4000, 3)
            open_tx(athena, "the-end")
            check_order(read.result())
        deadline, clock = Deadline(), threading.Event()
        while sockets(athena) >= connected:
            assert not deadline.passed, "it is still connected"
            clock.wait(0.05)
        assert stuck.is_cut()


def test_pings_of_a_client_that_never_reads_cost_bounded_memory(shared: Athena) -> None:
    """Every ping requires a pong (RFC 6455 §5.5.2); for a peer that does not read them, no more of them are kept."""
    pings = frame(PING, b"p" * 125) * 1000
    with RawWebSocket(shared, receive_buffer=4096) as flooder:
        before = memory(shared)
        flooder.sock.settimeout(1)
        try:
            for _ in range(200):  # 26 MB
                flooder.sock.sendall(pings)
        except OSError:
            pass  # cut, or Athena has stopped reading
        grown = memory(shared) - before
    assert grown < 16_000_000, f"{grown:,} bytes more"
    assert call(shared, "GET", "/healthz").status == 200


HANDSHAKES = {
    "WebSocket": b"GET /api/v3/notifications/live HTTP/1.1\r\nUpgrade: websocket\r\nX-Slow: " + b"x" * 1_000_000,
    "HTTP": b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 1_000_000,
    "nothing at all": b"",
}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Athena]:
    """A server that waits a second for a request to arrive, and for the next one."""
    flags = ("--handshake-timeout", "1", "--idle-timeout", "1")
    with Athena(tmp_path_factory.mktemp("hasty") / "athena-data", *flags) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "second"),
    [("WebSocket", False), ("HTTP", False), ("nothing at all", False), ("WebSocket", True), ("HTTP", True)],
)
def test_a_handshake_byte_by_byte_is_cut(name: str, second: bool, hasty: Athena) -> None:
    with tcp(hasty) as sock:
        if second:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        assert cut_while_sending(sock, HANDSHAKES[name]), "it may go on like this for ever"
    assert call(hasty, "GET", "/healthz").status == 200


def cut_while_sending(sock: socket.socket, data: bytes) -> bool:
    """Send a byte every tenth of a second -> whether the server ends the connection."""
    sock.settimeout(0.1)
    deadline = Deadline()
    for byte in data:
        try:
            sock.sendall(bytes([byte]))
            if not sock.recv(65536):
                return True
        except TimeoutError:
            pass
        except OSError:
            return True
        if deadline.passed:
            return False
    sock.settimeout(PATIENCE)
    return is_cut(sock)


ENDLESS = {
    "headers": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"X-Flood: " + b"y" * 65_000 + b"\r\n"),
    "one header": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Flood: ", b"y" * 65_536),
    "path": (b"GET /", b"y" * 65_536),
    "WebSocket headers": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n",
        b"X-Flood: " + b"y" * 65_000 + b"\r\n",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_request_head_without_end_is_cut(name: str, shared: Athena) -> None:
    """Long before it has filled memory."""
    start, more = ENDLESS[name]
    with tcp(shared) as sock:
        sock.sendall(start)
        assert is_cut_in_a_flood(sock, more), "16 MB, and still no end"


@pytest.mark.parametrize("requests", [1, 2])
def test_a_connection_on_which_nothing_is_asked_any_more_is_closed(requests: int, hasty: Athena) -> None:
    with tcp(hasty) as sock:
        for _ in range(requests):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        assert is_cut(sock)


def test_what_is_no_request_does_not_keep_a_connection_open(hasty: Athena) -> None:
    """Line breaks may precede a request (RFC 9112, section 2.2), and a body may follow its response."""
    with tcp(hasty) as breaks, tcp(hasty) as late:
        breaks.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert breaks.recv(65536).startswith(b"HTTP/1.1 200")
        breaks.sendall(b"\r\n\r\n")
        late.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
        assert late.recv(65536).startswith(b"HTTP/1.1 404")
        late.sendall(b"hello")
        assert is_cut(breaks)
        assert is_cut(late)


@pytest.fixture(scope="module")
def page(hasty: Athena) -> bytes:
    """A request for a response of four megabytes, more than the kernel buffers for a client that reads nothing."""
    large = "\u4e2d" * 1024  # 3 KB
    line = {"op": "open", "description": large[:256]}
    for some in range(4):
        lines = [{**line, "tx_id": f"large-{some}-{n}", "athena_msg": large} for n in range(250)]
        assert call(hasty, "POST", BULK, lines).status == 200
    return b"GET /api/v3/notifications?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_who_reads_slowly_gets_the_whole_answer(page: bytes, hasty: Athena) -> None:
    """Reading takes longer than a connection may be idle."""
    with tcp(hasty, receive_buffer=16_384) as sock:
        sock.sendall(page)
        head, _, came = sock.recv(65536).partition(b"\r\n\r\n")
        size, got = int(head.lower().partition(b"content-length: ")[2].split()[0]), len(came)
        assert size > 3_000_000
        while got < size:
            threading.Event().wait(0.02)
            piece = sock.recv(16_384)
            assert piece, f"cut after {got:,} of {size:,} bytes"
            got += len(piece)


def test_who_never_reads_the_answer_is_cut(page: bytes, hasty: Athena) -> None:
    descriptors = Path(f"/proc/{hasty.pid}/fd")
    before = len(list(descriptors.iterdir()))
    with ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(tcp(hasty, receive_buffer=4096))
            sock.sendall(page)
            assert sock.recv(10)
        deadline = Deadline()
        while len(list(descriptors.iterdir())) > before + 5:
            assert not deadline.passed, "they may go on not to read for ever"
            threading.Event().wait(0.1)


def test_a_request_may_take_longer_than_a_connection_may_be_idle(hasty: Athena) -> None:
    assert call(hasty, "GET", "/api/v3/notifications/changes?wait=2").status == 200


def test_those_who_are_in_are_not_cut_by_the_handshake_timeout(hasty: Athena) -> None:
    with PythonSubscriber(hasty) as subscriber, SseSubscriber(hasty) as stream, tcp(hasty) as silent:
        assert is_cut(silent)  # by now the timeout has passed for the others, too
        tx_id = open_tx(hasty)
        assert subscriber.receive()["id"] == tx_id
        assert stream.receive()["id"] == tx_id
