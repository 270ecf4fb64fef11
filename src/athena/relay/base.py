"""Carries committed changes between the nodes of one Athena, so that each can push them to its own clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from athena.domain.model import Position
from athena.domain.wire import Published


class Committed(NamedTuple):
    """What a commit has to tell clients, in order. A relay between machines encodes what is not yet.

    `since` is when the oldest of the commit's commands was submitted (`time.monotonic` of this node; None from others).
    `restart` is set when the commit began a new epoch; then there are no messages.
    """

    messages: Sequence[Published]
    restart: Position | None = None
    since: float | None = None


Listener = Callable[[Committed], None]


class Relay(Protocol):
    """At most once, in commit order from each node. The store is the truth: a node that sees a gap in seq reads it."""

    def publish(self, committed: Committed) -> None:
        """Tell every node, this one included. Called after the commit is durable, never before."""

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` on the event loop for all that is published from now on."""
