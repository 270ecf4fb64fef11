"""The newest messages in one bounded log that all clients read, each encoded once, when it is first read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from athena.domain.model import Position
from athena.domain.wire import Encoded, Published, encode_messages, encode_reset, encode_state, weights

Encoding = Callable[[str, list[Encoded]], bytes]
"""Joins messages of an epoch into what a transport sends. A module-level function, so that it can be a dict key."""

UNKNOWN = -1
"""The position of a reader with an unknown cursor: before everything, so it gets a reset."""

UNHEARD = 256
"""Messages kept while no reader is connected. A reader that returns with an older cursor reads the store, at most one
page for every 256 changes; and the memory used by a long run of edits stays in the processor's caches."""

_seq = attrgetter("seq")

TRIM = 1024
"""Entries removed at a time; one by one, each removal would move the whole list."""


class Chunk(NamedTuple):
    """Encoded messages, and the position of a reader that has received them."""

    data: bytes
    seq: int


class Tail:
    """An append-only log in memory of at most `max_bytes` of messages.

    `start` and `end` are the positions between which it can replay everything; `floor` is where this epoch began, and a
    reader from before it must start from scratch. Each chunk is encoded and joined once for all readers of it.
    """

    def __init__(self, position: Position, max_bytes: int) -> None:
        self.epoch = position.epoch
        self.floor = 0
        self.start = self.end = position.seq
        self.joins = 0
        """How many times messages were joined for sending: grows with messages and encodings, never with clients."""
        self._max_bytes = max_bytes
        self._entries: list[Published] = []
        self._weights: list[int] = []  # bytes of each, as far as they have been weighed
        self._first = 0  # entries before it are dropped, and removed from the list TRIM at a time
        self._bytes = 0
        self._unheard = 0  # messages since a reader was connected
        self._joined: dict[tuple[Encoding, int, int], Chunk] = {}

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.end)

    def append(self, entries: Sequence[Published], heard: bool = True) -> None:
        """Add messages in the order of their seq. To make room, the oldest ones are dropped, a few at a time.

        `heard` is whether any reader is connected. The first message must be for a single change. If there is a gap
        before it, because a commit was stored but could not be pushed, the tail starts over after the gap, and readers
        from before the gap read the store.
        """
        if entries and entries[0].seq != self.end + 1:
            self._forget()
            self.start = entries[0].seq - 1
        self._append(entries, heard)

    def _append(self, entries: Sequence[Published], heard: bool) -> None:
        self._joined.clear()
        if not entries:
            return
        self._unheard = 0 if heard else self._unheard + len(entries)
        self.end = entries[-1].seq
        if self._unheard > UNHEARD and len(entries) > UNHEARD:
            self._forget()
            self.start = entries[-UNHEARD - 1].seq
            self._entries += entries[-UNHEARD:]
            return  # so few need not be weighed until more arrive, or a reader does
        self._entries += entries
        self._weigh()
        if self._unheard > UNHEARD:
            self._drop(len(self._entries) - self._first - UNHEARD)
        while self._bytes > self._max_bytes and self._first < len(self._entries):
            self._drop(max(1, (len(self._entries) - self._first) // 128))
        if self._first >= TRIM:
            del self._entries[: self._first]
            del self._weights[: self._first]
            self._first = 0

    def _weigh(self) -> None:
        """Weigh the entries that have not been weighed yet."""
        if len(self._weights) < len(self._entries):
            added = weights(self._entries[len(self._weights) :])
            self._weights += added
            self._bytes += sum(added)

    def _drop(self, count: int) -> None:
        """Drop the `count` oldest messages."""
        if count > 0:
            upto = self._first + count
            self._bytes -= sum(self._weights[self._first : upto])
            self._first = upto
            self.start = max(self.start, self._entries[upto - 1].seq)  # which may be after a preloaded entry

    def _forget(self) -> None:
        self._entries, self._weights, self._first, self._bytes = [], [], 0, 0

    def preload(self, start: int, entries: Sequence[Published]) -> None:
        """Restore earlier changes: `entries` have the latest state of everything that changed after `start`."""
        self.start, end = start, self.end
        self._append(entries, heard=True)
        self.end = end

    def restart(self, position: Position) -> None:
        """Begin a new epoch: nothing before `position` can be replayed, and every reader must start from scratch."""
        self.epoch, self.floor = position
        self.start = self.end = position.seq
        self._forget()
        self._joined.clear()

    def covers(self, seq: int) -> bool:
        """Whether a reader at `seq` can be served from here alone."""
        return seq >= self.start or seq < self.floor

    def read(self, seq: int, encoding: Encoding, max_bytes: int) -> Chunk:
        """The messages after `seq`: at most `max_bytes` of them, but at least one if there is any.

        `covers(seq)` must be true. A reader from before the floor gets a reset to the end.
        """
        key = (encoding, seq, max_bytes)
        chunk = self._joined.get(key)
        if chunk is None:
            chunk = self._joined[key] = self._join(seq, encoding, max_bytes)
        return chunk

    def _join(self, seq: int, encoding: Encoding, max_bytes: int) -> Chunk:
        if seq < self.floor:
            return Chunk(encoding(self.epoch, [encode_reset(self.position)]), self.end)
        self._weigh()
        stop = bisect_right(self._entries, seq, lo=self._first, key=_seq)
        first, size = stop, 0
        while stop < len(self._entries):
            self._encode(stop)
            size += self._weights[stop]
            if size > max_bytes and stop > first:
                break
            stop += 1
        entries = encode_messages(self._entries[first:stop], self.epoch)
        if not entries:  # a position never issued, from before a purge and a restart: nothing is missing
            return Chunk(b"", max(seq, self.end))
        self.joins += 1
        return Chunk(encoding(self.epoch, entries), entries[-1].seq)

    def _encode(self, index: int) -> None:
        """Replace the entry by its encoded form, but not an archived one: neighbours share one message."""
        message = self._entries[index]
        if not isinstance(message, Encoded) and not message.archived:
            made = encode_state(message, self.epoch)
            self._bytes += len(made.data) - self._weights[index]
            self._entries[index], self._weights[index] = made, len(made.data)
