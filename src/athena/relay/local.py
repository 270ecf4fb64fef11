"""The relay of an Athena that is one node: a function call."""

from __future__ import annotations

from athena.relay.base import Committed, Listener


class LocalRelay:
    """Hands on at once, in order, to every listener."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def publish(self, committed: Committed) -> None:
        for listener in self._listeners:
            listener(committed)

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)
