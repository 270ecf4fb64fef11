"""How the clock is set, in SQLite, and what moves with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw

from athena.clock import HOUR_MS, Anchor
from athena.database import load_blocks

SQL = load_blocks("athena.store", "sqlite_clock.sql")

MOVED_AT_ONCE = 256


def read(db: apsw.Connection) -> tuple[Anchor, int]:
    boot, origin, jumped, last = db.execute(SQL["read"]).fetchone()  # type: ignore[misc]
    return Anchor(boot, origin, jumped), last


def move(db: apsw.Connection, anchor: Anchor, shift: int, now: int) -> Iterator[None]:
    """Store the anchor and move deadlines and receipts, in the caller's transaction, a few at each step."""
    rows: list[Any] = db.execute(SQL["to_move"], {"shift": shift, "now": now}).fetchall()
    for start in range(0, len(rows), MOVED_AT_ONCE):
        some = [{"shift": shift, "now": now, "row": row} for (row,) in rows[start : start + MOVED_AT_ONCE]]
        db.executemany(SQL["move"], some)
        yield
    if abs(shift) >= HOUR_MS:
        first, last = db.execute(SQL["receipts"]).fetchone()  # type: ignore[misc]
        for start in range(first or 0, (last or -1) + 1, MOVED_AT_ONCE):
            db.execute(SQL["move_receipts"], {"shift": shift, "first": start, "last": start + MOVED_AT_ONCE - 1})
            yield
    db.execute(SQL["set"], anchor)
