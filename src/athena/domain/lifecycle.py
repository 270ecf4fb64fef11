"""The rules of a transaction's life, as one table and one function.

`TRANSITIONS` is the whole lifecycle: each status of a transaction, and the statuses that an edit may request from it.
`decide()` applies a command to the current state. It is pure: `now` is an argument, and an illegal command raises and
changes nothing. The diagram in docs/lifecycle.md is generated from the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from athena.domain.masking import mask_emails
from athena.domain.model import (
    AnyCommand,
    ArchiveOne,
    BulkEdit,
    BulkOpen,
    Command,
    Edit,
    Expire,
    Notice,
    Notification,
    Open,
    Status,
)
from athena.errors import (
    IllegalTransition,
    StepRegression,
    TransactionExists,
    TransactionFinished,
    UnknownTransaction,
)

TRANSITIONS: dict[Status, tuple[Status, ...]] = {
    "pending": ("pending", "undoing", "success", "error"),
    "undoing": ("undoing", "error"),  # an undo continues or ends; an undone transaction is never a success
    "success": (),
    "error": (),
}

NO_ERROR_MESSAGE = "no error message was given"
TIMED_OUT = "this transaction has timed out"


def decide(command: AnyCommand, current: Notification | None, now: int, seq: int) -> Notification | None:
    """The state that `command` makes of `current` (None: there is no such row) at `now` (ms).

    The result's `seq` tells what happened: it is `seq` for a change that clients see, which takes that position, and
    that of `current` if only the deadline has moved (a heartbeat). If nothing has changed, the result is `current`.

    Athena's own commands return None if there is nothing to do. Raises a `Conflict` if the lifecycle forbids the
    command, and `UnknownTransaction` if there is nothing to edit; then nothing has changed.
    """
    operation = command.operation if type(command) is Command else command
    return RULES[type(operation)](command.id, operation, current, now, seq)


def _open(tx_id: str, operation: Open, current: Notification | None, now: int, seq: int) -> Notification:
    by = mask_emails(operation.by) if operation.by else "-"
    opened = _fingerprint(operation, by)
    if current is not None:
        if current.opened == opened:
            return current
        raise TransactionExists(tx_id)
    return Notification(
        id=tx_id,
        seq=seq,
        type="webhook_tx",
        sub_type=operation.sub_type,
        status="pending",
        description=operation.description,
        message=operation.athena_msg or None,
        by=by,
        component_id=operation.component_id,
        ts_started=now,
        ts_completed=None,
        ts_display=now,
        on_step=_clamp(operation.on_step, operation.total_steps),
        total_steps=operation.total_steps,
        timeout_ms=operation.timeout_ms,
        deadline=now + operation.timeout_ms,
        archived=False,
        opened=opened,
        details=None,
    )


def _fingerprint(operation: Open, by: str) -> str:
    """Equal for equal content, to tell a repeated open from a clash without storing the content twice.

    Uses the masked `by`, so that an address cannot be recovered by hashing guesses.
    """
    content = [by if name == "by" else getattr(operation, name) for name in Open.__struct_fields__ if name != "id"]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:32]


def _edit(tx_id: str, operation: Edit, current: Notification | None, now: int, seq: int) -> Notification:
    """One function, without `_clamp`: nearly all commands are edits, and each call costs noticeably in a bulk."""
    if current is None or current.type != "webhook_tx":
        raise UnknownTransaction(tx_id)
    status = operation.status
    if status not in TRANSITIONS[current.status]:
        return _not_allowed(operation, current)
    before = current.on_step
    total_steps = current.total_steps if operation.total_steps is None else operation.total_steps
    on_step = before if operation.on_step is None else operation.on_step
    if on_step is not None and total_steps is not None and on_step > total_steps:
        on_step = total_steps
    # Steps may go back while undoing, but not while pending, nor because of a smaller total.
    if (on_step or 0) < (before or 0) and current.status == "pending" and status != "undoing":
        raise StepRegression(tx_id, before or 0, on_step or 0)
    message = operation.athena_msg or (NO_ERROR_MESSAGE if status == "error" else current.message)
    description = operation.description or current.description
    timeout_ms = operation.timeout_ms or current.timeout_ms or 0
    if (
        message == current.message
        and on_step == before
        and status == current.status
        and total_steps == current.total_steps
        and description == current.description
    ):
        return replace(current, timeout_ms=timeout_ms, deadline=now + timeout_ms)
    state = replace(
        current,
        seq=seq,
        status=status,
        description=description,
        message=message,
        on_step=on_step,
        total_steps=total_steps,
        timeout_ms=timeout_ms,
        deadline=now + timeout_ms,
        archived=False,  # a change brings the transaction back into the default history
    )
    if not TRANSITIONS[status]:
        # Whatever the clock does, a transaction must not end before it began.
        ended = max(now, current.ts_started or 0)
        state = replace(state, ts_completed=ended, ts_display=ended, deadline=None)
    return state


def _not_allowed(operation: Edit, current: Notification) -> Notification:
    """The outcome of an edit whose status is not allowed now: no change if it only repeats an edit, else an error."""
    following = TRANSITIONS[current.status]
    if following:
        raise IllegalTransition(current.id, current.status, operation.status, following)
    if _is_repeated(operation, current):
        return current
    raise TransactionFinished(current.id, current.status, operation.status, current.message == TIMED_OUT)


def _is_repeated(operation: Edit, current: Notification) -> bool:
    """Whether this edit of a finished transaction would change nothing (a producer has sent it twice)."""
    return (
        operation.status == current.status
        and (not operation.athena_msg or operation.athena_msg == current.message)
        and operation.description in (None, current.description)
        and operation.total_steps in (None, current.total_steps)
        and (operation.on_step is None or _clamp(operation.on_step, current.total_steps) == current.on_step)
    )


def _notice(notice_id: str, operation: Notice, current: Notification | None, now: int, seq: int) -> Notification:
    if current is not None:
        raise TransactionExists(notice_id)
    return Notification(
        id=notice_id,
        seq=seq,
        type="notification",
        sub_type=None,
        status=operation.status,
        description="",
        message=operation.message,
        by=mask_emails(operation.by) if operation.by else "-",
        component_id=operation.component_id,
        ts_started=None,
        ts_completed=now,  # its arrival, from which retention counts; `ts_display` is the producer's choice
        ts_display=now if operation.ts_display is None else operation.ts_display,
        on_step=None,
        total_steps=None,
        timeout_ms=None,
        deadline=None,
        archived=False,
        opened=None,
        details=msgspec.json.encode(operation.details()).decode(),
    )


def _expire(tx_id: str, operation: Expire, current: Notification | None, now: int, seq: int) -> Notification | None:
    """Checks the deadline again here, in the commit: an edit may have moved it meanwhile."""
    if current is None or current.deadline is None or now < current.deadline:
        return None
    return _edit(tx_id, Edit(status="error", athena_msg=TIMED_OUT), current, now, seq)


def _archive_one(
    notification_id: str, operation: ArchiveOne, current: Notification | None, now: int, seq: int
) -> Notification | None:
    if current is None or current.archived:
        return None
    return replace(current, archived=True, seq=seq)


def _clamp(on_step: int | None, total_steps: int | None) -> int | None:
    """Limits `on_step` to `total_steps`; producers that count one past the end mean the end."""
    return on_step if on_step is None or total_steps is None or on_step <= total_steps else total_steps


RULES: dict[type, Callable[[str, Any, Notification | None, int, int], Notification | None]] = {
    Open: _open,
    BulkOpen: _open,
    Edit: _edit,
    BulkEdit: _edit,
    Notice: _notice,
    Expire: _expire,
    ArchiveOne: _archive_one,
}
"""By the exact type of the operation: one lookup, whereas a `match` would test one class after another."""


def diagram() -> str:
    """The table as a Mermaid state diagram, for docs/lifecycle.md."""
    lines = ["stateDiagram-v2", "    [*] --> pending: open"]
    for status, following in TRANSITIONS.items():
        lines += [f"    {status} --> {then}" for then in following]
        lines += [] if following else [f"    {status} --> [*]"]
    return "\n".join(lines)
