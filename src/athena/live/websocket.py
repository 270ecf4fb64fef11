"""The WebSocket endpoint: an asyncio protocol that takes over connections with a WebSocket handshake.

ASGI can only send one message to one client at a time; this class lets the hub write the same bytes to all. Handshake
and inbound frames go through the sans-I/O `ServerProtocol` of the websockets library, which exists only while something
is pending: between frames a client is this object, its transport and nothing else.
"""

from __future__ import annotations

import asyncio
import codecs
import http
from collections.abc import Sequence
from typing import Any, ClassVar, cast
from urllib.parse import parse_qs

import msgspec
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN, State
from websockets.server import ServerProtocol

from athena.errors import AthenaError, BadRequest, NotFound, ShuttingDown
from athena.live.client import Cohort
from athena.live.encoding import PING, close_frame, websocket_frames
from athena.live.gate import HandshakeGate, Permit
from athena.live.handshake import plain_key, switching
from athena.live.hub import POLICY_VIOLATION, Hub
from athena.live.routes import is_live
from athena.sockets.peer import acknowledged, unacknowledged

INVALID_DATA = 1007
CLOSE_GRACE = 2.0
"""Seconds within which a peer must answer a close frame, before the transport is aborted."""


class WebSocketProtocol(asyncio.Protocol):
    """One client. Created on a WebSocket handshake, which it is given at once, parsed or as bytes."""

    max_message: ClassVar[int] = 4096
    """Maximum bytes of a client's message; a larger one is closed with 1009. Clients need to send nothing but pings."""

    max_inbound: ClassVar[int] = 64 * 1024
    """Bytes that a client may send between two of our pings; more is closed with 1008. Each frame costs the event loop
    a little and may need an answer, so a flood of them would slow down all other clients."""

    encoding = staticmethod(websocket_frames)

    __slots__ = (
        "_acknowledged",
        "_gate",
        "_handshaken",
        "_hub",
        "_inbound",
        "_parsing",
        "_ping_at",
        "_silent_since",
        "closing",
        "cohort",
        "paused",
        "permit",
        "position",
        "transport",
        "wants_ready",
    )

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        self._hub: Hub = app_state["hub"]
        self._gate: HandshakeGate = app_state["admission"]
        self.permit: Permit | None = None
        self.transport: asyncio.Transport
        self._parsing: _Parsing | None = None
        self._handshaken = False
        self._inbound = 0  # bytes since our last ping
        self._silent_since = 0.0  # when a still unanswered ping was sent, or more acknowledged since; 0 for none
        self._acknowledged = 0  # bytes acknowledged by then
        self._ping_at = self._hub.keepalive.due(asyncio.get_running_loop().time())
        self.position = 0
        self.cohort: Cohort | None = None
        self.wants_ready = self.paused = self.closing = False

    # ---- asyncio.Protocol --------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self._parsing = None
        self._hub.detach(self)
        if self.permit is not None:
            self.permit.release()
            self.permit = None

    def pause_writing(self) -> None:
        self.paused = True
        self._silent_since = 0.0
        if not self.closing:
            self._hub.pause(self)

    def resume_writing(self) -> None:
        self.paused = False
        if not self.closing:
            self._hub.resume(self)

    def data_received(self, data: bytes) -> None:
        self._silent_since = 0.0
        if self.closing and self._parsing is None:
            if not self.transport.can_write_eof():
                self.transport.close()  # over TLS, see `_end`: it has answered
            return  # read on after our close frame, so that the peer receives it, and drop the data
        self._inbound += len(data)
        flood = self._inbound > self.max_inbound
        if flood:
            data = data[: self.max_message]  # enough to tell one message that is too long from many short ones
        self._parse(data)
        if flood and not self.closing:
            self._hub.counts.ended["flood"] += 1
            self.close(POLICY_VIOLATION, "more than 64 KiB between two pings")

    def _parse(self, data: bytes) -> None:
        if self._parsing is None:
            self._parsing = _Parsing(OPEN if self._handshaken else CONNECTING, self.max_message)
        parsing = self._parsing
        parsing.received += len(data)
        parsing.protocol.receive_data(data)
        for event in parsing.protocol.events_received():
            if isinstance(event, Request):
                self._accept(event, parsing)
            elif isinstance(event, Frame) and not self._frame(event, parsing):
                break
        self._transmit(parsing.protocol)
        if parsing.is_done():
            self._parsing = None

    # ---- handshake ---------------------------------------------------------------------------------------------------
    def accept_handshake(self, target: str, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Answer a handshake whose headers are parsed already (lower-case names), if it is an ordinary one.

        False when it is not: then its bytes must be given to `data_received`.
        """
        key = plain_key(headers)
        if key is None:
            return False
        path, after = _target(target)
        try:
            subprotocol = self._admit(path, target, headers)
        except AthenaError as error:
            self.transport.write(_refuse(error).serialize())
            self._gate.refused(target, headers, self.transport, error)
            self._end()
            return True
        self.transport.write(switching(key, subprotocol))
        self._handshaken = True
        self._hub.attach(self, after)
        return True

    def _admit(self, path: str, target: str, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        """Take a permit -> the subprotocol to answer with. Raises an `AthenaError`."""
        if not is_live(path):
            raise NotFound(f"expected a path that serves WebSockets, got {path[:200]!r}")
        if self._hub.closing:
            raise ShuttingDown
        self.permit, subprotocol = self._gate.admit(target, headers, self.transport)
        return subprotocol

    def _accept(self, request: Request, parsing: _Parsing) -> None:
        parser = parsing.protocol
        path, after = _target(request.path)
        headers = _headers(request)
        response = parser.accept(request)  # refuses anything but a handshake, before authentication
        refusal: AthenaError | None = None
        if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
            try:
                subprotocol = self._admit(path, request.path, headers)
                if subprotocol is not None:
                    response.headers["Sec-WebSocket-Protocol"] = subprotocol
            except AthenaError as error:
                refusal = error
                response = _refuse(error)
        else:
            refusal = BadRequest(f"expected a WebSocket handshake (RFC 6455), got: {parser.handshake_exc}")
            response = _refuse(refusal)
            response.headers["Sec-WebSocket-Version"] = "13"  # section 4.4
        parser.send_response(response)
        self._transmit(parser)
        if refusal is not None:
            self._gate.refused(request.path, headers, self.transport, refusal)
            return
        self._parsing = None
        self._handshaken = True
        self._hub.attach(self, after)

    # ---- frames ------------------------------------------------------------------------------------------------------
    def _frame(self, frame: Frame, parsing: _Parsing) -> bool:
        """Process one frame -> whether the data after it still counts."""
        size = len(frame.data)
        parsing.consumed += 6 + size + (0 if size < 126 else 2 if size < 65536 else 8)
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            try:
                parsing.check_text(frame)
            except UnicodeDecodeError as error:
                parsing.protocol.fail(INVALID_DATA, f"{error.reason} at position {error.start}")
                return False
            self.message_received(frame)
        return True

    def message_received(self, frame: Frame) -> None:
        """A well-formed data frame. Athena ignores what clients send."""

    def _transmit(self, parser: ServerProtocol) -> None:
        """Send the parser's output: handshake, pongs, close frames; an empty piece means the end."""
        for data in parser.data_to_send():
            if self.transport.is_closing():
                return
            if data:
                self.transport.write(data)
            else:
                self._end(answered=True)

    def _end(self, answered: bool = False) -> None:
        """Half-close and read on until the peer is gone: closing at once could make it lose the close frame.

        TLS has no half-close: there, close once the peer has answered the close frame (`answered`), now or soon."""
        self.closing = True
        self._parsing = None
        self._hub.leave(self)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        elif answered:
            self.transport.close()
        asyncio.get_running_loop().call_later(CLOSE_GRACE, self.transport.abort)

    # ---- live.client.Client ------------------------------------------------------------------------------------------
    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def acknowledged(self) -> int:
        return acknowledged(self.transport)

    def keep_alive(self, now: float) -> None:
        if self.closing or self.paused:  # a peer that is behind cannot answer yet; SlowClients decides about it
            return
        if self._silent_since and now - self._silent_since >= self._hub.keepalive.timeout:
            before, self._acknowledged = self._acknowledged, acknowledged(self.transport)
            if self._acknowledged > before and unacknowledged(self.transport):
                self._silent_since = now  # it reads, but has not reached the ping yet
            else:
                self._hub.counts.ended["silent"] += 1
                self.abort()
        elif now >= self._ping_at:
            self._ping_at = self._hub.keepalive.due(now)
            self._inbound = 0
            if not self._silent_since:
                self._silent_since, self._acknowledged = now, acknowledged(self.transport)
            self.transport.write(PING)

    def close(self, code: int, reason: str) -> None:
        if not self.closing:
            self.transport.write(close_frame(code, reason))
            self._end()

    def abort(self) -> None:
        self.transport.abort()


class _Parsing:
    """Incomplete input of a client: exists only while there is some, which for most clients is never."""

    __slots__ = ("_fragments", "consumed", "protocol", "received")

    def __init__(self, state: State, max_message: int) -> None:
        self.protocol = ServerProtocol(state=state, max_size=max_message)
        self.received = self.consumed = 0  # bytes given to the protocol, and of the frames that it has completed
        self._fragments: codecs.IncrementalDecoder | bool = False  # of an unfinished message; True when it is binary

    def check_text(self, frame: Frame) -> None:
        """RFC 6455 section 8.1: text that is not UTF-8 fails the connection, as soon as that is certain."""
        if frame.opcode is Opcode.TEXT:
            self._fragments = codecs.getincrementaldecoder("utf-8")()
        elif frame.opcode is Opcode.BINARY:
            self._fragments = True
        if not isinstance(self._fragments, bool):
            self._fragments.decode(bytes(frame.data), final=frame.fin)
        if frame.fin:
            self._fragments = False

    def is_done(self) -> bool:
        """Whether every byte given was part of a complete frame, and no message is half received."""
        return self.received == self.consumed and not self._fragments


def _target(target: str) -> tuple[str, str | None]:
    """(path, the value of `after` or None) of a request target (RFC 9112 section 3.2). `//host` is a path here."""
    path, _, query = target.partition("#")[0].partition("?")
    if path[:1] != "/" and "://" in path:  # the absolute form
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path, parse_qs(query, keep_blank_values=True).get("after", [None])[-1] if query else None


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.raw_items()]


def _refuse(error: AthenaError) -> Response:
    body = msgspec.json.encode(error.as_dict())
    headers = Headers(
        [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
    )
    for name, value in error.headers().items():
        headers[name] = value
    return Response(error.status, http.HTTPStatus(error.status).phrase, headers, body)
