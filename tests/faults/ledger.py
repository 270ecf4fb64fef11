"""What producers sent and the responses they got, compared with the history that is served afterwards.

Nothing here knows how Athena works: a producer has its own transactions, sends one report at a time, and all its
messages differ. So a transaction must show its messages in the order they were sent: all that were acknowledged, none
that was refused, and any of those without a response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Self

from tests.e2e.calls import TXS
from tests.e2e.expect import seq_of
from tests.faults.promise import hold
from tests.faults.wire import LOST, Connection, all_rows
from tests.support.server import PATIENCE

REFUSED = -1


@dataclass(slots=True)
class Headers:
    """One report. `outcome` is the moment of its 2xx response, `REFUSED` after a 503, None while there is none."""

    message: str
    outcome: int | None = None


class Served(NamedTuple):
    """What Athena serves over HTTP: its position, its total, and each transaction's messages."""

    seq: int
    total: int
    messages: dict[str, list[str]]


@dataclass
class Ledger:
    """`now` gives the moment of a response, in any growing unit; 0 when it does not matter."""

    now: Callable[[], int] = lambda: 0
    said: dict[str, list[Headers]] = field(default_factory=dict)

    def check(self, served: Served, upto: int | None = None) -> None:
        """Everything acknowledged (up to the moment `upto`) is served, once and in order; positions have no gap."""
        invented = served.messages.keys() - self.said.keys()
        hold(not invented, f"never sent, and there: {sorted(invented)[:5]}")
        for tx_id, said in self.said.items():
            _check_one(tx_id, said, served.messages.get(tx_id, []), upto)
        changes = sum(map(len, served.messages.values()))
        hold(served.seq == changes, f"the position is {served.seq}, but there are {changes} changes")
        hold(served.total == len(served.messages), f"the total is {served.total}, the rows are {len(served.messages)}")

    @property
    def refused(self) -> int:
        return sum(one.outcome == REFUSED for said in self.said.values() for one in said)


def _check_one(tx_id: str, said: list[Headers], served: list[str], upto: int | None) -> None:
    place = 0
    for one in said:
        if place < len(served) and served[place] == one.message:
            hold(one.outcome != REFUSED, f"{tx_id}: {one.message!r} was refused, and is there")
            place += 1
        elif one.outcome is not None and one.outcome != REFUSED and (upto is None or one.outcome <= upto):
            hold(False, f"{tx_id}: {one.message!r} was acknowledged, and is not there: {served}")
    hold(place == len(served), f"{tx_id}: twice, out of order or never sent: {served[place:]} of {served}")


async def read_back(port: int, ask_at_once: int = 8) -> Served:
    """The history by pages, and each transaction by itself; both must agree."""
    async with Connection(port) as connection:
        cursor, total, rows = await all_rows(connection, "&archived=true")
    messages: dict[str, list[str]] = {}
    left = list(rows)

    async def read() -> None:
        async with Connection(port) as connection:
            while left:
                row = left.pop()
                status, transaction = await connection.ask("GET", f"{TXS}/{row['id']}")
                hold(status == 200, f"{row['id']} is in the history, and asking for it gives {status}")
                messages[row["id"]] = transaction.get("athena_messages", [])
                shown = f"{transaction['description']}: {messages[row['id']][-1]}"
                hold(row["message"] == shown, f"the history shows {row['message']!r}, the transaction {shown!r}")

    await asyncio.gather(*(read() for _ in range(ask_at_once)))
    hold(len(messages) == len(rows), "an id is twice in the history")
    return Served(seq_of(cursor), total, messages)


class Load:
    """`producers` running, until `stop`, or until the server is gone. Use as an async context manager.

    Each pauses for `rest` seconds after a report: with thousands of clients, each report costs thousands of messages.
    """

    def __init__(
        self, port: int, ledger: Ledger, dice: Random, producers: int, name: str = "p", rest: float = 0.0
    ) -> None:
        self.purging = False
        """Whether transactions that were opened earlier may be gone."""
        self.acknowledged = 0
        self.refused = 0
        self._port, self._ledger, self._rest = port, ledger, rest
        self._seeds = [(f"{name}{number}", Random(dice.getrandbits(32))) for number in range(producers)]
        self._stopped, self._midway = False, True
        self._answered = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def answered(self, more: int, refused: int = 0) -> None:
        """Wait until `more` more reports were acknowledged and `refused` more were refused."""
        goal = self.acknowledged + more, self.refused + refused
        async with asyncio.timeout(2 * PATIENCE), self._answered:
            await self._answered.wait_for(lambda: self.acknowledged >= goal[0] and self.refused >= goal[1])

    async def stop(self, midway: bool = True) -> None:
        """Let each producer get its last response. Raises the exception of a failed producer.

        `midway` leaves transactions active without further reports; otherwise each is brought to its end.
        """
        self._stopped, self._midway = True, midway
        await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._produce(name, dice)) for name, dice in self._seeds]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _produce(self, name: str, dice: Random) -> None:
        number = 0
        async with Connection(self._port) as connection:
            while not self._stopped:
                try:
                    await self._transaction(connection, f"{name}-{number}", dice)
                except LOST:
                    return
                number += 1

    async def _transaction(self, connection: Connection, tx_id: str, dice: Random) -> None:
        opening = {"tx_id": tx_id, "description": f"job {tx_id}", "athena_msg": "opened", "timeout_ms": 600_000}
        if not await self._report(connection, tx_id, "POST", TXS, opening):
            return
        steps = dice.randint(1, 6)
        for step in range(1, steps + 1):
            edit = {
                "status": "success" if step == steps else "pending",
                "athena_msg": f"{step}{'.' * dice.choice((0, 200))}",
            }
            if self._stopped and self._midway:
                return
            await self._report(connection, tx_id, "PUT", f"{TXS}/{tx_id}", edit)

    async def _report(
        self, connection: Connection, tx_id: str, method: str, path: str, body: Mapping[str, object]
    ) -> bool:
        """Send one -> whether it was acknowledged. Any status other than 2xx or 503 is an error in this suite."""
        said = Headers(str(body["athena_msg"]))
        self._ledger.said.setdefault(tx_id, []).append(said)
        status, answer = await connection.ask(method, path, body)
        good = status in (200, 201)
        assert good or status == 503 or (self.purging and status == 404), (status, answer, body)
        said.outcome = self._ledger.now() if good else REFUSED
        async with self._answered:
            self.refused += not good
            self.acknowledged += good
            self._answered.notify_all()
        if self._rest:
            await asyncio.sleep(self._rest)
        return good
