"""Variants of the server, made inside its process: each breaks one promise, or puts a disk of ours under the store.

They reach into modules on purpose, at the one place where the promise is kept; when such a place moves, its control no
longer fails, and the suite says so.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any


def acknowledge_before_commit() -> None:
    """Of 16 commits, the last one is made."""
    from athena.store.sqlite import SqliteStore

    begin: Any = SqliteStore._begin
    asked = itertools.count(1)

    async def commit(self: Any) -> None:
        pass

    def finish_and_begin(self: Any) -> Any:
        if self._writer.in_transaction and next(asked) % 16:
            return self._row("position")
        if self._writer.in_transaction:
            self._writer.execute("COMMIT")
        return begin(self)

    SqliteStore._commit = commit  # type: ignore[method-assign]
    SqliteStore._begin = finish_and_begin  # type: ignore[method-assign]


def synchronous_normal() -> None:
    """A commit does not sync the WAL, and the start does not look."""
    from athena.store import sqlite

    def careless(db: Any) -> None:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("PRAGMA synchronous = normal")

    vars(sqlite)["make_durable"] = careless


def survive_a_failed_sync() -> None:
    """A failed sync is one failed commit, and no more."""
    from athena.store import sqlite

    vars(sqlite)["FAILED_SYNCS"] = frozenset()


def read_before_attach() -> None:
    """A client that resumes is read the store to, and is attached where the push is when that is done."""
    from athena.live.hub import Hub
    from athena.live.tail import UNKNOWN

    attach = Hub.attach

    def late(self: Hub, client: Any, after: str | None) -> None:
        seq, end = self.locate(after), self.tail.end

        async def replay() -> None:
            nonlocal seq
            while UNKNOWN < seq < end:
                chunk = await self._read_store(seq, client.encoding)
                client.send(chunk.data)
                seq = chunk.seq
            attach(self, client, "" if after is not None and seq != UNKNOWN else after)

        task = asyncio.get_running_loop().create_task(replay())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    Hub.attach = late  # type: ignore[method-assign]


def expire_unconditionally() -> None:
    """What was due when expiry looked ends, whatever came between."""
    from msgspec.structs import replace

    from athena.domain import lifecycle
    from athena.domain.model import Expire, Notification

    def expire(_tx_id: str, _wish: Expire, current: Notification | None, now: int, seq: int) -> Any:
        if current is None:
            return None
        ended = {"status": "error", "message": lifecycle.TIMED_OUT, "ts_completed": now, "deadline": None}
        return replace(current, seq=seq, ts_display=now, **ended)

    lifecycle.RULES[Expire] = expire


def retire_running_ones() -> None:
    """What is old goes, whether it has ended or not."""
    from athena.store import sqlite_retention

    oldest = sqlite_retention.SQL["oldest"]
    sqlite_retention.SQL["oldest"] = oldest.replace("finished = 1", "finished IN (0, 1)")


def judge_by_the_wall_clock() -> None:
    """What time it is for deadlines is what the wall clock says, and they stay where they are."""
    from athena.clock import Clock

    Clock.now = lambda self: time.time_ns() // 1_000_000  # type: ignore[method-assign]
    Clock.drift = lambda self: 0  # type: ignore[method-assign]
    Clock.resume = lambda self, stored, last: None  # type: ignore[method-assign]


def never_detach() -> None:
    """A client that is gone stays in the list."""
    from athena.live.hub import Hub

    detach = Hub.detach

    def forget_nothing(self: Hub, client: Any) -> None:
        detach(self, client)
        self.clients[client] = None

    Hub.detach = forget_nothing  # type: ignore[method-assign]


def hoard() -> None:
    """Whoever was connected leaves some memory behind, and nothing else."""
    from athena.live.hub import Hub

    attach, hoarded = Hub.attach, list[bytes]()

    def pay(self: Hub, client: Any, after: str | None) -> None:
        hoarded.append(b"x" * 2**20)
        attach(self, client, after)

    Hub.attach = pay  # type: ignore[method-assign]


# ---- no breakage: what a test needs to see or to do ------------------------------------------------------------------
def count_tasks() -> None:
    """`/metrics` also tells how many tasks the event loop has."""
    from prometheus_client.core import GaugeMetricFamily

    from athena.http.exposition import Families

    collect = Families.collect

    def more(self: Families) -> Iterator[Any]:
        yield from collect(self)
        yield GaugeMetricFamily("athena_tasks", "Tasks of the event loop.", len(asyncio.all_tasks()))

    Families.collect = more  # type: ignore[method-assign]


def moved_clock() -> None:
    """The wall clock is what the file WALL says: `+` and how far it is ahead of the real one, or `=` and where it
    stands still (ns)."""
    real, file = time.time_ns, os.environ["WALL"]

    def time_ns() -> int:
        with open(file) as said:
            text = said.read()
        return int(text[1:]) + (real() if text[0] == "+" else 0)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


def traced_disk() -> None:
    """Every change of a file is also written to the trace TRACE, from which a power cut can be made."""
    from tests.faults.disk import TracedDisk

    TracedDisk(os.environ["TRACE"]).register()


def fillable_disk() -> None:
    """The disk is full as long as the file FULL exists."""
    from tests.faults.disk import FillableDisk

    FillableDisk(os.environ["FULL"]).register()


def unsyncable_disk() -> None:
    """No sync of the WAL succeeds as long as the file FAIL exists."""
    from tests.faults.disk import UnsyncableDisk

    UnsyncableDisk(os.environ["FAIL"]).register()


def preallocate_at_once() -> None:
    """The log gets its full size while the first reports come, and not after some seconds."""
    from athena.store import sqlite

    vars(sqlite)["PREALLOCATE_AFTER"] = -1.0


def fail_at_maintenance() -> None:
    """The part that tends the store fails in a way that nobody thought of, as soon as the file FAIL exists."""
    from athena.workers.maintenance import Maintenance

    step = Maintenance.step

    async def fail(self: Maintenance) -> bool:
        if os.path.exists(os.environ["FAIL"]):  # noqa: ASYNC240 — a moment, in a test
            raise RuntimeError("a defect")
        return await step(self)

    Maintenance.step = fail  # type: ignore[method-assign]


def stuck_disk() -> None:
    """No sync of the WAL ends as long as there is a named pipe GATE that nobody writes to."""
    from tests.faults.disk import StuckDisk

    StuckDisk(os.environ["GATE"]).register()


VARIANTS: dict[str, Callable[[], None]] = {
    variant.__name__: variant
    for variant in (
        acknowledge_before_commit,
        synchronous_normal,
        read_before_attach,
        expire_unconditionally,
        retire_running_ones,
        judge_by_the_wall_clock,
        moved_clock,
        never_detach,
        hoard,
        count_tasks,
        traced_disk,
        fillable_disk,
        unsyncable_disk,
        preallocate_at_once,
        fail_at_maintenance,
        stuck_disk,
        survive_a_failed_sync,
    )
}
