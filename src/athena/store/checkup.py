"""The condition of a history, read from outside, whether or not a server has it open."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import apsw

from athena.database import connect, migrations, value
from athena.datadir import unusable
from athena.errors import StoreTooNew
from athena.store.sqlite_file import check_version

PACKAGE = "athena.store"


class Checkup(NamedTuple):
    """`newest` is when a transaction last changed (UTC Unix ms), None if there is none.

    Sizes are in bytes: `size` is that of the database, including pages that only the WAL has so far; `wal` is that of
    the WAL file.
    """

    rows: int
    changes: int
    newest: int | None
    size: int
    wal: int
    damage: str
    """What SQLite finds wrong with the file, in its words; empty if nothing is, or it was not checked."""


def sqlite_version() -> str:
    """The version of the library. Raises `SQLiteTooOld` for one that is not safe."""
    version = apsw.sqlite_lib_version()
    check_version(version)
    return version


def examine(directory: Path, thoroughly: bool) -> Checkup | None:
    """Inspect the history in `directory`; None if there is none. `thoroughly`: read every page of the file.

    Changes nothing. Raises `DataDirectoryUnusable` if it cannot be read, and `StoreTooNew`.
    """
    path = directory / "athena.db"
    wal = path.with_name("athena.db-wal")
    try:
        if not path.exists():
            return None
        size, log = path.stat().st_size, wal.stat().st_size if wal.exists() else 0
        db = connect(path, apsw.SQLITE_OPEN_READONLY)
        try:
            return _read(db, log, thoroughly)
        except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError) as error:
            return Checkup(0, 0, None, size, log, str(error))
        finally:
            db.close()
    except (apsw.Error, OSError) as error:
        raise unusable(directory, error, "athena.db") from error


def _read(db: apsw.Connection, wal: int, thoroughly: bool) -> Checkup:
    version, known = int(value(db, "PRAGMA user_version")), len(migrations(PACKAGE))
    if version > known:
        raise StoreTooNew(known, version)
    rows, changes = db.execute("SELECT total, seq FROM history").fetchone() or (0, 0)
    newest = value(db, "SELECT ts FROM change ORDER BY seq DESC LIMIT 1")
    size = value(db, "PRAGMA page_count") * value(db, "PRAGMA page_size")
    found = [str(row[0]) for row in db.execute("PRAGMA quick_check(5)")] if thoroughly else ["ok"]
    return Checkup(rows, changes, newest, size, wal, "" if found == ["ok"] else "; ".join(found))
