"""Pages of the history: which statement answers which query, and how to skip without counting rows.

The order is that of the indexes, in two stretches: active rows, then finished ones. Each is read as a range of the one
index that fits the query best (`_index`), named in the statement, since there are no statistics to choose by.
A `skip` is resolved by the tally of hours and minutes, which leaves only rows of one minute to skip.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

from athena.database import load_blocks, value
from athena.domain.model import ACTIVE, Notification
from athena.store import sqlite_search
from athena.store.base import Query

SQL = load_blocks("athena.store", "sqlite_pages.sql")

HOUR, MINUTE = 3_600_000, 60_000
"""The units of the tally, in ms."""

STATUSES: tuple[tuple[str, ...], tuple[str, ...]] = (("pending", "undoing"), ("success", "error"))
"""Indexed by whether they are finished."""

_decode_rows = msgspec.json.Decoder(list[Notification]).decode
_Parameters = dict[str, Any]


def read_page(db: apsw.Connection, query: Query) -> list[Notification]:
    """The rows of a page, and one more if it exists, inside the caller's transaction."""
    rows: list[Notification] = []
    skip, wanted = query.skip, query.limit + 1
    for stretch in _stretches(db, query):
        if len(rows) == wanted:
            break
        if skip and not stretch.filtered:
            left = stretch.skip(db, skip)
            if left is not None:
                skip = left
                continue
            skip = 0
        found = stretch.rows(db, skip, wanted - len(rows))
        if skip:  # with filters, only the rows themselves can be counted
            skip = 0 if found else skip - stretch.count(db, skip)
        rows += found
    return rows


def _stretches(db: apsw.Connection, query: Query) -> Iterator[_Stretch]:
    """The stretches that the query must read, in order."""
    if _concerns(query, finished=False):
        yield _Stretch(query, finished=False)
    if not _concerns(query, finished=True):
        return
    if query.search is None:
        yield _Stretch(query, finished=True)
        return
    for ages in sqlite_search.ranges(db, query):
        yield _Stretch(query, finished=True, ages=ages)


def _concerns(query: Query, finished: bool) -> bool:
    """Whether any row of this stretch can match."""
    if query.after is not None and query.after.finished and not finished:
        return False
    return query.status is None or any((status not in ACTIVE) == finished for status in query.status)


class _Stretch:
    """The active rows or the finished ones (of some ages) that match a query."""

    def __init__(self, query: Query, finished: bool, ages: sqlite_search.Ages | None = None) -> None:
        self._query = query
        self._finished = finished
        self._parameters: _Parameters = {"finished": int(finished)}
        self._filters: list[str] = []
        self._type = query.type[0] if query.type is not None and len(set(query.type)) == 1 else None
        self._add_filters()
        if ages is not None:
            self._filters += [SQL["filter_from_age"], SQL["filter_to_age"]]
            self._parameters |= {"from_age": ages[0], "to_age": ages[1]}

    @property
    def filtered(self) -> bool:
        """Whether the query filters by more than type and archived, which the tally cannot answer."""
        query = self._query
        narrowed = (query.component_id, query.by, query.sub_type, query.search, query.from_ts, query.to_ts, query.after)
        return any(part is not None for part in narrowed) or self._statuses() is not None

    def skip(self, db: apsw.Connection, skip: int) -> int | None:
        """Begin `skip` rows later -> None; if there are not more rows than that, how many are left to skip after it."""
        asked = {
            "finished": int(self._finished),
            "archived": int(self._query.archived),
            "type": self._type,
        }
        place = self._find(db, asked | {"unit": HOUR, "from": -(2**62), "to": 2**62, "skip": skip})
        if place is None:
            return skip - int(value(db, SQL["tally_total"], asked) or 0)
        hour, before = place
        first = hour * (HOUR // MINUTE) - (HOUR // MINUTE - 1)
        minutes = {"unit": MINUTE, "from": first, "to": hour * (HOUR // MINUTE), "skip": skip - before}
        minute, earlier = self._find(db, asked | minutes) or (first, 0)
        self._filters.append(SQL["filter_from_age"])
        self._parameters |= {"from_age": minute * MINUTE - (MINUTE - 1), "offset": skip - before - earlier}
        return None

    def rows(self, db: apsw.Connection, skip: int, limit: int) -> list[Notification]:
        """At most `limit` rows, in order."""
        parameters = {"offset": skip, **self._parameters, "limit": limit}
        return _decode_rows(value(db, self._statement("page"), parameters))

    def count(self, db: apsw.Connection, most: int) -> int:
        """How many rows there are, at most `most`."""
        return int(value(db, self._statement("count"), {**self._parameters, "limit": most, "offset": 0}))

    # ---- inside ------------------------------------------------------------------------------------------------------
    @staticmethod
    def _find(db: apsw.Connection, parameters: _Parameters) -> tuple[int, int] | None:
        """(the slot that holds the row after `skip` rows, the number of rows before that slot)."""
        found: Any = db.execute(SQL["tally_find"], parameters).fetchone()
        return None if found is None else (found[0], found[1])

    def _statement(self, block: str) -> str:
        return SQL[block].format(index=self._index(), filters=" AND ".join(self._filters) or "TRUE")

    def _index(self) -> str:
        """The narrowest range first. A partial index needs its condition in the statement word for word."""
        query = self._query
        if query.component_id is not None:
            return "notification_by_component"
        if query.by not in (None, "-"):
            return "notification_by_who"
        if query.sub_type is not None:
            return "notification_by_sub_type"
        if self._type == "notification":
            return "notification_notices"
        if self._statuses() == ("error",):
            return "notification_errors"
        return "notification_in_order_archived" if query.archived else "notification_in_order"

    def _statuses(self) -> tuple[str, ...] | None:
        """The requested statuses among those of this stretch; None if they all are."""
        if self._query.status is None:
            return None
        wanted = tuple(status for status in STATUSES[self._finished] if status in self._query.status)
        return None if wanted == STATUSES[self._finished] else wanted

    def _add_filters(self) -> None:
        query = self._query
        if not query.archived:
            self._filters.append(SQL["filter_everyday"])
        if self._type is not None:
            self._filters.append(SQL[f"filter_{self._type}"])
        statuses = self._statuses()
        if statuses is not None:
            self._filters.append(SQL[f"filter_{statuses[0]}"])  # exactly one of the two statuses is wanted
        for name in ("component_id", "sub_type", "by", "from_ts", "to_ts"):
            wanted = getattr(query, name)
            if wanted is not None:
                self._filters.append(SQL[f"filter_{name}"])
                self._parameters[name] = wanted
        if query.search is not None:
            self._filters.append(sqlite_search.MATCHES)
            self._parameters["search"] = sqlite_search.pattern(query.search)
        if query.by not in (None, "-"):
            self._filters.append(SQL["filter_somebody"])
        if query.after is not None and query.after.finished == self._finished:
            self._filters.append(SQL["filter_after"])
            self._parameters |= {"after_age": -query.after.ts_display, "after_id": query.after.id}
