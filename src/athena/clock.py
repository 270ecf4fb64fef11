"""The one clock of a node: it runs as the machine's ticks do, and is set by the wall clock only between two commits.

The wall clock (UTC, which people read) may be put forward or back at any moment. Ticks (`CLOCK_BOOTTIME`) count since
the machine was started, also while it sleeps, and nobody can set them. So time is `origin` + ticks, and deadlines are
right whatever the wall clock does. When that was set, `origin` follows, and all deadlines are moved by as much, in one
commit (`athena.workers.timekeeping`). Why: docs/decisions/0015-one-clock-set-between-commits.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_MS = 1_000_000  # ns

READINGS = 5
"""Wall clock and ticks are read one after the other; the reading that took least is taken."""


class Anchor(NamedTuple):
    """How a clock was set. `boot` names the run of the machine in which the ticks count; empty where none is known.

    `origin` is what the clock showed at tick 0 (UTC Unix ns). `jumped` is when it last jumped by an hour or more, or
    may have (UTC Unix ms, by this clock), so that nobody knows how old things are; 0 for never.
    """

    boot: str
    origin: int
    jumped: int


class Adjustment(NamedTuple):
    """How a clock is to be set; by how much that moves it, and all deadlines with it; and what it shows then (ms)."""

    anchor: Anchor
    shift: int
    now: int


def ticks_ns() -> int:
    """Nanoseconds since the machine was started, sleep included; elsewhere than on Linux, whatever cannot be set."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def boot_id() -> str:
    """A name for this run of the machine (random(4)); empty where there is none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


class Clock:
    """Tells UTC Unix ms, at first as the wall clock does. Jumps by `adopt` alone, whose caller moves the deadlines.

    `wall` and `ticks` give ns.
    """

    def __init__(
        self,
        wall: Callable[[], int] | None = None,
        ticks: Callable[[], int] = ticks_ns,
        boot: str | None = None,
    ) -> None:
        self._wall = wall or time.time_ns
        self._ticks = ticks
        self._boot = boot_id() if boot is None else boot
        self._anchor = Anchor(self._boot, self._wall_origin(), 0)

    @property
    def anchor(self) -> Anchor:
        return self._anchor

    def now(self) -> int:
        return self._shown(self._anchor.origin)

    def drift(self) -> int:
        """How far the wall clock is ahead of this one, in ms."""
        return (self._wall_origin() - self._anchor.origin) // _MS

    def settled(self, ms: float) -> bool:
        """Whether it has not jumped for so long."""
        return self.now() - self._anchor.jumped >= ms

    def resume(self, stored: Anchor, last: int) -> None:
        """Go on from how it was set before a restart, and when the newest change was (ms; 0 for none).

        As long as the machine runs, the ticks tell how much time has passed, whatever the wall clock says by now. After
        a new start of the machine, the wall clock alone knows.
        """
        if stored.boot and stored.boot == self._boot:
            self._anchor = stored
            return
        now = self.now()
        doubtful = last and not -HOUR_MS < now - last < DAY_MS
        self._anchor = self._anchor._replace(jumped=now if doubtful else min(stored.jumped, now))

    def follow(self) -> Adjustment:
        """How to set it by the wall clock as it is now."""
        before, origin = self._anchor, self._wall_origin()
        shift = -(-(origin - before.origin) // _MS)  # upwards: a deadline may come a part of a ms late, never early
        now = self._shown(origin)
        jumped = before.jumped and min(before.jumped + shift, now)
        return Adjustment(Anchor(self._boot, origin, now if abs(shift) >= HOUR_MS else jumped), shift, now)

    def adopt(self, anchor: Anchor) -> None:
        """Be set like this from here on."""
        self._anchor = anchor

    def _shown(self, origin: int) -> int:
        return (origin + self._ticks()) // _MS

    def _wall_origin(self) -> int:
        """What the wall clock would have shown at tick 0."""
        readings = []
        for _ in range(READINGS):
            start = self._ticks()
            wall = self._wall()
            end = self._ticks()
            readings.append((end - start, wall - end))
        return min(readings)[1]
