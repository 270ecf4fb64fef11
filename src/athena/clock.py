"""The node's only clock: it advances with the machine's ticks, and is set to the wall clock only between two commits.

The wall clock (UTC, which people read) may be put forward or back at any moment. Ticks (`CLOCK_BOOTTIME`) count since
the machine booted, including sleep, and cannot be set. So the time is `origin` + ticks, and deadlines are right
whatever the wall clock does. When the wall clock is set, `origin` follows and all deadlines move by the same amount, in
one commit (`athena.workers.timekeeping`). Why: docs/decisions/0015-one-clock-set-between-commits.md.
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
"""The wall clock and the ticks are read one after the other; the fastest of this many readings is used."""


class Anchor(NamedTuple):
    """How a clock is set. `boot` identifies the boot from which the ticks count; empty if unknown.

    `origin` is what the clock showed at tick 0 (UTC Unix ns). `jumped` is when it last jumped by an hour or more, or
    may have (UTC Unix ms, by this clock), so that the age of rows is uncertain; 0 for never.
    """

    boot: str
    origin: int
    jumped: int


class Adjustment(NamedTuple):
    """How to set a clock, by how much that moves it and all deadlines (ms), and what it then shows (ms)."""

    anchor: Anchor
    shift: int
    now: int


def ticks_ns() -> int:
    """Nanoseconds since boot, including sleep; on systems other than Linux, a monotonic clock that cannot be set."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def boot_id() -> str:
    """An id for this boot of the machine (random(4)); empty if there is none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


class Clock:
    """Tells UTC Unix ms, starting from the wall clock. Jumps only in `adopt`, whose caller moves the deadlines.

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
        """Whether at least `ms` have passed since the last jump."""
        return self.now() - self._anchor.jumped >= ms

    def resume(self, stored: Anchor, last: int) -> None:
        """Continue with the clock as set before a restart. `last` is the time of the newest change (ms; 0 for none).

        If the machine has not rebooted, the ticks tell how much time has passed, whatever the wall clock says now.
        After a reboot, only the wall clock can tell.
        """
        if stored.boot and stored.boot == self._boot:
            self._anchor = stored
            return
        now = self.now()
        doubtful = last and not -HOUR_MS < now - last < DAY_MS
        self._anchor = self._anchor._replace(jumped=now if doubtful else min(stored.jumped, now))

    def follow(self) -> Adjustment:
        """How to set this clock to the current wall clock."""
        before, origin = self._anchor, self._wall_origin()
        shift = -(-(origin - before.origin) // _MS)  # rounded up: a deadline may be a fraction of a ms late, not early
        now = self._shown(origin)
        jumped = before.jumped and min(before.jumped + shift, now)
        return Adjustment(Anchor(self._boot, origin, now if abs(shift) >= HOUR_MS else jumped), shift, now)

    def adopt(self, anchor: Anchor) -> None:
        """Use this setting from now on."""
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
