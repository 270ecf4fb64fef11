"""Writes published messages to all clients that keep up: one shared buffer, a slice of the clients at a time.

A flush sends every message since the last one. It lets the event loop do other work between its slices, and rests after
them; messages published meanwhile go out with the next flush.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from time import monotonic, perf_counter

from athena.live.client import Client
from athena.live.counts import Counts
from athena.live.tail import Encoding, Tail
from athena.sockets.broadcast import Broadcast

log = logging.getLogger("athena.live")

CHUNK_BYTES = 128 * 1024
"""At most this much, or one message, is written to a client at once: with its transport's buffer, its memory bound."""

AT_ONCE = 40
"""Clients that are checked before they are written to, and before the clock is read."""

FEW = 10
"""At most this many clients are written to in the loop turn that publishes: another turn would cost as much."""

SLICE_CLIENTS = 3 * AT_ONCE
SLICE_SECONDS = 0.002
"""A flush lets the event loop do other work after this many clients (a millisecond on a fast machine) or this long. The
finer limit is a count, not a time, so that a slow machine is not kept busy with turns of the event loop."""

REST = 2.0
"""After a flush, the next one waits until the loop has time for it, but at most this many times the loop time that the
flush took, or that other work took during it, whichever is less. Under load, waiting edits come first and the messages
of that time go out together, so that the cost per message falls instead of the edits' share. Without other work there
is no wait. docs/decisions/0020-who-waits-for-whom-in-a-flush.md."""

LOOK_SECONDS = 0.001
"""How often a waiting flush checks whether the loop has time. It has if the timer for this check fires no more than
`LATE_SECONDS` late."""
LATE_SECONDS = 0.0015

NOWHERE = -2
"""A position that no client has."""


class Flush:
    """Flushes to all live `clients`, one at a time, as long as there are new messages."""

    def __init__(
        self, tail: Tail, clients: Collection[Client], counts: Counts, advance: Callable[[Client], None]
    ) -> None:
        """`advance` brings a single client to the end of the tail, by whatever means that takes."""
        self.going = False
        """Whether a flush is in progress or waiting to begin."""
        self.begun = 0
        """How many flushes have begun: one for all that was published in between."""
        self._tail = tail
        self._clients = clients
        self._counts = counts
        self._advance = advance
        self._again = False  # something was published during a flush
        self._began = 0.0  # when the current one began (`perf_counter`)
        self._spent = 0.0  # seconds that it has taken so far, without other work in between
        self._rest_until = 0.0  # until when the next one may wait for the loop (`perf_counter`)
        self._data = b""  # brings a client at this position, with this encoding, to the end
        self._position = NOWHERE
        self._encoding: Encoding | None = None
        self._broadcast = Broadcast()

    def wake(self) -> None:
        """Something was published: flush now, in the next loop turn, after a rest, or after the current flush."""
        if self.going:
            self._again = True
            return
        self.going = True
        self.begun += 1
        if perf_counter() < self._rest_until:
            self._look_soon()
        elif len(self._clients) <= FEW:
            self._begin()
        else:
            asyncio.get_running_loop().call_soon(self._begin)

    def _look_soon(self) -> None:
        due = perf_counter() + LOOK_SECONDS
        asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look, due)

    def _look(self, due: float) -> None:
        """Begin if the loop has time or the wait has lasted long enough."""
        now = perf_counter()
        if now <= due + LATE_SECONDS or now >= self._rest_until:
            self._begin()
        else:
            self._look_soon()

    def _begin(self) -> None:
        self._again = False
        self._spent = 0.0
        self._began = perf_counter()
        self._counts.flush_began()
        self._slice(list(self._clients))

    def _slice(self, remaining: list[Client]) -> None:
        """Bring a slice of the remaining clients to the end of the tail."""
        began = perf_counter()
        self._position = NOWHERE
        for _ in range(SLICE_CLIENTS // AT_ONCE):
            some = remaining[-AT_ONCE:]
            try:
                self._bring(some)
            except Exception:
                log.exception("%d clients could not be written to; they are cut off, the others go on", len(some))
                _cut_off(some)
                self._position = NOWHERE  # the prepared data may not be what the next ones lack
            del remaining[-AT_ONCE:]
            if not remaining or perf_counter() > began + SLICE_SECONDS:
                break
        self._spent += perf_counter() - began
        if remaining:
            asyncio.get_running_loop().call_soon(self._pause, remaining)
        else:
            self._end()

    def _bring(self, clients: list[Client]) -> None:
        """Those at the same position as the client before, as nearly all are, get the same bytes in one batch."""
        position, encoding, end = self._position, self._encoding, self._tail.end
        alike: list[asyncio.Transport] = []
        for client in clients:
            if not client.live:  # it may have gone, or been paused, since the list was made
                continue
            if client.position == position and client.encoding is encoding:
                client.position = end
                alike.append(client.transport)
                continue
            self._broadcast.write(alike, self._data)
            alike = []
            position, encoding, self._data = client.position, client.encoding, b""
            try:
                self._advance(client)
                self._data = self._all_since(position, encoding)
            except Exception:
                log.exception("a client could not be written to; it is cut off, the others go on")
                client.abort()
            position = position if self._data else NOWHERE
        self._broadcast.write(alike, self._data)
        self._position, self._encoding = position, encoding

    def _pause(self, remaining: list[Client]) -> None:
        """Leave two loop turns between slices to other work: requests read in the first are executed in the second."""
        asyncio.get_running_loop().call_soon(self._slice, remaining)

    def _all_since(self, position: int, encoding: Encoding) -> bytes:
        """What brings every client at `position` up to date in one piece; empty when one piece is not enough."""
        if position == self._tail.end or not self._tail.covers(position):
            return b""
        chunk = self._tail.read(position, encoding, CHUNK_BYTES)
        return chunk.data if chunk.seq == self._tail.end else b""

    def _end(self) -> None:
        self.going = False
        self._broadcast.forget()
        others = perf_counter() - self._began - self._spent
        self._rest_until = perf_counter() + min(self._spent, others) * REST
        if self._again:  # messages published during the flush have reached only the clients written to after that
            self._counts.flushed(monotonic())
            self.wake()
        else:
            self._counts.all_reached(monotonic())


def _cut_off(clients: Collection[Client]) -> None:
    """They reconnect and resume from their cursors: none is left with a gap."""
    for client in clients:
        with suppress(Exception):
            client.abort()
