"""Bounds the memory held by incomplete request bodies, over all connections together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from athena.http.budget import Budget

MOST_UNFINISHED = 64 * 1024 * 1024
"""Bytes of incomplete bodies. Four bulks of the largest size, unless --max-bulk-bytes says otherwise."""


class UnfinishedBodies:
    """The transports with part of a body; progress is the next piece. A body that came in one piece is not counted."""

    def __init__(self, most: int = MOST_UNFINISHED, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: bytes."""
        self._budget = Budget(most, clock)

    @property
    def ended(self) -> int:
        """How many connections were cut off."""
        return self._budget.ended

    def grow(self, transport: asyncio.Transport, size: int) -> None:
        """`size` more bytes of this client's body have come, and more will follow. Cuts off others above the bound."""
        self._budget.hold(transport, self._budget.held(transport) + size)
        self._budget.enforce()

    def remove(self, transport: asyncio.Transport) -> None:
        """The body is complete, or the client is gone."""
        self._budget.release(transport)
