"""Finds text among millions of rows: a trigram index of blocks of rows, built in the background.

A search yields ranges of the order that may contain the text, newest first; whether a row matches is decided by reading
the row. So the index may lag or be too broad, and the result is the same: only the time differs. What a block is:
migrations/0003_search.sql; why: docs/decisions/0011-search-by-blocks.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw

from athena.database import load_blocks, value
from athena.store.base import Query

SQL = load_blocks("athena.store", "sqlite_search.sql")
MATCHES = SQL["matches"]
CANDIDATES = SQL["candidates"].format(matches=MATCHES)

BLOCK_ROWS = 64
SETTLED_MS = 2_000
"""A row is put into a block only once it is this old: others of the same moment may still arrive."""

MOST_TRIGRAMS = 40
"""Most trigrams of a long text that are looked up; the rest hardly narrow the search."""

EVER = 2**62

Ages = tuple[int, int]
"""A range of `age`, which is -ts_display, both ends included."""


def ranges(db: apsw.Connection, query: Query) -> Iterator[Ages]:
    """The ranges of finished rows in which `query.search` may be found, in order."""
    text = query.search or ""
    newest = value(db, SQL["newest_block"])
    wanted = _trigrams(text)
    if newest is None or wanted is None:
        yield -EVER, EVER
        return
    yield -EVER, -newest - 1
    low, high = query.from_ts or -EVER, EVER
    place = query.after if query.after is not None and query.after.finished else None
    for latest in (query.to_ts, None if place is None else place.ts_display):
        around = None if latest is None else value(db, SQL["block_around"], (latest,))
        high = high if around is None else min(high, around)
    bounds = {"wanted": wanted, "search": pattern(text), "low": low, "high": high, "ever": -EVER}
    found: Any
    last: int | None = None
    for found in db.execute(CANDIDATES, bounds):
        begin, upto = found
        if upto != last:
            yield -upto, -begin - 1
        last = upto


def pattern(text: str) -> str:
    """The LIKE pattern for `text` anywhere; no character in it is special."""
    return "%" + text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


def _trigrams(text: str) -> str | None:
    """The full-text query for blocks that contain `text`: all its trigrams. None if it is too short to have one."""
    trigrams = dict.fromkeys(text[start : start + 3] for start in range(len(text) - 2))
    quoted = ['"' + trigram.replace('"', '""') + '"' for trigram in trigrams]
    return " AND ".join(quoted[:MOST_TRIGRAMS]) if quoted else None


def _begin(db: apsw.Connection, upto: int) -> int:
    """The moment after which the block that ends at `upto` begins."""
    before = value(db, SQL["block_before"], (upto,))
    return -EVER if before is None else int(before)


# ---- making it -------------------------------------------------------------------------------------------------------
def extend(db: apsw.Connection, now: int) -> bool:
    """Add one block, or rebuild one that has changed, inside the caller's transaction -> whether there was one."""
    stale = value(db, SQL["stale_block"])
    if stale is not None:
        _renew(db, int(stale))
        return True
    newest = value(db, SQL["newest_block"])
    begin = -EVER if newest is None else int(newest)
    upto = _cut(db, begin, now - SETTLED_MS)
    if upto is None:
        return False
    _add(db, begin, upto)
    return True


def _renew(db: apsw.Connection, upto: int) -> None:
    """Rebuild a block: with the rows that were added to it, it may become several."""
    begin = _begin(db, upto)
    _remove(db, upto)
    while (end := _cut(db, begin, upto)) is not None and end < upto:
        _add(db, begin, end)
        begin = end
    _add(db, begin, upto)


def _cut(db: apsw.Connection, begin: int, horizon: int) -> int | None:
    end = value(db, SQL["cut"], {"begin": begin, "horizon": horizon, "rows": BLOCK_ROWS - 1})
    return None if end is None else int(end)


def _add(db: apsw.Connection, begin: int, upto: int) -> None:
    db.execute(SQL["add_block"], (upto,))
    for block in ("add_text", "add_ids"):
        db.execute(SQL[block], {"begin": begin, "upto": upto})


def _remove(db: apsw.Connection, upto: int) -> None:
    for block in ("remove_text", "remove_ids"):
        db.execute(SQL[block], (upto,))


def mark_stale(db: apsw.Connection, moments: set[int]) -> None:
    """Rows were added in the past, at these moments (ms): their blocks must be rebuilt."""
    db.executemany(SQL["mark_stale"], [(moment,) for moment in moments])


def newest(db: apsw.Connection) -> int:
    """The end of the newest block (ms)."""
    upto = value(db, SQL["newest_block"])
    return -EVER if upto is None else int(upto)


def retire(db: apsw.Connection, before: int) -> None:
    """Remove the blocks that end before a moment (ms), before which no row is left. If a row were left, it would be
    searched for in the next block, whose index does not contain it."""
    upto: Any
    for (upto,) in db.execute(SQL["blocks_before"], (before,)).fetchall():
        _remove(db, upto)
        db.execute(SQL["remove_block"], (upto,))


def purge(db: apsw.Connection) -> None:
    for block in ("purge_blocks", "purge_text", "purge_ids"):
        db.execute(SQL[block])
