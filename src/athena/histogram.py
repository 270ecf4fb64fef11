"""Counts in fixed buckets, cheap enough for every commit: one search in a short tuple and two additions, no lock.

Prometheus' own histograms take a lock and several calls for each observation; these are converted to them when scraped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds for operations that should take milliseconds."""

POWERS_OF_TWO = tuple(2.0**power for power in range(15))
"""1, 2, 4 … 16,384: upper bounds for batch sizes."""


class Histogram:
    """Counts of observed values by size. Not thread-safe."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """`bounds`: the largest value of each bucket, ascending; one more bucket takes all larger values."""
        self.sum = 0.0
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """(upper bound, number of values up to it), from the smallest bound to infinity."""
        seen = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            seen += count
            yield bound, seen
