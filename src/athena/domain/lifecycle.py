"""The rules of a transaction's life, as one table and one function.

`TRANSITIONS` is all there is: every status that a transaction may have, and those that an edit may ask for from there.
`decide()` applies a command to the present state. It is pure: `now` is an argument, an illegal command raises and
changes nothing. The diagram in docs/lifecycle.md is generated from the table.
"""

from __future__ import annotations

import hashlib
from typing import Literal, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from athena.domain.masking import mask_emails
from athena.domain.model import BulkEdit, Command, Edit, Expire, Hide, Notice, Notification, Open, Status
from athena.errors import (
    IllegalTransition,
    StepRegression,
    TransactionExists,
    TransactionFinished,
    UnknownTransaction,
)

TRANSITIONS: dict[Status, tuple[Status, ...]] = {
    "pending": ("pending", "undoing", "success", "error"),
    "undoing": ("undoing", "error"),  # an undo went on, or is over; what was undone is never a success
    "success": (),
    "error": (),
}

NO_ERROR_MESSAGE = "no error message was given"
TIMED_OUT = "this transaction has timed out"


Effect = Literal["changed", "heartbeat", "nothing"]
"""What a command did: something that clients see, which gets a position and is pushed; it moved the deadline alone; it
was so already."""


class Decision(Struct, gc=False, frozen=True):
    """The state after a command, and what the command did."""

    state: Notification
    effect: Effect


def decide(command: Command, current: Notification | None, now: int, seq: int) -> Decision | None:
    """What `command` makes of `current` (None: there is no such row) at `now` (ms).

    `seq` is the position that the change takes, if it is one that clients see.

    None when there is nothing left to do, for Athena's own commands only. Raises a `Conflict` when the lifecycle
    forbids it and `UnknownTransaction` when there is nothing to edit; then nothing has changed.
    """
    match command.wish:
        case BulkEdit() | Edit() as wish:  # the exact type first: that is found out without a call
            return _edit(command.id, wish, current, now, seq)
        case Open() as wish:
            return _open(command.id, wish, current, now, seq)
        case Notice() as wish:
            return _notice(command.id, wish, current, now, seq)
        case Expire():
            return _expire(current, now, seq)
        case Hide():
            return _hide(current, seq)
        case _:
            assert_never(command.wish)


def _open(tx_id: str, wish: Open, current: Notification | None, now: int, seq: int) -> Decision:
    by = mask_emails(wish.by) if wish.by else "-"
    opened = _fingerprint(wish, by)
    if current is not None:
        if current.opened == opened:
            return Decision(current, "nothing")
        raise TransactionExists(tx_id)
    state = Notification(
        id=tx_id,
        seq=seq,
        type="webhook_tx",
        sub_type=wish.sub_type,
        status="pending",
        description=wish.description,
        message=wish.athena_msg or None,
        by=by,
        component_id=wish.component_id,
        ts_started=now,
        ts_completed=None,
        ts_display=now,
        on_step=_clamp(wish.on_step, wish.total_steps),
        total_steps=wish.total_steps,
        timeout_ms=wish.timeout_ms,
        deadline=now + wish.timeout_ms,
        archived=False,
        opened=opened,
        details=None,
    )
    return Decision(state, "changed")


def _fingerprint(wish: Open, by: str) -> str:
    """Equal for equal content, to tell a repeated open from a clash without keeping the content twice.

    Takes the masked `by`: an address must not be found again by hashing guesses.
    """
    content = [by if name == "by" else getattr(wish, name) for name in Open.__struct_fields__ if name != "tx_id"]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:32]


def _edit(tx_id: str, wish: Edit, current: Notification | None, now: int, seq: int) -> Decision:
    if current is None or current.type != "webhook_tx":
        raise UnknownTransaction(tx_id)
    following = TRANSITIONS[current.status]
    if not following:
        if _is_repeated(wish, current):
            return Decision(current, "nothing")
        raise TransactionFinished(tx_id, current.status, wish.status)
    if wish.status not in following:
        raise IllegalTransition(tx_id, current.status, wish.status, following)
    decision = _report(current, wish, now, seq)
    # Steps run backwards while undoing, never while going forward; nor by way of a smaller total.
    forward = current.status == "pending" and wish.status != "undoing"
    if forward and (decision.state.on_step or 0) < (current.on_step or 0):
        raise StepRegression(tx_id, current.on_step or 0, decision.state.on_step or 0)
    return decision


def _report(current: Notification, wish: Edit, now: int, seq: int) -> Decision:
    """The state after an edit that the lifecycle allows."""
    finished = not TRANSITIONS[wish.status]
    total_steps = current.total_steps if wish.total_steps is None else wish.total_steps
    on_step = _clamp(current.on_step if wish.on_step is None else wish.on_step, total_steps)
    message = wish.athena_msg or (NO_ERROR_MESSAGE if wish.status == "error" else current.message)
    description = wish.description or current.description
    timeout_ms = wish.timeout_ms or current.timeout_ms or 0
    if (
        message == current.message
        and on_step == current.on_step
        and wish.status == current.status
        and total_steps == current.total_steps
        and description == current.description
    ):
        state = replace(current, timeout_ms=timeout_ms, deadline=now + timeout_ms)
        return Decision(state, "heartbeat")
    # Whatever the clock does, a transaction does not end before it began.
    ts_completed = max(now, current.ts_started or 0) if finished else None
    state = replace(
        current,
        seq=seq,
        status=wish.status,
        description=description,
        message=message,
        on_step=on_step,
        total_steps=total_steps,
        timeout_ms=timeout_ms,
        ts_completed=ts_completed,
        ts_display=current.ts_display if ts_completed is None else ts_completed,
        deadline=None if finished else now + timeout_ms,
        archived=False,  # what changes comes back to the everyday history
    )
    return Decision(state, "changed")


def _is_repeated(wish: Edit, current: Notification) -> bool:
    """Whether this edit of a finished transaction says only what is so already (a producer that sent it twice)."""
    return (
        wish.status == current.status
        and (not wish.athena_msg or wish.athena_msg == current.message)
        and wish.description in (None, current.description)
        and wish.total_steps in (None, current.total_steps)
        and (wish.on_step is None or _clamp(wish.on_step, current.total_steps) == current.on_step)
    )


def _notice(notice_id: str, wish: Notice, current: Notification | None, now: int, seq: int) -> Decision:
    if current is not None:
        raise TransactionExists(notice_id)
    state = Notification(
        id=notice_id,
        seq=seq,
        type="notification",
        sub_type=None,
        status=wish.status,
        description="",
        message=wish.message,
        by=mask_emails(wish.by) if wish.by else "-",
        component_id=wish.component_id,
        ts_started=None,
        ts_completed=now,  # when it came, for how long it is kept; `ts_display` is what its producer says
        ts_display=now if wish.ts_display is None else wish.ts_display,
        on_step=None,
        total_steps=None,
        timeout_ms=None,
        deadline=None,
        archived=False,
        opened=None,
        details=msgspec.json.encode(wish.details()).decode(),
    )
    return Decision(state, "changed")


def _expire(current: Notification | None, now: int, seq: int) -> Decision | None:
    """The condition is looked at again here, in the commit: an edit may have come between."""
    if current is None or current.deadline is None or now < current.deadline:
        return None
    return _report(current, Edit(status="error", athena_msg=TIMED_OUT), now, seq)


def _hide(current: Notification | None, seq: int) -> Decision | None:
    if current is None or current.archived:
        return None
    return Decision(replace(current, archived=True, seq=seq), "changed")


def _clamp(on_step: int | None, total_steps: int | None) -> int | None:
    """`on_step` never exceeds `total_steps`; producers that count one past the end mean the end."""
    return on_step if on_step is None or total_steps is None or on_step <= total_steps else total_steps


def diagram() -> str:
    """The table as a Mermaid state diagram, for docs/lifecycle.md."""
    lines = ["stateDiagram-v2", "    [*] --> pending: open"]
    for status, following in TRANSITIONS.items():
        lines += [f"    {status} --> {then}" for then in following]
        lines += [] if following else [f"    {status} --> [*]"]
    return "\n".join(lines)
