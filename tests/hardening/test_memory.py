"""The memory used by an attack is released: the server's own memory is flat however often it is repeated.

Each attack is repeated in turns of `ROUNDS` until a turn costs less than `BOUND`. The permanent cost of the first turns
(caches, the allocator's reserve) is paid once; if each attack leaked its bytes or objects, every turn would cost the
same, and far more than `BOUND`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.e2e.calls import TXS, StartAthena, call
from tests.e2e.rawsocket import CONTINUATION, FIN, PING, TEXT, RawWebSocket, frame, tcp
from tests.hardening.test_websocket import BOMB, RSV1, handshake
from tests.hardening.wire import exchange, private_memory, request
from tests.support.server import Athena

ROUNDS = 400
TURNS = 5
BOUND = 4 * 1024 * 1024
"""Bytes; 10 KiB a repetition."""

AT_ONCE = 20
"""Concurrent attacks: with all of them at once, their peak memory would count."""

JSON = b"Content-Type: application/json\r\nConnection: close\r\n"


def send(data: bytes) -> Callable[[Athena], None]:
    """Attack with a request, up to its response and the end of the connection."""

    def attack(athena: Athena) -> None:
        assert exchange(athena, data), "no answer"

    return attack


def post(body: bytes) -> Callable[[Athena], None]:
    return send(request("POST", TXS, JSON + b"Content-Length: %d\r\n" % len(body), body))


def frames(data: bytes) -> Callable[[Athena], None]:
    """Attack with frames, up to the close."""

    def attack(athena: Athena) -> None:
        with RawWebSocket(athena) as client:
            client.send_quietly(data)
            client.receive_close()

    return attack


def leave(data: bytes) -> Callable[[Athena], None]:
    """Attack by disconnecting in the middle."""

    def attack(athena: Athena) -> None:
        with tcp(athena) as sock:
            sock.sendall(data)

    return attack


ATTACKS = {
    "a long header": send(request("GET", "/healthz", b"Connection: close\r\nX: " + b"y" * 60_000 + b"\r\n")),
    "2,000 headers": send(request("GET", "/healthz", b"Connection: close\r\n" + b"X: y\r\n" * 2000)),
    "length and chunks": send(request("POST", TXS, b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n")),
    "deep JSON": post(b'{"description":' + b"[" * 50_000),
    "a long number": post(b'{"description":' + b"9" * 50_000 + b"}"),
    "long paths": send(request("GET", "/" + "%00" * 2000 + "x" * 20_000, b"Connection: close\r\n")),
    "half a head": leave(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 30_000),
    "half a body": leave(request("POST", TXS, JSON + b"Content-Length: 100000\r\n", b" " * 50_000)),
    "half a handshake": leave(handshake()[:-2]),
    "a refused handshake": send(handshake(key=b"A" * 4000)),
    "a deflate bomb": frames(frame(TEXT, BOMB[:4000], first=FIN | RSV1 | TEXT)),
    "fragments": frames(
        frame(TEXT, b"x", first=TEXT) + frame(CONTINUATION, b"x", first=CONTINUATION) * 3000 + frame(TEXT, b"x")
    ),
    "pings": frames(frame(PING, b"x" * 100) * 700),
    "half a message": leave(handshake() + frame(TEXT, b"x" * 4000)[:-1]),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_memory_is_flat(name: str, target: Athena) -> None:
    attack = ATTACKS[name]
    grown: list[int] = []
    while len(grown) < TURNS and (len(grown) < 2 or grown[-1] >= BOUND):
        before = settled_memory(target)
        for number in range(ROUNDS):
            attack(target)
            if number % AT_ONCE == 0:
                assert call(target, "GET", "/healthz").status == 200
        grown.append(settled_memory(target) - before)
    assert grown[-1] < BOUND, f"bytes more after each {ROUNDS} attacks: {grown}"


def test_what_others_do_is_not_counted(start_athena: StartAthena) -> None:
    athena = start_athena()
    alone = settled_memory(athena)
    other = start_athena()
    assert settled_memory(athena) - alone < BOUND // 4
    beside = settled_memory(athena)
    other.stop()
    assert settled_memory(athena) - beside < BOUND // 4


def settled_memory(athena: Athena) -> int:
    """Memory once the server has processed everything sent before: it answers connections in the order they arrived."""
    assert call(athena, "GET", "/healthz").status == 200
    return private_memory(athena)
