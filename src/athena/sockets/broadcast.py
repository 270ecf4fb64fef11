"""One write to many connections, as it is made to each client that keeps up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Collection

from athena.sockets.connections import AVAILABLE, OPEN, Connection

log = logging.getLogger("athena.sockets")

SHARING = AVAILABLE and hasattr(os, "memfd_create")
"""Whether connections can be sent pages that they share."""

SHARED_BYTES, SHARED_BY = 8 * 1024, 8
"""From so many bytes to so many connections on, what is written to all of them is not copied for each."""


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
            if type(transport) is Connection and transport.unsent is None and transport.phase == OPEN:
                try:
                    if file is None:
                        sent = write(transport.descriptor, data)
                    else:
                        sent = sendfile(transport.descriptor, file, 0, size)
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
