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
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol

from athena.domain.model import Notification, Position
from athena.domain.wire import Encoded, encode_messages
from athena.live.tail import Encoding

PAGE_ROWS = 256
"""Rows of a page. Each seq is that of one row at the most, so a page reaches over as many positions at least."""

MOST_PAGES = 64
"""Pages that are kept: about 4 MiB."""

MOST_JOINED = 4
"""Joins of a page that are kept: most readers come from the page before it, and want all of it."""


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
class Page:
    """Encoded messages, and the position up to which they tell everything to a reader that stands at `retired` or
    behind; what is gone was before that."""

    epoch: str
    entries: list[Encoded]
    reached: int
    retired: int
    _joined: dict[tuple[Encoding, int], bytes] = field(default_factory=dict)

    def behind(self, seq: int, encoding: Encoding) -> bytes:
        """The messages behind `seq`, joined once for all that come from the same place; nothing if there are none."""
        first = bisect_right(self.entries, seq, key=attrgetter("seq"))
        if first == len(self.entries):
            return b""
        key = (encoding, first)
        data = self._joined.get(key)
        if data is None:
            if len(self._joined) == MOST_JOINED:
                self._joined.clear()
            data = self._joined[key] = encoding(self.epoch, self.entries[first:])
        return data


class Catchup:
    """Reads pages, each once for all that ask for it, and keeps the newest."""

    def __init__(self, history: History, end: Callable[[], int]) -> None:
        """`end` tells how far the push is. The store may have a commit that is on its way there; pages leave it out, or
        else a reader would hold a cursor that nobody knows yet."""
        self.reads = 0
        """Pages read from the store."""
        self._history = history
        self._end = end
        self._pages: OrderedDict[int, Page] = OrderedDict()
        self._reading: dict[int, asyncio.Task[Page]] = {}

    def clear(self) -> None:
        """The history is another one."""
        self._pages.clear()

    async def page(self, seq: int) -> Page:
        """A page that tells what follows `seq`, and perhaps what was before. Raises `StoreUnavailable`."""
        begin = max(seq, 0) // PAGE_ROWS * PAGE_ROWS
        page = self._pages.get(begin)
        # A page that was not full told all there was. It is read again once there is more.
        if page is not None and page.reached > seq:
            self._pages.move_to_end(begin)
            return page
        reading = self._reading.get(begin)
        if reading is None:
            reading = self._reading[begin] = asyncio.get_running_loop().create_task(self._read(begin))
        return await asyncio.shield(reading)  # one reader that is gone must not end it for the others

    async def _read(self, begin: int) -> Page:
        self.reads += 1
        try:
            found = await self._history.changed_since(begin, PAGE_ROWS)
        finally:
            # Here and not in a callback, which would come a turn of the loop later: whoever asks again meanwhile, since
            # this page was begun before it could tell anything new, would be given it again, and again.
            del self._reading[begin]
        end, rows, epoch = self._end(), found.rows, found.position.epoch
        reached = min(end, rows[-1].seq if len(rows) == PAGE_ROWS else found.position.seq)
        page = Page(epoch, encode_messages([row for row in rows if row.seq <= end], epoch), reached, found.retired)
        self._pages[begin] = page
        self._pages.move_to_end(begin)
        if len(self._pages) > MOST_PAGES:
            self._pages.popitem(last=False)
        return page
