"""Lets go of what is older than it is to be kept: finished rows with all that belongs to them, a few at a time.

The space is used again by what comes; the file does not shrink. Positions stay as they are, and nobody is told, since
what is gone had ended long ago; but whoever comes back from a position before it has to start anew.
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
    """At most `limit` finished rows that are shown as of before a moment (ms), and came before it. Passes over those
    that came later, however many they are."""
    return _decode(value(db, SQL["oldest"], {"before": before, "limit": limit}))


def remove(db: apsw.Connection, rows: list[Old]) -> None:
    """Remove them with all that belongs to them, in the transaction of the caller. There is at least one."""
    db.execute(SQL["remove_changes"], (_json([seq for _, seq, kind, _, _ in rows if kind == "webhook_tx"]),))
    db.execute(SQL["remove_rows"], (_json([id_ for id_, *_ in rows]),))
    _count(db, rows)
    left = value(db, SQL["oldest_left"])
    sqlite_search.retire(db, max(ts_display for *_, ts_display in rows) if left is None else int(left))


def _count(db: apsw.Connection, rows: list[Old]) -> None:
    """Take them out of the tally and the totals."""
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
