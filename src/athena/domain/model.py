"""The data model: notifications, the commands that change them, and positions in the order of changes.

Everything here is plain data. Times are integers, UTC Unix milliseconds; durations are milliseconds.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Protocol

from msgspec import Meta, Struct, field

Status = Literal["pending", "undoing", "error", "success"]
Type = Literal["webhook_tx", "notification"]

ACTIVE: frozenset[str] = frozenset({"pending", "undoing"})
"""The statuses of an unfinished transaction. The others are final."""

DEFAULT_TIMEOUT_MS = 180_000
MAX_TIMEOUT_MS = 31 * 24 * 3600 * 1000
ID_PATTERN = r"^[A-Za-z0-9._-]{1,128}\Z"
SUB_TYPE_PATTERN = r"^[a-z0-9_-]{1,32}\Z"

_ID = "Letters, digits, `.`, `_` and `-`; 1 to 128 of them."
Id = Annotated[str, Meta(pattern=ID_PATTERN, description=_ID)]
LineId = Annotated[str, Meta(extra_json_schema={"pattern": ID_PATTERN}, description=_ID)]
"""An `Id` that is checked after decoding, together with those of all other lines (http/bulk.py): checking each one
separately would be most of the cost of decoding a line."""
SubType = Annotated[str, Meta(pattern=SUB_TYPE_PATTERN, description='`"template"` or another short name of yours.')]
Description = Annotated[str, Meta(min_length=1, max_length=256, description="What is being done, in a few words.")]
Message = Annotated[str, Meta(max_length=1024, description="What just happened, for people to read.")]
By = Annotated[str, Meta(max_length=256, description="Who started it. E-mail addresses are masked before storing.")]
Short = Annotated[str, Meta(max_length=256)]
OnStep = Annotated[int, Meta(ge=0, le=1_000_000_000, description="The step it is on; at most `total_steps`.")]
TotalSteps = Annotated[int, Meta(ge=1, le=1_000_000_000, description="How many steps there are.")]
TimeoutMs = Annotated[
    int,
    Meta(ge=1, le=MAX_TIMEOUT_MS, description="Without an edit for this long (ms), the transaction becomes an error."),
]
MAX_TIMESTAMP = 253_402_300_799_999
"""The end of the year 9999."""

Timestamp = Annotated[int, Meta(ge=0, le=MAX_TIMESTAMP, description="UTC Unix milliseconds.")]


# ---- commands --------------------------------------------------------------------------------------------------------
class Open(Struct, gc=False, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Open a transaction. Repeating the open with the same id and content returns the same transaction."""

    id: Id | None = field(default=None, name="tx_id")
    description: Description
    by: By | None = None
    sub_type: SubType | None = None
    on_step: OnStep | None = None
    total_steps: TotalSteps | None = None
    athena_msg: Message | None = None
    timeout_ms: TimeoutMs = DEFAULT_TIMEOUT_MS
    component_id: Short | None = None


class Edit(Struct, gc=False, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Report the progress of a transaction. Absent members keep their values."""

    status: Status
    athena_msg: Message | None = None
    on_step: OnStep | None = None
    total_steps: TotalSteps | None = None
    description: Description | None = None
    timeout_ms: TimeoutMs | None = None


class BulkOpen(Open, gc=False, tag_field="op", tag="open", frozen=True, kw_only=True):
    """One line of a bulk request: `open`, with the members of `Open`."""

    id: LineId | None = field(default=None, name="tx_id")


class BulkEdit(Edit, gc=False, tag_field="op", tag="edit", frozen=True, kw_only=True):
    """One line of a bulk request: `edit`, with the members of `Edit` and the id."""

    id: LineId = field(name="tx_id")


class Details(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """What a notice may contain in addition to its message."""

    component_type: Short | None = None
    component_display_name: Short | None = None
    api: Short | None = None
    code: Annotated[int, Meta(ge=0, le=99_999)] | None = None
    elapsed_ms: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    action_verb: Short | None = None


class Notice(Details, frozen=True, kw_only=True):
    """A generic notice: something that has happened, without steps."""

    status: Literal["error", "success"]
    message: Annotated[str, Meta(min_length=1, max_length=1024)]
    ts_display: Timestamp | None = None
    by: By | None = None
    component_id: Short | None = None

    def details(self) -> Details:
        """The members that are stored and returned unchanged."""
        return Details(**{name: getattr(self, name) for name in Details.__struct_fields__})


class Archive(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Archive these notifications: they leave the default history."""

    notification_ids: Annotated[list[Id], Meta(max_length=10_000)]


class Expire(Struct, frozen=True):
    """Internal: end the transaction if its deadline has passed."""


class ArchiveOne(Struct, frozen=True):
    """Internal: archive one notification."""


class Command(Struct, gc=False, frozen=True):
    """An operation on one notification, and the notification's id."""

    id: str
    operation: Open | Edit | Notice | Expire | ArchiveOne


class AnyCommand(Protocol):
    """A `Command`, or a bulk line with an id, which holds both operation and id and so needs no `Command`."""

    @property
    def id(self) -> str: ...


# ---- what is stored --------------------------------------------------------------------------------------------------
class Notification(Struct, gc=False, frozen=True, array_like=True):
    """The latest state of one row of the history. The order of the members is the order of the store's columns.

    `message` is only the last message, without the description. `deadline` is set while the transaction is active.
    `opened` identifies the content a transaction was opened with, to tell a repeated open from a clash.
    `seq` is the position of its last change that clients see. `details` is JSON text.
    """

    id: str
    seq: int
    type: Type
    sub_type: str | None
    status: Status
    description: str
    message: str | None
    by: str
    component_id: str | None
    ts_started: int | None
    ts_completed: int | None
    ts_display: int
    on_step: int | None
    total_steps: int | None
    timeout_ms: int | None
    deadline: int | None
    archived: bool
    opened: str | None
    details: str | None

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def text(self) -> str:
        """`<description>: <last message>`, or the description alone while there is no message."""
        if self.type == "notification":
            return self.message or ""
        return f"{self.description}: {self.message}" if self.message else self.description


class Change(Struct, gc=False, frozen=True, array_like=True, omit_defaults=True):
    """One visible change of a transaction, as its list of steps shows it."""

    ts: int
    status: Status
    message: str | None = None
    on_step: int | None = None
    total_steps: int | None = None


# ---- positions -------------------------------------------------------------------------------------------------------
class Position(NamedTuple):
    """A place in the order of changes: after change `seq` of history `epoch`.

    `seq` counts visible changes from 1, gapless, in commit order. The epoch names the history the count belongs to; a
    purge or a restore starts a new one. So `("k3x9", 42)` means: everything up to change 42 of history k3x9 is known.
    """

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"


def parse_cursor(text: str) -> Position | None:
    """The position that a client has sent, or None if it is not a valid cursor. Cursors are opaque to clients."""
    epoch, dot, digits = text.partition(".")
    if not (dot and epoch and digits.isascii() and digits.isdigit() and len(digits) <= 18):
        return None
    return Position(epoch, int(digits))
