"""What Athena does, independent of HTTP: commands go through the journal, queries to the store."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from msgspec.structs import replace

from athena.domain.model import (
    AnyCommand,
    ArchiveOne,
    BulkEdit,
    BulkOpen,
    Change,
    Command,
    Edit,
    Notice,
    Notification,
    Open,
)
from athena.errors import AthenaError, UnknownTransaction
from athena.journal import Journal
from athena.store.base import Answer, IdempotencyKey, KeyedRequest, Outcome, Page, Query, Store

T = TypeVar("T")
Encode = Callable[[T], bytes]
"""Makes a response body from a result."""


def new_id() -> str:
    """80 random bits: the chance that two of a billion ids are equal is less than one in a million."""
    return secrets.token_hex(10)


class Service:
    """The operations of the HTTP API (docs/api.md). What they return is durable, and has been handed to the push.

    Operations that change something encode their own result: with a `key`, the response is stored together with the
    change, and repeating the request only returns it again. A different request with the same key raises
    `IdempotencyKeyReused`.
    """

    def __init__(self, store: Store, journal: Journal) -> None:
        self.store = store
        self.journal = journal

    async def open(self, operation: Open, encode: Encode[Notification], key: IdempotencyKey | None = None) -> Answer:
        """Open a transaction, or return the one that was opened with the same content. Raises `TransactionExists`."""
        command = Command(operation.id or new_id(), operation)
        return await self._change([command], lambda outcomes: encode(granted(outcomes[0])), key)

    async def edit(self, tx_id: str, operation: Edit, encode: Encode[str], key: IdempotencyKey | None = None) -> Answer:
        """Report on a transaction -> its id. Raises a `Conflict` or `UnknownTransaction`; then nothing has changed."""
        return await self._change([Command(tx_id, operation)], lambda outcomes: encode(granted(outcomes[0]).id), key)

    def submit_edit(self, tx_id: str, operation: Edit) -> asyncio.Future[list[Outcome]]:
        """The same as `edit`, for callers without a task; pass the one outcome to `granted`."""
        return self.journal.submit([Command(tx_id, operation)])

    async def bulk(
        self,
        lines: Sequence[BulkOpen | BulkEdit],
        encode: Callable[[Sequence[str], Sequence[Notification | AthenaError]], bytes],
        key: IdempotencyKey | None = None,
    ) -> Answer:
        """Opens and edits, in order, in one commit -> the id and outcome of each."""
        some = [line if line.id is not None else replace(line, id=new_id()) for line in lines]
        commands = cast(list[AnyCommand], some)

        def answer(outcomes: Sequence[Outcome]) -> bytes:
            decided = cast(Sequence[Notification | AthenaError], outcomes)  # as in _decided
            return encode([command.id for command in commands], decided)

        return await self._change(commands, answer, key)

    async def post(self, operation: Notice, encode: Encode[str], key: IdempotencyKey | None = None) -> Answer:
        """Store and push a generic notice -> its id."""
        command = Command(new_id(), operation)
        return await self._change([command], lambda outcomes: encode(granted(outcomes[0]).id), key)

    async def archive(self, ids: Sequence[str], encode: Encode[int], key: IdempotencyKey | None = None) -> Answer:
        """Archive notifications -> how many were archived. Unknown ids are skipped."""
        commands = [Command(notification_id, ArchiveOne()) for notification_id in ids]

        def answer(outcomes: Sequence[Outcome]) -> bytes:
            return encode(sum(isinstance(outcome, Notification) for outcome in outcomes))

        return await self._change(commands, answer, key)

    async def purge(self, encode: Encode[int], key: IdempotencyKey | None = None) -> Answer:
        """Remove everything -> the number of rows removed."""
        purged = await self.journal.purge(None if key is None else KeyedRequest(key, encode))
        if isinstance(purged.outcome, AthenaError):
            raise purged.outcome
        return purged.outcome or Answer(encode(purged.removed), replayed=False)

    async def transaction(self, tx_id: str) -> tuple[Notification, list[Change]]:
        """A transaction with all its changes. Raises `UnknownTransaction`."""
        found = await self.store.get(tx_id)
        if found is None or found[0].type != "webhook_tx":
            raise UnknownTransaction(tx_id)
        return found

    async def history(self, query: Query) -> Page:
        """A page of the history."""
        return await self.store.page(query)

    async def _change(
        self, commands: Sequence[AnyCommand], answer: Callable[[list[Outcome]], bytes], key: IdempotencyKey | None
    ) -> Answer:
        if key is None:
            return Answer(answer(await self.journal.submit(commands)), replayed=False)
        outcome = await self.journal.submit_keyed(KeyedRequest(key, answer, commands))
        if isinstance(outcome, AthenaError):
            raise outcome
        return outcome


def granted(outcome: Outcome) -> Notification:
    """The state; raises the error that refused the command."""
    decided = _decided(outcome)
    if isinstance(decided, AthenaError):
        raise decided
    return decided


def _decided(outcome: Outcome) -> Notification | AthenaError:
    assert outcome is not None, "only Athena's own commands may have nothing to do"
    return outcome
