"""File layers under SQLite (apsw VFS): one that traces every change, one that can be full, one that fails on demand.

All delegate to SQLite's own `unix` layer, which also manages the WAL's shared memory. Registered as the default, so
that every database opened in the process uses it.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any

import apsw

WAL_OR_JOURNAL = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
HEAD = struct.Struct(">BHQI")
"""A trace record: operation, length of the file's name, offset (or size, or flag), length of the data."""


_registered: list[Disk] = []
"""apsw frees a layer without references."""


class Op(IntEnum):
    """Operations that a trace may contain, and that `before` is called for."""

    OPEN = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    DELETE = 5
    READ = 6


class Disk(apsw.VFS):
    """`before(op, file, offset, data)` is called before each operation and may raise; `after` is called afterwards."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "unix")
        self._name = name
        self._default = ""

    def register(self) -> None:
        """Make it the process's default, until `unregister`."""
        _registered.append(self)
        self._default = apsw.vfs_names()[0]
        apsw.set_default_vfs(self._name)

    def unregister(self) -> None:
        apsw.set_default_vfs(self._default)
        super().unregister()
        _registered.remove(self)

    def before(self, op: Op, file: str, offset: int = 0, data: bytes = b"") -> None: ...

    def after(self, op: Op, file: str, offset: int = 0, data: bytes = b"") -> None: ...

    def xOpen(self, name: Any, flags: list[int]) -> File:  # noqa: N802
        opened = File(self, name, flags)
        self.after(Op.OPEN, opened.file)
        return opened

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        file = os.path.basename(filename)
        self.before(Op.DELETE, file, syncdir)
        super().xDelete(filename, syncdir)
        self.after(Op.DELETE, file, syncdir)


class File(apsw.VFSFile):
    """One open file."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.file = os.path.basename(path or "")
        self._disk = disk
        # As in SQLite's unix layer: the first sync of a new journal or WAL syncs its directory too.
        self._sync_directory = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & WAL_OR_JOURNAL)
        super().__init__("unix", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._disk.before(Op.READ, self.file, offset)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.before(Op.WRITE, self.file, offset, data)
        super().xWrite(data, offset)
        self._disk.after(Op.WRITE, self.file, offset, data)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._disk.before(Op.TRUNCATE, self.file, newsize)
        super().xTruncate(newsize)
        self._disk.after(Op.TRUNCATE, self.file, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.before(Op.SYNC, self.file)
        super().xSync(flags)
        self._disk.after(Op.SYNC, self.file, int(self._sync_directory))
        self._sync_directory = False


class TracedDisk(Disk):
    """Appends each operation to the file `trace`, before SQLite gets its result."""

    def __init__(self, trace: str) -> None:
        super().__init__("traced")
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        self._lock = threading.Lock()

    def after(self, op: Op, file: str, offset: int = 0, data: bytes = b"") -> None:
        if file:  # temporary files have no name, and need not survive
            name = file.encode()
            with self._lock:
                os.write(self._trace, HEAD.pack(op, len(name), offset, len(data)) + name + bytes(data))


class FillableDisk(Disk):
    """Accepts no writes while the file `switch` exists."""

    def __init__(self, switch: str) -> None:
        super().__init__("fillable")
        self._switch = switch

    def before(self, op: Op, file: str, offset: int = 0, data: bytes = b"") -> None:
        if op is Op.WRITE and os.path.exists(self._switch):
            raise apsw.FullError("database or disk is full")


class UnsyncableDisk(Disk):
    """No sync of a WAL succeeds while the file `switch` exists; it fails as SQLite's unix layer does."""

    def __init__(self, switch: str) -> None:
        super().__init__("unsyncable")
        self._switch = switch

    def before(self, op: Op, file: str, offset: int = 0, data: bytes = b"") -> None:
        if op is Op.SYNC and file.endswith("athena.db-wal") and os.path.exists(self._switch):
            error: Any = apsw.IOError("disk I/O error")
            error.extendedresult = apsw.SQLITE_IOERR_FSYNC
            raise error


class StuckDisk(Disk):
    """While there is a named pipe `gate`, a sync of a WAL waits until the pipe is opened for writing."""

    def __init__(self, gate: str) -> None:
        super().__init__("stuck")
        self._gate = gate

    def before(self, op: Op, file: str, offset: int = 0, data: bytes = b"") -> None:
        if op is Op.SYNC and file.endswith("athena.db-wal"):
            with suppress(FileNotFoundError), open(self._gate, "rb"):
                pass


class FailingDisk(Disk):
    """Fails operation number `at` (1 is the first) with `error`, and all later ones too if `persistent`.

    Reads count as well. `reached` tells whether that operation was reached.
    """

    def __init__(self) -> None:
        super().__init__("failing")
        self.reached = False
        self._left, self._persistent = 0, False
        self._error: Callable[[], apsw.Error] = apsw.IOError

    def fail(self, at: int, persistent: bool, error: Callable[[], apsw.Error]) -> None:
        self._left, self._persistent, self._error, self.reached = at, persistent, error, False

    def stop(self) -> None:
        """Stop failing operations."""
        self._left = 0

    def before(self, op: Op, file: str, offset: int = 0, data: bytes = b"") -> None:
        if self._left > 1:
            self._left -= 1
        elif self._left == 1:
            self._left = 1 if self._persistent else 0
            self.reached = True
            raise self._error()


def copy_as_is(directory: Path, target: Path) -> None:
    """The files of a store as a crash of the process would leave them; without the shared memory, which is rebuilt."""
    target.mkdir()
    for file in directory.iterdir():
        if file.suffix != ".lock" and not file.name.endswith("-shm"):
            (target / file.name).write_bytes(file.read_bytes())
