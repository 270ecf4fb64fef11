"""The relay of a single-node Athena: a function call."""

from __future__ import annotations

from athena.relay.base import Committed, Listener


class LocalRelay:
    """Passes everything to every listener at once, in order."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def publish(self, committed: Committed) -> None:
        for listener in self._listeners:
            listener(committed)

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)
