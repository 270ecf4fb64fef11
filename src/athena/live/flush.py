"""Writes what was published to all clients that keep up: one shared buffer, a slice of the clients at a time.

A flush takes every message since the last one. It lets the event loop serve others between its slices, and rests after
them; what comes in meanwhile goes out with the next one.
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
"""At most this much, or one message, is handed to a client at a time: with its transport's buffer, what it may cost."""

AT_ONCE = 40
"""Clients that are looked at before they are written to, and before the time is."""

FEW = 10
"""So many clients are written to in the turn of the loop that publishes: the next one costs as much as they do."""

SLICE_CLIENTS = 3 * AT_ONCE
SLICE_SECONDS = 0.002
"""A flush lets the event loop serve others after so many clients, a millisecond on a fast machine, or after so long.
Clients are counted so that a slow machine is not busy with turns of the event loop."""

REST = 2.0
"""After a flush the next one waits until the loop has time for it, and at most this many times the time that others
used the loop during it, or that it took itself, whichever is less. Under load the edits that wait come first, and what
comes in between goes out at once, so that the cost of a message falls instead of the edits' share. Where nobody else
wants the loop, nobody waits. docs/decisions/0020-who-waits-for-whom-in-a-flush.md."""

LOOK_SECONDS = 0.001
"""How often a flush that waits looks whether the loop has time: whether this timer comes when it is due, and not more
than `LATE_SECONDS` later, after something else."""
LATE_SECONDS = 0.0015

NOWHERE = -2
"""No client's position."""


class Flush:
    """One at a time, of all `clients` that are live, for as long as something new is published."""

    def __init__(
        self, tail: Tail, clients: Collection[Client], counts: Counts, advance: Callable[[Client], None]
    ) -> None:
        """`advance` brings any one client to the end of the tail, however that is done."""
        self.going = False
        """Whether one is on its way, or waits for its turn."""
        self.begun = 0
        """How many there were: one for all that was published in between."""
        self._tail = tail
        self._clients = clients
        self._counts = counts
        self._advance = advance
        self._again = False  # something was published while one went on
        self._began = 0.0  # when the present one began (`perf_counter`)
        self._spent = 0.0  # seconds that it has taken so far, without what others did in between
        self._rest_until = 0.0  # none waits longer for the loop (`perf_counter`)
        self._data = b""  # what brings a client at this position, with this encoding, to the end
        self._position = NOWHERE
        self._encoding: Encoding | None = None
        self._broadcast = Broadcast()

    def wake(self) -> None:
        """Something was published: a flush is made now, in the next turn of the loop, after a rest, or after this."""
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
        """Begin, if the loop has time or has been waited for long enough."""
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
        """Bring so many of the remaining ones to the end of the tail."""
        began = perf_counter()
        self._position = NOWHERE
        for _ in range(SLICE_CLIENTS // AT_ONCE):
            some = remaining[-AT_ONCE:]
            try:
                self._bring(some)
            except Exception:
                log.exception("%d clients could not be written to; they are cut off, the others go on", len(some))
                _cut_off(some)
                self._position = NOWHERE  # what was made for the next ones may not be what they lack
            del remaining[-AT_ONCE:]
            if not remaining or perf_counter() > began + SLICE_SECONDS:
                break
        self._spent += perf_counter() - began
        if remaining:
            asyncio.get_running_loop().call_soon(self._pause, remaining)
        else:
            self._end()

    def _bring(self, clients: list[Client]) -> None:
        """Those that are where the one before them was, as nearly all are, get the same bytes, all at once."""
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
        """Others get two turns of the loop between slices: what the first one reads is carried out in the second."""
        asyncio.get_running_loop().call_soon(self._slice, remaining)

    def _all_since(self, position: int, encoding: Encoding) -> bytes:
        """What brings every client at `position` up to date in one piece; nothing when that takes more."""
        if position == self._tail.end or not self._tail.covers(position):
            return b""
        chunk = self._tail.read(position, encoding, CHUNK_BYTES)
        return chunk.data if chunk.seq == self._tail.end else b""

    def _end(self) -> None:
        self.going = False
        self._broadcast.forget()
        others = perf_counter() - self._began - self._spent
        self._rest_until = perf_counter() + min(self._spent, others) * REST
        if self._again:  # what was published while this went on has reached only the clients that came after it
            self._counts.flushed(monotonic())
            self.wake()
        else:
            self._counts.all_reached(monotonic())


def _cut_off(clients: Collection[Client]) -> None:
    """They come back, and are served from where they were: nobody is left with a gap."""
    for client in clients:
        with suppress(Exception):
            client.abort()
