"""The logic that every engine shares: items in, decisions and the rows to store out. Pure except for its look-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

from athena.domain.lifecycle import decide
from athena.domain.model import AnyCommand, Notification
from athena.errors import Conflict, IdempotencyKeyReused, NotFound
from athena.store.base import Answer, IdempotencyKey, KeyedOutcome, KeyedRequest, Outcome, Receipt


class States(Protocol):
    """The state of each row by its id; None for a row that does not exist."""

    def __getitem__(self, key: str, /) -> Notification | None: ...

    def __setitem__(self, key: str, state: Notification, /) -> None: ...


class Batch:
    """The items of one transaction. Exhaust `run`, then store `dirty`, `changes` and `receipts`.

    `dirty` holds the last state of each row that must be written; a row edited twice is written once.

    `rows` has the current states, as the engine's transaction sees them, and is updated with each decided state: an
    engine whose transaction fails must discard those. `find` reads the receipt for a key, unless it has expired.
    """

    def __init__(
        self,
        seq: int,
        now: int,
        rows: States,
        find: Callable[[bytes], Receipt | None],
    ) -> None:
        self.seq = seq
        self.outcomes: list[Outcome | KeyedOutcome] = []
        self.changes: list[Notification] = []
        self.previous: list[int | None] = []
        """For each of `changes`, the seq of the same row's previous change."""
        self.dirty: dict[str, Notification] = {}
        self.moved: set[str] = set()
        """The ids in `dirty` whose place in the history changed: status, `ts_display` or `archived`."""
        self.earlier: set[str] = set()
        """The ids in `dirty` whose deadlines moved earlier: by a shorter timeout, or a clock that was put back."""
        self.before: dict[str, Notification] = {}
        """For `moved`, the state before the batch, unless the row is new."""
        self.new: dict[str, bool] = {}
        """The ids in `dirty` that did not exist before, and whether each is a transaction."""
        self.receipts: dict[bytes, Receipt] = {}
        """The new receipts, by the id of their key."""
        self._now = now
        self._rows = rows
        self._find = find

    @property
    def earlier_deadlines(self) -> list[Notification]:
        """The last states of the rows that may have to be checked sooner than is stored."""
        return [self.dirty[key] for key in self.new.keys() | self.earlier]

    def run(self, items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]], slice_: int = 1) -> Iterator[None]:
        """Decide each item on the state that the previous ones have left.

        Yields at least after every `slice_` commands, so that an engine can let other work run.
        """
        for begin in range(0, len(items), slice_):
            if begin:
                yield
            some = items[begin : begin + slice_]
            if KeyedRequest not in {*map(type, some)}:
                self.outcomes += self._decide(cast(Sequence[AnyCommand], some))
                continue
            for item in some:
                if isinstance(item, KeyedRequest):
                    yield from self._carry_out(item, slice_)
                else:
                    self.outcomes += self._decide((item,))

    def _carry_out(self, request: KeyedRequest[list[Outcome]], slice_: int) -> Iterator[None]:
        outcome: KeyedOutcome | None = replay(
            request.key, self.receipts.get(request.key.id) or self._find(request.key.id)
        )
        if outcome is None:
            outcomes: list[Outcome] = []
            for begin in range(0, len(request.commands), slice_):
                outcomes += self._decide(request.commands[begin : begin + slice_])
                yield
            outcome = self._receipt(request, outcomes)
        self.outcomes.append(outcome)

    def _receipt(self, request: KeyedRequest[list[Outcome]], outcomes: list[Outcome]) -> KeyedOutcome:
        try:
            answer = request.answer(outcomes)
        except (Conflict, NotFound) as refused:
            return refused
        self.receipts[request.key.id] = Receipt(request.key.request, answer)
        return Answer(answer, replayed=False)

    def _decide(self, commands: Sequence[AnyCommand]) -> list[Outcome]:
        """One outcome for each command. A single loop, so that attributes are not looked up for each edit of a bulk."""
        dirty, rows, now, seq = self.dirty, self._rows, self._now, self.seq
        changes, previous = self.changes, self.previous
        outcomes: list[Outcome] = []
        for command in commands:
            key = command.id
            current = rows[key]
            try:
                state = decide(command, current, now, seq + 1)
            except (Conflict, NotFound) as refused:
                # Without the traceback: its frames hold `outcomes`, which would form a reference cycle.
                outcomes.append(refused.with_traceback(None))
                continue
            outcomes.append(state)
            if state is None or state is current:
                continue
            # Here and not at the end: the previous state is freed while it is in the processor's cache.
            dirty[key] = rows[key] = state
            if current is None:
                seq += 1
                changes.append(state)
                previous.append(None)
                self.new[key] = state.type == "webhook_tx"
                continue
            if state.deadline is not None and state.deadline < (current.deadline or 0):
                self.earlier.add(key)
            if state.seq > seq:  # not a heartbeat
                seq += 1
                changes.append(state)
                previous.append(current.seq)
                if current.status != state.status or current.archived != state.archived:
                    self.moved.add(key)  # ts_display changes with the status only
                    if key not in self.new:
                        self.before.setdefault(key, current)
        self.seq = seq
        return outcomes


def replay(key: IdempotencyKey, receipt: Receipt | None) -> Answer | IdempotencyKeyReused | None:
    """The outcome of a request whose key has `receipt`; None if there is no receipt."""
    if receipt is None:
        return None
    return Answer(receipt.answer, replayed=True) if receipt.request == key.request else IdempotencyKeyReused()
