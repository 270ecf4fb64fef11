"""Writes published messages to all clients that keep up: one shared buffer, a slice of the clients at a time.

A flush sends every message since the last one. It lets the event loop do other work between its slices, and rests after
them. Messages published meanwhile go out with it to the cohorts that it has yet to serve, and with the next flush to
the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from time import monotonic, perf_counter

from athena.live.client import Client, Cohort
from athena.live.cohorts import COHORT_SIZE, Cohorts
from athena.live.counts import Counts
from athena.live.tail import Tail
from athena.sockets.broadcast import Broadcast

log = logging.getLogger("athena.live")

CHUNK_BYTES = 128 * 1024
"""At most this much, or one message, is written to a client at once: with its transport's buffer, its memory bound."""

FEW = 10
"""At most this many clients are written to in the loop turn that publishes: another turn would cost as much."""

SLICE_CLIENTS = 3 * COHORT_SIZE
SLICE_SECONDS = 0.002
"""A flush lets the event loop do other work after the cohort with which it has written to this many clients (a
millisecond on a fast machine), or after this long. The finer limit is a count, not a time, so that a slow machine is
not kept busy with turns of the event loop."""

REST = 2.0
"""After a flush, the next one waits until the loop has time for it, but at most this many times the loop time that the
flush took, or that other work took during it, whichever is less. Under load, waiting edits come first and the messages
of that time go out together, so that the cost per message falls instead of the edits' share. Without other work there
is no wait. docs/decisions/0020-who-waits-for-whom-in-a-flush.md."""

LOOK_SECONDS = 0.001
"""How often a waiting flush checks whether the loop has time. It has if the timer for this check fires no more than
`LATE_SECONDS` late."""
LATE_SECONDS = 0.0015


class Flush:
    """Flushes to all cohorts, one flush at a time, as long as there are new messages."""

    def __init__(
        self,
        tail: Tail,
        cohorts: Cohorts,
        clients: Collection[Client],
        counts: Counts,
        advance: Callable[[Client], None],
    ) -> None:
        """`advance` brings a client without a cohort to the end of the tail, by whatever means that takes."""
        self.going = False
        """Whether a flush is in progress or waiting to begin."""
        self.begun = 0
        """How many flushes have begun: one for all that was published in between."""
        self._tail = tail
        self._cohorts = cohorts
        self._clients = clients
        self._counts = counts
        self._advance = advance
        self._again = False  # something was published during a flush
        self._began = 0.0  # when the current one began (`perf_counter`)
        self._spent = 0.0  # seconds that it has taken so far, without other work in between
        self._rest_until = 0.0  # until when the next one may wait for the loop (`perf_counter`)
        self._goal: int | None = None  # the end of the tail when the turn of the current cohort began
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
        self._goal = None
        self._spent = 0.0
        self._began = perf_counter()
        self._counts.flush_began()
        self._slice(self._cohorts.all())

    def _slice(self, remaining: list[Cohort]) -> None:
        """Write to some of the remaining cohorts, and remove those that have everything."""
        began = perf_counter()
        clients = 0
        while remaining and clients < SLICE_CLIENTS:
            size = max(1, len(remaining[-1]))
            if self._bring(remaining[-1]):
                remaining.pop()
                clients += size
                self._goal = None
            if perf_counter() > began + SLICE_SECONDS:
                break
        self._spent += perf_counter() - began
        if remaining:
            asyncio.get_running_loop().call_soon(self._pause, remaining)
        else:
            self._end()

    def _bring(self, cohort: Cohort) -> bool:
        """Write what the cohort lacks, at most one chunk -> whether it has all that there was when its turn began.

        What is published after that must not prolong its turn, or others would wait for theirs without end.
        """
        tail = self._tail
        if self._goal is None:
            self._goal = tail.end
        to_move: list[Client] = []
        try:
            if not cohort:
                return True
            if not tail.covers(cohort.position):
                self._disperse(cohort)
                return True
            if cohort.position < tail.end:
                chunk = tail.read(cohort.position, cohort.encoding, CHUNK_BYTES)
                cohort.position = chunk.seq  # before the write: a client that is full then takes this position with it
                if chunk.data:
                    self._broadcast.write(cohort, chunk.data)
            if cohort.position < min(self._goal, tail.end):  # a purge may have set an earlier end
                return False
            to_move = self._cohorts.to_move(cohort)
            self._cohorts.move(to_move)
        except Exception:
            clients = to_move or cohort.clients
            log.exception("%d clients could not be written to; they are cut off, the others go on", len(clients))
            for client in clients:
                self._cohorts.leave(client)
                _cut_off(client)
        return True

    def _disperse(self, cohort: Cohort) -> None:
        """Bring each client to the end by itself."""
        for client in cohort.clients:
            self._cohorts.leave(client)
            try:
                self._advance(client)
            except Exception:
                log.exception("a client could not be written to; it is cut off, the others go on")
                _cut_off(client)

    def _pause(self, remaining: list[Cohort]) -> None:
        """Leave two loop turns between slices to other work: requests read in the first are executed in the second."""
        asyncio.get_running_loop().call_soon(self._slice, remaining)

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


def _cut_off(client: Client) -> None:
    """It reconnects and resumes from its cursor: it is not left with a gap."""
    with suppress(Exception):
        client.abort()
