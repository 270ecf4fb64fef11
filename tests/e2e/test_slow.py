"""A client that stops reading is a slow one, also when it has said that it is done, or is only about to become one."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

from tests.e2e.calls import BULK, NOTIFICATIONS, Deadline, StartAthena, new_id, ok
from tests.e2e.rawsocket import HANDSHAKE, PONG, frame, is_cut, tcp
from tests.e2e.subscribers import LIVE, STREAM, SseSubscriber
from tests.e2e.test_metrics import number, until
from tests.support.server import Athena

GET = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

ROOM = 256 * 1024
"""Bytes: more than the client's kernel takes and Athena keeps without being told to pause (64 KiB)."""

SLOW = ("--slow-timeout", "1")
AWAKE = ("--ping-interval", "0.2", "--ping-timeout", "0.2")


def held(sock: socket.socket) -> int:
    """Bytes that the server has written and this client's kernel has not taken (Linux's /proc/net/tcp)."""
    ends = (sock.getpeername()[1], sock.getsockname()[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if (_port(local), _port(remote)) == ends:
            return int(queues.partition(":")[0], 16)
    raise AssertionError("the connection is gone")


def _port(address: str) -> int:
    return int(address.partition(":")[2], 16)


def publish(athena: Athena, count: int) -> str:
    """`count` changes of somewhat more than a kilobyte; the id of the last one."""
    ids = [new_id() for _ in range(count)]
    ok(athena, "POST", BULK, [{"op": "open", "tx_id": i, "description": "d", "athena_msg": "m" * 1000} for i in ids])
    return ids[-1]


def fill_by_changes(athena: Athena, sock: socket.socket) -> None:
    """Publish until the kernel takes no more for a stream; few enough at a time that Athena is not paused yet."""
    before = 0
    with SseSubscriber(athena) as reader:
        while (now := held(sock)) > before or not now:
            before = now
            reader.receive_of(publish(athena, 20))
            ok(athena, "GET", "/healthz")  # a later turn of the loop: all have been written to


def fill_by_answers(athena: Athena, sock: socket.socket) -> None:
    """Ask for whole histories until so much of one is left that Athena is paused."""
    path = f"{NOTIFICATIONS}?limit=1000"
    size = len(json.dumps(ok(athena, "GET", path), ensure_ascii=False, separators=(",", ":")))
    deadline, pause = Deadline(), threading.Event()
    asked = 0
    while asked * size - held(sock) < ROOM:
        sock.sendall(GET.format(path=path).encode())
        asked += 1
        while athena.log().count(f"GET {NOTIFICATIONS} 200") <= asked:  # and one was for the size
            assert not deadline.passed, "no answer"
            pause.wait(0.01)


def test_a_stream_that_says_it_is_done_and_does_not_read_is_ended_as_slow(start_athena: StartAthena) -> None:
    """It half-closes when something is unsent, and before Athena was told to pause."""
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


def test_a_handshake_behind_answers_that_nobody_reads_is_from_a_slow_client(start_athena: StartAthena) -> None:
    """It sends pongs all the while: what it does not do is read."""
    athena = start_athena(*SLOW, *AWAKE)
    for _ in range(10):
        publish(athena, 100)
    with tcp(athena, receive_buffer=4096) as lazy:
        fill_by_answers(athena, lazy)
        lazy.sendall(HANDSHAKE.format(path=LIVE, port=athena.port).encode())
        until(athena, 1, "athena_clients", transport="websocket")
        deadline = Deadline()
        while number(athena, "athena_ended_clients_total", cause="slow") == 0:
            assert not deadline.passed, "it is fed for ever"
            lazy.sendall(frame(PONG))
        until(athena, 0, "athena_clients", transport="websocket")
        assert number(athena, "athena_ended_clients_total", cause="silent") == 0
        assert is_cut(lazy)
