"""Fills an empty store with a realistic history, fast: for measurements, and for trying the UI on something."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from athena.database import connect, load_blocks, migrate
from athena.datadir import sync
from athena.errors import DataDirectoryUnusable
from athena.store.sqlite_file import lock, make_file

PACKAGE = "athena.store"
SQL = load_blocks(PACKAGE, "seed.sql")

CHUNK = 100_000
RUNNING = 40

WORDS = {
    "works": "Deploy|Provision|Import customers into|Back up|Upgrade|Rotate the keys of|Scale out|Restore|Verify",
    "things": "shop|billing|search|ledger|web|mail gateway|peer org1|orderer|catalogue|warehouse|identity|payments",
    "steps": "pulling the image|waiting for the pods to start|12,000 rows read|copying the volume|done|warming up",
    "failures": "the disk is full|connection refused by the database|the certificate has expired|exit status 3",
    "people": "-|d**a@example.com|n***a@example.com|ci pipeline|k**l@example.org|nightly|o*s|release bot",
}


def seed(directory: Path, rows: int, days: int, now: int, told: Callable[[int], None]) -> None:
    """Write `rows` rows that end at `now` (ms) and go `days` back. `told` hears how many are there.

    The file appears when it is complete. Raises `DataDirectoryUnusable` where there is a history already, and
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
            sync(draft)
            draft.rename(final)
            sync(directory)
        except (apsw.Error, OSError) as error:
            raise DataDirectoryUnusable(str(directory), str(error)) from error
        finally:
            draft.unlink(missing_ok=True)
    finally:
        os.close(held)


def _write(path: Path, rows: int, days: int, now: int, told: Callable[[int], None]) -> None:
    db = connect(path, apsw.SQLITE_OPEN_READWRITE)
    try:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -262144", "threads = 2"):
            db.execute(f"PRAGMA {setting}")
        migrate(db, PACKAGE)
        indexes = list(db.execute(SQL["indexes"]))
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        values: dict[str, Any] = {"rows": rows, "days": days, "now": now, "running": min(RUNNING, rows)}
        for word, text in WORDS.items():
            choices = text.split("|")
            width = max(map(len, choices))
            values |= {word: "".join(choice.ljust(width) for choice in choices)}
            values |= {f"count_{word}": len(choices), f"width_{word}": width}
        for first in range(1, rows + 1, CHUNK):
            bounds = {"first": first, "last": min(first + CHUNK - 1, rows)}
            with db:
                db.execute(SQL["fill"], values | bounds)
                db.execute(SQL["fill_changes"], bounds)
            told(bounds["last"])
        for _, statement in indexes:
            db.execute(str(statement))
        with db:
            db.execute(SQL["count_minutes"])
            db.execute(SQL["count_hours"])
            db.execute(SQL["finish"], {"rows": rows})
    finally:
        db.close()
