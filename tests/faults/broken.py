"""Variants of the server, made inside its process: each breaks one promise, or puts a test disk under the store.

They patch modules on purpose, at the one place that keeps the promise; when such a place moves, its control no longer
fails, and the suite says so.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any


def acknowledge_before_commit() -> None:
    """Of 16 commits, only the last one is carried out."""
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
    """A commit does not sync the WAL, and the start does not check."""
    from athena.store import sqlite

    def careless(db: Any) -> None:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("PRAGMA synchronous = normal")

    vars(sqlite)["make_durable"] = careless


def survive_a_failed_sync() -> None:
    """A failed sync is only a failed commit."""
    from athena.store import sqlite

    vars(sqlite)["FAILED_SYNCS"] = frozenset()


def read_before_attach() -> None:
    """A resuming client is sent the store's contents first, and then attached at the current position of the push."""
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
    """Transactions that were due when expiry checked end, whatever happened in between."""
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
    """Old rows are deleted, whether they have ended or not."""
    from athena.store import sqlite_retention

    oldest = sqlite_retention.SQL["oldest"]
    sqlite_retention.SQL["oldest"] = oldest.replace("finished = 1", "finished IN (0, 1)")


def judge_by_the_wall_clock() -> None:
    """Deadlines are judged by the wall clock, and are not moved with it."""
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
    """Every client that was connected leaks some memory, and nothing else."""
    from athena.live.hub import Hub

    attach, hoarded = Hub.attach, list[bytes]()

    def pay(self: Hub, client: Any, after: str | None) -> None:
        hoarded.append(b"x" * 2**20)
        attach(self, client, after)

    Hub.attach = pay  # type: ignore[method-assign]


# ---- no breakage: what a test needs to see or to do ------------------------------------------------------------------
def count_tasks() -> None:
    """`/metrics` also reports the event loop's number of tasks."""
    from prometheus_client.core import GaugeMetricFamily

    from athena.http.exposition import Families

    collect = Families.collect

    def more(self: Families) -> Iterator[Any]:
        yield from collect(self)
        yield GaugeMetricFamily("athena_tasks", "Tasks of the event loop.", len(asyncio.all_tasks()))

    Families.collect = more  # type: ignore[method-assign]


def moved_clock() -> None:
    """The file WALL sets the wall clock: `+` and how far it is ahead of the real one, or `=` and the time at which it
    stands still (ns)."""
    real, file = time.time_ns, os.environ["WALL"]

    def time_ns() -> int:
        with open(file) as said:
            text = said.read()
        return int(text[1:]) + (real() if text[0] == "+" else 0)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


def traced_disk() -> None:
    """Every change to a file is also written to the trace TRACE, from which a power cut can be simulated."""
    from tests.faults.disk import TracedDisk

    TracedDisk(os.environ["TRACE"]).register()


def fillable_disk() -> None:
    """The disk is full while the file FULL exists."""
    from tests.faults.disk import FillableDisk

    FillableDisk(os.environ["FULL"]).register()


def unsyncable_disk() -> None:
    """No sync of the WAL succeeds while the file FAIL exists."""
    from tests.faults.disk import UnsyncableDisk

    UnsyncableDisk(os.environ["FAIL"]).register()


def preallocate_at_once() -> None:
    """The log gets its full size while the first reports arrive, not some seconds later."""
    from athena.store import sqlite

    vars(sqlite)["PREALLOCATE_AFTER"] = -1.0


def fail_at_maintenance() -> None:
    """Store maintenance fails with an unforeseen error as soon as the file FAIL exists."""
    from athena.workers.maintenance import Maintenance

    step = Maintenance.step

    async def fail(self: Maintenance) -> bool:
        if os.path.exists(os.environ["FAIL"]):  # noqa: ASYNC240 — a moment, in a test
            raise RuntimeError("a defect")
        return await step(self)

    Maintenance.step = fail  # type: ignore[method-assign]


def stuck_disk() -> None:
    """No sync of the WAL ends while there is a named pipe GATE without a writer."""
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
