"""One write to many connections, for clients that keep up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Collection

from athena.sockets.connections import AVAILABLE, OPEN, Connection

log = logging.getLogger("athena.sockets")

SHARING = AVAILABLE and hasattr(os, "memfd_create")
"""Whether connections can be sent shared pages."""

SHARED_BYTES, SHARED_BY = 8 * 1024, 8
"""From this many bytes and this many connections on, data is not copied for each connection."""


class Broadcast:
    """Writes the same data to many connections.

    Large data is not copied for each of them: the kernel gets it once, as a file in memory, and sends that file's pages
    to all (sendfile(2)). A page may be in transit for a long time, so such a file never changes; other data gets
    another file. docs/decisions/0022-large-pushes-share-their-pages.md.
    """

    __slots__ = ("_data", "_file")

    def __init__(self) -> None:
        self._data = b""
        self._file: int | None = None  # the descriptor of a file with `_data`

    def write(self, transports: Collection[asyncio.Transport], data: bytes) -> None:
        """Write `data` to each. A transport that raises is cut off, and the others go on.

        If nothing is unsent, `Connection.write` is not called: it would do the same, and between two system calls,
        which evict everything else from the processor's caches, any Python code takes several times as long.
        """
        size, write, sendfile, file = len(data), os.write, os.sendfile, self._shared(data, len(transports))
        for transport in transports:
            sent = 0
            if type(transport) is Connection and transport.unsent is None and transport.phase == OPEN:
                try:
                    if file is None:
                        sent = write(transport.descriptor, data)
                    else:
                        sent = sendfile(transport.descriptor, file, 0, size)
                except OSError:
                    sent = 0  # the next try finds the cause
                if sent == size:
                    continue
            try:
                transport.write(memoryview(data)[sent:] if sent else data)
            except Exception:
                log.exception("a connection could not be written to; it is cut off, the others go on")
                transport.abort()

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
