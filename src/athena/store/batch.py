"""The fold that every engine shares: wishes in, decisions and the rows to store out. Pure but for its look-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from athena.domain.lifecycle import decide
from athena.domain.model import Command, Notification
from athena.errors import Conflict, IdempotencyKeyReused, NotFound
from athena.store.base import Answered, Key, Once, Outcome, Receipt, Told


class Batch:
    """One transaction's worth of wishes. Exhaust `run`, then store `dirty`, `changes` and `receipts`.

    `dirty` holds the last state of each row that has to be written; a row edited twice is written once.

    `load` reads the present state of a row inside the engine's transaction; it is asked once for each id. `find` reads
    the receipt for a key, unless it is too old.
    """

    def __init__(
        self,
        seq: int,
        now: int,
        load: Callable[[str], Notification | None],
        find: Callable[[bytes], Receipt | None],
    ) -> None:
        self.seq = seq
        self.outcomes: list[Outcome | Told] = []
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
        self.receipts: dict[bytes, Receipt] = {}
        """The new ones, by the id of their key."""
        self._now = now
        self._load = load
        self._find = find
        self._seen: dict[str, Notification | None] = {}  # those that were looked up and are not dirty

    def run(self, wishes: Sequence[Command | Once[list[Outcome]]], slice_: int = 1) -> Iterator[None]:
        """Decide each wish on the state that the ones before it have left.

        Rests after every `slice_` commands, where an engine may let others go on.
        """
        decided = 0  # since the last rest
        for wish in wishes:
            if decided >= slice_:
                decided = 0
                yield
            if isinstance(wish, Once):
                yield from self._carry_out(wish, slice_)
                decided += len(wish.commands)
            else:
                self.outcomes.append(self._decide(wish))
                decided += 1

    def _carry_out(self, once: Once[list[Outcome]], slice_: int) -> Iterator[None]:
        told: Told | None = repeated(once.key, self.receipts.get(once.key.id) or self._find(once.key.id))
        if told is None:
            outcomes: list[Outcome] = []
            for begin in range(0, len(once.commands), slice_):
                if begin:
                    yield
                outcomes += map(self._decide, once.commands[begin : begin + slice_])
            told = self._receipt(once, outcomes)
        self.outcomes.append(told)

    def _receipt(self, once: Once[list[Outcome]], outcomes: list[Outcome]) -> Told:
        try:
            answer = once.answer(outcomes)
        except (Conflict, NotFound) as refused:
            return refused
        self.receipts[once.key.id] = Receipt(once.key.request, answer)
        return Answered(answer, again=False)

    def _decide(self, command: Command) -> Outcome:
        key = command.id
        current = self.dirty.get(key)
        if current is None:
            current = self._seen[key] if key in self._seen else self._load(key)
        try:
            decision = decide(command, current, self._now, self.seq + 1)
        except (Conflict, NotFound) as refused:
            self._seen[key] = current
            return refused.with_traceback(None)  # whose frames have it among their outcomes: it would go in circles
        if decision is None or decision.effect == "nothing":
            self._seen[key] = current
            return decision
        state = decision.state
        self.dirty[key] = state
        if decision.effect == "changed":
            self.seq += 1
            self.changes.append(state)
            self.previous.append(None if current is None else current.seq)
            if current is None:
                self.new[key] = state.type == "webhook_tx"
            elif current.status != state.status or current.archived != state.archived:
                self.moved.add(key)  # ts_display changes with the status only
                if key not in self.new:
                    self.before.setdefault(key, current)
        return decision


def repeated(key: Key, receipt: Receipt | None) -> Answered | IdempotencyKeyReused | None:
    """What a request is told by the receipt that there is for its key; None when there is none."""
    if receipt is None:
        return None
    return Answered(receipt.answer, again=True) if receipt.request == key.request else IdempotencyKeyReused()
