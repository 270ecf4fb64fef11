"""The catch-up of readers that are behind the tail: pages of the store's latest states, read once for all of them.

When Athena restarts, thousands of clients reconnect within seconds, each with a cursor of its own. Pages begin at round
positions and are shared: a reader takes what comes after its own position. A page may be out of date when it is used:
later changes come after it in the order, and follow from another page or from the tail.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from athena.domain.model import Notification, Position
from athena.domain.wire import Encoded, encode_messages
from athena.live.tail import Encoding

PAGE_ROWS = 256
"""Rows per page. A seq belongs to at most one row, so a full page covers at least as many positions."""

PAGES_BYTES, JOINS_BYTES = 16 << 20, 4 << 20
"""Bytes of cached pages, and of buffers joined from them; the newest of each is always kept. A page takes about 90 KiB,
and 2 MiB where all texts have the maximum length."""

PAGE_BYTES, ENTRY_BYTES = 500, 200
"""Overhead in bytes of a page besides its messages, and of each message besides its text."""


class Changed(Protocol):
    """The result of a read: latest states in the order of change, the position they are from, and the highest seq of a
    row that was deleted for its age."""

    @property
    def rows(self) -> list[Notification]: ...

    @property
    def position(self) -> Position: ...

    @property
    def retired(self) -> int: ...


class History(Protocol):
    """What is needed of the store."""

    async def changed_since(self, seq: int, limit: int) -> Changed:
        """The latest states of what changed after `seq`, at most `limit`.

        Fewer than `limit` rows means that these are all up to that position. Raises `StoreUnavailable`.
        """


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """Encoded messages, and the position up to which they are complete for a reader at `retired` or later; no deleted
    row changed after `retired`."""

    number: int
    """Unique for each page."""
    epoch: str
    entries: list[Encoded]
    reached: int
    retired: int


K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A least-recently-used cache, up to a weight in bytes; the last value put is kept whatever it weighs."""

    def __init__(self, most: int, weigh: Callable[[V], int]) -> None:
        self.weight = 0
        self._most = most
        self._weigh = weigh
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """As `dict.get`; counts as a use."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        """Add a value, or replace the one under this key."""
        if key in self._kept:
            self.weight -= self._weigh(self._kept.pop(key))
        self._kept[key] = value
        self.weight += self._weigh(value)
        while self.weight > self._most and len(self._kept) > 1:
            self.weight -= self._weigh(self._kept.popitem(last=False)[1])

    def clear(self) -> None:
        self._kept.clear()
        self.weight = 0


class Catchup:
    """Reads pages, each once for all readers that need it, and caches those used last."""

    def __init__(self, history: History, end: Callable[[], int]) -> None:
        """`end` returns the end of the tail. The store may have a commit that is not published yet; pages leave it out,
        or a reader would hold a cursor that the tail does not know yet."""
        self.reads = 0
        """Pages read from the store."""
        self._history = history
        self._end = end
        self._pages: Recent[int, ReplayPage] = Recent(PAGES_BYTES, _size)
        self._joined: Recent[tuple[int, Encoding, int], bytes] = Recent(JOINS_BYTES, len)
        self._reading: dict[int, asyncio.Task[ReplayPage]] = {}

    def clear(self) -> None:
        """Drop everything: the history was purged or replaced."""
        self._pages.clear()
        self._joined.clear()

    def joined_after(self, page: ReplayPage, seq: int, encoding: Encoding) -> bytes:
        """Its messages after `seq`, joined once for all readers from the same position; empty if there are none."""
        first = bisect_right(page.entries, seq, key=attrgetter("seq"))
        if first == len(page.entries):
            return b""
        key = (page.number, encoding, first)
        data = self._joined.get(key)
        if data is None:
            data = encoding(page.epoch, page.entries[first:])
            self._joined.put(key, data)
        return data

    async def page(self, seq: int) -> ReplayPage:
        """A page with the changes after `seq`, and perhaps some before. Raises `StoreUnavailable`."""
        begin = max(seq, 0) // PAGE_ROWS * PAGE_ROWS
        page = self._pages.get(begin)
        # A page that was not full had everything there was. It is read again once there is more.
        if page is not None and page.reached > seq:
            return page
        reading = self._reading.get(begin)
        if reading is None:
            reading = self._reading[begin] = asyncio.get_running_loop().create_task(self._read(begin))
        return await asyncio.shield(reading)  # one reader that is gone must not cancel it for others

    async def _read(self, begin: int) -> ReplayPage:
        self.reads += 1
        number = self.reads
        try:
            found = await self._history.changed_since(begin, PAGE_ROWS)
        finally:
            # Here and not in a callback, which would run a loop turn later: a reader that asks again before that,
            # because this page was read too early to have anything new, would get the same page again and again.
            del self._reading[begin]
        end, rows, epoch = self._end(), found.rows, found.position.epoch
        reached = min(end, rows[-1].seq if len(rows) == PAGE_ROWS else found.position.seq)
        entries = encode_messages([row for row in rows if row.seq <= end], epoch)
        page = ReplayPage(number, epoch, entries, reached, found.retired)
        self._pages.put(begin, page)
        return page


def _size(page: ReplayPage) -> int:
    return PAGE_BYTES + sum(ENTRY_BYTES + len(entry.data) for entry in page.entries)
