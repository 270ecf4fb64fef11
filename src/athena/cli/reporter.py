"""Reports a running command to Athena from a separate thread, so that Athena can never break or delay the command.

`Progress` turns steps into complete states, `Reporter` delivers them: in order while Athena responds, and after an
outage only the latest, since every state is complete. It opens the transaction as soon as Athena is up, repeats the
state as a heartbeat while nothing happens, and gives up only when Athena refuses the request.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from athena.cli.steps import Step
from athena.cli.text import harmless, shortened
from athena.client import Backoff, Client, ClientError, Refused

TIMEOUT_MS = 45_000
"""If the machine dies, the transaction becomes an error this long after the last report (ms)."""

HEARTBEAT = 15.0
"""Seconds without a report after which the state is repeated; two can be lost before the transaction times out."""

LONGEST_PAUSE = 10.0
"""Upper bound of the backoff between attempts (s), well within the transaction's timeout."""

QUEUE_LENGTH = 100
"""States that may be queued. Beyond that, the oldest are dropped: newer ones supersede them."""

MESSAGE_LIMIT = 1024
"""The longest message that Athena accepts, in characters (see the API's limits)."""


@dataclass(frozen=True, slots=True)
class State:
    """The complete state of the command at one moment."""

    status: str = "pending"
    on_step: int | None = None
    total_steps: int | None = None
    message: str | None = None

    @property
    def final(self) -> bool:
        return self.status != "pending"

    def as_edit(self) -> dict[str, Any]:
        """The members of an edit; unknown values are left out."""
        edit = {
            "status": self.status,
            "on_step": self.on_step,
            "total_steps": self.total_steps,
            "athena_msg": self.message,
        }
        return {name: value for name, value in edit.items() if value is not None}


class Progress:
    """Turns a command's steps into states that Athena accepts: steps never fall or exceed their total."""

    def __init__(self, total_steps: int | None = None) -> None:
        self.state = State(total_steps=total_steps)

    def step(self, step: Step) -> State:
        """A step was reached. A lower one than before changes only the message; one above the total raises that."""
        on_step = max(step.on_step, self.state.on_step or 0)
        total_steps = step.total_steps or self.state.total_steps
        message = self.state.message if step.message is None else shortened(harmless(step.message), MESSAGE_LIMIT)
        self.state = State("pending", on_step, None if total_steps is None else max(total_steps, on_step), message)
        return self.state

    def finish(self, error: str | None) -> State:
        """The command has ended, with `error` or with success (None), which completes the steps of a known total."""
        total_steps = self.state.total_steps
        if error is None:
            on_step = self.state.on_step if total_steps is None else total_steps
            self.state = State("success", on_step, total_steps, "done")
        else:
            self.state = State("error", self.state.on_step, total_steps, shortened(harmless(error), MESSAGE_LIMIT))
        return self.state


class Outbox:
    """The bounded queue of states to deliver. Not thread-safe."""

    def __init__(self, length: int = QUEUE_LENGTH) -> None:
        self._states: deque[State] = deque(maxlen=length)

    def put(self, state: State) -> None:
        self._states.append(state)

    def take(self) -> State | None:
        """The oldest, or None."""
        return self._states.popleft() if self._states else None

    def put_back(self, state: State) -> None:
        """`state` could not be delivered: keep only the newest one, which supersedes all others."""
        newest = self._states[-1] if self._states else state
        self._states.clear()
        self._states.append(newest)

    def __len__(self) -> int:
        return len(self._states)


class Reporter:
    """Delivers states to Athena in the background, from `start()` until a final one is delivered or refused.

    `opening` is the body that opens the transaction; its `tx_id` makes that idempotent. `report()` never blocks.
    `opened` tells whether Athena has the transaction. `ended` is set when no more attempts will be made. `problem` says
    why the latest state was not delivered; None if it was. `find_key` is called for another key when Athena refuses
    that of `client`.
    """

    def __init__(
        self,
        client: Client,
        opening: Mapping[str, Any],
        *,
        heartbeat: float = HEARTBEAT,
        find_key: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.ended = threading.Event()
        self.opened = False
        self.problem: str | None = "no answer in time"
        self._client = client
        self._opening = dict(opening)
        self._first_id = str(opening["tx_id"])
        self._heartbeat = heartbeat
        self._find_key = find_key
        self._reopened = 0
        self._outbox = Outbox()
        self._initial = self._latest = State()
        self._changed = threading.Condition()
        self._hurry = False
        self._stopped = False
        self._backoff = Backoff(longest=LONGEST_PAUSE)
        self._thread = threading.Thread(target=self._deliver_all, name="reporter", daemon=True)

    @property
    def tx_id(self) -> str:
        """The transaction's id; it changes if Athena has timed the transaction out (see `_continue_as_new`)."""
        return str(self._opening["tx_id"])

    def start(self) -> None:
        self._thread.start()

    def report(self, state: State) -> None:
        """Queue `state` for delivery. A final one is the last, and cuts the current backoff short."""
        with self._changed:
            self._outbox.put(state)
            self._latest = state
            if state.final:
                self._hurry = True
                self._backoff.reset()
            self._changed.notify()

    def stop(self) -> None:
        """Make no more attempts; a request in flight may still arrive."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    # ---- the thread --------------------------------------------------------------------------------------------------
    def _deliver_all(self) -> None:
        due = time.monotonic()
        while (state := self._next(due)) is not None:
            try:
                self._deliver(state)
            except ClientError as error:
                self.problem = str(error)
                if not self._worth_another_attempt(error, state):
                    break
                self._pause(state)
                due = time.monotonic()
            else:
                self.problem = None
                self._backoff.reset()
                due = time.monotonic() + self._heartbeat
                if state.final:
                    break
        self.ended.set()

    def _next(self, due: float) -> State | None:
        """The oldest queued state, or at `due` the latest one again; None to stop."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._outbox) > 0 or self._stopped, max(0.0, due - time.monotonic()))
            return None if self._stopped else self._outbox.take() or self._latest

    def _deliver(self, state: State) -> None:
        if not self.opened:
            self._client.open(self._opening)
            self.opened = True
            if state is self._initial:
                return
        self._client.edit(self.tx_id, **state.as_edit())

    def _pause(self, state: State) -> None:
        """Wait before the next attempt; the end of the command shortens that, new steps do not."""
        with self._changed:
            self._outbox.put_back(state)
            hurried_before, self._hurry = self._hurry, False
            if not hurried_before:
                self._changed.wait_for(lambda: self._hurry or self._stopped, self._backoff.next())

    def _worth_another_attempt(self, error: ClientError, state: State) -> bool:
        if not isinstance(error, Refused) or error.worth_repeating:
            return True
        if error.http_status == 401:
            return self._has_another_key()
        if not self.opened:
            return False
        if error.error_code == "unknown_transaction":
            self.opened = False  # the history was purged meanwhile
            return True
        if error.error_code == "transaction_finished":
            if error.answer.get("status") == "error":
                self._continue_as_new()
            return error.answer.get("status") == "error"
        return not state.final

    def _has_another_key(self) -> bool:
        """Look for the key again: it could not be found while Athena was down, or before its first start."""
        key = self._find_key()
        if key in (None, self._client.key):
            return False
        self._client.key = key
        return True

    def _continue_as_new(self) -> None:
        """Athena timed the transaction out, after an outage or a suspension of the machine.

        That is final, so the command continues as a new transaction: its real result must not be lost.
        """
        self._reopened += 1
        self._opening["tx_id"] = f"{self._first_id}-{self._reopened + 1}"
        self.opened = False
