"""What every SQLite file of Athena needs: durable commits, schema migrations, statements in named .sql blocks."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw

from athena.errors import StoreNotDurable, StoreTooNew, StoreUnavailable


def load_blocks(package: str, filename: str) -> dict[str, str]:
    """A map of name -> statement, without comments, from a file of the package.

    A line `-- name: x` begins block `x`; its final semicolon is dropped. Raises ValueError for a duplicate name.
    """
    text = files(package).joinpath(filename).read_text()
    blocks: dict[str, str] = {}
    for part in re.split(r"^-- name: ", text, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        if name in blocks:
            raise ValueError(f"{filename}: block {name!r} is there twice")
        statement = re.sub(r"--.*", "", body).strip()
        blocks[name] = statement.removesuffix(";")
    return blocks


def explain(error: Exception) -> str | None:
    """What SQLite says went wrong; None when the error is none of its own."""
    return str(error) if isinstance(error, apsw.Error) else None


def connect(path: Path, flags: int) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(5000)
    return connection


def make_durable(db: apsw.Connection) -> None:
    """WAL, synced at every commit. Both settings are read back, since SQLite ignores what it cannot do."""
    for setting, wanted, expected in (("journal_mode", "wal", "wal"), ("synchronous", "full", "2")):
        db.execute(f"PRAGMA {setting} = {wanted}")
        got = str(value(db, f"PRAGMA {setting}"))
        if got != expected:
            raise StoreNotDurable(setting, expected, got)


def migrations(package: str) -> list[str]:
    """The migrations of a schema, oldest first. `PRAGMA user_version` counts how many a database has applied."""
    folder = files(package).joinpath("migrations")
    return [
        entry.read_text() for entry in sorted(folder.iterdir(), key=lambda e: e.name) if entry.name.endswith(".sql")
    ]


def migrate(db: apsw.Connection, package: str) -> None:
    """Bring the schema up to date, each migration with its number in one transaction. Raises `StoreTooNew`."""
    steps = migrations(package)
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


class Files:
    """The database opened at `path` and its WAL, by device and inode, as SQLite itself identifies its files."""

    def __init__(self, path: Path) -> None:
        """Call after SQLite has created both. Raises OSError."""
        self._database = os.fspath(path)
        self._log = f"{os.path.realpath(path)}-wal"  # for a symbolic link, beside its target
        self._opened = self._identity()

    def check(self) -> None:
        """Raise `StoreUnavailable` unless these files are still at `path`. If they were moved or removed, SQLite would
        keep writing to files that no path leads to: commits would be acknowledged, and lost at the next start.
        """
        try:
            in_place = self._identity() == self._opened
        except OSError:
            in_place = False
        if not in_place:
            name = os.path.basename(self._database)
            raise StoreUnavailable(f"the files of {name} are not where they were; put them back, or restart Athena")

    def preallocate_wal(self, size: int, step: int) -> bool:
        """Append at most `step` bytes of zeros to the WAL, until it has `size` bytes -> whether there is more to do.
        Does nothing if the disk has less than ten times `size` free, which is better kept for data, or if another file
        has taken the WAL's place.

        Call it only while nothing writes to the database. SQLite ignores what follows its last commit, and overwrites
        it. Raises OSError.
        """
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            disk, missing = os.fstatvfs(descriptor), size - found.st_size
            if missing <= 0 or disk.f_bavail * disk.f_frsize < 10 * size:
                return False
            if (found.st_dev, found.st_ino) != self._opened[2:]:
                return False
            written = os.pwrite(descriptor, bytes(min(missing, step)), found.st_size)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        return written < missing

    def _identity(self) -> tuple[int, int, int, int]:
        database, log = os.stat(self._database), os.stat(self._log)
        return database.st_dev, database.st_ino, log.st_dev, log.st_ino
