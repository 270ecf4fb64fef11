"""Targets inside this process: pure functions, and the product's WebSocket protocol on a real transport."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import msgspec
from tests.fuzz.bodies import Body, body, odd_text, some_bytes, text
from tests.fuzz.frames import CLOSE, HANDSHAKE, PING, PONG, Sent, received

from athena.auth.build import build_gate
from athena.config import resolve
from athena.domain.model import Archive, BulkEdit, BulkOpen, Edit, Notice, Open, parse_cursor
from athena.errors import AthenaError
from athena.http.admission import Admission
from athena.http.body import identifier, parse
from athena.http.parameters import HistoryParameters
from athena.live.client import KeepAlive
from athena.live.hub import Hub
from athena.live.slow import SlowClients
from athena.live.tail import Tail
from athena.live.websocket import WebSocketProtocol
from athena.store.memory import MemoryStore

T = TypeVar("T")


def outcome(function: Callable[[], T]) -> T | AthenaError:
    """Its result, or the error that it refuses with. Any other exception is a failure."""
    try:
        return function()
    except AthenaError as refused:
        return refused


# ---- JSON ------------------------------------------------------------------------------------------------------------
DECODERS: dict[str, Any] = {
    "open": msgspec.json.Decoder(Open),
    "edit": msgspec.json.Decoder(Edit),
    "post": msgspec.json.Decoder(Notice),
    "archive": msgspec.json.Decoder(Archive),
    "bulk open": msgspec.json.Decoder(BulkOpen | BulkEdit),
    "bulk edit": msgspec.json.Decoder(BulkOpen | BulkEdit),
}
LIMITS = {"description": 256, "athena_msg": 1024, "message": 1024, "by": 256, "component_id": 256, "tx_id": 128}


def json_input(random: Random) -> Body:
    return body(random, *DECODERS)


def check_json(body: Body) -> None:
    """It is decoded, within its limits and equal after a round trip, or refused with a sentence."""
    value = outcome(lambda: parse(body.data, DECODERS[body.kind]))
    if isinstance(value, AthenaError):
        answer = value.as_dict()
        assert answer["statusCode"] == value.status == 400
        assert answer["field"]
        assert len(msgspec.json.encode(answer)) < 5000, "the error repeats all of the input"
        return
    for name, limit in LIMITS.items():
        text = getattr(value, name, None)
        assert text is None or len(text) <= limit, name
    for name in ("on_step", "total_steps", "timeout_ms", "ts_display", "code", "elapsed_ms"):
        number = getattr(value, name, None)
        assert number is None or 0 <= number < 2**63, name
    assert parse(msgspec.json.encode(value), DECODERS[body.kind]) == value


# ---- positions -------------------------------------------------------------------------------------------------------
DIGITS = "0123456789\u0661\u00b2+-_ .e"


def digits(random: Random) -> str:
    """A number of any size, or text that a lenient parser would accept as one."""
    if random.randint(0, 1):
        return str(random.randint(-(2**65), 2**65) >> random.randint(0, 66))
    return "".join(random.choice(DIGITS) for _ in range(random.randint(0, 22)))


def cursor_input(random: Random) -> str:
    kind = random.randint(0, 3)
    if kind == 0:
        return odd_text(random)
    epoch = text(random, 8) if kind == 1 else f"{random.randint(0, 2**32):x}"
    return f"{epoch}{random.choice(('.', '.', '.', '', '..'))}{digits(random)}"


def check_cursor(text: str) -> None:
    """A cursor is valid and survives a round trip, or is refused; ids are refused or accepted unchanged."""
    position = parse_cursor(text)
    if position is not None:
        assert 0 <= position.seq < 2**63
        assert parse_cursor(str(position)) == position
        assert text.startswith(f"{position.epoch}.")
    found = outcome(lambda: identifier(text))
    assert found == text or (isinstance(found, AthenaError) and found.data["field"] == "tx_id")


def page_input(random: Random) -> str:
    kind = random.randint(0, 5)
    if kind == 0:
        return odd_text(random)
    place = f"{random.choice(('0', '1', '2', '-1', 'x', ''))}.{digits(random)}.{odd_text(random)}".encode()
    return base64.urlsafe_b64encode(some_bytes(random, 40) if kind == 1 else place).decode()


def check_page(text: str) -> None:
    """A `next` is a position that any engine can search for, or is refused."""
    after = outcome(lambda: HistoryParameters(next=text).as_query().after)
    if isinstance(after, AthenaError):
        assert after.data["field"] == "next"
    else:
        assert after is None or -(2**63) <= after.ts_display < 2**63, after


# ---- frames ----------------------------------------------------------------------------------------------------------
class Endpoint:
    """The product's protocol class, one client at a time, on one end of a socket pair."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self._failures.append(context))
        self._hub = self.loop.run_until_complete(_hub())
        self._state = {
            "hub": self._hub,
            "admission": Admission(build_gate(resolve({"auth": "none"}, {}), None), None, "127.0.0.1"),
        }

    def close(self) -> None:
        self.loop.close()

    def check(self, sent: Sent) -> None:
        """Pings are answered in order. An invalid conversation is closed once, with a valid close code. No client
        stays."""
        head, _, data = self.loop.run_until_complete(self._talk(sent.pieces)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert not self._failures, self._failures
        assert not self._hub.clients, "a client that is gone is still served"
        frames = received(data)
        closes = [payload for opcode, payload in frames if opcode == CLOSE]
        if sent.valid:
            assert frames == [(PONG, payload) for payload in sent.pings]
        for payload in closes:
            code = int.from_bytes(payload[:2], "big") if payload else 1000
            assert code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011) or 3000 <= code <= 4999, code
            payload[2:].decode()
        assert PING not in [opcode for opcode, _ in frames]

    async def _talk(self, pieces: list[bytes]) -> bytes:
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)
            transport, protocol = await self.loop.connect_accepted_socket(
                lambda: WebSocketProtocol(None, None, self._state), theirs
            )
            for piece in (HANDSHAKE, *pieces):
                protocol.data_received(piece)
            ours.shutdown(socket.SHUT_WR)
            answer = b""
            while data := await self.loop.sock_recv(ours, 65536):
                answer += data
            transport.abort()
            await _gone(protocol)
        return answer


async def _hub() -> Hub:
    store = MemoryStore()
    return Hub(Tail(await store.position(), 1000), store, SlowClients(60), KeepAlive(interval=3600, timeout=60))


async def _gone(protocol: WebSocketProtocol) -> None:
    """The loop notifies a protocol of the end one turn after the transport knows it."""
    turns = 0
    while protocol in protocol._hub.clients and turns < 100:
        await asyncio.sleep(0)
        turns += 1
