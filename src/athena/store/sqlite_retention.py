"""Deletes rows that are kept no longer: finished rows with everything that belongs to them, a few at a time.

The space is reused for new rows; the file does not shrink. Positions stay as they are, and clients are not notified,
since the deleted rows had finished long ago; but a client that returns from a position before them must start again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import apsw
import msgspec

from athena.database import load_blocks, value
from athena.store import sqlite_search
from athena.store.sqlite_pages import HOUR, MINUTE

SQL = load_blocks("athena.store", "sqlite_retention.sql")
COUNT_ROWS = load_blocks("athena.store", "sqlite.sql")["count_rows"]


Old = tuple[str, int, str, int, int]
"""id, seq, type, archived, ts_display."""

_decode = msgspec.json.Decoder(list[Old]).decode


def oldest(db: apsw.Connection, before: int, limit: int) -> list[Old]:
    """At most `limit` finished rows whose display time is before a moment (ms), and that arrived before it. Skips those
    that arrived later, however many there are."""
    return _decode(value(db, SQL["oldest"], {"before": before, "limit": limit}))


def remove(db: apsw.Connection, rows: list[Old]) -> None:
    """Remove them and everything that belongs to them, in the caller's transaction. `rows` has at least one."""
    db.execute(SQL["remove_changes"], (_json([seq for _, seq, kind, _, _ in rows if kind == "webhook_tx"]),))
    db.execute(SQL["remove_rows"], (_json([id_ for id_, *_ in rows]),))
    _count(db, rows)
    left = value(db, SQL["oldest_left"])
    sqlite_search.retire(db, max(ts_display for *_, ts_display in rows) if left is None else int(left))


def _count(db: apsw.Connection, rows: list[Old]) -> None:
    """Subtract them from the tally and the totals."""
    slots = Counter(
        (unit, ts_display // unit, archived, kind)
        for unit in (HOUR, MINUTE)
        for _, _, kind, archived, ts_display in rows
    )
    db.executemany(
        COUNT_ROWS, [(unit, 1, -slot, archived, kind, -count) for (unit, slot, archived, kind), count in slots.items()]
    )
    newest = max(ts_display for *_, ts_display in rows)
    db.executemany(SQL["remove_empty_slots"], [(unit, -(newest // unit)) for unit in (HOUR, MINUTE)])
    last = max(seq for _, seq, *_ in rows)
    db.execute(SQL["fewer"], (len(rows), sum(kind == "webhook_tx" for _, _, kind, _, _ in rows), last))


def _json(values: list[Any]) -> str:
    return msgspec.json.encode(values).decode()
