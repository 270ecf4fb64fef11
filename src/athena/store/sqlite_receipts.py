"""Receipts in SQLite, looked up and deleted in the caller's transaction. Why: docs/decisions/0014-receipts.md."""

from __future__ import annotations

from typing import Any

import apsw

from athena.database import load_blocks
from athena.store.base import RECEIPT_MS, Receipt

SQL = load_blocks("athena.store", "sqlite_receipts.sql")

FORGOTTEN_AT_ONCE = 500


def find(db: apsw.Connection, key: bytes, now: int) -> Receipt | None:
    """The receipt for the id of a key, unless it has expired."""
    row: Any = db.execute(SQL["find"], (key, now - RECEIPT_MS)).fetchone()
    return None if row is None else Receipt(*row)


def forget(db: apsw.Connection, now: int) -> bool:
    """Delete some expired receipts -> whether there may be more."""
    db.execute(SQL["forget"], (now - RECEIPT_MS, FORGOTTEN_AT_ONCE))
    return db.changes() == FORGOTTEN_AT_ONCE
