"""What Athena expects of a store: the promise that every engine keeps and one contract suite checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from athena.clock import Anchor
from athena.domain.model import AnyCommand, Change, Notification, Position
from athena.errors import Conflict, IdempotencyKeyReused, NotFound

T = TypeVar("T")

RECEIPT_MS = 24 * 3600 * 1000
"""How long a request that carried a key is remembered."""

Outcome = Notification | Conflict | NotFound | None
"""What became of one command: the state that it led to, the error that refused it, or None for nothing to do."""


class SortKey(NamedTuple):
    """Where a row stands in the history: active ones first, then newest `ts_display` first, then by id."""

    finished: bool
    ts_display: int
    id: str


class Query(Struct, frozen=True, kw_only=True):
    """Which rows of the history, and which page of them. Absent filters (None) let everything pass."""

    component_id: str | None = None
    status: tuple[str, ...] | None = None
    type: tuple[str, ...] | None = None
    sub_type: str | None = None
    by: str | None = None
    search: str | None = None
    """Looked for in what people read (`Notification.text`), id, by and component_id. The case of ASCII letters does not
    matter; no character is special."""
    from_ts: int | None = None
    """ms, inclusive, on `ts_display`; so is `to_ts`."""
    to_ts: int | None = None
    archived: bool = False
    """Whether archived rows are shown too."""
    limit: int = 100
    skip: int = 0
    after: SortKey | None = None
    """Only rows behind this one: paging on without shifting when new rows arrive."""


class Page(NamedTuple):
    """One page, as it stood at `position`, with the totals of everything stored (all rows; transactions alone)."""

    rows: list[Notification]
    more: bool
    position: Position
    total: int
    total_transactions: int


class IdempotencyKey(NamedTuple):
    """What makes a request known when it is sent again. Both are hashes, 16 bytes.

    `id` tells who asks and by which key, `request` what is asked: one `id` is good for one `request`.
    """

    id: bytes
    request: bytes


class Receipt(NamedTuple):
    """What was asked under a key, and the body of the answer."""

    request: bytes
    answer: bytes


class KeyedRequest(NamedTuple, Generic[T]):
    """A request that is carried out once, however often it is sent, and told the same each time.

    `answer` makes the body of the answer from what became of it. It may raise the `Conflict` or `NotFound` that refused
    the request, provided that nothing was changed by it: then nothing is remembered either.
    """

    key: IdempotencyKey
    answer: Callable[[T], bytes]
    commands: Sequence[AnyCommand] = ()


class Answer(Struct, frozen=True, gc=False):
    """The body of an answer; `replayed` when it was given before, and nothing has been done now."""

    body: bytes
    replayed: bool


KeyedOutcome = Answer | Conflict | NotFound | IdempotencyKeyReused
"""What became of a request with a key."""


class Written(NamedTuple):
    """A commit: what became of each item, in order, and the visible changes in the order of their seq.

    `earlier_deadlines` are the last states of the rows whose time may be up before anybody would have looked at them:
    those that are new, and those whose deadlines were put earlier.
    """

    outcomes: list[Outcome | KeyedOutcome]
    changes: list[Notification]
    position: Position
    earlier_deadlines: list[Notification]


class Purged(NamedTuple):
    """How many rows are gone, and the position now; with a key, also what its sender is told."""

    removed: int
    position: Position
    outcome: Answer | IdempotencyKeyReused | None = None

    @property
    def done(self) -> bool:
        """Whether it was carried out now: not refused, and not the same again."""
        return self.outcome is None or (isinstance(self.outcome, Answer) and not self.outcome.replayed)


class Changed(NamedTuple):
    """Latest states in the order of change, and the position of the snapshot that they are from."""

    rows: list[Notification]
    position: Position
    retired: int
    """The highest seq of a row that `retire` has removed, 0 for none: whoever stands before it may miss an end."""


class Deadline(NamedTuple):
    """Until when an active transaction has time, and when to look whether it is up: by then, or before. Both ms."""

    id: str
    deadline: int
    look_at: int


class Store(Protocol):
    """Keeps the latest state of each notification and the order of changes.

    `write`, `purge`, `maintain`, `retire`, `postpone`, `set_clock` and `probe` are called by one caller, one at a time.
    Everything else may be called at any time, and sees commits whole or not at all. Whatever the disk, or the server
    that stores it, refuses is a `StoreUnavailable`.
    """

    async def position(self) -> Position:
        """The position of the newest change. `seq` is 0 in a history in which nothing has happened."""

    async def write(self, items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]], now: int) -> Written:
        """Decide and store `items` in one transaction, in order; durable when it returns.

        Each visible change takes the next seq: gapless, in commit order. A refused command changes nothing and hinders
        none of the others. On `StoreUnavailable` nothing of it is stored.

        What is to be done once is done unless its key has a receipt of the last `RECEIPT_MS`, also one from earlier in
        the same write; its own receipt is stored with it, or neither is.
        """

    async def purge(self, now: int, request: KeyedRequest[int] | None = None) -> Purged:
        """Remove all rows and start a new epoch, durably; the position is one seq on.

        Receipts stay, so that what is sent again does not come back. `request` is answered from the number of rows.
        """

    async def maintain(self, now: int) -> bool:
        """Do some work in the background, for a moment -> whether there is more to do.

        It keeps questions and commits fast, and forgets receipts that are too old. Called as `write` is, now and then.
        Changes nothing that anybody is told.
        """

    async def retire(self, before: int, limit: int) -> int:
        """Remove at most `limit` finished rows that are shown at, and came, before a moment (ms), oldest first, durably
        -> how many there were. Called as `write` is. Never one that is still going on; positions stay as they are.
        """

    async def postpone(self, before: int, limit: int) -> int:
        """Of the active transactions to be looked at by a moment (ms), let those that have time beyond their look be
        looked at when it is up; at most `limit`, durably -> how many. Called as `write` is. Nobody is told.
        """

    async def clock(self) -> tuple[Anchor, int]:
        """How the clock was set, and when the newest step of a transaction was stored (ms); 0 for never."""

    async def set_clock(self, anchor: Anchor, shift: int, now: int) -> None:
        """Store how the clock is set from here on, and move all deadlines by `shift` (ms), durably. Called as `write`.

        None is further off than its own timeout after `now` (ms), whatever it was written by. Receipts move too when
        `shift` is an hour or more. Nobody is told: no deadline is anything that clients see.
        """

    async def probe(self) -> None:
        """Write something that changes nothing, durably: it succeeds when a change would. Called as `write` is."""

    async def get(self, notification_id: str) -> tuple[Notification, list[Change]] | None:
        """A row and its visible changes, oldest first."""

    async def page(self, query: Query) -> Page:
        """A page of the history, from one snapshot."""

    async def changed_since(self, seq: int, limit: int) -> Changed:
        """The latest states of what changed after `seq`, each once, in the order of change; at most `limit`.

        Fewer than `limit` rows are all up to the position of the snapshot, but for what was retired.
        """

    async def deadlines(self, limit: int) -> list[Deadline]:
        """Of active transactions, those first that are to be looked at first."""

    async def due(self, now: int, limit: int) -> list[str]:
        """The ids of active transactions whose deadlines are not after `now` (ms); at most `limit`."""

    async def close(self) -> None:
        """Let go of the storage. Nothing may be called after."""
