"""I/O operation 1, 2, 3, … of a commit fails, once or from then on: nothing of that commit is stored, all else is.

The store alone, in this process, on a disk that fails on demand; `MemoryStore` applies what was acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import apsw
from tests.faults.crash import check_file
from tests.faults.disk import FailingDisk, copy_as_is
from tests.faults.promise import Round, hold

from athena.clock import Anchor
from athena.domain.model import ArchiveOne, Command, Edit, Notice, Open
from athena.errors import StoreUnavailable
from athena.store.base import IdempotencyKey, KeyedRequest, Outcome, Query, Store
from athena.store.memory import MemoryStore
from athena.store.sqlite import SqliteStore

Step = Callable[[Store], Awaitable[Any]]
KINDS = {"ioerr": lambda: apsw.IOError("disk I/O error"), "full": lambda: apsw.FullError("database or disk is full")}
HOUR = 3_600_000
START = 1_700_000_000_000
ROWS = 150


def fail(this: Round) -> None:
    """`times` failures in succession in the life of one store."""
    asyncio.run(_fail(this))


async def _fail(this: Round) -> None:
    disk = FailingDisk()
    disk.register()
    directory, dice = this.directory / "data", this.dice
    store, memory = SqliteStore(directory), MemoryStore()
    try:
        failures, turn = 0, 0
        while failures < this.times:
            step, at, stored = _step(dice, turn), 0, False
            kind, persistent = dice.choice(sorted(KINDS)), bool(turn % 2)
            while not stored:
                at += 1
                disk.fail(at, persistent, KINDS[kind])
                stored = await _try(store, step)
                disk.stop()
                failures += disk.reached
                where = f"turn {turn}, operation {at}, {kind}, {'persistent' if persistent else 'once'}"
                hold(stored or disk.reached, f"{where}: it fails though nothing is wrong with the disk")
                if stored:
                    await step(memory)
                await _agree(store, memory, where)
                if not stored:
                    await _crash(directory, this.directory / f"crash-{turn}-{at}", memory, step, where)
            turn += 1
    finally:
        disk.stop()
        await store.close()
        disk.unregister()
    check_file(directory)


async def _try(store: Store, step: Step) -> bool:
    try:
        await step(store)
    except StoreUnavailable:
        return False
    return True


def _step(dice: Random, turn: int) -> Step:
    """One commit: random opens, edits, ends, archiving and notices; now and then background work, a new clock setting,
    or a purge."""
    now = START + turn * HOUR // 7
    if turn % 40 == 39:
        return lambda store: store.purge(now)
    if turn % 7 == 6:
        shift = dice.choice((0, 1500, -HOUR, 24 * HOUR))
        return lambda store: store.set_clock(Anchor("a run", now, 0), shift, now)
    if turn % 5 == 4:
        return lambda store: store.maintain(now)
    commands = [_command(dice, turn, number) for number in range(dice.choice((1, 3, 40)))]
    if turn % 3 == 0:  # with a key: a new one, or one used before
        once: KeyedRequest[list[Outcome]] = KeyedRequest(
            IdempotencyKey(b"%16d" % dice.randrange(30), b"r" * 16), _count, commands
        )
        return lambda store: store.write([once], now)
    return lambda store: store.write(commands, now)


def _count(outcomes: list[Outcome]) -> bytes:
    return b"%d" % len(outcomes)


def _command(dice: Random, turn: int, number: int) -> Command:
    tx_id = f"t{dice.randrange(ROWS)}"
    said = f"said {turn}.{number} {dice.choice(('', 'x' * 300))}"
    kind = dice.randrange(8)
    if kind <= 2:
        return Command(tx_id, Open(description=f"d{turn}-{number}", component_id=f"c{dice.randrange(3)}"))
    if kind <= 4:
        return Command(tx_id, Edit(status="pending", athena_msg=said))
    if kind == 5:
        return Command(tx_id, Edit(status=dice.choice(("success", "error")), athena_msg=said))
    if kind == 6:
        return Command(f"n{turn}-{number}", Notice(status="error", message=said))
    return Command(tx_id, ArchiveOne())


# ---- comparing -------------------------------------------------------------------------------------------------------
async def _seen(store: Store) -> list[Any]:
    """Everything that a store returns, except the name of its epoch."""
    told: list[Any] = [(await store.position()).seq]
    for query in (
        Query(archived=True, limit=1000),
        Query(limit=10, skip=7),
        Query(search="said", limit=1000),
        Query(search="5.1 x", limit=1000),
        Query(component_id="c1", limit=1000),
        Query(status=("error",), archived=True, limit=5, skip=11),
    ):
        page = await store.page(query)
        told.append((page.rows, page.more, page.total, page.total_transactions, page.position.seq))
    told.append((await store.changed_since(0, 1000))[0])
    told.append(sorted((deadline, key) for key, deadline, _ in await store.deadlines(1000)))
    for row in (await store.page(Query(type=("webhook_tx",), archived=True, limit=1000))).rows:
        told.append(await store.get(row.id))
    return told


async def _agree(store: SqliteStore, memory: MemoryStore, where: str) -> None:
    """The store returns what was acknowledged, and its counts are those of its rows."""
    got, expected = await _seen(store), await _seen(memory)
    hold(got == expected, f"{where}: {_first_difference(got, expected)}")
    _check_counts(store.path, where)


def _first_difference(got: list[Any], expected: list[Any]) -> str:
    for place, (one, other) in enumerate(zip(got, expected, strict=False)):
        if one != other:
            return f"answer {place}: expected {str(other)[:600]}, got {str(one)[:600]}"
    return f"expected {len(expected)} answers, got {len(got)}"


COUNTED = """
SELECT unit, finished, -(ts_display / unit), archived, type, count(*)
FROM notification, (SELECT 3600000 AS unit UNION ALL SELECT 60000) GROUP BY 1, 2, 3, 4, 5
"""


def _check_counts(path: Path, where: str) -> None:
    database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tally = set(database.execute("SELECT unit, finished, slot, archived, type, rows FROM tally WHERE rows <> 0"))
        counted = set(database.execute(COUNTED))
        hold(tally == counted, f"{where}: the tally differs from the rows by {sorted(tally ^ counted)[:4]}")
        blocks = database.execute("SELECT count(*) FROM search_block").get
        texts = database.execute("SELECT count(*) FROM search").get
        ids = database.execute("SELECT count(*) FROM search_id").get
        hold(blocks == texts == ids, f"{where}: {blocks} blocks, {texts} texts, {ids} lists of ids in the search index")
    finally:
        database.close()


async def _crash(directory: Path, copy: Path, memory: MemoryStore, step: Step, where: str) -> None:
    """The process ends right after the failure: the store opens again, with the failed commit complete or absent.

    It is not always absent: after a failed sync, its pages are in the WAL and may have reached the disk all the same.
    """
    copy_as_is(directory, copy)
    reopened = SqliteStore(copy)
    try:
        got = await _seen(reopened)
        if got != await _seen(memory):
            done = deepcopy(memory)
            await step(done)
            hold(got == await _seen(done), f"{where}, after a crash: neither without that commit nor with it")
        _check_counts(reopened.path, f"{where}, after a crash")
    finally:
        await reopened.close()
