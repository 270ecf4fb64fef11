"""What Athena expects of a store: the promise that every engine keeps and one contract suite checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from athena.domain.lifecycle import Decision
from athena.domain.model import Change, Command, Notification, Position
from athena.errors import Conflict, NotFound

Outcome = Decision | Conflict | NotFound | None
"""What became of one command: the decision, or the error that refused it, or None where there was nothing to do."""


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


class Written(NamedTuple):
    """A commit: one outcome a command, in order, and the visible changes in the order of their seq."""

    outcomes: list[Outcome]
    changes: list[Notification]
    position: Position


class Store(Protocol):
    """Keeps the latest state of each notification and the order of changes.

    `write`, `purge`, `tend` and `retire` are called by one caller, one at a time. All else may be called at any time,
    and sees commits whole or not at all. Whatever the disk or the server behind it refuses is a `StoreUnavailable`.
    """

    async def position(self) -> Position:
        """The position of the newest change. `seq` is 0 in a history in which nothing has happened."""

    async def write(self, commands: Sequence[Command], now: int) -> Written:
        """Decide and store `commands` in one transaction, in order; durable when it returns.

        Each visible change takes the next seq: gapless, in commit order. A refused command changes nothing and hinders
        none of the others. On `StoreUnavailable` nothing of it is stored.
        """

    async def purge(self) -> tuple[int, Position]:
        """Remove everything and start a new epoch, durably -> (rows removed, the new position, one seq on)."""

    async def tend(self, now: int) -> bool:
        """Do some of the work that keeps questions fast, in one short transaction -> whether there is more to do.

        Called as `write` is, now and then. Changes nothing that anybody is told.
        """

    async def retire(self, before: int, limit: int) -> int:
        """Remove at most `limit` finished rows that are shown at, and came, before a moment (ms), oldest first, durably
        -> how many there were. Called as `write` is. Never one that is still going on; positions stay as they are.
        """

    async def get(self, notification_id: str) -> tuple[Notification, list[Change]] | None:
        """A row and its visible changes, oldest first."""

    async def page(self, query: Query) -> Page:
        """A page of the history, from one snapshot."""

    async def changed_since(self, seq: int, limit: int) -> tuple[list[Notification], Position]:
        """The latest states of what changed after `seq`, each once, in the order of change; at most `limit`.

        Together with the position of the snapshot they are from: fewer than `limit` rows are all up to there.
        """

    async def deadlines(self, limit: int) -> list[tuple[str, int]]:
        """(id, deadline in ms) of active transactions, earliest first."""

    async def close(self) -> None:
        """Let go of the storage. Nothing may be called after."""
