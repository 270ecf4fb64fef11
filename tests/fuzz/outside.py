"""Targets outside: the real server, over real connections."""

from __future__ import annotations

import socket
from random import Random
from typing import Any
from urllib.parse import quote

from tests.e2e.calls import API, JSON, NDJSON, NOTIFICATIONS, TXS, Answer, Caller, check_error
from tests.e2e.rawsocket import frame, tcp
from tests.e2e.subscribers import CHANGES, LIVE, STREAM
from tests.fuzz.bodies import Body, body, odd_text, scrambled, some_bytes
from tests.fuzz.frames import CLOSE, HANDSHAKE
from tests.fuzz.inside import cursor_input, digits, page_input
from tests.hardening.wire import check_log, check_refusal, replies
from tests.support.server import Athena

ROUTES = {
    "open": ("POST", TXS),
    "edit": ("PUT", TXS),
    "post": ("POST", NOTIFICATIONS),
    "archive": ("POST", f"{NOTIFICATIONS}/bulk"),
    "bulk": ("POST", f"{TXS}/bulk"),
}

TIMED_OUT = "this transaction has timed out"
PARAMETERS = [
    *["limit", "skip", "status", "type", "sub_type", "by", "search", "component_id", "from", "to", "archived", "next"],
    "after",
]


def body_input(random: Random) -> tuple[Body, str]:
    """A body, and the id for the path of an edit."""
    return body(random, "open", "edit", "post", "archive"), random.choice(
        ("fuzz-1", "fuzz-2", "none", odd_text(random))
    )


def bulk_input(random: Random) -> tuple[list[Body], bool]:
    """Lines, and whether they are sent as an array."""
    return [body(random, "bulk open", "bulk edit") for _ in range(random.randint(0, 4))], random.randint(0, 1) == 0


def position_input(random: Random) -> tuple[str, str]:
    """A transport, and a cursor."""
    return random.choice(("poll", "poll", "stream", "websocket")), cursor_input(random)


def query_input(random: Random) -> dict[str, str]:
    """Parameters of a list."""
    makers = (odd_text, page_input, digits)
    return {random.choice(PARAMETERS): random.choice(makers)(random) for _ in range(random.randint(1, 3))}


def handshake_input(random: Random) -> bytes:
    if random.randint(0, 1):
        return scrambled(random, HANDSHAKE)
    return scrambled(random, HANDSHAKE[:-2]) + b"X: " + some_bytes(random, 30) + b"\r\n\r\n"


class Outside:
    """The checks. `close` also reads the server's log: there must be no internal error."""

    def __init__(self, athena: Athena) -> None:
        self.athena = athena
        self._caller = Caller(athena)

    def close(self) -> None:
        assert self._caller.call("GET", "/healthz").status == 200
        self._caller.close()
        check_log(self.athena.log())

    def _call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        answer = self._caller.call(method, path, body, headers)
        assert answer.status < 500, answer
        if answer.status >= 400:
            check_error(answer, answer.status)
        return answer

    def _position(self) -> Any:
        return self._call("GET", f"{NOTIFICATIONS}?limit=1").body["cursor"]

    def _check_nothing_stored(self, before: str, answer: Answer) -> None:
        """Nothing changed except transactions of earlier inputs that have timed out meanwhile."""
        for message in self._call("GET", f"{CHANGES}?after={before}").body["messages"]:
            assert message.get("status") == "error", (message, answer)
            assert message["message"].endswith(TIMED_OUT), (message, answer)

    def body(self, pair: tuple[Body, str]) -> None:
        """A refusal has the shape of errors, and stores nothing."""
        body, tx_id = pair
        method, path = ROUTES[body.kind]
        before = self._position()
        answer = self._call(method, f"{path}/{quote(tx_id, safe='')}" if body.kind == "edit" else path, body.data, JSON)
        assert answer.status in (200, 201, 400, 404, 405, 409), answer
        if answer.status >= 400:
            self._check_nothing_stored(before, answer)

    def bulk(self, pair: tuple[list[Body], bool]) -> None:
        """One result per line; a line that fails stores nothing."""
        lines, as_array = pair
        joined = [line.data for line in lines]
        data = b"[" + b",".join(joined) + b"]" if as_array else b"\n".join(joined)
        before = self._position()
        answer = self._call("POST", f"{TXS}/bulk", data, JSON if as_array else NDJSON)
        if answer.status == 200:
            statuses = [result["status"] for result in answer.body["results"]]
            assert all(status in (200, 400, 404, 409) for status in statuses), answer
        else:
            assert answer.status == 400, answer
            statuses = []
        if 200 not in statuses:
            self._check_nothing_stored(before, answer)

    def query(self, parameters: dict[str, str]) -> None:
        """Every list accepts any parameters, or names the invalid one."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        for path in (NOTIFICATIONS, f"{API}/webhooks", f"{API}/webhooks/templates", CHANGES):
            prefix = "after=&" if path == CHANGES else ""  # without it, a poll may wait
            answer = self._call("GET", f"{path}?{prefix}{query}")
            assert answer.status in (200, 400), answer
            assert answer.status == 200 or answer.body["field"] in parameters, answer

    def position(self, pair: tuple[str, str]) -> None:
        """Whatever the position, a client gets `reset` or what it missed, and then `ready`."""
        transport, cursor = pair
        after = quote(cursor, safe="")
        if transport == "poll":
            answer = self._call("GET", f"{CHANGES}?after={after}")
            assert answer.status == 200, answer
            assert answer.body["messages"], answer
            assert answer.body["messages"][0]["type"] in ("reset", "ready"), answer
        elif transport == "stream":
            self._until_ready(f"GET {STREAM}?after={after} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), cursor)
        else:
            self._until_ready(HANDSHAKE.replace(LIVE.encode(), f"{LIVE}?after={after}".encode()), cursor)

    def _until_ready(self, request: bytes, cursor: str) -> None:
        received = b""
        with tcp(self.athena) as sock:
            sock.sendall(request)
            while b'"type":"ready"' not in received:
                piece = sock.recv(65536)
                assert piece, f"the end, and no `ready`: {received!r}"
                received += piece
        assert cursor == "" or b'"type":"reset"' in received, received

    def handshake(self, data: bytes) -> None:
        """It gets an error in the common shape, a switch of protocols, or a cut connection; nothing hangs."""
        received = b""
        with tcp(self.athena) as sock:
            sock.sendall(data + frame(CLOSE))
            try:
                sock.shutdown(socket.SHUT_WR)
                while piece := sock.recv(65536):
                    received += piece
            except OSError:
                pass  # cut
        if received.startswith(b"HTTP/1.1 101 "):
            return
        for reply in replies(received):
            assert reply.status < 500, reply
            if reply.status >= 400:
                check_refusal(reply, reply.status)
