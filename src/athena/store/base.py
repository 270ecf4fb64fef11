"""The interface of a store: what every engine guarantees, and one contract suite checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from athena.clock import Anchor
from athena.domain.model import AnyCommand, Change, Notification, Position
from athena.errors import Conflict, IdempotencyKeyReused, NotFound

T = TypeVar("T")

RECEIPT_MS = 24 * 3600 * 1000
"""How long a request with a key is remembered."""

Outcome = Notification | Conflict | NotFound | None
"""The result of one command: the state that it led to, the error that refused it, or None for nothing to do."""


class SortKey(NamedTuple):
    """The place of a row in the history: active rows first, then newest `ts_display` first, then by id."""

    finished: bool
    ts_display: int
    id: str


class Query(Struct, frozen=True, kw_only=True):
    """Which rows of the history, and which page of them. Absent filters (None) match everything."""

    component_id: str | None = None
    status: tuple[str, ...] | None = None
    type: tuple[str, ...] | None = None
    sub_type: str | None = None
    by: str | None = None
    search: str | None = None
    """Text to find in what people read (`Notification.text`), id, by and component_id. The case of ASCII letters does
    not matter; no character is special."""
    from_ts: int | None = None
    """ms, inclusive, on `ts_display`; so is `to_ts`."""
    to_ts: int | None = None
    archived: bool = False
    """Whether archived rows are shown too."""
    limit: int = 100
    skip: int = 0
    after: SortKey | None = None
    """Only rows after this one: pages that do not shift when new rows arrive."""


class Page(NamedTuple):
    """One page, as of `position`, with the totals of everything stored (all rows; transactions only)."""

    rows: list[Notification]
    more: bool
    position: Position
    total: int
    total_transactions: int


class IdempotencyKey(NamedTuple):
    """Identifies a request that is sent again. Both members are hashes of 16 bytes.

    `id` stands for the caller and its key, `request` for the content: one `id` is valid for one `request`.
    """

    id: bytes
    request: bytes


class Receipt(NamedTuple):
    """The request that was sent with a key, and the body of the response."""

    request: bytes
    answer: bytes


class KeyedRequest(NamedTuple, Generic[T]):
    """A request that is carried out once, however often it is sent, and gets the same response each time.

    `answer` makes the body of the response from the result. It may raise the `Conflict` or `NotFound` that refused the
    request, provided that the request changed nothing: then nothing is remembered either.
    """

    key: IdempotencyKey
    answer: Callable[[T], bytes]
    commands: Sequence[AnyCommand] = ()


class Answer(Struct, frozen=True, gc=False):
    """The body of a response; `replayed` if it was given before, and nothing has been done now."""

    body: bytes
    replayed: bool


KeyedOutcome = Answer | Conflict | NotFound | IdempotencyKeyReused
"""The result of a request with a key."""


class Written(NamedTuple):
    """A commit: the result of each item, in order, and the visible changes in the order of their seq.

    `earlier_deadlines` are the last states of the rows whose time may be up before their next check: those that are
    new, and those whose deadlines were moved earlier.
    """

    outcomes: list[Outcome | KeyedOutcome]
    changes: list[Notification]
    position: Position
    earlier_deadlines: list[Notification]


class Purged(NamedTuple):
    """How many rows were removed, and the position now; with a key, also the outcome for its sender."""

    removed: int
    position: Position
    outcome: Answer | IdempotencyKeyReused | None = None

    @property
    def done(self) -> bool:
        """Whether it was carried out now: neither refused nor replayed."""
        return self.outcome is None or (isinstance(self.outcome, Answer) and not self.outcome.replayed)


class Changed(NamedTuple):
    """Latest states in the order of change, and the position of the snapshot they were read from."""

    rows: list[Notification]
    position: Position
    retired: int
    """The highest seq of a row that `retire` has removed, 0 for none: a client before it may miss an end."""


class Deadline(NamedTuple):
    """The deadline of an active transaction, and when to check whether it has passed: then, or before. Both ms."""

    id: str
    deadline: int
    look_at: int


class Store(Protocol):
    """Keeps the latest state of each notification and the order of changes.

    `write`, `purge`, `maintain`, `retire`, `postpone`, `set_clock` and `probe` are called by one caller, one at a time.
    Everything else may be called at any time, and sees commits whole or not at all. An error of the disk, or of a
    database server, is raised as `StoreUnavailable`.
    """

    async def position(self) -> Position:
        """The position of the newest change. `seq` is 0 in a new history."""

    async def write(self, items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]], now: int) -> Written:
        """Decide and store `items` in one transaction, in order; durable when it returns.

        Each visible change takes the next seq: gapless, in commit order. A refused command changes nothing and does not
        affect the others. On `StoreUnavailable` nothing is stored.

        A request with a key is carried out unless that key has a receipt from the last `RECEIPT_MS`, or from earlier in
        the same write; its own receipt is stored together with its changes, or neither is.
        """

    async def purge(self, now: int, request: KeyedRequest[int] | None = None) -> Purged:
        """Remove all rows and start a new epoch, durably; the position advances by one seq.

        Receipts stay, so that repeated requests do not bring rows back. `request` is answered from the number of rows.
        """

    async def maintain(self, now: int) -> bool:
        """Do background work for a moment -> whether there is more to do.

        It keeps queries and commits fast, and deletes expired receipts. Called as `write` is, now and then. Changes
        nothing that clients see.
        """

    async def retire(self, before: int, limit: int) -> int:
        """Remove at most `limit` finished rows whose display time and arrival are both before a moment (ms), oldest
        first, durably -> how many. Called as `write` is. Never removes an active row; positions stay as they are.
        """

    async def postpone(self, before: int, limit: int) -> int:
        """Of the active transactions to be checked by a moment (ms), postpone the check of at most `limit` that have
        time beyond it until their deadlines, durably -> how many. Called as `write` is. Clients are not notified.
        """

    async def clock(self) -> tuple[Anchor, int]:
        """How the clock is set, and when the newest step of a transaction was stored (ms; 0 for never)."""

    async def set_clock(self, anchor: Anchor, shift: int, now: int) -> None:
        """Store how the clock is set from now on, and move all deadlines by `shift` (ms), durably. Called as `write`.

        Afterwards no deadline is further from `now` (ms) than its own timeout, whatever wrote it. Receipts move too if
        `shift` is an hour or more. Clients are not notified: they do not see deadlines.
        """

    async def probe(self) -> None:
        """Write something that changes nothing, durably: it succeeds if a change would. Called as `write` is."""

    async def get(self, notification_id: str) -> tuple[Notification, list[Change]] | None:
        """A row and its visible changes, oldest first."""

    async def page(self, query: Query) -> Page:
        """A page of the history, from one snapshot."""

    async def changed_since(self, seq: int, limit: int) -> Changed:
        """The latest states of rows that changed after `seq`, each once, in the order of change; at most `limit`.

        Fewer than `limit` rows are all of them up to the position of the snapshot, except for retired ones.
        """

    async def deadlines(self, limit: int) -> list[Deadline]:
        """At most `limit` active transactions, in the order in which they are to be checked."""

    async def due(self, now: int, limit: int) -> list[str]:
        """The ids of active transactions whose deadlines are not after `now` (ms); at most `limit`."""

    async def close(self) -> None:
        """Release the storage. Nothing may be called afterwards."""
