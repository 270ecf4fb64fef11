"""A client that stops reading counts as slow, even after a half-close, or while it is still connecting."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import pytest
from tests.e2e.calls import API, BULK, NOTIFICATIONS, TXS, Deadline, StartAthena, call, new_id, ok, open_tx
from tests.e2e.rawsocket import HANDSHAKE, PONG, RawWebSocket, frame, is_cut, tcp
from tests.e2e.subscribers import LIVE, STREAM, SseSubscriber
from tests.e2e.test_faults import memory
from tests.e2e.test_metrics import number, until
from tests.support.server import Athena

GET = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

ROOM = 256 * 1024
"""Bytes: more than the client's kernel accepts and Athena buffers before it is told to pause (64 KiB)."""

SLOW = ("--slow-timeout", "1")
AWAKE = ("--ping-interval", "0.2", "--ping-timeout", "0.2")


def held(sock: socket.socket) -> int:
    """Bytes that the server has written and this client's kernel has not accepted (Linux's /proc/net/tcp)."""
    ends = (sock.getpeername()[1], sock.getsockname()[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if (_port(local), _port(remote)) == ends:
            return int(queues.partition(":")[0], 16)
    raise AssertionError("the connection is gone")


def connected(sock: socket.socket) -> bool:
    """Whether the server still has its end of a connection."""
    try:
        held(sock)
    except (AssertionError, OSError):
        return False
    return True


def _port(address: str) -> int:
    return int(address.partition(":")[2], 16)


def publish(athena: Athena, count: int) -> str:
    """`count` changes of a little over a kilobyte -> the id of the last one."""
    ids = [new_id() for _ in range(count)]
    ok(athena, "POST", BULK, [{"op": "open", "tx_id": i, "description": "d", "athena_msg": "m" * 1000} for i in ids])
    return ids[-1]


def fill_by_changes(athena: Athena, sock: socket.socket) -> None:
    """Publish until the kernel accepts no more for a stream; few enough at a time that Athena is not paused yet."""
    before = 0
    with SseSubscriber(athena) as reader:
        while (now := held(sock)) > before or not now:
            before = now
            reader.receive_of(publish(athena, 20))
            ok(athena, "GET", "/healthz")  # a later turn of the loop: all have been written to


def fill_by_answers(athena: Athena, sock: socket.socket) -> None:
    """Request whole histories until enough of one is unsent that Athena is paused."""
    path = f"{NOTIFICATIONS}?limit=1000"
    size = len(json.dumps(ok(athena, "GET", path), ensure_ascii=False, separators=(",", ":")))
    deadline, pause = Deadline(), threading.Event()
    asked = 0
    while asked * size - held(sock) < ROOM:
        sock.sendall(GET.format(path=path).encode())
        asked += 1
        while athena.log().count(f"GET {NOTIFICATIONS} 200") <= asked:  # and one was to get the size
            assert not deadline.passed, "no answer"
            pause.wait(0.01)


def test_a_stream_that_says_it_is_done_and_does_not_read_is_ended_as_slow(start_athena: StartAthena) -> None:
    """It half-closes while data is unsent, before Athena was told to pause."""
    athena = start_athena(*SLOW)
    with tcp(athena, receive_buffer=4096) as lazy:
        lazy.sendall(GET.format(path=STREAM).encode())
        assert lazy.recv(12) == b"HTTP/1.1 200"
        fill_by_changes(athena, lazy)
        assert number(athena, "athena_clients", transport="sse") == 1
        assert number(athena, "athena_ended_clients_total", cause="slow") == 0
        lazy.shutdown(socket.SHUT_WR)
        publish(athena, 200)
        until(athena, 1, "athena_ended_clients_total", cause="slow")
        until(athena, 0, "athena_clients", transport="sse")
        assert is_cut(lazy)


def test_a_handshake_behind_answers_that_nobody_reads_is_not_taken(start_athena: StartAthena) -> None:
    """It keeps sending pongs, but does not read."""
    athena = start_athena(*AWAKE, "--idle-timeout", "1")
    for _ in range(10):
        publish(athena, 100)
    with tcp(athena, receive_buffer=4096) as lazy:
        fill_by_answers(athena, lazy)
        lazy.sendall(HANDSHAKE.format(path=LIVE, port=athena.port).encode())
        until_cut(lazy, frame(PONG))
        assert number(athena, "athena_clients", transport="websocket") == 0


def until_cut(sock: socket.socket, more: bytes) -> None:
    """Send `more` repeatedly until the peer has ended the connection."""
    deadline, pause = Deadline(), threading.Event()
    with suppress(OSError):
        while not deadline.passed:
            sock.sendall(more)
            pause.wait(0.01)
    assert not deadline.passed, "it is fed for ever"


def fill_with_long_rows(athena: Athena, count: int) -> None:
    """Messages that are six times as long in JSON: a page of a thousand is more than any kernel buffers (4 MB)."""
    lines = [{"op": "open", "tx_id": new_id(), "description": "d", "athena_msg": "\1" * 1000} for _ in range(count)]
    ok(athena, "POST", BULK, lines)


class Reader:
    """Reads a few kilobytes at a time from a connection, in the background: slow, but steady."""

    def __init__(self, sock: socket.socket, pieces: float = 50) -> None:
        """`pieces`: reads of 4 KiB per second."""
        self.taken = 0
        """Bytes."""
        self.ended = False
        """Whether the peer has ended the connection."""
        self._sock = sock
        self._pause = 1 / pieces
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def until(self, taken: int) -> None:
        """Wait until `taken` bytes have been read, or the connection has ended."""
        deadline, pause = Deadline(), threading.Event()
        while self.taken < taken and not self.ended:
            assert not deadline.passed, f"{self.taken} bytes, and no more"
            pause.wait(0.05)

    def _read(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                data = self._sock.recv(4096)
            except OSError:
                data = b""
            self.taken += len(data)
            if not data:
                self.ended = True
                return


SOME = 700_000
"""Bytes. A slow reader needs more than three times the stall timeout for them; by then the kernel, which holds
megabytes for it, still has no room for the data that waits in Athena."""


def test_a_websocket_that_reads_slowly_is_not_stalled(start_athena: StartAthena) -> None:
    """Most of its unread data is in the kernel, and only what the peer reads from there is progress."""
    athena = start_athena(*SLOW)
    with RawWebSocket(athena, receive_buffer=16_384) as slow:
        while not number(athena, "athena_slow_clients"):
            fill_with_long_rows(athena, 200)
        with Reader(slow.sock) as reader:
            reader.until(SOME)
        assert number(athena, "athena_slow_clients") == 1, "it has caught up; this shows nothing"
        assert number(athena, "athena_ended_clients_total", cause="slow") == 0


def test_an_event_stream_that_reads_slowly_is_not_stalled(start_athena: StartAthena) -> None:
    athena = start_athena(*SLOW)
    with tcp(athena, receive_buffer=16_384) as slow:
        slow.sendall(GET.format(path=STREAM).encode())
        assert slow.recv(12) == b"HTTP/1.1 200"
        for _ in range(8):
            fill_with_long_rows(athena, 200)
        with Reader(slow) as reader:
            reader.until(SOME)
        assert number(athena, "athena_clients", transport="sse") == 1
        assert number(athena, "athena_ended_clients_total", cause="slow") == 0


def test_a_websocket_that_has_yet_to_come_to_a_ping_is_not_silent(start_athena: StartAthena) -> None:
    """Athena is not told to pause, so the client does not count as slow: everything is in the kernel, the ping last."""
    athena = start_athena("--ping-interval", "1", "--ping-timeout", "1")
    with RawWebSocket(athena, receive_buffer=16_384) as slow:
        while held(slow.sock) < SOME + ROOM:
            publish(athena, 50)
        assert number(athena, "athena_slow_clients") == 0
        with Reader(slow.sock) as reader:
            for part in range(10):
                reader.until(SOME * part // 10)
                publish(athena, 50)  # later writes say nothing about what has been read
        assert held(slow.sock), "it has come to the ping; this shows nothing"
        assert number(athena, "athena_ended_clients_total", cause="silent") == 0
        until(athena, 1, "athena_ended_clients_total", cause="silent")  # it has stopped reading


PAGE = f"{NOTIFICATIONS}?limit=1000"
ASKED = GET.format(path=PAGE).encode()
STALLED = {
    "and closes": ASKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    "of HTTP/1.0": ASKED.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "by two requests at once": ASKED * 2,
    "and then something else": ASKED + b"no request\r\n\r\n",
    "and half of the next request": ASKED + b"GET /healthz HTTP/1.1\r\nHo",
}


@pytest.mark.parametrize("asked", STALLED.values(), ids=STALLED)
def test_an_answer_that_nobody_reads_is_given_up(asked: bytes, start_athena: StartAthena) -> None:
    athena = start_athena("--idle-timeout", "1")
    fill_with_long_rows(athena, 1000)
    with tcp(athena, receive_buffer=4096) as lazy:
        lazy.sendall(asked)
        deadline = Deadline()
        while connected(lazy):
            assert not deadline.passed, "it is kept for ever"


def test_an_answer_that_is_read_slowly_comes_whole(start_athena: StartAthena) -> None:
    athena = start_athena("--idle-timeout", "1")
    fill_with_long_rows(athena, 1000)
    size = int(call(athena, "GET", PAGE).headers["content-length"])
    with tcp(athena, receive_buffer=16_384) as slow:
        slow.sendall(ASKED + STALLED["and closes"])
        with Reader(slow) as reader:
            reader.until(SOME)
        taken = reader.taken
        while data := slow.recv(65536):
            taken += len(data)
        assert 2 * size < taken < 2 * size + 2_000, "cut off before the end"


def test_the_next_request_has_its_time_when_the_answer_before_it_is_taken(start_athena: StartAthena) -> None:
    """Half of it has arrived, and no more is read while that response waits."""
    athena = start_athena("--handshake-timeout", "1")
    fill_with_long_rows(athena, 1000)
    with tcp(athena, receive_buffer=16_384) as slow:
        slow.sendall(ASKED + b"GET /healthz HTTP/1.1\r\nHo")
        with Reader(slow) as reader:
            reader.until(SOME)
        slow.sendall(b"st: localhost\r\nConnection: close\r\n\r\n")
        last = b""
        while data := slow.recv(65536):
            last = last[-1000:] + data
        assert b'"status":"ok"' in last


def test_all_answers_that_nobody_reads_hold_bounded_memory(start_athena: StartAthena) -> None:
    """Clients that read stay; those that have read nothing for some time are cut."""
    athena = start_athena()
    fill_with_long_rows(athena, 1000)
    with ExitStack() as open_:
        slow = open_.enter_context(tcp(athena, receive_buffer=16_384))
        slow.sendall(ASKED)
        reader = open_.enter_context(Reader(slow))
        reader.until(1)
        before = memory(athena)
        for _ in range(100):
            lazy = open_.enter_context(tcp(athena, receive_buffer=4096))
            lazy.sendall(ASKED)
            lazy.recv(1)
        assert number(athena, "athena_unread_answers_total") > 20
        assert memory(athena) - before < 256 * 1024 * 1024
        before = reader.taken
        reader.until(before + 100_000)
        assert not reader.ended


def test_all_bodies_on_their_way_hold_bounded_memory(start_athena: StartAthena) -> None:
    """Clients that send nearly all of a bulk, and no more; one that goes on sending is not disturbed."""
    athena = start_athena()
    size = 12 * 1024 * 1024
    head = f"POST {BULK} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
    head += f"Content-Length: {size}\r\n\r\n"
    opening = b'{"op":"open","tx_id":"slow","description":"Deploy"}\n'
    with ExitStack() as open_:
        slow = open_.enter_context(tcp(athena))
        slow.sendall(head.encode() + opening)
        before, sent = memory(athena), len(opening)
        for _ in range(30):
            lazy = open_.enter_context(tcp(athena))
            with suppress(ConnectionError):
                lazy.sendall(head.encode() + b"\n" * (size - 1))
            slow.sendall(b" " * 1000)
            sent += 1000
        assert number(athena, "athena_unfinished_bodies_total") > 5
        assert memory(athena) - before < 400 * 1024 * 1024
        slow.sendall(b" " * (size - sent))
        assert slow.recv(12) == b"HTTP/1.1 200"


def test_a_body_without_end_is_not_read_for_ever(start_athena: StartAthena) -> None:
    """It was refused at its first bytes. Of what follows much is read, since some look for the answer at the end."""
    athena = start_athena()
    head = f"POST {TXS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with tcp(athena) as sock:
        sock.sendall(head.encode())
        for _ in range(16 * 16):
            sock.sendall(piece)  # 16 MiB
        assert sock.recv(12) == b"HTTP/1.1 415"
        with pytest.raises(ConnectionError):  # noqa: PT012 - whichever piece is too much
            for _ in range(16 * 1024):
                sock.sendall(piece)  # a gigabyte


def test_an_upload_that_waits_for_the_request_before_it_has_its_time(start_athena: StartAthena) -> None:
    athena = start_athena("--body-timeout", "1", "--handshake-timeout", "1")
    open_tx(athena, tx_id="a", description="Deploy")
    body = b'{"status":"pending"}'
    upload = f"PUT {TXS}/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    for begun in (20, len(upload) - 5):  # a part of its head, a part of its body
        with tcp(athena) as sock:
            sock.sendall(f"GET {API}/notifications/changes?after=&wait=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            poll = f"GET {API}/notifications/changes?wait=3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
            sock.sendall(poll)
            time.sleep(0.2)  # until it waits
            sock.sendall(upload[:begun])
            time.sleep(0.2)
            sock.sendall(upload[begun:])
            received = b""
            while received.count(b"HTTP/1.1 200") < 3:
                data = sock.recv(65536)
                assert data, received
                received += data
