"""Token buckets: they limit the size of a burst and the average rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

MOST_ADDRESSES = 10_000
"""Addresses that are remembered; the least recently seen are dropped first."""


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` of them a second; each allowed action takes one."""

    __slots__ = ("burst", "rate", "seen", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.seen = now

    def take(self, now: float) -> float:
        """Take a token: 0 if the action is allowed, else the seconds until it will be. `now` is monotonic, in s."""
        self.tokens = min(self.burst, self.tokens + (now - self.seen) * self.rate)
        self.seen = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate


class AddressLimit:
    """One bucket for each address, created on first use. Memory is bounded."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, address: str) -> int:
        """0 when one more action is allowed, else the whole seconds until it will be."""
        now = self._clock()
        bucket = self._buckets.pop(address, None) or TokenBucket(self._rate, self._burst, now)
        self._buckets[address] = bucket  # at the end: the order is that of last use
        if len(self._buckets) > MOST_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        return math.ceil(bucket.take(now))
