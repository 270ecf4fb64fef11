"""One write to many connections, for clients that keep up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import Any, Protocol

from athena.sockets.connections import AVAILABLE, Connection

log = logging.getLogger("athena.sockets")

SHARING = AVAILABLE and hasattr(os, "memfd_create")
"""Whether connections can be sent shared pages."""

SHARED_BYTES, SHARED_BY = 8 * 1024, 8
"""From this many bytes and this many connections on, data is not copied for each connection."""


class Member(Protocol):
    """Whatever belongs to a transport; it is the same one as long as the member is in a group."""

    @property
    def transport(self) -> asyncio.Transport: ...


class Group:
    """Members whose transports get the same bytes.

    Nearly all of them are connections with nothing unsent. To write to those, only their sockets are needed: the
    kernel's part of each write evicts much of the processor's caches, and every object of a client that is looked at in
    between must be fetched again. A connection that needs more than that says so itself (`DirectWriter`).
    """

    __slots__ = ("_direct", "_others")

    def __init__(self) -> None:
        self._direct: dict[socket.SocketType, Member] = {}
        self._others: dict[asyncio.Transport, Member] = {}

    def __len__(self) -> int:
        return len(self._direct) + len(self._others)

    def members(self) -> list[Any]:
        """A copy."""
        return [*self._direct.values(), *self._others.values()]

    def add(self, member: Member) -> None:
        """A connection can be in only one group."""
        transport = member.transport
        self._others[transport] = member
        if isinstance(transport, Connection):
            transport.direct_writer = self
            if transport.direct:
                self.include(transport)

    def discard(self, member: Member) -> None:
        transport = member.transport
        if isinstance(transport, Connection) and transport.direct_writer is self:
            self.exclude(transport)
            transport.direct_writer = None
        self._others.pop(transport, None)

    def write(self, data: bytes, file: int | None) -> None:
        """Write `data`, which is also in `file` unless that is None, to each. A transport that raises is cut off."""
        size, sendfile = len(data), os.sendfile
        others = [(transport, 0) for transport in self._others]
        for to in self._direct:
            try:
                sent = to.send(data) if file is None else sendfile(to.fileno(), file, 0, size)
            except OSError:
                sent = 0  # the next try finds the cause
            if sent != size:
                others.append((self._direct[to].transport, sent))
        for transport, sent in others:
            try:
                transport.write(memoryview(data)[sent:] if sent else data)
            except Exception:
                log.exception("a connection could not be written to; it is cut off, the others go on")
                transport.abort()

    # ---- sockets.connections.DirectWriter ----------------------------------------------------------------------------
    def exclude(self, connection: Connection) -> None:
        member = self._direct.pop(connection.socket, None)
        if member is not None:
            self._others[connection] = member

    def include(self, connection: Connection) -> None:
        self._direct[connection.socket] = self._others.pop(connection)


class Broadcast:
    """Writes the same data to groups.

    Large data is not copied for each connection: the kernel gets it once, as a file in memory, and sends that file's
    pages to all (sendfile(2)). A page may be in transit for a long time, so such a file never changes; other data gets
    another file. docs/decisions/0022-large-pushes-share-their-pages.md.
    """

    __slots__ = ("_data", "_file")

    def __init__(self) -> None:
        self._data = b""
        self._file: int | None = None  # the descriptor of a file with `_data`

    def write(self, group: Group, data: bytes) -> None:
        """Write `data` to each member. A transport that raises is cut off, and the others go on."""
        group.write(data, self._shared(data, len(group)))

    def forget(self) -> None:
        """Release the last data. The kernel keeps what it has yet to send."""
        self._data = b""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _shared(self, data: bytes, readers: int) -> int | None:
        """The file with `data` in it, if sharing is worthwhile."""
        if data is not self._data:
            self.forget()
            if SHARING and len(data) >= SHARED_BYTES and readers >= SHARED_BY:
                self._data, self._file = data, _file_with(data)
        return self._file


def _file_with(data: bytes) -> int | None:
    """A file in memory; None if it cannot be created, for example with no descriptor left."""
    try:
        file = os.memfd_create("push")
    except OSError:
        return None
    with contextlib.suppress(OSError):
        if os.write(file, data) == len(data):
            return file
    os.close(file)
    return None
