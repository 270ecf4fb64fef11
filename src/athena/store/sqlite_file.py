"""The data directory and the engine: one Athena per directory, and a safe SQLite."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import apsw

from athena.datadir import LOCK, give_to_owner, make_directory, unusable
from athena.errors import DataDirectoryInUse, SQLiteTooOld

OLDEST_SQLITE = "3.51.3"
"""Older versions can corrupt WAL databases that several connections use: https://sqlite.org/wal.html#walresetbug"""

CHECKPOINT_PAGES = 4000
"""Pages in the WAL from which on it is checkpointed into the database, and then written from its start again."""

WAL_BYTES = 32 + CHECKPOINT_PAGES * (24 + 4096)
"""The size that the WAL reaches until then, 16 MiB: a header, and each page of 4,096 bytes with its own header
(https://sqlite.org/fileformat2.html#walformat)."""


def check_version(version: str) -> None:
    """Raise `SQLiteTooOld` for a library that is not safe here. `version` is like "3.51.3"."""
    if tuple(map(int, version.split("."))) < tuple(map(int, OLDEST_SQLITE.split("."))):
        raise SQLiteTooOld(version, OLDEST_SQLITE)


def lock(directory: Path) -> int:
    """Lock the data directory for this process. The kernel releases the lock however the process ends."""
    try:
        make_directory(directory)
        make_file(directory / LOCK)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise unusable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise DataDirectoryInUse(str(directory)) from error
    return descriptor


def tune(db: apsw.Connection) -> None:
    """A page cache for the indexes that every commit touches, and a WAL that holds some seconds of full load."""
    db.execute("PRAGMA cache_size = -16384")  # KiB
    db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


def describe_error(db: apsw.Connection, error: apsw.Error) -> str:
    """SQLite's message, followed by the system error that SQLite got, such as "Read-only file system"."""
    if isinstance(error, apsw.IOError | apsw.CantOpenError) and db.system_errno:
        return f"{error} ({os.strerror(db.system_errno)})"
    return str(error)


def make_file(path: Path) -> None:
    """Create an empty file for its owner only, if there is none; SQLite gives -wal and -shm the same mode and owner."""
    is_new = not path.exists()
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if is_new:
        give_to_owner(path)
