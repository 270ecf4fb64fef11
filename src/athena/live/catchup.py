"""The way back for readers that are behind the tail: pages of the store's latest states, read once for all of them.

When Athena comes up again, thousands of clients come back within seconds, each with a cursor of its own. Pages begin at
round positions and are shared: a reader takes what lies behind its own position. A page may be older than the moment it
is used: what has changed since then is behind it in the order, and comes later, from another page or from the tail.
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
"""Rows of a page. Each seq is that of one row at the most, so a page reaches over as many positions at least."""

PAGES_BYTES, JOINS_BYTES = 16 << 20, 4 << 20
"""Bytes of the pages that are kept, and of what they were joined to; the newest one in any case. A page takes some
90 KiB, and 2 MiB where people write as much as they may."""

PAGE_BYTES, ENTRY_BYTES = 500, 200
"""What a page costs beside its messages, and each of them beside its text."""


class Changed(Protocol):
    """What is read: latest states in the order of change, the position they are from, and the highest seq of what is
    gone since it was too old."""

    @property
    def rows(self) -> list[Notification]: ...

    @property
    def position(self) -> Position: ...

    @property
    def retired(self) -> int: ...


class History(Protocol):
    """What is needed of a store."""

    async def changed_since(self, seq: int, limit: int) -> Changed:
        """The latest states of what changed after `seq`, at most `limit`.

        Fewer than `limit` rows are all there are up to that position. Raises `StoreUnavailable`.
        """


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """Encoded messages, and the position up to which they tell everything to a reader that stands at `retired` or
    behind; what is gone was before that."""

    number: int
    """No two have the same."""
    epoch: str
    entries: list[Encoded]
    reached: int
    retired: int


K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """What was used last, up to a weight in bytes, and the very last one whatever it weighs."""

    def __init__(self, most: int, weigh: Callable[[V], int]) -> None:
        self.weight = 0
        self._most = most
        self._weigh = weigh
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """As a dictionary; it counts as use."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        """Instead of what was there under this key."""
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
    """Reads pages, each once for all that ask for it, and keeps the newest."""

    def __init__(self, history: History, end: Callable[[], int]) -> None:
        """`end` tells how far the push is. The store may have a commit that is on its way there; pages leave it out, or
        else a reader would hold a cursor that nobody knows yet."""
        self.reads = 0
        """Pages read from the store."""
        self._history = history
        self._end = end
        self._pages: Recent[int, ReplayPage] = Recent(PAGES_BYTES, _size)
        self._joined: Recent[tuple[int, Encoding, int], bytes] = Recent(JOINS_BYTES, len)
        self._reading: dict[int, asyncio.Task[ReplayPage]] = {}

    def clear(self) -> None:
        """The history is another one."""
        self._pages.clear()
        self._joined.clear()

    def joined_after(self, page: ReplayPage, seq: int, encoding: Encoding) -> bytes:
        """Its messages behind `seq`, joined once for all that come from the same place; nothing if there are none."""
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
        """A page that tells what follows `seq`, and perhaps what was before. Raises `StoreUnavailable`."""
        begin = max(seq, 0) // PAGE_ROWS * PAGE_ROWS
        page = self._pages.get(begin)
        # A page that was not full told all there was. It is read again once there is more.
        if page is not None and page.reached > seq:
            return page
        reading = self._reading.get(begin)
        if reading is None:
            reading = self._reading[begin] = asyncio.get_running_loop().create_task(self._read(begin))
        return await asyncio.shield(reading)  # one reader that is gone must not end it for the others

    async def _read(self, begin: int) -> ReplayPage:
        self.reads += 1
        number = self.reads
        try:
            found = await self._history.changed_since(begin, PAGE_ROWS)
        finally:
            # Here and not in a callback, which would come a turn of the loop later: whoever asks again meanwhile, since
            # this page was begun before it could tell anything new, would be given it again, and again.
            del self._reading[begin]
        end, rows, epoch = self._end(), found.rows, found.position.epoch
        reached = min(end, rows[-1].seq if len(rows) == PAGE_ROWS else found.position.seq)
        entries = encode_messages([row for row in rows if row.seq <= end], epoch)
        page = ReplayPage(number, epoch, entries, reached, found.retired)
        self._pages.put(begin, page)
        return page


def _size(page: ReplayPage) -> int:
    return PAGE_BYTES + sum(ENTRY_BYTES + len(entry.data) for entry in page.entries)
