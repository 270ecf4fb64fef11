"""Opens the database file: one Athena a directory, a safe SQLite, durable commits, a schema that is ours."""

from __future__ import annotations

import fcntl
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw

from athena.errors import DataDirectoryInUse, DataDirectoryUnusable, SQLiteTooOld, StoreNotDurable, StoreTooNew

OLDEST_SQLITE = "3.51.3"
"""Older ones can corrupt WAL databases that several connections use: https://sqlite.org/wal.html#walresetbug"""


def check_version(version: str) -> None:
    """Raise `SQLiteTooOld` for a library that is not safe here. `version` is like "3.51.3"."""
    if tuple(map(int, version.split("."))) < tuple(map(int, OLDEST_SQLITE.split("."))):
        raise SQLiteTooOld(version, OLDEST_SQLITE)


def lock(directory: Path) -> int:
    """Hold the data directory for this process. The kernel lets go of the lock however the process ends."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataDirectoryUnusable(str(directory), error.strerror or str(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise DataDirectoryInUse(str(directory)) from error
    return descriptor


def connect(path: Path, flags: int) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(5000)
    return connection


def make_durable(db: apsw.Connection) -> None:
    """WAL, and a sync of the WAL at every commit; ask back, since SQLite ignores what it cannot do."""
    for setting, wanted, expected in (("journal_mode", "wal", "wal"), ("synchronous", "full", "2")):
        db.execute(f"PRAGMA {setting} = {wanted}")
        got = str(value(db, f"PRAGMA {setting}"))
        if got != expected:
            raise StoreNotDurable(setting, expected, got)
    db.execute("PRAGMA cache_size = -16384")  # KiB
    db.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: 16 MiB


def migrations() -> list[str]:
    """The schema's history, oldest first. `PRAGMA user_version` counts how many of them a database has."""
    folder = files("athena.store").joinpath("migrations")
    return [
        entry.read_text() for entry in sorted(folder.iterdir(), key=lambda e: e.name) if entry.name.endswith(".sql")
    ]


def migrate(db: apsw.Connection) -> None:
    """Bring the schema up to date, each step with its number in one transaction. Raises `StoreTooNew`."""
    steps = migrations()
    version = int(value(db, "PRAGMA user_version"))
    if version > len(steps):
        raise StoreTooNew(len(steps), version)
    for number, step in enumerate(steps[version:], version + 1):
        with db:
            db.execute(step)
            db.execute(f"PRAGMA user_version = {number}")


def value(db: apsw.Connection, statement: str, parameters: Any = ()) -> Any:
    """The first column of the first row; None when there is no row."""
    return db.execute(statement, parameters).get
