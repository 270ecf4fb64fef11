"""Churn: clients of each transport come and go, edits and pages go on; nothing is left behind."""

from __future__ import annotations

import asyncio
from random import Random

from tests.faults.crowd import MEMORY, back_to, until
from tests.faults.follower import TRANSPORTS, Follower
from tests.faults.ledger import Ledger, Load
from tests.faults.promise import Round, hold
from tests.faults.server import descriptors, metric, server
from tests.faults.wire import LOST
from tests.hardening.test_memory import settled_memory
from tests.support.server import PATIENCE

VISITS = 40
"""Connections in a turn, some at a time."""

CONTROL_PATIENCE = 5.0
"""Seconds; what is never let go of need not be waited for any longer."""

WAL_BYTES = 24 * 1024 * 1024
"""The WAL starts again from its beginning after 16 MiB, and the commit that comes to it is whole."""


def churn(this: Round) -> None:
    """`times` turns."""
    asyncio.run(_churn(this))


async def _churn(this: Round) -> None:
    faults = ",".join(["count_tasks", *([this.broken] if this.broken else [])])
    with server(this.directory / "data", "--tail-bytes", "200000", faults=faults) as athena:
        dice = this.dice
        await _turn(athena.port, dice, "first-")
        before, tasks, grown = descriptors(athena), metric(athena, "athena_tasks"), list[int]()
        for number in range(this.times):
            memory = settled_memory(athena)
            await _turn(athena.port, dice, f"{number}-")
            await until(athena, "athena_clients", 0, CONTROL_PATIENCE if this.broken else PATIENCE)
            await until(athena, "athena_tasks", tasks)
            await back_to(athena, before)
            size = (athena.data / "athena.db-wal").stat().st_size
            hold(size < WAL_BYTES, f"the WAL has {size:,} bytes")
            grown.append(settled_memory(athena) - memory)
        # Caches fill up in the first turns; a leak would show in the last ones as well.
        last = grown[-max(2, len(grown) // 2) :]
        hold(sum(last) < MEMORY, f"bytes more after each turn: {grown}")


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
        await load.stop()
