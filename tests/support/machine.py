"""A machine's two clocks, for tests: the wall clock, which can be set, and the ticks, which cannot."""

from __future__ import annotations

from athena.clock import Clock

MS = 1_000_000
START = 1_800_000_000_000
"""UTC Unix ms."""


class Machine:
    """`passes` lets time pass; `put` sets only the wall clock; `boot` restarts the machine after a given time."""

    def __init__(self) -> None:
        self.run = 1
        self.frozen = False
        self._wall = START * MS
        self._ticks = 5_000 * MS

    def clock(self) -> Clock:
        """The clock of a process that starts now."""
        return Clock(self.wall_ns, lambda: self._ticks, f"run {self.run}")

    def wall_ns(self) -> int:
        return self._wall

    @property
    def wall(self) -> int:
        """UTC Unix ms."""
        return self._wall // MS

    def passes(self, ms: float) -> None:
        self._ticks += int(ms * MS)
        self._wall += 0 if self.frozen else int(ms * MS)

    def put(self, by: int) -> None:
        """Move it forward by `by` ms, or back."""
        self._wall += by * MS

    def boot(self, after: int) -> None:
        self.run += 1
        self._wall += after * MS
        self._ticks = 3_000 * MS
