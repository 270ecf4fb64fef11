"""The fold that every engine shares: commands in, decisions and the rows to store out. Pure but for `load`."""

from __future__ import annotations

from collections.abc import Callable

from athena.domain.lifecycle import Effect, decide
from athena.domain.model import Command, Notification
from athena.errors import Conflict, NotFound
from athena.store.base import Outcome


class Batch:
    """One transaction's worth of commands. Feed them to `apply` in order, then store `dirty` and `changes`.

    `dirty` holds the last state of each row that has to be written; a row edited twice is written once.

    `load` reads the present state of a row inside the engine's transaction; it is asked once for each id.
    """

    def __init__(self, seq: int, now: int, load: Callable[[str], Notification | None]) -> None:
        self.seq = seq
        self.outcomes: list[Outcome] = []
        self.changes: list[Notification] = []
        self.previous: list[int | None] = []
        """For each of `changes`, the seq of the change before it of the same row."""
        self.dirty: dict[str, Notification] = {}
        self.moved: set[str] = set()
        """The ids in `dirty` whose place in the history changed: status, `ts_display` or `archived`."""
        self.before: dict[str, Notification] = {}
        """Of `moved`, the state before the batch, unless the row is new."""
        self.new: dict[str, bool] = {}
        """The ids in `dirty` that were not there before, and whether each is a transaction."""
        self._now = now
        self._load = load
        self._seen: dict[str, Notification | None] = {}

    def apply(self, command: Command) -> None:
        """Decide one command on the state that the ones before it have left."""
        key = command.id
        current = self._seen[key] if key in self._seen else self._load(key)
        try:
            decision = decide(command, current, self._now, self.seq + 1)
        except (Conflict, NotFound) as refused:
            self._seen[key] = current
            self.outcomes.append(refused)
            return
        self.outcomes.append(decision)
        if decision is None or decision.effect is Effect.NOTHING:
            self._seen[key] = current
            return
        state = decision.state
        self._seen[key] = self.dirty[key] = state
        if decision.effect is Effect.CHANGED:
            self.seq += 1
            self.changes.append(state)
            self.previous.append(None if current is None else current.seq)
            if current is None:
                self.new[key] = state.type == "webhook_tx"
            elif current.status != state.status or current.archived != state.archived:
                self.moved.add(key)  # ts_display changes with the status only
                if key not in self.new:
                    self.before.setdefault(key, current)
