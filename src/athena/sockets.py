"""TCP connections without the event loop's transports: for each a descriptor and a hundred bytes, for all one epoll.

A transport of the loop costs 1.2 KB, four fifths of all that Athena kept of an idle client, and much of the time that
letting one in took. A `Connection` keeps asyncio's promises of a transport, so that protocols need not know which of
both they have; the loop sees a single descriptor, the epoll of them all. For Linux, and without TLS.

It differs in what nobody here relies on: a write after a half-close is dropped, not an error, and a loop that is closed
while connections are open leaves them to the end of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Callable, Collection
from typing import Any, cast

log = logging.getLogger("athena.sockets")

AVAILABLE = hasattr(select, "epoll")

SHARING = AVAILABLE and hasattr(os, "memfd_create")
"""Whether connections can be sent pages that they share."""

MOST_AT_ONCE = 64
"""Connections accepted, and as many served, in one turn of the event loop. The next ones come after everybody else."""

READ_BYTES = 64 * 1024

HIGH_WATER, LOW_WATER = 64 * 1024, 16 * 1024
"""Bytes not yet taken by the kernel at which a protocol is paused, and resumed: asyncio's own limits."""

MOST_PIECES = 512
"""Pieces given to one `writev`; Linux takes 1,024."""

SHARED_BYTES, SHARED_BY = 8 * 1024, 8
"""From so many bytes to so many connections on, what is written to all of them is not copied for each."""

RETRY_SECONDS = 1.0
"""How long nothing is accepted once there is no room for another connection, unless one ends."""

ACKNOWLEDGED = 120
"""Where `tcpi_bytes_acked` is in `struct tcp_info` (linux/tcp.h, since Linux 4.1)."""

NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What `accept` says then. Any other error is that of one connection, which is gone (accept(2))."""

_GONE = asyncio.Protocol()
"""The protocol of a connection that is over: it lets go of its own, which refers to it."""

_OPEN, _ENDED, _CLOSING, _OVER = range(4)
"""Phases: from `_ENDED` on nothing more may be written, from `_CLOSING` on nothing more is read."""


class Connections:
    """Accepts connections, each with a protocol of its own, and serves them. For the event loop's thread alone."""

    def __init__(self, listener: socket.socket, factory: Callable[[], asyncio.Protocol], backlog: int) -> None:
        """Begin to listen. `listener` is bound; `close` closes it."""
        self.loop = asyncio.get_running_loop()
        self._factory = factory
        self._listener = listener
        self._by_descriptor: list[Connection | None] = []
        self._count = 0
        self._retry: asyncio.Handle | None = None
        self._complained = float("-inf")  # when it was said that there is no room (the loop's clock)
        self._closed = False
        self._epoll = select.epoll()
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits it
        listener.listen(backlog)
        self.loop.add_reader(self._epoll.fileno(), self._serve)
        self.loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more. Those that are connected stay."""
        if self._closed:
            return
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        self.loop.remove_reader(self._listener.fileno())
        self._listener.close()
        self._close_epoll()

    async def wait_closed(self) -> None:
        """Returns at once. uvicorn, which calls it, has waited for whoever has a request going on."""

    def _accept(self) -> None:
        accept = cast(Any, self._listener)._accept  # -> descriptor, address: half the time of making a socket object
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
            os.set_blocking(descriptor, False)
            self._add(descriptor, address[0])

    def _complain(self, error: OSError) -> None:
        now = self.loop.time()
        if now - self._complained >= RETRY_SECONDS:
            self._complained = now
            log.error("no connection can be accepted for now: %s", error.strerror)

    def _accept_again(self) -> None:
        self._retry = None
        self.loop.add_reader(self._listener.fileno(), self._accept)

    def _add(self, descriptor: int, peer: str) -> None:
        protocol = self._factory()
        try:
            self._epoll.register(descriptor, select.EPOLLIN)
        except OSError as error:  # the user's limit of watched descriptors, or no memory
            log.error("a connection cannot be served: %s", error.strerror)
            os.close(descriptor)
            return
        connection = Connection(descriptor, sys.intern(peer), self, protocol)
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
            if connection is None:  # ended by one that was served before it
                continue
            try:
                connection.ready(events)
            except Exception as error:
                self._fail(connection, error)

    def _fail(self, connection: Connection, error: Exception) -> None:
        """A protocol raises what it must not: its connection ends, the others go on."""
        what = {"message": "a protocol has failed", "exception": error, "transport": connection}
        self.loop.call_exception_handler(what)
        connection.abort()

    # ---- for connections ---------------------------------------------------------------------------------------------
    def watch(self, descriptor: int, before: int, now: int) -> None:
        """Look for other events of a descriptor. One without any is not in the epoll: it would tell of errors alone,
        again and again."""
        if not now:
            self._epoll.unregister(descriptor)
        elif before:
            self._epoll.modify(descriptor, now)
        else:
            self._epoll.register(descriptor, now)

    def forget(self, descriptor: int) -> None:
        """The connection has ended. Its descriptor has yet to be closed: it must not be another's in the same turn."""
        self._by_descriptor[descriptor] = None

    def ended(self) -> None:
        """A descriptor was closed: there is room for another."""
        self._count -= 1
        if self._retry is not None and not self._closed:
            self._retry.cancel()
            self._retry = self.loop.call_soon(self._accept_again)
        self._close_epoll()

    def _close_epoll(self) -> None:
        if self._closed and not self._count and not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


class Connection(asyncio.Transport):
    """One of them, as a transport. Writing after the end does nothing."""

    __slots__ = ("_connections", "_descriptor", "_peer", "_phase", "_protocol", "_reading", "_unsent", "_watched")

    def __init__(self, descriptor: int, peer: str, connections: Connections, protocol: asyncio.Protocol) -> None:
        # Without asyncio's own `__init__`: it makes a dict for each, of what `get_extra_info` is to answer.
        self._descriptor = descriptor
        self._peer = peer
        self._connections = connections
        self._protocol = protocol
        self._phase = _OPEN
        self._reading = True
        self._unsent: _Unsent | None = None
        self._watched: int = select.EPOLLIN  # the events that the epoll tells of

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername` is the peer's address, without its port; nothing else is known."""
        return (self._peer,) if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.Protocol:
        return self._protocol

    # ---- reading -----------------------------------------------------------------------------------------------------
    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False
        self._watch()

    def resume_reading(self) -> None:
        self._reading = self._phase < _CLOSING
        self._watch()

    # ---- writing -----------------------------------------------------------------------------------------------------
    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._phase != _OPEN and (self._phase != _CLOSING or self._unsent is None):
            return  # one that closes takes more while something waits: its protocol has to be told to pause
        sent = 0
        if self._unsent is None:
            try:
                sent = os.write(self._descriptor, data)
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
        """Half-close, as soon as everything is sent."""
        if self._phase == _OPEN:
            self._phase = _ENDED
            if self._unsent is None:
                self._half_close()

    # ---- the end -----------------------------------------------------------------------------------------------------
    def is_closing(self) -> bool:
        return self._phase >= _CLOSING

    def close(self) -> None:
        """Read no more, and end when everything is sent."""
        if self._phase < _CLOSING:
            self._phase = _CLOSING
            self.pause_reading()
            if self._unsent is None:
                self._end(None)

    def abort(self) -> None:
        """End now, whatever is not sent yet."""
        self._end(None)

    # ---- for Connections ---------------------------------------------------------------------------------------------
    def ready(self, events: int) -> None:
        """The epoll tells of something. Errors and hang-ups are found out by reading or writing, whichever is on."""
        if self._reading and events & ~select.EPOLLOUT:
            self._read()
        if self._unsent is not None and events & ~select.EPOLLIN:
            self._send(self._unsent)

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _keep(self, data: bytes | bytearray | memoryview, sent: int) -> None:
        """The kernel has taken only so much: send the rest when it takes more."""
        unsent = self._unsent
        if unsent is None:
            unsent = self._unsent = _Unsent()
            self._watch()
        unchanging = isinstance(data, bytes) or (isinstance(data, memoryview) and data.readonly)
        unsent.add(memoryview(data if unchanging else bytes(data))[sent:])
        if unsent.size > HIGH_WATER and not unsent.paused:
            unsent.paused = True
            self._protocol.pause_writing()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._protocol.data_received(data)
        elif self._protocol.eof_received():
            self.pause_reading()  # there is nothing left to be read, but the protocol goes on writing
        else:
            self.close()

    def _send(self, unsent: _Unsent) -> None:
        try:
            unsent.send(self._descriptor)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if not unsent.size:
            self._unsent = None
            self._watch()
            if self._phase == _ENDED:
                self._half_close()
            elif self._phase == _CLOSING:
                self._end(None)
        if unsent.paused and unsent.size <= LOW_WATER:
            unsent.paused = False
            self._protocol.resume_writing()

    def _half_close(self) -> None:
        borrowed = socket.socket(fileno=self._descriptor)  # only a socket object can
        with contextlib.suppress(OSError):  # the peer is gone, as reading will tell
            borrowed.shutdown(socket.SHUT_WR)
        borrowed.detach()

    def _watch(self) -> None:
        """Have the epoll tell of what is wanted now."""
        wanted = (select.EPOLLIN if self._reading else 0) | (0 if self._unsent is None else select.EPOLLOUT)
        if wanted == self._watched:
            return
        before, self._watched = self._watched, wanted
        try:
            self._connections.watch(self._descriptor, before, wanted)
        except OSError as error:  # as for a new connection
            self._watched = 0
            self._end(error)

    def _end(self, error: OSError | None) -> None:
        """It is over. As with every transport, the protocol hears of it in the next turn of the loop."""
        if self._phase < _OVER:
            self._phase = _OVER
            self._unsent = None
            self.pause_reading()
            self._connections.forget(self._descriptor)
            self._connections.loop.call_soon(self._lose, error)

    def _lose(self, error: OSError | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._protocol = _GONE
            os.close(self._descriptor)
            self._connections.ended()


def reset(transport: asyncio.Transport) -> None:
    """End a connection whose peer does not read. The kernel would keep what it has yet to send, megabytes, for minutes;
    so it is told to forget that (`SO_LINGER` of 0 seconds, socket(7))."""
    descriptor = _descriptor_of(transport)
    if descriptor is not None:
        borrowed = socket.socket(fileno=descriptor)
        with contextlib.suppress(OSError):
            borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        borrowed.detach()
    transport.abort()


def taken(transport: asyncio.Transport) -> int:
    """Bytes that the peer's kernel has acknowledged: a number that only rises, and does so for whoever reads, however
    slowly and whatever is written meanwhile (tcp(7), `TCP_INFO`: `tcpi_bytes_acked`). What has left the transport may
    be in our own kernel, which takes megabytes."""
    descriptor = _descriptor_of(transport)
    if descriptor is None:
        return 0
    with contextlib.suppress(OSError, AttributeError):
        borrowed = socket.socket(fileno=descriptor)
        try:
            told = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED + 8)
        finally:
            borrowed.detach()
        return int.from_bytes(told[ACKNOWLEDGED:], sys.byteorder)
    return -untaken(transport)  # on another system, where only what is left is known


def untaken(transport: asyncio.Transport) -> int:
    """Bytes that were written and are not acknowledged, as far as the transport and our kernel know."""
    descriptor = _descriptor_of(transport)
    return transport.get_write_buffer_size() + (0 if descriptor is None else unacknowledged(descriptor))


def _descriptor_of(transport: asyncio.Transport) -> int | None:
    """None when it is closed."""
    if isinstance(transport, Connection):
        return transport._descriptor if transport._phase < _OVER else None
    connected: socket.socket | None = transport.get_extra_info("socket")
    return None if connected is None or connected.fileno() < 0 else connected.fileno()


def unacknowledged(descriptor: int) -> int:
    """Bytes that the kernel has yet to send or to hear about (tcp(7), `SIOCOUTQ`: another name for the number of
    `TIOCOUTQ`); 0 for a descriptor that is closed, and for systems that cannot say."""
    try:
        return int.from_bytes(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):
        return 0


class Broadcast:
    """Writes the same to many connections.

    What is large is not copied for each of them: the kernel gets it once, as a file in memory, and sends the pages of
    that to all (sendfile(2)). A page may be on its way for long, so such a file never changes; other data is another
    file. docs/decisions/0022-large-pushes-share-their-pages.md.
    """

    __slots__ = ("_data", "_file")

    def __init__(self) -> None:
        self._data = b""
        self._file: int | None = None  # a descriptor; of `_data`

    def write(self, transports: Collection[asyncio.Transport], data: bytes) -> None:
        """Write `data` to each. One that raises what it must not is cut off, and the others go on.

        Where nothing waits, `Connection.write` is not called: it does no more than is done here, and between two system
        calls, which drive all else out of the processor's caches, whatever Python does takes several times as long.
        """
        size, write, sendfile, file = len(data), os.write, os.sendfile, self._shared(data, len(transports))
        for transport in transports:
            sent = 0
            if type(transport) is Connection and transport._unsent is None and transport._phase == _OPEN:
                try:
                    if file is None:
                        sent = write(transport._descriptor, data)
                    else:
                        sent = sendfile(transport._descriptor, file, 0, size)
                except OSError:
                    sent = 0  # what is the matter, the next try tells
                if sent == size:
                    continue
            try:
                transport.write(memoryview(data)[sent:] if sent else data)
            except Exception:
                log.exception("a connection could not be written to; it is cut off, the others go on")
                transport.abort()

    def forget(self) -> None:
        """Let go of what was written last. Whatever the kernel has yet to send, it keeps."""
        self._data = b""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _shared(self, data: bytes, readers: int) -> int | None:
        """The file with `data` in it, if it is worth one."""
        if data is not self._data:
            self.forget()
            if SHARING and len(data) >= SHARED_BYTES and readers >= SHARED_BY:
                self._data, self._file = data, _file_with(data)
        return self._file


def _file_with(data: bytes) -> int | None:
    """A file in memory; none where there may not be one, such as without a descriptor left."""
    try:
        file = os.memfd_create("push")
    except OSError:
        return None
    with contextlib.suppress(OSError):
        if os.write(file, data) == len(data):
            return file
    os.close(file)
    return None


class _Unsent:
    """What the kernel has not taken yet. The pieces are shared with all others that they go to, not copied."""

    __slots__ = ("_pieces", "paused", "size")

    def __init__(self) -> None:
        self._pieces: list[memoryview] = []
        self.size = 0
        """Bytes."""
        self.paused = False
        """Whether the protocol was told."""

    def add(self, data: memoryview) -> None:
        self._pieces.append(data)
        self.size += len(data)

    def send(self, descriptor: int) -> None:
        """Give the kernel what it takes now. Raises `OSError`."""
        sent = os.writev(descriptor, self._pieces[:MOST_PIECES])
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
