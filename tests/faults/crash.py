"""Acknowledged means on disk: `kill -9` and power cuts at any moment under many producers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random

import apsw
from tests.e2e.subscribers import Message
from tests.faults.follower import Follower, follow
from tests.faults.ledger import Ledger, Load, Served, read_back
from tests.faults.powercut import Record, cut, read_trace
from tests.faults.promise import Round, hold
from tests.faults.server import server
from tests.support.server import Athena

PRODUCERS = 50

LONG_LOG = 8 << 20
"""Bytes: more than a round writes."""


def kill(this: Round) -> None:
    """`times` kills in succession on the same data."""
    asyncio.run(_kill(this))


async def _kill(this: Round) -> None:
    faults = ",".join(filter(None, ("preallocate_at_once", this.broken)))
    athena = server(this.directory / "data", faults=faults)
    ledger, longest = Ledger(), 0
    with athena:
        for number in range(this.times):
            await _load_until(athena, ledger, this.dice, f"k{number}-", this.dice.randint(1, 400))
            longest = max(longest, (athena.data / "athena.db-wal").stat().st_size)
            check_file(athena.data)
            athena.start()
            ledger.check(await read_back(athena.port))
    assert longest >= LONG_LOG, "in none of the rounds the log was longer than what was written"


async def _load_until(athena: Athena, ledger: Ledger, dice: Random, name: str, reports: int) -> None:
    """Load, and the end of the process at a random moment after `reports` reports."""
    async with Load(athena.port, ledger, dice, PRODUCERS, name) as load:
        await load.answered(reports)
        await asyncio.sleep(dice.uniform(0, 0.005))  # any moment, not that of a response
        athena.kill()
        await load.stop()


def check_file(directory: Path) -> None:
    """The file is intact (checked while no process has it open)."""
    database = apsw.Connection(str(directory / "athena.db"))
    try:
        found = [str(row[0]) for row in database.execute("PRAGMA integrity_check")]
    finally:
        database.close()
    hold(found == ["ok"], f"integrity_check: {found[:3]}")


# ---- sync ------------------------------------------------------------------------------------------------------------
def sync(this: Round) -> None:
    """The disk fails to sync `times` times, and the server exits by itself."""
    asyncio.run(_sync(this))


async def _sync(this: Round) -> None:
    """A refused report must not be there afterwards; one without a response may be."""
    switch, ledger = this.directory / "fail", Ledger()
    faults = ",".join(filter(None, ("unsyncable_disk", this.broken)))
    with server(this.directory / "data", faults=faults, FAIL=str(switch)) as athena:
        for number in range(this.times):
            async with Load(athena.port, ledger, this.dice, PRODUCERS, f"s{number}-") as load:
                await load.answered(this.dice.randint(1, 200))
                switch.touch()
                if this.broken is None:
                    hold(await asyncio.to_thread(athena.ended) == os.EX_IOERR, "a failed sync should end the process")
                else:
                    await load.answered(0, refused=this.dice.randint(1, 100))
                athena.kill()
                await load.stop()
            switch.unlink()
            check_file(athena.data)
            athena.start()
            ledger.check(await read_back(athena.port))


# ---- power -----------------------------------------------------------------------------------------------------------
def power(this: Round) -> None:
    """One process under load, and `times` power cuts at different moments of its life."""
    asyncio.run(_power(this))


async def _power(this: Round) -> None:
    trace, dice = this.directory / "trace", this.dice
    faults = ",".join(["traced_disk", *([this.broken] if this.broken else [])])
    athena = server(this.directory / "data", faults=faults, TRACE=str(trace))
    ledger = Ledger(lambda: trace.stat().st_size)
    with athena:
        witness = await Follower("websocket", athena.port).connect("")
        pushed = asyncio.create_task(follow(witness, ledger.now))
        await _load_until(athena, ledger, dice, "w", dice.randint(400, 1200))
        messages = await pushed
    records = read_trace(trace)
    assert len(records) > 100, "nothing was traced"
    for number in range(this.times):
        moment = dice.choice(records).end if number else records[-1].end
        target = this.directory / f"cut-{number}"
        served = await _after_cut(records, moment, dice, target, athena.port)
        ledger.check(served, upto=moment)
        _check_pushed([message for seen, message in messages if seen <= moment], served)


def _check_pushed(messages: list[Message], served: Served) -> None:
    """What clients received before the cut is in the history after it."""
    for message in messages:
        if message["type"] != "ready":
            text = message["message"].partition(": ")[2]
            told = served.messages.get(message["id"], ())
            hold(text in told, f"{message['id']}: {text!r} was pushed, and is not there: {told}")


async def _after_cut(records: list[Record], moment: int, dice: Random, target: Path, port: int) -> Served:
    """Restore the power -> what is served then."""
    cut(records, moment, dice, target)
    with server(target, port=port) as athena:
        served = await read_back(athena.port)
    check_file(target)
    return served
