"""What clients receive, byte for byte (docs/live.md), made from stored states by pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from athena.domain.model import Change, Details, Notification, Position, Status, Type


# ---- live messages ---------------------------------------------------------------------------------------------------
class TransactionMessage(Struct, gc=False, kw_only=True, tag_field="type", tag="webhook_tx"):
    """A transaction was opened or edited. The complete state: it replaces whatever was known of this id."""

    sub_type: str | None
    id: str
    status: Status
    message: str
    ts_display: int
    ts_started: int
    ts_completed: int | UnsetType = UNSET
    on_step: int | UnsetType = UNSET
    total_steps: int | UnsetType = UNSET
    by: str
    cursor: str


class NoticeMessage(Struct, gc=False, kw_only=True, tag_field="type", tag="notification"):
    """A generic notice has arrived."""

    id: str
    status: Status
    message: str
    ts_display: int
    by: str
    cursor: str


class ArchivedMessage(Struct, kw_only=True, tag_field="type", tag="archived"):
    """These notifications were archived: they have left the default history."""

    ids: Sequence[str]
    cursor: str


class ResetMessage(Struct, kw_only=True, tag_field="type", tag="reset"):
    """The client's position is unknown here: it fetches the history again, and continues from this cursor."""

    cursor: str


class ReadyMessage(Struct, kw_only=True, tag_field="type", tag="ready"):
    """The replay is complete; live messages follow."""

    cursor: str


LiveMessage = TransactionMessage | NoticeMessage | ArchivedMessage | ResetMessage | ReadyMessage


class Encoded(NamedTuple):
    """A live message as clients receive it, and the seq up to which it covers all changes."""

    seq: int
    data: bytes


T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


def encode_state(state: Notification, epoch: str) -> Encoded:
    """The live message for a change that led to `state`; its cursor is the change's position."""
    cursor = f"{epoch}.{state.seq}"
    message: LiveMessage
    if state.type == "notification":
        message = NoticeMessage(
            id=state.id,
            status=state.status,
            message=state.text,
            ts_display=state.ts_display,
            by=state.by,
            cursor=cursor,
        )
    else:
        message = TransactionMessage(
            sub_type=state.sub_type,
            id=state.id,
            status=state.status,
            message=state.text,
            ts_display=state.ts_display,
            ts_started=state.ts_started or 0,
            ts_completed=UNSET if state.ts_completed is None else state.ts_completed,  # as _known, without the call
            on_step=UNSET if state.on_step is None else state.on_step,
            total_steps=UNSET if state.total_steps is None else state.total_steps,
            by=state.by,
            cursor=cursor,
        )
    return Encoded(state.seq, _encode(message))


def encode_reset(position: Position) -> Encoded:
    return Encoded(position.seq, _encode(ResetMessage(cursor=str(position))))


def encode_ready(position: Position) -> Encoded:
    return Encoded(position.seq, _encode(ReadyMessage(cursor=str(position))))


ARCHIVED_IDS_A_MESSAGE = 256
"""Most ids in one `archived` message (32 KiB of the longest ids)."""


Published = Notification | Encoded
"""A change as it is passed to readers: the state that it led to, or its encoding once a reader has needed that."""


def weights(messages: Iterable[Published]) -> list[int]:
    """The approximate memory of each in bytes: the length of an encoded message, or 256 more than a state's texts."""
    return [_weight(message) if isinstance(message, Notification) else len(message.data) for message in messages]


def _weight(state: Notification) -> int:
    """Python keeps a non-ASCII character in up to four bytes, and caches its UTF-8 form, up to four more, once the text
    has been stored or encoded."""
    texts = f"{state.description}{state.message}{state.by}{state.component_id}{state.details}"
    return 256 + (len(texts) if texts.isascii() else 8 * len(texts))


def encode_messages(messages: Iterable[Published], epoch: str) -> list[Encoded]:
    """Live messages for changes in the order of their `seq`. Consecutive archived rows share one message."""
    entries: list[Encoded] = []
    archived: list[str] = []
    last = 0

    def close() -> None:
        if archived:
            entries.append(Encoded(last, _encode(ArchivedMessage(ids=archived, cursor=f"{epoch}.{last}"))))
            archived.clear()

    for message in messages:
        gone = isinstance(message, Notification) and message.archived
        if archived and (not gone or len(archived) == ARCHIVED_IDS_A_MESSAGE):
            close()
        if not isinstance(message, Notification):
            entries.append(message)
        elif gone:
            archived.append(message.id)
        else:
            entries.append(encode_state(message, epoch))
        last = message.seq
    close()
    return entries


# ---- HTTP responses --------------------------------------------------------------------------------------------------
class Row(Struct, kw_only=True):
    """One row of the history."""

    id: str
    type: Type
    sub_type: str | UnsetType | None = UNSET
    status: Status
    message: str
    description: str | UnsetType = UNSET
    ts_display: int
    ts_started: int | UnsetType = UNSET
    ts_completed: int | UnsetType = UNSET
    by: str
    on_step: int | UnsetType = UNSET
    total_steps: int | UnsetType = UNSET
    timeout_ms: int | UnsetType = UNSET
    component_id: str | UnsetType = UNSET
    component_type: str | UnsetType = UNSET
    component_display_name: str | UnsetType = UNSET
    api: str | UnsetType = UNSET
    code: int | UnsetType = UNSET
    elapsed_ms: int | UnsetType = UNSET
    action_verb: str | UnsetType = UNSET
    archived: Literal[True] | UnsetType = UNSET


class ChangeRow(Struct, kw_only=True):
    """One visible change of a transaction."""

    ts: int
    status: Status
    message: str | UnsetType = UNSET
    on_step: int | UnsetType = UNSET
    total_steps: int | UnsetType = UNSET


class Transaction(Struct, kw_only=True, tag_field="type", tag="webhook_tx"):
    """A transaction with all its messages and changes, oldest first."""

    tx_id: str
    sub_type: str | None
    status: Status
    description: str
    message: str
    by: str
    ts_display: int
    ts_started: int
    ts_completed: int | UnsetType = UNSET
    on_step: int | UnsetType = UNSET
    total_steps: int | UnsetType = UNSET
    timeout_ms: int
    component_id: str | UnsetType = UNSET
    archived: Literal[True] | UnsetType = UNSET
    athena_messages: list[str] | UnsetType = UNSET
    changes: list[ChangeRow] | UnsetType = UNSET


def row(state: Notification) -> Row:
    """`state` as the history shows it."""
    details = msgspec.json.decode(state.details, type=Details) if state.details else Details()
    is_transaction = state.type == "webhook_tx"
    return Row(
        id=state.id,
        type=state.type,
        sub_type=state.sub_type if is_transaction else UNSET,
        status=state.status,
        message=state.text,
        description=state.description if is_transaction else UNSET,
        ts_display=state.ts_display,
        ts_started=_known(state.ts_started),
        ts_completed=_known(state.ts_completed) if is_transaction else UNSET,
        by=state.by,
        on_step=_known(state.on_step),
        total_steps=_known(state.total_steps),
        timeout_ms=_known(state.timeout_ms),
        component_id=_known(state.component_id),
        archived=True if state.archived else UNSET,
        **{name: _known(getattr(details, name)) for name in Details.__struct_fields__},
    )


def transaction(state: Notification, changes: Sequence[Change] | None = None) -> Transaction:
    """`state` as producers and `GET /webhooks` see it; with `changes`, also its messages and changes."""
    return Transaction(
        tx_id=state.id,
        sub_type=state.sub_type,
        status=state.status,
        description=state.description,
        message=state.text,
        by=state.by,
        ts_display=state.ts_display,
        ts_started=state.ts_started or 0,
        ts_completed=_known(state.ts_completed),
        on_step=_known(state.on_step),
        total_steps=_known(state.total_steps),
        timeout_ms=state.timeout_ms or 0,
        component_id=_known(state.component_id),
        archived=True if state.archived else UNSET,
        athena_messages=UNSET if changes is None else _messages(changes),
        changes=UNSET if changes is None else [_change_row(change) for change in changes],
    )


def _messages(changes: Sequence[Change]) -> list[str]:
    """Every message once, in order: a change that kept the message does not repeat it."""
    kept: list[str] = []
    for change in changes:
        if change.message is not None and (not kept or kept[-1] != change.message):
            kept.append(change.message)
    return kept


def _change_row(change: Change) -> ChangeRow:
    return ChangeRow(
        ts=change.ts,
        status=change.status,
        message=_known(change.message),
        on_step=_known(change.on_step),
        total_steps=_known(change.total_steps),
    )


def _known(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
