"""The data directory and the engine: one Athena a directory, a safe SQLite."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import apsw

from athena.datadir import LOCK, make
from athena.errors import DataDirectoryInUse, DataDirectoryUnusable, SQLiteTooOld, StoreUnavailable

OLDEST_SQLITE = "3.51.3"
"""Older ones can corrupt WAL databases that several connections use: https://sqlite.org/wal.html#walresetbug"""


def check_version(version: str) -> None:
    """Raise `SQLiteTooOld` for a library that is not safe here. `version` is like "3.51.3"."""
    if tuple(map(int, version.split("."))) < tuple(map(int, OLDEST_SQLITE.split("."))):
        raise SQLiteTooOld(version, OLDEST_SQLITE)


def lock(directory: Path) -> int:
    """Hold the data directory for this process. The kernel lets go of the lock however the process ends."""
    try:
        make(directory)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataDirectoryUnusable(str(directory), error.strerror or str(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise DataDirectoryInUse(str(directory)) from error
    return descriptor


def tune(db: apsw.Connection) -> None:
    """A page cache for the indexes that every commit touches, and a WAL that holds some seconds of full load."""
    db.execute("PRAGMA cache_size = -16384")  # KiB
    db.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: 16 MiB


class Files:
    """The database that was opened at `path` and its log, by device and inode: so SQLite, too, knows its files."""

    def __init__(self, path: Path) -> None:
        """After SQLite has made both. Raises OSError."""
        self._database = os.fspath(path)
        self._log = f"{os.path.realpath(path)}-wal"  # of a symbolic link, beside what it leads to
        self._opened = self._identity()

    def check(self) -> None:
        """Raise `StoreUnavailable` unless they are still the ones at `path`. Where somebody has moved or removed them,
        SQLite goes on to write to what nobody can find any more: acknowledged, and lost at the next start.
        """
        try:
            in_place = self._identity() == self._opened
        except OSError:
            in_place = False
        if not in_place:
            raise StoreUnavailable("the database's files are not where they were; put them back, or start Athena anew")

    def _identity(self) -> tuple[int, int, int, int]:
        database, log = os.stat(self._database), os.stat(self._log)
        return database.st_dev, database.st_ino, log.st_dev, log.st_ino


def why(db: apsw.Connection, error: apsw.Error) -> str:
    """What SQLite says, and behind it what the system told SQLite, such as "Read-only file system"."""
    if isinstance(error, apsw.IOError | apsw.CantOpenError) and db.system_errno:
        return f"{error} ({os.strerror(db.system_errno)})"
    return str(error)


def make_file(path: Path) -> None:
    """An empty file for its owner alone, if there is none; SQLite gives its -wal and -shm the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
