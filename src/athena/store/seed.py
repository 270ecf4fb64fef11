"""Fills an empty store with a realistic history, fast: for measurements, and for trying the UI."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw

from athena.database import connect, load_blocks, migrate
from athena.datadir import fsync_path, unusable
from athena.errors import DataDirectoryUnusable
from athena.store.sqlite_file import lock, make_file

PACKAGE = "athena.store"
SQL = load_blocks(PACKAGE, "seed.sql")

PATTERNS = 20_000
"""After this many rows a history repeats itself, at other times: making up a row takes longer than inserting it."""

FILLING = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536", "temp.cache_size = -16384")
"""KiB. The second cache is for the patterns, 4 MiB, which would otherwise be read from their file repeatedly."""
INDEXING = ("threads = 2", "cache_size = -4096")
"""SQLite sorts as much at a time as its cache could hold. With a small cache, one thread sorts while another reads the
rows for the next sort; with a large one, there is only one sort."""

RUNNING = 40
"""Unfinished transactions, at the end of the history."""

WORDS = {
    "works": "Deploy|Provision|Import customers into|Back up|Upgrade|Rotate the keys of|Scale out|Restore|Verify",
    "things": "shop|billing|search|ledger|web|mail gateway|peer org1|orderer|catalogue|warehouse|identity|payments",
    "steps": "pulling the image|waiting for the pods to start|12,000 rows read|copying the volume|done|warming up",
    "failures": "the disk is full|connection refused by the database|the certificate has expired|exit status 3",
    "people": "-|d**a@example.com|n***a@example.com|ci pipeline|k**l@example.org|nightly|o*s|release bot",
}


def seed(directory: Path, rows: int, days: int, now: int, told: Callable[[int], None]) -> None:
    """Write `rows` rows that end at `now` (ms) and go back `days`. `told` is called with the number written so far.

    The file appears when it is complete. Raises `DataDirectoryUnusable` if there already is a history, and
    `DataDirectoryInUse` while a server runs there.
    """
    held = lock(directory)
    try:
        final, draft = directory / "athena.db", directory / "athena.db.seed"
        if final.exists():
            raise DataDirectoryUnusable(str(directory), "there is a history already")
        draft.unlink(missing_ok=True)
        make_file(draft)
        try:
            _write(draft, rows, days, now, told)
            fsync_path(draft)
            draft.rename(final)
            fsync_path(directory)
        except (apsw.Error, OSError) as error:
            raise unusable(directory, error, "athena.db") from error
        finally:
            draft.unlink(missing_ok=True)
    finally:
        os.close(held)


def _write(path: Path, rows: int, days: int, now: int, told: Callable[[int], None]) -> None:
    db = connect(path, apsw.SQLITE_OPEN_READWRITE)
    try:
        for setting in FILLING:
            db.execute(f"PRAGMA {setting}")
        migrate(db, PACKAGE)
        indexes = list(db.execute(SQL["indexes"]))
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        running = min(RUNNING, rows)
        patterns = min(PATTERNS, rows - running)
        values = {"rows": rows, "days": days, "now": now}
        making = _words() | {"now": now, "patterns": patterns, "running": running}
        db.execute(SQL["make_patterns"], making)
        pieces = [
            {"before": before, "first": 1, "last": min(PATTERNS, rows - running - before)}
            for before in range(0, rows - running, PATTERNS)
        ]
        pieces += [{"before": rows - running - patterns, "first": patterns + 1, "last": patterns + running}]
        with ThreadPoolExecutor(1) as counting:
            counted = counting.submit(_count_minutes, making, [values | piece for piece in pieces])
            for piece in pieces:
                with db:
                    db.execute(SQL["fill_changes"], values | piece)
            made = 0
            for piece in reversed(pieces):
                with db:
                    db.execute(SQL["fill"], values | piece)
                made += piece["last"] - piece["first"] + 1
                told(made)
            minutes = counted.result()
        for setting in INDEXING:
            db.execute(f"PRAGMA {setting}")
        for _, statement in indexes:
            db.execute(str(statement))
        with db:
            db.executemany(SQL["insert_minute"], minutes)
            db.execute(SQL["count_hours"])
            db.execute(SQL["finish"], {"rows": rows})
    finally:
        db.close()


def _count_minutes(making: dict[str, Any], pieces: list[dict[str, int]]) -> list[tuple[Any, ...]]:
    """The rows of the tally for each minute, from the patterns alone: the file is being written meanwhile."""
    db = apsw.Connection(":memory:")
    try:
        db.execute(SQL["make_patterns"], making)
        db.execute(SQL["make_minutes"])
        for piece in pieces:
            db.execute(SQL["count_piece"], piece)
        return list(db.execute(SQL["minutes"]))
    finally:
        db.close()


def _words() -> dict[str, str | int]:
    """The parameters of the statement for the texts to choose from."""
    values: dict[str, str | int] = {}
    for word, text in WORDS.items():
        choices = text.split("|")
        width = max(map(len, choices))
        values |= {word: "".join(choice.ljust(width) for choice in choices)}
        values |= {f"count_{word}": len(choices), f"width_{word}": width}
    return values
