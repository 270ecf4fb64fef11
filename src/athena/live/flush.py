"""Writes what was published to all clients that keep up: one shared buffer, a slice of the clients at a time.

A flush takes every message since the last one. It lets the event loop serve others between its slices, and rests after
them; what comes in meanwhile goes out with the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from time import monotonic, perf_counter

from athena.live.client import Client
from athena.live.counts import Counts
from athena.live.tail import Encoding, Tail

log = logging.getLogger("athena.live")

CHUNK_BYTES = 128 * 1024
"""At most this much, or one message, is handed to a client at a time: with its transport's buffer, what it may cost."""

SLICE_CLIENTS = 400
SLICE_SECONDS = 0.004
"""A flush lets the event loop serve others after so many clients, or so long, whichever comes first."""

REST = 2.0
"""After a flush the next one waits this many times the time that others used the event loop during it, or that it took
itself, whichever is less. Under load most of the time belongs to the edits, and what comes in between goes out at once,
so that the cost of a message falls instead of the edits' share. Where nobody else wants the loop, nobody waits.
docs/decisions/0020-who-waits-for-whom-in-a-flush.md."""

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
        self._rest_until = 0.0  # the loop's clock: none begins before

    def wake(self) -> None:
        """Something was published: a flush follows in this iteration of the loop, after a rest, or after this one."""
        if self.going:
            self._again = True
            return
        self.going = True
        self.begun += 1
        loop = asyncio.get_running_loop()
        rest = self._rest_until - loop.time()
        if rest > 0:
            loop.call_later(rest, self._begin)
        else:
            loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._again = False
        self._spent = 0.0
        self._began = perf_counter()
        self._counts.flush_began()
        self._slice(list(self._clients))

    def _slice(self, remaining: list[Client]) -> None:
        """Bring so many of the remaining ones to the end of the tail."""
        began = perf_counter()
        position, encoding, data = NOWHERE, None, b""
        for count in range(1, len(remaining) + 1):
            client = remaining.pop()
            if client.live:  # it may have gone, or been paused, since the list was made
                try:
                    if client.position == position and client.encoding is encoding:  # as nearly all are
                        client.position = self._tail.end
                        client.send(data)
                    else:
                        position, encoding = client.position, client.encoding
                        self._advance(client)
                        data = self._all_since(position, encoding)
                        position = position if data else NOWHERE
                except Exception:
                    log.exception("a client could not be written to; it is cut off, the others go on")
                    client.abort()
            if count == SLICE_CLIENTS or (count % 32 == 0 and perf_counter() > began + SLICE_SECONDS):
                self._spent += perf_counter() - began
                asyncio.get_running_loop().call_soon(self._pause, remaining)
                return
        self._spent += perf_counter() - began
        self._end()

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
        others = perf_counter() - self._began - self._spent
        self._rest_until = asyncio.get_running_loop().time() + min(self._spent, others) * REST
        if self._again:  # what was published while this went on has reached only the clients that came after it
            self._counts.flushed(monotonic())
            self.wake()
        else:
            self._counts.all_reached(monotonic())
