"""Clients that are cut off at any moment and reconnect with their cursor: no gap, no duplicate, in order."""

from __future__ import annotations

import asyncio
from random import Random

from tests.e2e.calls import ARCHIVE, PURGE, now_ms
from tests.e2e.expect import check_fold
from tests.e2e.subscribers import Message
from tests.faults.follower import TRANSPORTS, Follower, Shown
from tests.faults.ledger import Ledger, Load
from tests.faults.promise import Round, promised
from tests.faults.server import keep_for, server
from tests.faults.wire import LOST, Connection, all_rows

PHASES = ("handshake", "replay", "live", "slow")
PRODUCERS = 3
TAIL = "20000"
"""Bytes of the tail: most replays must come from the store."""

KEPT = 2.0
"""Seconds that finished rows are kept: much of what clients missed is deleted when they reconnect."""


def disconnect(this: Round) -> None:
    """`times` disconnects, shared by two clients of each transport."""
    asyncio.run(_disconnect(this))


async def _disconnect(this: Round) -> None:
    dice, ledger = this.dice, Ledger()
    with server(this.directory / "data", "--tail-bytes", TAIL, *keep_for(KEPT), faults=this.broken) as athena:
        async with Load(athena.port, ledger, dice, PRODUCERS) as load:
            load.purging = True
            clients = [Client(transport, athena.port, load, dice) for transport in 2 * TRANSPORTS]
            tidying = asyncio.create_task(_tidy(athena.port, ledger, load, Random(dice.getrandbits(32))))
            share = -(-this.times // len(clients))
            await asyncio.gather(*(client.come_and_go(share) for client in clients))
            tidying.cancel()
            await asyncio.gather(tidying, return_exceptions=True)
            await load.stop()
        async with Connection(athena.port) as connection:
            cursor, _, _ = await all_rows(connection)
        for client in clients:
            await client.catch_up(cursor)
        async with Connection(athena.port) as connection:
            _, _, rows = await all_rows(connection)
        for client in clients:
            with promised():
                _check(client.shown.states, rows)


def _check(states: dict[str, Message], rows: list[Message]) -> None:
    """A client's state equals the history, except for rows that may be deleted by now: clients are not notified of
    that."""
    before, there = now_ms() - int(KEPT * 1000), {row["id"] for row in rows}

    def stays(row: Message) -> bool:
        return bool(row.get("ts_completed", before) >= before)

    check_fold(
        {tx_id: state for tx_id, state in states.items() if tx_id in there or stays(state)},
        [row for row in rows if row["id"] in states or stays(row)],
    )


async def _tidy(port: int, ledger: Ledger, load: Load, dice: Random) -> None:
    """Archive some rows, and now and then purge all."""
    async with Connection(port) as connection:
        while True:
            await load.answered(dice.randint(20, 200))
            if dice.random() < 0.05:
                assert (await connection.ask("DELETE", PURGE))[0] == 200
                continue
            ids = dice.sample(sorted(ledger.said), min(len(ledger.said), dice.randint(1, 5)))
            assert (await connection.ask("POST", ARCHIVE, {"notification_ids": ids}))[0] == 200


class Client:
    """Its state outlives its connections, as in a browser's tab."""

    def __init__(self, transport: str, port: int, load: Load, dice: Random) -> None:
        self.shown = Shown()
        self._transport, self._port, self._load = transport, port, load
        self._dice = Random(dice.getrandbits(32))

    async def come_and_go(self, disconnects: int) -> None:
        await self._fetch()
        for _ in range(disconnects):
            follower = Follower(self._transport, self._port)
            try:
                await self._stay(follower, self._dice.choice(PHASES))
            except LOST:
                pass
            finally:
                follower.abort()

    async def catch_up(self, cursor: str) -> None:
        """The last connection: read until nothing is left before `cursor`, the current position."""
        follower = await Follower(self._transport, self._port).connect(self.shown.cursor)
        try:
            while self.shown.cursor != cursor or (self._transport != "poll" and not follower.ready):
                if not await self._take(await follower.receive()):
                    follower.abort()
                    follower = await Follower(self._transport, self._port).connect(self.shown.cursor)
        finally:
            follower.abort()

    async def _stay(self, follower: Follower, phase: str) -> None:
        """One connection, until it is cut."""
        if phase == "handshake":
            await follower.ask(self.shown.cursor)
            for _ in range(self._dice.randrange(4)):
                await asyncio.sleep(0)
            return
        await follower.connect(self.shown.cursor)
        if phase == "slow":
            follower.stop_reading()
            await self._load.answered(self._dice.randint(1, 300))
            follower.read_on()
        if phase == "live":
            while not follower.ready and self._transport != "poll":
                if not await self._take(await follower.receive()):
                    return
        for _ in range(self._dice.randint(1, 60)):
            if not await self._take(await follower.receive()):
                return

    async def _take(self, message: Message) -> bool:
        """-> whether to continue; after a `reset` the history is fetched again, and the client connects from there."""
        self.shown.take(message)
        if message["type"] == "reset":
            await self._fetch()
            return False
        return True

    async def _fetch(self) -> None:
        async with Connection(self._port) as connection:
            cursor, _, rows = await all_rows(connection)
        self.shown = Shown({row["id"]: row for row in rows}, cursor)
