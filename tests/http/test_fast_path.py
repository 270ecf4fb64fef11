"""An edit gets the same response bytes on the fast path as on the ordinary path."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.access.guarded import Guarded
from tests.e2e.calls import API, PREFIXES, TXS, Deadline, open_tx
from tests.e2e.rawsocket import tcp
from tests.support.server import Athena

PENDING = {"status": "pending", "athena_msg": "on it", "on_step": 2, "total_steps": 3}


def put(tx_id: str, wish: Any, *lines: str, prefix: str = API, host: str = "127.0.0.1") -> bytes:
    """An edit as a producer sends it; `wish` is its JSON, or the bytes of its body."""
    body = wish if isinstance(wish, bytes) else json.dumps(wish).encode()
    head = [f"PUT {prefix}/webhooks/txs/{tx_id} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


class Answers:
    """The responses on a connection, one at a time and without their dates."""

    def __init__(self, sock: socket.socket) -> None:
        self._received = sock.makefile("rb")

    def next(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._received.readline()
            assert line, f"the connection ended after {head!r}"
            head += b"" if line.startswith(b"date: ") else line
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        assert length, head
        return head + self._received.read(int(length[1]))


def answer(sock: socket.socket) -> bytes:
    """The only pending response."""
    return Answers(sock).next()


def fast(athena: Athena) -> int:
    """The number of edits that took the fast path."""
    found = re.search(r"^athena_fast_path_edits_total (\d+)", str(athena.request("GET", "/metrics")[1]), re.MULTILINE)
    assert found
    return int(found[1])


def both_ways(athena: Athena, first: bytes, second: bytes) -> tuple[bytes, bytes, int]:
    """The responses to `first` in one piece and to `second` in two, and how many of them took the fast path."""
    before = fast(athena)
    with tcp(athena) as sock:
        sock.sendall(first)
        short = answer(sock)
        sock.sendall(second[:1])
        let_it_read(athena)
        sock.sendall(second[1:])
        return short, answer(sock), fast(athena) - before


def let_it_read(athena: Athena) -> None:
    """Earlier data has been read once a later request on another connection has been answered."""
    assert athena.request("GET", "/healthz")[0] == 200


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Athena]:
    with Athena(tmp_path_factory.mktemp("fast") / "athena-data") as athena:
        for tx_id in ("a", "one", "two"):
            open_tx(athena, tx_id=tx_id, description="Deploy")
            open_tx(athena, tx_id=f"over-{tx_id}", description="Deploy")
            assert athena.request("PUT", f"{TXS}/over-{tx_id}", {"status": "error"})[0] == 200
        yield athena


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("tx_id", "wish", "status"),
    [
        ("{}", PENDING, 200),
        ("{}", {"status": "pending"}, 200),
        ("{}", {"status": "pending", "on_step": 1}, 409),
        ("over-{}", PENDING, 409),
        ("over-{}", {"status": "error"}, 200),
        ("unknown-{}", PENDING, 404),
    ],
    ids=["change", "heartbeat", "step back", "finished", "repeated end", "unknown"],
)
def test_both_ways_give_the_same_answer(shared: Athena, prefix: str, tx_id: str, wish: Any, status: int) -> None:
    for name in ("one", "two"):
        assert shared.request("PUT", f"{TXS}/{name}", PENDING)[0] == 200
    requests = [put(tx_id.format(name), wish, prefix=prefix) for name in ("one", "two")]
    short, long, ways = both_ways(shared, *requests)
    assert ways == 1
    assert short.startswith(b"HTTP/1.1 %d " % status)
    assert short.replace(b"one", b"two") == long


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (put("a", {"status": "?"}), 400),
        (put("a", {"status": "pending", "more": 1}), 400),
        (put("a", b'{"status":"pending"'), 400),
        (put("a", b'{"status":"\xff"}'), 400),
        (put("a", b"[" * 5000), 400),
        (put("a", b""), 400),
        (put("a", {"status": "pending"}, "Content-Type: text/plain"), 415),
        (put("a", {"status": "pending"}, host="evil.example"), 403),
        (put("a", {"status": "pending"}, "Origin: https://evil.example"), 403),
        (put("a%41", {"status": "pending"}), 404),
        (put("a/b", {"status": "pending"}), 400),
        (put("a?token=x", {"status": "pending"}), 200),
        (put("a", {"status": "pending"}, "Idempotency-Key: once"), 200),
        (put("a", {"status": "pending"}, "Idempotency-Key:"), 400),
        (put("a", {"status": "pending"}, "Connection: close"), 200),
        (put("a", {"status": "pending"}, "Proxy-Connection: close"), 200),
        (put("a", {"status": "pending"}, "Host: other"), 400),
        (put("a", {"status": "pending"}, host="a b"), 400),
        (put("a", {"status": "pending"}).replace(b"HTTP/1.1", b"HTTP/1.0"), 200),
        (put("a", {"status": "pending"}).replace(b"Content-Length", b"Content-Length : 1\r\nX"), 400),
    ],
)
def test_what_is_not_ordinary_goes_the_way_of_all_requests(shared: Athena, request_: bytes, status: int) -> None:
    before = fast(shared)
    with tcp(shared) as sock:
        sock.sendall(request_)
        assert answer(sock).startswith(b"HTTP/1.1 %d " % status)
    assert fast(shared) == before


@pytest.mark.parametrize("name", ["Content-Type", "X-Forwarded-For", "Connection", "X-Athena-Test"])
@pytest.mark.parametrize("space", [" ", "\t", " \t "])
def test_white_space_around_a_value_is_no_part_of_it(shared: Athena, name: str, space: str) -> None:
    """RFC 9110, section 5.5; by either way."""
    value = {"Content-Type": "application/json", "Connection": "keep-alive"}.get(name, "203.0.113.9")
    request = put("a", PENDING, f"{name}:{space}{value}{space}", host=f"127.0.0.1{space}")
    short, long, ways = both_ways(shared, request, request)
    assert ways == 1
    assert short.startswith(b"HTTP/1.1 200 ")
    assert short == long


def test_ordinary_variations_go_the_short_way(shared: Athena) -> None:
    lines = (
        ("Content-Type: application/json; charset=utf-8", "Connection: Keep-Alive"),
        ("X-Request-Id: 1", "Accept: */*", "X-Forwarded-For: 203.0.113.9"),
        ("content-type:application/json",),
    )
    before = fast(shared)
    with tcp(shared) as sock:
        for some in lines:
            sock.sendall(put("a", PENDING, *some))
            assert answer(sock).startswith(b"HTTP/1.1 200 ")
    assert fast(shared) == before + len(lines)


def test_requests_behind_an_edit_are_answered_in_order(shared: Athena) -> None:
    """The edit is not committed yet when they arrive: they wait for it."""
    read = f"GET {TXS}/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    before = fast(shared)
    with tcp(shared) as sock:
        answers = Answers(sock)
        for number in range(50):
            sock.sendall(put("a", {"status": "pending", "athena_msg": f"piece {number}"}))
            sock.sendall(read + put("a", {"status": "pending", "athena_msg": f"behind {number}"}) + read)
            assert answers.next().endswith(b'{"tx_id":"a","message":"ok"}')
            assert f'"message":"Deploy: piece {number}"'.encode() in answers.next()
            assert answers.next().endswith(b'{"tx_id":"a","message":"ok"}')
            assert f'"message":"Deploy: behind {number}"'.encode() in answers.next()
    assert fast(shared) > before


def test_a_half_sent_edit_waits_for_the_rest(shared: Athena) -> None:
    whole = put("a", {"status": "pending", "athena_msg": "in pieces"})
    for cut in (3, whole.index(b"\r\n\r\n") + 2, len(whole) - 1):
        with tcp(shared) as sock:
            answers = Answers(sock)
            sock.sendall(put("a", PENDING))
            assert answers.next().startswith(b"HTTP/1.1 200 ")
            sock.sendall(whole[:cut])
            let_it_read(shared)
            sock.sendall(whole[cut:] + whole)
            for _ in range(2):
                assert answers.next().startswith(b"HTTP/1.1 200 ")


def test_limits_are_those_of_all_requests(tmp_path: Path) -> None:
    with Athena(tmp_path / "athena-data", "--max-head-bytes", "4096", "--max-body-bytes", "100") as athena:
        open_tx(athena, tx_id="a", description="Deploy")
        for request, status in (
            (put("a", PENDING), 200),
            (put("a", PENDING, "X-Long: " + "y" * 4000, "X-Longer: " + "y" * 1000), 431),
            (put("a", {"status": "pending", "athena_msg": "m" * 100}), 400),
        ):
            with tcp(athena) as sock:
                sock.sendall(request)
                assert answer(sock).startswith(b"HTTP/1.1 %d " % status)
        assert fast(athena) == 1


def test_an_edit_whose_sender_has_gone_is_stored(shared: Athena) -> None:
    for number in range(20):
        with tcp(shared) as sock:
            sock.sendall(put("a", {"status": "pending", "athena_msg": f"sent and gone {number}"}))
    said, deadline = "", Deadline()
    while "sent and gone 19" not in said:
        assert not deadline.passed
        said = json.dumps(shared.request("GET", f"{TXS}/a")[1])


def test_an_edit_while_athena_stops_is_answered_and_its_connection_ends(tmp_path: Path) -> None:
    with Athena(tmp_path / "athena-data") as athena:
        open_tx(athena, tx_id="a", description="Deploy")
        with tcp(athena) as sock, tcp(athena) as idle:
            for connection in (sock, idle):
                connection.sendall(put("a", PENDING))
                assert answer(connection).startswith(b"HTTP/1.1 200 ")
            athena.stop()
            assert sock.recv(100) == idle.recv(100) == b""


def test_a_key_is_asked_for_at_every_edit(tmp_path: Path) -> None:
    """The first edit with a key takes the ordinary path, which verifies it; so does one whose key is revoked or may not
    report."""
    with Guarded(tmp_path / "athena-data", "--access-log", "on") as athena:
        reporter, viewer = (f"Authorization: Bearer {athena.keys[role]}" for role in ("reporter", "viewer"))
        opened = json.dumps({"tx_id": "a", "description": "Deploy"}).encode()
        head = f"POST {TXS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(opened)}\r\n{reporter}\r\n\r\n"
        with tcp(athena) as sock:

            def edited(*lines: str) -> int:
                sock.sendall(put("a", PENDING, *lines))
                return int(answer(sock).split()[1])

            sock.sendall(head.encode() + opened)
            assert answer(sock).startswith(b"HTTP/1.1 201 ")
            before = fast(athena)
            assert [edited(reporter), edited(reporter)] == [200, 200]
            assert [edited(viewer), edited(viewer), edited(), edited(f"{reporter}x")] == [403, 403, 401, 401]
            assert fast(athena) == before + 2
            athena.revoke(athena.keys["reporter"])
            deadline = Deadline()
            while edited(reporter) == 200:
                assert not deadline.passed
            assert edited(reporter) == 401
        athena.stop()
        lines = [line for line in athena.log().splitlines() if "ACCESS 127.0.0.1 key" in line and "PUT" in line]
        assert len(lines) >= 4, athena.log()
        assert all(f"PUT {TXS}/a " in line for line in lines)
