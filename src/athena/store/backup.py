"""Copies of the history: made while the server runs, consistent as of one moment; and restored in its place.

A copy is an ordinary SQLite file. It has no keys, sessions or audit log: access control belongs to one machine.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import apsw

from athena.database import connect, load_blocks, migrate, migrations, value
from athena.datadir import fsync_path, unusable
from athena.domain.model import Position
from athena.errors import BackupNotWritten, BackupUnusable, DataDirectoryUnusable
from athena.store.sqlite_file import lock, make_file

PACKAGE = "athena.store"
SQL = load_blocks(PACKAGE, "backup.sql")

APPLICATION_ID = 0x41746E61
"""Marks a file as a copy of a history (SQLite's `application_id`): "Atna"."""


def back_up(directory: Path, file: Path) -> Position:
    """Write a copy to `file`, which must not exist yet -> the position of the copy.

    It is one read of the database, so it sees only whole commits, and producers do not wait for it. Raises
    `DataDirectoryUnusable` if there is no history, or a damaged one, and `BackupNotWritten` if `file` cannot be
    written.
    """
    source_path = directory / "athena.db"
    try:
        if not source_path.exists():
            raise DataDirectoryUnusable(
                str(directory), "there is no history", "give the one that Athena serves: --data"
            )
    except OSError as error:
        raise unusable(directory, error) from error
    if file.exists():
        raise BackupNotWritten(str(file), "it is there already; choose another name")
    with _draft(file) as draft:
        try:
            source = connect(source_path, apsw.SQLITE_OPEN_READONLY)
            try:
                _look_at(source, directory)
                position = _copy(source, draft, file)
            finally:
                source.close()
        except (apsw.Error, OSError) as error:
            raise BackupNotWritten(str(file), str(error)) from error
    return position


def restore(directory: Path, file: Path, replace: bool) -> tuple[Position, Path | None]:
    """Replace the history with a copy -> its position, and where the previous history is now.

    The history begins a new epoch, so every client that returns with an older cursor gets a reset. Raises
    `BackupUnusable` for a file that is damaged, from a newer Athena, or no copy, and `DataDirectoryInUse` while a
    server runs; then nothing has changed.
    """
    try:
        file.stat()
    except OSError as error:
        raise BackupUnusable(str(file), error.strerror or str(error)) from error
    held = lock(directory)
    try:
        final = directory / "athena.db"
        if final.exists() and not replace:
            why = "there is a history already"
            raise DataDirectoryUnusable(str(directory), why, "--replace puts it aside, and takes the copy instead")
        with _draft(final) as draft:
            position = _checked_copy(file, draft, final)
            aside = _put_aside(final)
        return position, aside
    finally:
        os.close(held)


def _look_at(history: apsw.Connection, directory: Path) -> None:
    """Raise `DataDirectoryUnusable` if it is not a history; copying would report "not an error"."""
    try:
        value(history, "PRAGMA schema_version")
    except apsw.Error as error:
        raise unusable(directory, error, "athena.db") from error


def _copy(source: apsw.Connection, draft: Path, final: Path) -> Position:
    """Copy all pages of `source`. Raises `BackupNotWritten` for `final` when the disk has no room for them."""
    size = value(source, "PRAGMA page_count") * value(source, "PRAGMA page_size")
    free = shutil.disk_usage(draft.parent).free
    if free < size:
        raise BackupNotWritten(str(final), f"it needs {_mib(size)}, and its disk has {_mib(free)} left")
    target = connect(draft, apsw.SQLITE_OPEN_READWRITE)
    try:
        try:
            with target.backup("main", source, "main") as copying:
                copying.step()  # all pages in one read
        except (apsw.FullError, apsw.IOError) as error:  # SQLite's own message is "not an error"
            raise BackupNotWritten(str(final), f"its disk took no more ({type(error).__name__})") from error
        target.execute("PRAGMA journal_mode = DELETE")  # a single file, which can be moved
        target.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        return Position(*target.execute(SQL["position"]).fetchone())  # type: ignore[misc]
    finally:
        target.close()


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:,.0f} MiB"


def _checked_copy(file: Path, draft: Path, final: Path) -> Position:
    """Check every page, copy, bring the schema up to date, begin a new epoch."""
    try:
        source = connect(file, apsw.SQLITE_OPEN_READONLY)
        try:
            if value(source, "PRAGMA application_id") != APPLICATION_ID:
                raise BackupUnusable(str(file), "it is no copy made by `athena backup`")
            version, known = value(source, "PRAGMA user_version"), len(migrations(PACKAGE))
            if version > known:
                raise BackupUnusable(str(file), f"it is of schema version {version}, and this Athena knows {known}")
            found = value(source, "PRAGMA integrity_check(1)")
            if found != "ok":
                raise BackupUnusable(str(file), f"it is damaged: {found}")
            _copy(source, draft, final)
        finally:
            source.close()
        target = connect(draft, apsw.SQLITE_OPEN_READWRITE)
        try:
            migrate(target, PACKAGE)
            with target:
                target.execute(SQL["new_epoch"])
            target.execute("PRAGMA application_id = 0")
            return Position(*target.execute(SQL["position"]).fetchone())  # type: ignore[misc]
        finally:
            target.close()
    except (apsw.Error, OSError) as error:
        raise BackupUnusable(str(file), str(error)) from error


def _put_aside(final: Path) -> Path | None:
    """Give the existing history a second name, which it keeps when another takes its place -> that name.

    Its WAL is checkpointed first, so that it is one file, and a power cut leaves either it or the new one in place. A
    history that is too damaged for that is moved away together with its WAL.
    """
    if not final.exists():
        return None
    with suppress(apsw.Error):
        _carry_over(final)
    aside = _free_name(final.with_name(f"{final.name}.{time.strftime('%Y%m%dT%H%M%S')}"))
    endings = [ending for ending in ("-wal", "-shm", "") if final.with_name(final.name + ending).exists()]
    if endings == [""]:
        with suppress(OSError):  # not every file system has hard links
            os.link(final, aside)
            return aside
    for ending in endings:
        final.with_name(final.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _carry_over(final: Path) -> None:
    """Checkpoint the WAL into the database, and remove the WAL."""
    db = connect(final, apsw.SQLITE_OPEN_READWRITE)
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()


def _free_name(wanted: Path) -> Path:
    """`wanted`, or that with a number: two may be put aside in one second."""
    name = wanted
    for number in count(2):
        if not name.exists():
            break
        name = wanted.with_name(f"{wanted.name}-{number}")
    return name


@contextmanager
def _draft(final: Path) -> Iterator[Path]:
    """A file beside `final` that replaces it, synced to disk, if the block succeeds; otherwise it is removed. Its
    name is not used by any other file."""
    draft = final.with_name(f".{final.name}.{os.getpid()}.draft")
    try:
        draft.unlink(missing_ok=True)
        make_file(draft)
        yield draft
        fsync_path(draft)
        draft.rename(final)
        fsync_path(final.parent)
    except OSError as error:
        raise BackupNotWritten(str(final), error.strerror or str(error)) from error
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                draft.with_name(draft.name + ending).unlink(missing_ok=True)
