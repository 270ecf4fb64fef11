"""What Athena does, without HTTP around it: commands go through the journal, questions to the store."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from athena.domain.lifecycle import Decision
from athena.domain.model import BulkEdit, BulkOpen, Change, Command, Edit, Hide, Notice, Notification, Open
from athena.errors import AthenaError, UnknownTransaction
from athena.journal import Journal
from athena.store.base import Outcome, Page, Query, Store


def new_id() -> str:
    """80 random bits: a billion ids, and still no two alike in a million years of waiting."""
    return secrets.token_hex(10)


class Service:
    """The operations of design §3. What it returns is durable, and was handed to the push."""

    def __init__(self, store: Store, journal: Journal, now: Callable[[], int]) -> None:
        self.store = store
        self.journal = journal
        self.now = now

    async def open(self, wish: Open) -> Notification:
        """Open a transaction, or return the one that was opened with the same content. Raises `TransactionExists`."""
        return (await self._one(Command(wish.tx_id or new_id(), wish))).state

    async def edit(self, tx_id: str, wish: Edit) -> None:
        """Report on a transaction. Raises a `Conflict` or `UnknownTransaction`; then nothing has changed."""
        await self._one(Command(tx_id, wish))

    async def bulk(self, lines: Sequence[BulkOpen | BulkEdit]) -> list[tuple[str, Decision | AthenaError]]:
        """Opens and edits in order, in one commit -> each one's id and what became of it."""
        commands = [Command(line.tx_id or new_id(), line) for line in lines]
        outcomes = await self.journal.submit(commands)
        return [(command.id, _decided(outcome)) for command, outcome in zip(commands, outcomes, strict=True)]

    async def post(self, wish: Notice) -> str:
        """Store and push a generic notice -> its id."""
        return (await self._one(Command(new_id(), wish))).state.id

    async def archive(self, ids: Sequence[str]) -> int:
        """Leave notifications out of the everyday history -> how many there were. Unknown ids are passed over."""
        outcomes = await self.journal.submit([Command(notification_id, Hide()) for notification_id in ids])
        return sum(isinstance(outcome, Decision) for outcome in outcomes)

    async def purge(self) -> int:
        """Remove everything -> how many rows that were."""
        return await self.journal.purge()

    async def transaction(self, tx_id: str) -> tuple[Notification, list[Change]]:
        """A transaction with all its changes. Raises `UnknownTransaction`."""
        found = await self.store.get(tx_id)
        if found is None or found[0].type != "webhook_tx":
            raise UnknownTransaction(tx_id)
        return found

    async def history(self, query: Query) -> Page:
        """A page of the history."""
        return await self.store.page(query)

    async def _one(self, command: Command) -> Decision:
        decided = _decided((await self.journal.submit([command]))[0])
        if isinstance(decided, AthenaError):
            raise decided
        return decided


def _decided(outcome: Outcome) -> Decision | AthenaError:
    assert outcome is not None, "only Athena's own commands may have nothing to do"
    return outcome
