"""Churn: clients of each transport come and go, edits and page requests continue; nothing leaks."""

from __future__ import annotations

import asyncio
import time
from random import Random

from tests.e2e.calls import BULK
from tests.faults.crowd import MEMORY, back_to, until
from tests.faults.follower import TRANSPORTS, Follower
from tests.faults.ledger import Ledger, Load
from tests.faults.promise import Round, hold
from tests.faults.server import WEBSOCKETS, descriptors, metric, server
from tests.faults.wire import LOST, Connection
from tests.hardening.test_memory import settled_memory
from tests.support.server import PATIENCE

FEWEST_TURNS = 4
FILL_BULKS, FILL_ROWS = 300, 100
"""Rows that end in one commit form one block of the search index. A block of thousands of rows would take memory at
unpredictable moments: the index is built in the background, and late on a busy machine."""

VISITS = 40
"""Connections per turn, a few at a time."""

CONTROL_PATIENCE = 5.0
"""Seconds; there is no point in waiting longer for memory that is never freed."""

WAL_BYTES = 24 * 1024 * 1024
"""The WAL restarts from its beginning after 16 MiB, and the commit that reaches this size is written whole."""


def churn(this: Round) -> None:
    """Turns for `times` seconds."""
    asyncio.run(_churn(this))


async def _churn(this: Round) -> None:
    faults = ",".join(["count_tasks", *([this.broken] if this.broken else [])])
    with server(this.directory / "data", "--tail-bytes", "200000", faults=faults) as athena:
        dice = this.dice
        await _fill(athena.port)
        await _turn(athena.port, dice, "first-")
        before, tasks, sizes = descriptors(athena), metric(athena, "athena_tasks"), list[int]()
        end = time.monotonic() + this.times
        while len(sizes) < FEWEST_TURNS or time.monotonic() < end:
            await _turn(athena.port, dice, f"{len(sizes)}-")
            await until(athena, WEBSOCKETS, 0, CONTROL_PATIENCE if this.broken else PATIENCE)
            await until(athena, "athena_tasks", tasks)
            await back_to(athena, before)
            size = (athena.data / "athena.db-wal").stat().st_size
            hold(size < WAL_BYTES, f"the WAL has {size:,} bytes")
            sizes.append(settled_memory(athena))
        # Caches fill up in the first turns; a leak would show in the last ones as well. Memory of a turn may be freed
        # after the next one has begun, so readings are compared, not turns.
        last = sizes[len(sizes) // 2 :]
        hold(last[-1] - last[0] < MEMORY, f"bytes after each of the last {len(last)} turns: {last}")


async def _fill(port: int) -> None:
    """Enough history to fill what is cached of it (SQLite's pages, known transactions) beforehand."""
    async with Connection(port) as connection:
        for bulk in range(FILL_BULKS):
            lines = []
            for number in range(FILL_ROWS):
                tx_id = f"old{bulk}-{number}"
                lines += [
                    {"op": "open", "tx_id": tx_id, "description": f"job {tx_id} {'x' * 200}"},
                    {"op": "edit", "tx_id": tx_id, "status": "success", "athena_msg": "done " + "y" * 200},
                ]
            assert (await connection.ask("POST", BULK, lines))[0] == 200


async def _turn(port: int, dice: Random, name: str) -> None:
    async with Load(port, Ledger(), dice, 4, name) as load:
        visits = [(TRANSPORTS[number % 3], dice.randrange(20)) for number in range(VISITS)]

        async def visit() -> None:
            while visits:
                transport, stay = visits.pop()
                follower = Follower(transport, port)
                try:
                    await follower.connect("")
                    for _ in range(stay):
                        await follower.receive()
                except LOST:
                    hold(False, f"a {transport} client was cut off")
                finally:
                    follower.abort()

        await asyncio.gather(*(visit() for _ in range(8)))
        # Active transactions are cached for their next edit until they expire, in ten minutes: 3.5 KB a turn.
        await load.stop(midway=False)
