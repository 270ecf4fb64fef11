"""Carries committed changes between the nodes of one Athena, so that each can push them to its own clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from athena.domain.model import Position
from athena.domain.wire import Published


class Committed(NamedTuple):
    """The messages of a commit for clients, in order. A relay between machines encodes those that are not encoded yet.

    `since` is when the oldest of the commit's commands was submitted (`time.monotonic` of this node; None from others).
    `restart` is set when the commit began a new epoch; then there are no messages.
    """

    messages: Sequence[Published]
    restart: Position | None = None
    since: float | None = None


Listener = Callable[[Committed], None]


class Relay(Protocol):
    """Delivers at most once, in commit order from each node. A node that sees a gap in seq reads the store."""

    def publish(self, committed: Committed) -> None:
        """Send to every node, including this one. Called only after the commit is durable."""

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` on the event loop for everything that is published from now on."""
