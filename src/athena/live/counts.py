"""Statistics of the push since startup, as plain numbers: hot paths only add, and names are attached on reading."""

from __future__ import annotations

from typing import Literal

from athena.histogram import SECONDS, Histogram

TransportName = Literal["websocket", "sse", "longpoll"]
TRANSPORTS: tuple[TransportName, ...] = ("websocket", "sse", "longpoll")

Resume = Literal["tail", "store", "reset"]
"""Where a reader with a cursor is served from first; `reset`: the cursor is unknown."""
RESUMES: tuple[Resume, ...] = ("tail", "store", "reset")

Cause = Literal["slow", "silent", "flood", "not_allowed"]
"""Why Athena ended a live connection: the client read nothing for too long, did not answer a ping, or sent too much, or
its permit has ended."""
CAUSES: tuple[Cause, ...] = ("slow", "silent", "flood", "not_allowed")


class Counts:
    """The numbers of one hub. Only for the event loop's thread."""

    def __init__(self) -> None:
        self.resumes: dict[tuple[TransportName, Resume], int] = {(at, by): 0 for at in TRANSPORTS for by in RESUMES}
        self.restarted = 0
        """Readers that were given a reset because the history was purged or replaced."""
        self.outlived = 0
        """Readers that were given a reset because rows that changed after their cursor have been deleted for age."""
        self.ended: dict[Cause, int] = dict.fromkeys(CAUSES, 0)
        self.latency = Histogram(SECONDS)
        """For each commit, seconds from its oldest edit's submission until all readers that keep up were written to, or
        woken if they pull."""
        self._published: list[float] = []  # for each commit that has not reached all: when its oldest edit arrived
        self._in_flush = 0  # how many of them the current flush brings to all

    def resets(self) -> dict[str, int]:
        """Readers told to fetch the history again: their cursor was unknown or too old, or there was a purge."""
        unknown = sum(count for (_, by), count in self.resumes.items() if by == "reset")
        return {"unknown_cursor": unknown, "purge": self.restarted, "retention": self.outlived}

    def published(self, since: float) -> None:
        """A commit is in the tail; its oldest edit was submitted at `since` (monotonic clock, seconds)."""
        self._published.append(since)

    def flush_began(self) -> None:
        self._in_flush = len(self._published)

    def flushed(self, now: float) -> None:
        """A flush has ended: everything published before it began has reached all."""
        self._reached(self._in_flush, now)

    def all_reached(self, now: float) -> None:
        """All readers that keep up have everything."""
        self._reached(len(self._published), now)

    def _reached(self, count: int, now: float) -> None:
        for since in self._published[:count]:
            self.latency.observe(now - since)
        del self._published[:count]
        self._in_flush = 0
