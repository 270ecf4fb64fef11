"""What the push has done since the start, as plain numbers: hot paths add, and only whoever asks puts names to them."""

from __future__ import annotations

from typing import Literal

from athena.histogram import SECONDS, Histogram

TransportName = Literal["websocket", "sse", "longpoll"]
TRANSPORTS: tuple[TransportName, ...] = ("websocket", "sse", "longpoll")

Resume = Literal["tail", "store", "reset"]
"""Where a reader that came with a cursor is served from first; `reset`: the cursor is none of ours."""
RESUMES: tuple[Resume, ...] = ("tail", "store", "reset")

Cause = Literal["slow", "silent", "flood", "not_allowed"]
"""Why Athena ended a live connection by itself: it took nothing for too long, did not answer a ping, sent too much, or
its permit is over."""
CAUSES: tuple[Cause, ...] = ("slow", "silent", "flood", "not_allowed")


class Counts:
    """The numbers of one hub. For the event loop's thread."""

    def __init__(self) -> None:
        self.resumes: dict[tuple[TransportName, Resume], int] = {(at, by): 0 for at in TRANSPORTS for by in RESUMES}
        self.restarted = 0
        """Readers that were given a reset because the history became another one under them."""
        self.outlived = 0
        """Readers that were given a reset because rows which changed since their cursor are not kept any more."""
        self.ended: dict[Cause, int] = dict.fromkeys(CAUSES, 0)
        self.latency = Histogram(SECONDS)
        """Of each commit, seconds from its oldest edit's submission until all readers that keep up were written to, or
        woken where they ask."""
        self._published: list[float] = []  # when the oldest edit of each commit came that is not with everyone yet
        self._in_flush = 0  # how many of them the present flush brings to everyone

    def resets(self) -> dict[str, int]:
        """Readers told to fetch the history anew: their cursor is none of ours, or too old, or a purge came."""
        unknown = sum(count for (_, by), count in self.resumes.items() if by == "reset")
        return {"unknown_cursor": unknown, "purge": self.restarted, "retention": self.outlived}

    def published(self, since: float) -> None:
        """A commit is in the tail whose oldest edit was submitted at `since` (monotonic clock, seconds)."""
        self._published.append(since)

    def flush_began(self) -> None:
        self._in_flush = len(self._published)

    def flushed(self, now: float) -> None:
        """A flush has ended: what was published before it began is with everyone."""
        self._reached(self._in_flush, now)

    def all_reached(self, now: float) -> None:
        """Nobody who keeps up misses anything."""
        self._reached(len(self._published), now)

    def _reached(self, count: int, now: float) -> None:
        for since in self._published[:count]:
            self.latency.observe(now - since)
        del self._published[:count]
        self._in_flush = 0
