"""TCP connections without the event loop's transports: a bare socket and a hundred bytes for each, one epoll for all.

A transport of the loop costs 1.2 KB, which was four fifths of an idle client's memory, and much of the time to accept
one. A `Connection` meets asyncio's contract for a transport, so that protocols need not know which of the two they
have; the loop sees a single descriptor, the shared epoll. For Linux, and without TLS.

It differs where nothing here depends on it: a write after a half-close is dropped, not an error, and connections that
are open when the loop is closed are closed when they are collected as garbage.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import select
import socket
import sys
from collections.abc import Callable
from typing import Any, Protocol, cast

log = logging.getLogger("athena.sockets")

AVAILABLE = hasattr(select, "epoll")

MOST_AT_ONCE = 64
"""Most connections accepted, and most served, in one turn of the event loop. The rest wait for the next turn."""

READ_BYTES = 64 * 1024

HIGH_WATER, LOW_WATER = 64 * 1024, 16 * 1024
"""Bytes not yet taken by the kernel at which a protocol is paused, and resumed: asyncio's own limits."""

MOST_PIECES = 512
"""Most pieces in one `sendmsg`; Linux accepts 1,024."""

RETRY_SECONDS = 1.0
"""Pause in accepting when there is no room for another connection, unless one ends first."""

NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The errors of `accept` in that case. Any other error concerns one connection, which is gone (accept(2))."""

_GONE = asyncio.Protocol()
"""The protocol of a finished connection, which must release its own: the two refer to each other."""

OPEN, ENDED, CLOSING, OVER = range(4)
"""Phases: from `ENDED` on, nothing more may be written; from `CLOSING` on, nothing more is read."""


class Connections:
    """Accepts connections, each with its own protocol, and serves them. For the event loop's thread only."""

    def __init__(self, listener: socket.socket, factory: Callable[[], asyncio.Protocol], backlog: int) -> None:
        """Begin to listen. `listener` is bound; `close` closes it."""
        self.loop = asyncio.get_running_loop()
        self._factory = factory
        self._listener = listener
        self._by_descriptor: list[Connection | None] = []
        self._count = 0
        self._retry: asyncio.Handle | None = None
        self._complained = float("-inf")  # when the lack of room was last logged (the loop's clock)
        self._closed = False
        self._epoll = select.epoll()
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        listener.listen(backlog)
        self.loop.add_reader(self._epoll.fileno(), self._serve)
        self.loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more. Open connections stay."""
        if self._closed:
            return
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        self.loop.remove_reader(self._listener.fileno())
        self._listener.close()
        self._close_epoll()

    async def wait_closed(self) -> None:
        """Returns at once: uvicorn, which calls it, has already waited for open requests."""

    def _accept(self) -> None:
        accept = cast(Any, self._listener)._accept  # -> descriptor, address
        for _ in range(MOST_AT_ONCE):
            try:
                descriptor, address = accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in NO_ROOM:
                    continue
                self._complain(error)
                self.loop.remove_reader(self._listener.fileno())  # it stays readable, and would keep the loop busy
                self._retry = self.loop.call_later(RETRY_SECONDS, self._accept_again)
                return
            # The class in C that `socket.socket` extends: 48 bytes, and made in less time.
            accepted = socket.SocketType(self._listener.family, socket.SOCK_STREAM, 0, descriptor)
            accepted.setblocking(False)
            self._add(accepted, address[0])

    def _complain(self, error: OSError) -> None:
        now = self.loop.time()
        if now - self._complained >= RETRY_SECONDS:
            self._complained = now
            log.error("no connection can be accepted for now: %s", error.strerror)

    def _accept_again(self) -> None:
        self._retry = None
        self.loop.add_reader(self._listener.fileno(), self._accept)

    def _add(self, accepted: socket.SocketType, peer: str) -> None:
        protocol = self._factory()
        descriptor = accepted.fileno()
        try:
            self._epoll.register(descriptor, select.EPOLLIN)
        except OSError as error:  # the user's limit on watched descriptors, or no memory
            log.error("a connection cannot be served: %s", error.strerror)
            accepted.close()
            return
        connection = Connection(accepted, sys.intern(peer), self, protocol)
        self._count += 1
        self._by_descriptor.extend([None] * (descriptor + 1 - len(self._by_descriptor)))
        self._by_descriptor[descriptor] = connection
        try:
            protocol.connection_made(connection)
        except Exception as error:
            self._fail(connection, error)

    def _serve(self) -> None:
        for descriptor, events in self._epoll.poll(0, MOST_AT_ONCE):
            connection = self._by_descriptor[descriptor]
            if connection is None:  # ended while an earlier one was served
                continue
            try:
                connection.ready(events)
            except Exception as error:
                self._fail(connection, error)

    def _fail(self, connection: Connection, error: Exception) -> None:
        """A protocol has raised an exception: its connection ends, the others go on."""
        what = {"message": "a protocol has failed", "exception": error, "transport": connection}
        self.loop.call_exception_handler(what)
        connection.abort()

    # ---- for connections ---------------------------------------------------------------------------------------------
    def watch(self, descriptor: int, before: int, now: int) -> None:
        """Watch a descriptor for other events. One without any is removed from the epoll, which would otherwise report
        its errors again and again."""
        if not now:
            self._epoll.unregister(descriptor)
        elif before:
            self._epoll.modify(descriptor, now)
        else:
            self._epoll.register(descriptor, now)

    def forget(self, descriptor: int) -> None:
        """The connection has ended. Its descriptor is closed later, so that it is not reused in the same turn."""
        self._by_descriptor[descriptor] = None

    def ended(self) -> None:
        """A descriptor was closed: there is room for another connection."""
        self._count -= 1
        if self._retry is not None and not self._closed:
            self._retry.cancel()
            self._retry = self.loop.call_soon(self._accept_again)
        self._close_epoll()

    def _close_epoll(self) -> None:
        if self._closed and not self._count and not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


class DirectWriter(Protocol):
    """Writes to the sockets of connections itself, as long as that is what `Connection.write` would do."""

    def exclude(self, connection: Connection) -> None:
        """Use `Connection.write` from now on: something is unsent, or the connection is over."""

    def include(self, connection: Connection) -> None:
        """Everything is sent: the socket may be written to again."""


class Connection(asyncio.Transport):
    """One TCP connection, as a transport. Writing after the end does nothing.

    `socket`, `direct_writer` and `direct` are for this package only.
    """

    __slots__ = (
        "_connections",
        "_peer",
        "_phase",
        "_protocol",
        "_reading",
        "_unsent",
        "_watched",
        "direct_writer",
        "socket",
    )

    def __init__(
        self, accepted: socket.SocketType, peer: str, connections: Connections, protocol: asyncio.Protocol
    ) -> None:
        # Without asyncio's `__init__`, which would create a dict for `get_extra_info`.
        self.socket = accepted
        self._peer = peer
        self._connections = connections
        self._protocol = protocol
        self._phase = OPEN
        self._reading = True
        self._unsent: Unsent | None = None
        self._watched: int = select.EPOLLIN  # the events that the epoll reports
        self.direct_writer: DirectWriter | None = None

    @property
    def direct(self) -> bool:
        """Whether `write` would only pass the data to the kernel."""
        return self._phase == OPEN and self._unsent is None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername` is the peer's address, without its port; nothing else is known."""
        return (self._peer,) if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.Protocol:
        return self._protocol

    def fileno(self) -> int:
        """The descriptor; -1 once the connection is over."""
        return self.socket.fileno() if self._phase < OVER else -1

    # ---- reading -----------------------------------------------------------------------------------------------------
    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False
        self._watch()

    def resume_reading(self) -> None:
        self._reading = self._phase < CLOSING
        self._watch()

    # ---- writing -----------------------------------------------------------------------------------------------------
    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._phase != OPEN and (self._phase != CLOSING or self._unsent is None):
            return  # while closing, it accepts data if some is unsent: the protocol must be told to pause
        sent = 0
        if self._unsent is None:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                pass
            except OSError as error:
                self._end(error)
                return
        if sent < len(data):
            self._keep(data, sent)

    def get_write_buffer_size(self) -> int:
        return 0 if self._unsent is None else self._unsent.size

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Half-close once everything is sent."""
        if self._phase == OPEN:
            self._phase = ENDED
            if self._unsent is None:
                self._half_close()

    # ---- the end -----------------------------------------------------------------------------------------------------
    def is_closing(self) -> bool:
        return self._phase >= CLOSING

    def close(self) -> None:
        """Read no more, and end once everything is sent."""
        if self._phase < CLOSING:
            self._phase = CLOSING
            self.pause_reading()
            if self._unsent is None:
                self._end(None)

    def abort(self) -> None:
        """End now, even with data unsent."""
        self._end(None)

    # ---- for Connections ---------------------------------------------------------------------------------------------
    def ready(self, events: int) -> None:
        """Handle events of the epoll. Errors and hang-ups are found by reading or writing, whichever is active."""
        if self._reading and events & ~select.EPOLLOUT:
            self._read()
        if self._unsent is not None and events & ~select.EPOLLIN:
            self._send(self._unsent)

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _keep(self, data: bytes | bytearray | memoryview, sent: int) -> None:
        """The kernel has taken only `sent` bytes: send the rest when it takes more."""
        unsent = self._unsent
        if unsent is None:
            unsent = self._unsent = Unsent()
            self._exclude()
            self._watch()
        unchanging = isinstance(data, bytes) or (isinstance(data, memoryview) and data.readonly)
        unsent.add(memoryview(data if unchanging else bytes(data))[sent:])
        if unsent.size > HIGH_WATER and not unsent.paused:
            unsent.paused = True
            self._protocol.pause_writing()

    def _read(self) -> None:
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._protocol.data_received(data)
        elif self._protocol.eof_received():
            self.pause_reading()  # nothing is left to read, but the protocol may still write
        else:
            self.close()

    def _send(self, unsent: Unsent) -> None:
        try:
            unsent.send(self.socket)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if not unsent.size:
            self._unsent = None
            self._watch()
            if self.direct_writer is not None and self._phase == OPEN:
                self.direct_writer.include(self)
            if self._phase == ENDED:
                self._half_close()
            elif self._phase == CLOSING:
                self._end(None)
        if unsent.paused and unsent.size <= LOW_WATER:
            unsent.paused = False
            self._protocol.resume_writing()

    def _exclude(self) -> None:
        if self.direct_writer is not None:
            self.direct_writer.exclude(self)

    def _half_close(self) -> None:
        with contextlib.suppress(OSError):  # the peer is gone, as the next read will show
            self.socket.shutdown(socket.SHUT_WR)

    def _watch(self) -> None:
        """Have the epoll report the events that are wanted now."""
        wanted = (select.EPOLLIN if self._reading else 0) | (0 if self._unsent is None else select.EPOLLOUT)
        if wanted == self._watched:
            return
        before, self._watched = self._watched, wanted
        try:
            self._connections.watch(self.socket.fileno(), before, wanted)
        except OSError as error:  # the same limits as for a new connection
            self._watched = 0
            self._end(error)

    def _end(self, error: OSError | None) -> None:
        """End it. As with every transport, the protocol is notified in the next turn of the loop."""
        if self._phase < OVER:
            self._phase = OVER
            self._unsent = None
            self._exclude()
            self.pause_reading()
            self._connections.forget(self.socket.fileno())
            self._connections.loop.call_soon(self._lose, error)

    def _lose(self, error: OSError | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._protocol = _GONE
            self.socket.close()
            self._connections.ended()


class Unsent:
    """Data that the kernel has not taken yet. The pieces are shared with other connections, not copied."""

    __slots__ = ("_pieces", "paused", "size")

    def __init__(self) -> None:
        self._pieces: list[memoryview] = []
        self.size = 0
        """Bytes."""
        self.paused = False
        """Whether the protocol was told to pause."""

    def add(self, data: memoryview) -> None:
        self._pieces.append(data)
        self.size += len(data)

    def send(self, to: socket.SocketType) -> None:
        """Pass the kernel what it takes now. Raises `OSError`."""
        sent = to.sendmsg(self._pieces[:MOST_PIECES])
        self.size -= sent
        done = 0
        for piece in self._pieces:
            if sent < len(piece):
                break
            sent -= len(piece)
            done += 1
        del self._pieces[:done]
        if sent:
            self._pieces[0] = self._pieces[0][sent:]
