"""uvicorn's HTTP protocol plus what it lacks: deadlines, a limit on request heads, data sent after an upgrade request,
and responses written in one piece."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any, ClassVar, Literal, cast
from weakref import ref

import httptools
import msgspec
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl

from athena.errors import AthenaError, BadRequest, HeadTooLarge
from athena.http.answers import ANSWER
from athena.http.fast_path import EditFastPath, FastPathCycle
from athena.http.head import HOST
from athena.http.timeouts import TimeoutQueue
from athena.http.unread import UnreadAnswers
from athena.live.sse import TRANSPORT
from athena.sockets.peer import acknowledged, in_kernel, reset, unacknowledged

TLS_CLOSE_SECONDS = 1.0
"""How long a peer that has received everything may take to end the TLS session (its close_notify) when Athena stops.
Many never do; asyncio's transports allow half a minute."""


PIECE = 64 * 1024
"""Bytes of a response per write to the transport."""

MOST_SURPLUS = 32 * 1024 * 1024
"""Bytes of a body that are read and dropped after the response, for clients that read the response only after they have
sent everything. A client that sends more is disconnected."""


def close_soon(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
    """Close a connection, without waiting long for a peer that has everything but does not finish the TLS shutdown."""
    transport.close()
    if is_ssl(transport):
        loop.call_later(TLS_CLOSE_SECONDS, _cut, transport, transport.get_extra_info("socket"))


def _cut(transport: asyncio.Transport, connected: socket.socket) -> None:
    """Abort, unless data is still in flight: a TLS transport does not report that, but the kernel does."""
    if not in_kernel(connected.fileno()):
        transport.abort()


class CommonHeaders:
    """The header lines common to all responses; uvicorn makes a new list of them when the date changes."""

    def __init__(self) -> None:
        self._of: list[tuple[bytes, bytes]] = []
        self._lines = b""

    def lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        if headers is not self._of:
            self._of, self._lines = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._lines


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    It is aborted if the headers of a request take longer than `header_timeout` seconds, however steadily they trickle
    in, or if a body stalls for `body_timeout` seconds. It may be idle between requests for `idle_timeout` seconds, and
    must read some of a response within the same time; the next request waits until nearly all of it is read.
    """

    header_timeout: ClassVar[float] = 10.0
    body_timeout: ClassVar[float] = 30.0
    idle_timeout: ClassVar[float] = 75.0
    max_head: ClassVar[int] = 64 * 1024

    _common: ClassVar[CommonHeaders] = CommonHeaders()
    _deadline: asyncio.TimerHandle | None = None
    _receiving: Literal["headers", "body", None] = "headers"
    _head = 0  # bytes received while the headers were incomplete
    _before = 0  # of those, bytes of a chunk that began with an earlier message
    _piece = 0  # size of the latest chunk
    _fresh = True  # whether no message was in progress when that chunk arrived
    _trailers = 0  # bytes received since the last body data
    _surplus = 0  # bytes of a body received after its response was complete
    _refused = False  # whether the input was rejected, so that no more of it is parsed
    _earlier: RequestResponseCycle | None = None  # of the request before the last one, if the last one waits for it
    _running: RequestResponseCycle | None = None  # of the request that an ASGI task is answering
    _stopping = False  # whether the server is stopping
    _held = False  # whether the next request waits until the previous response is read
    _acknowledged = -1  # bytes acknowledged at the last check; -1 when it does not matter
    _closes = False  # whether the connection closes after the current response

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # As uvicorn's, without the addresses: looking them up takes time, and the event loop's own transports keep the
        # result forever.
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        self._idle: TimeoutQueue = self.app_state["idle_timeouts"]
        self._unread: UnreadAnswers = self.app_state["unread"]
        self._fast_path: EditFastPath = self.app_state["fast_path"]
        self._arm(self.header_timeout)

    def take_over(self, transport: asyncio.Transport, data: bytes, seconds_left: float) -> None:
        """Take over a connection whose first bytes have arrived and whose request has `seconds_left` seconds left."""
        self.connection_made(transport)
        self._arm(max(0.0, seconds_left))
        self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._unread.remove(self.transport)
        super().connection_lost(exc)
        if self._running is not None:  # uvicorn notifies only the last request, which may be queued after this one
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()
        self._unset_keepalive_if_required()  # uvicorn does this only when there was no error
        # They refer back to this object: a reference cycle. A task that is still answering has its own references.
        self.cycle = self._earlier = self._running = None  # type: ignore[assignment]
        self.scope = cast(Any, {})

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self.flow.pause_reading()
            return
        if self._is_at_rest() and self._try_fast_path(data):
            return
        self._unset_keepalive_if_required()
        self._piece = len(data)
        self._fresh = self._receiving is None or (self._receiving == "headers" and not self._head)
        self._trailers += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__  # raised by a callback
            if not isinstance(cause, AthenaError):
                cause = BadRequest(f"expected an HTTP request, got something else: {error}")
            self._refuse(cause)
            return
        except httptools.HttpParserUpgrade as upgrade:
            self._disarm()
            self._upgrade(data[upgrade.args[0] :])
            return
        if self._receiving is None:  # the whole request arrived at once, as nearly all do: no timer is ever made
            self._disarm()
            self._rest()
        elif self._receiving == "body":
            if self._trailers > self.max_head:
                self._refuse(HeadTooLarge(self.max_head))
            else:
                self._expect_rest()
        else:
            self._head += len(data)
            if self._head - self._before > self.max_head:
                self._refuse(HeadTooLarge(self.max_head))
            else:
                self._expect_rest()

    def _expect_rest(self) -> None:
        """Limit the time for the rest of an incomplete request, unless reading is paused until earlier requests are
        answered."""
        if self.pipeline:
            self._disarm()
        elif self._receiving == "body":
            self._arm(self.body_timeout)
        elif self._receiving == "headers" and self._head and self._deadline is None:
            self._arm(self.header_timeout)

    def _is_at_rest(self) -> bool:
        """Whether no part of a request has arrived and all earlier ones are finished."""
        if self.flow.write_paused or self.transport.is_closing():
            return False
        if self.cycle is None:
            return self._receiving == "headers" and not self._head
        return self._receiving is None and self.cycle.response_complete

    def _try_fast_path(self, data: bytes) -> bool:
        """Submit `data` if it is an ordinary edit; False when nothing was done."""
        cycle = self._fast_path.try_submit(data, self)
        if cycle is None:
            return False
        self._unset_keepalive_if_required()
        self._disarm()
        self._receiving = None
        self.cycle = cycle  # type: ignore[assignment]
        return True

    def write_response(self, cycle: FastPathCycle, status: int, lines: bytes, body: bytes) -> None:
        """Write the response of a cycle; `lines` are its header lines. Does nothing when the connection is gone."""
        cycle.response_started = cycle.response_complete = True
        if cycle.disconnected:
            return
        common = self._common.lines(self.server_state.default_headers)
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(b"".join((STATUS_LINE[status], common, lines, end, body)))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _upgrade(self, rest: bytes) -> None:
        """Hand the connection to the WebSocket protocol, with anything the peer sent before it got a response."""
        self.connections.discard(self)
        protocol = cast(Any, self.ws_protocol_class)(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        method = self.parser.get_method()
        if self.flow.write_paused:
            protocol.pause_writing()  # this protocol was notified, and the transport will not repeat it
        if method != b"GET" or not protocol.accept_handshake(self.url.decode("latin-1"), self.headers):
            head = b"".join(b"%s: %s\r\n" % header for header in self.headers)
            protocol.data_received(b"%s %s HTTP/1.1\r\n%s\r\n" % (method, self.url, head))
        if rest:
            protocol.data_received(rest)
        self.scope["extensions"].clear()  # they refer back to this object: a reference cycle
        self.parser = None  # type: ignore[assignment]  # so does the parser

    def _refuse(self, error: AthenaError) -> None:
        """Answer input that cannot go to the application with an error in the common shape, then close.

        Responses stay in order: requests read before it are answered first, and then the connection closes."""
        self._disarm()
        self._refused = True
        if self._receiving == "body" and self.pipeline:  # this request is the last one queued
            self.pipeline.popleft()
            self.cycle = self._earlier  # type: ignore[assignment]
        elif self._receiving == "body" and self.cycle.response_started:
            self.transport.close()
            self._let_go()
            return
        elif self._receiving == "body":
            self.cycle.disconnected = True  # it is answered here
            self.cycle.message_event.set()
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.disconnected:
            self.cycle.keep_alive = False
            self.headers = []
            return
        self.app_state["admission"].errors[error.code] += 1
        body = msgspec.json.encode(error.as_dict())
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        common = self._common.lines(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINE[error.status], common, head.encode(), body)))
        self.transport.close()
        self._let_go()

    # ---- parser callbacks --------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving = "headers"
        self._head = 0
        self._before = 0 if self._fresh else self._piece
        self._fresh = False
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._receiving == "headers":  # trailers are dropped: a proxy in front has not checked them
            super().on_header(name, value.strip(b" \t"))  # the parser keeps trailing blanks (RFC 9110, 5.5)

    def on_headers_complete(self) -> None:
        self._check_head()
        before = self.cycle
        super().on_headers_complete()
        self._earlier = before if self.pipeline else None
        self._receiving = "body"
        self._trailers = self._surplus = 0
        if self.cycle is not before:  # a request, not a handshake
            # A weak reference: otherwise the cycle would refer to itself, and only the garbage collector could free it.
            self.scope["extensions"][ANSWER] = partial(self._answer, ref(self.cycle))  # type: ignore[assignment]

    def _check_head(self) -> None:
        """Check what the parser lets through. Raises `BadRequest` and `HeadTooLarge`."""
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadRequest(f"expected HTTP/1.1, got HTTP/{version}")
        if self._head + self._piece > self.max_head and self._head_size() > self.max_head:
            raise HeadTooLarge(self.max_head)
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (version == "1.1" and not hosts) or (hosts and not HOST.match(hosts[0])):
            raise BadRequest(f"expected one Host header with a name or address, got {hosts[:2]!r}")  # RFC 9112, 3.2
        if self.parser.should_upgrade():
            if not self._should_upgrade():  # refused before the application starts on it
                raise BadRequest("expected an upgrade to websocket, got another protocol")
            if self.cycle is not None and not self.cycle.response_complete:  # its response would go to the WebSocket
                raise BadRequest("expected a WebSocket handshake after the answers to all earlier requests")
            if version != "1.1":
                raise BadRequest(f"expected a WebSocket handshake over HTTP/1.1, got HTTP/{version}")
            if any(n == b"transfer-encoding" or (n == b"content-length" and v != b"0") for n, v in self.headers):
                raise BadRequest("expected a WebSocket handshake without a body, got one with a body")

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._trailers = 0
        if self.cycle.response_complete:  # it was answered before its body was here: the rest is read and dropped
            self._surplus += len(body)
            if self._surplus > MOST_SURPLUS:
                self.transport.abort()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._receiving = None

    def _answer(self, of: ref[RequestResponseCycle], status: int, head: bytes, body: bytes) -> bool:
        """Write a whole response in one piece, where ASGI's two events would take two. The caller vouches for `head`,
        its header lines.

        False when the response must go through ASGI; then nothing was written.
        """
        cycle = of()
        if cycle is None or cycle.disconnected:
            return False
        if cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        common = self._common.lines(cycle.default_headers)
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        self._closes = not cycle.keep_alive
        self._write(b"".join((STATUS_LINE[status], common, head, end, body)))
        cycle.on_response()
        return True

    def _write(self, answer: bytes) -> None:
        """Write in pieces, so that each is freed once it is sent. Over TLS, one large write would also be encrypted at
        once, and wait in a buffer that the transport does not count."""
        for begin in range(0, len(answer), PIECE):
            self.transport.write(answer[begin : begin + PIECE])

    # ---- between requests --------------------------------------------------------------------------------------------
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """As uvicorn's, without a timer per request; and a client that does not read a response gets no other."""
        self._running = None
        self.server_state.total_requests += 1
        if self.flow.write_paused:
            self._unread.add(self.transport)
        if self.transport.is_closing():
            self._let_go()
        elif self.flow.write_paused:
            self._disarm()  # reading stops, so the next request cannot meet a deadline
            self.flow.pause_reading()
            self._held = True
            self._expect_progress()
        else:
            self._go_on()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread.remove(self.transport)
        if self._held and not self.transport.is_closing():
            self._held = False
            self._unset_keepalive_if_required()
            self._go_on()

    def _go_on(self) -> None:
        """Start on the next request, if it has arrived."""
        if self._closes:
            self.transport.close()
            self._let_go()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._rest()
        self._expect_rest()

    def _let_go(self) -> None:
        """Let the connection end once the peer has read everything."""
        if self.transport.get_write_buffer_size():
            self._expect_progress()
        if self._stopping:
            close_soon(self.transport, self.loop)

    def _expect_progress(self) -> None:
        """Start the timeout within which the peer must read some of what is buffered for it."""
        self._unset_keepalive_if_required()
        self._idle.add(self, self.loop)
        self._acknowledged = acknowledged(self.transport)

    def _rest(self) -> None:
        """Wait for the next request, if no part of it has arrived and the last one is finished."""
        if self._receiving is None and self.cycle.response_complete and not self.transport.is_closing():
            self._idle.remove(self)  # so that it goes to the end of the queue
            self._idle.add(self, self.loop)
            self._acknowledged = -1

    def _unset_keepalive_if_required(self) -> None:
        """Data arrived or was read by the peer, or the connection is over (uvicorn's name for it)."""
        self._idle.remove(self)

    def time_is_up(self) -> None:
        before, self._acknowledged = self._acknowledged, acknowledged(self.transport)
        if not unacknowledged(self.transport):
            self.transport.close()
        elif self._acknowledged == before:
            reset(self.transport)  # the peer does not read the response
        else:
            self._idle.add(self, self.loop)

    def shutdown(self) -> None:
        """The server is stopping (uvicorn's name for it)."""
        self._stopping = True
        super().shutdown()
        if self.transport.is_closing():
            close_soon(self.transport, self.loop)

    # ---- deadlines ---------------------------------------------------------------------------------------------------
    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
