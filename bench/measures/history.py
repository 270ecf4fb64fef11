"""A long history: first pages, any skip, each filter, search; and how soon a server is ready on it.

Timed inside the process, through the store's own interface, on a long and on a short history of the same kind. Text is
indexed for search in the background; the measurement waits until that is done.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from pathlib import Path

from athena.store.base import Query
from athena.store.seed import seed
from athena.store.sqlite import SqliteStore
from bench import servers
from bench.context import Context
from bench.report import Figure, Target, ratio

GROUP = "history"
SHORT = 10_000
DAY_MS = 24 * 3600 * 1000
TIMES = 20
MOST_SEEDED = 1_000_000
"""Up to this many rows, seeding is measured in every round; above, once."""


def measure(context: Context) -> list[Figure]:
    now = time.time_ns() // 1_000_000
    rows = context.rows // 20 if context.quick else context.rows
    long, short = context.fresh("history-long"), context.fresh("history-short")
    filled = Figure(
        group=GROUP,
        name=f"athena seed, {rows:,} rows",
        unit="rows/s",
        samples=_seeds(context, long, rows),
        target=Target("≥", 200_000),
    )
    seed(short, SHORT, 30, now, lambda _: None)
    return [filled, *asyncio.run(_pages(context, long, short, rows, now)), *_starts(context, long, rows)]


def _seeds(context: Context, directory: Path, rows: int) -> list[float]:
    """Rows per second of the command, including start and sync, on all cores; the last history stays in `directory`."""
    rates = []
    for _ in range(context.rounds if rows <= MOST_SEEDED else 1):
        (directory / "athena.db").unlink(missing_ok=True)
        command = [servers.ATHENA, "seed", "--rows", str(rows), "--days", "30", "--data", str(directory)]
        began = time.perf_counter()
        with servers.pinned(*servers.cores()):
            subprocess.run(command, check=True, capture_output=True, env=servers.environment())
        rates.append(rows / (time.perf_counter() - began))
    return rates


async def _pages(context: Context, long: Path, short: Path, rows: int, now: int) -> list[Figure]:
    stores = [SqliteStore(path) for path in (long, short)]
    for store in stores:
        while await store.maintain(now + DAY_MS):
            pass
    first = [
        Figure(group=GROUP, name=name, unit="ms", samples=await _time(context, store, Query()), target=target)
        for store, name, target in (
            (stores[0], f"first page of 100, {rows:,} rows", Target("≤", 2)),
            (stores[1], f"first page of 100, {SHORT:,} rows", None),
        )
    ]
    figures = [*first, ratio(GROUP, "long / short", first[0], first[1], Target("≤", 1.5))]
    for name, query, bound in _questions(rows, now):
        samples = await _time(context, stores[0], query)
        figures.append(Figure(group=GROUP, name=name, unit="ms", samples=samples, target=Target("≤", bound)))
    for store in stores:
        await store.close()
    return figures


def _questions(rows: int, now: int) -> list[tuple[str, Query, float]]:
    return [
        (f"skip {rows // 2:,}", Query(skip=rows // 2), 10),
        (f"skip {rows - 100:,}", Query(skip=rows - 100), 10),
        ("one component", Query(component_id="component-7"), 50),
        ("a component that is not there", Query(component_id="nothing"), 50),
        ("by one person", Query(by="nightly"), 50),
        ("errors", Query(status=("error",)), 50),
        ("notices", Query(type=("notification",)), 50),
        ("templates", Query(sub_type="template"), 50),
        ("a day three weeks ago", Query(from_ts=now - 22 * DAY_MS, to_ts=now - 21 * DAY_MS), 50),
        ("search, in every tenth row", Query(search="shop"), 50),
        ("search, one row", Query(search=f"seed-{rows // 3:08}"), 50),
        ("search, no row", Query(search="no such thing"), 50),
    ]


async def _time(context: Context, store: SqliteStore, query: Query) -> list[float]:
    """-> ms for a page, the median of several reads for each round."""
    samples = []
    await store.page(query)
    for _ in range(context.rounds):
        times = []
        for _ in range(TIMES):
            began = time.perf_counter()
            await store.page(query)
            times.append((time.perf_counter() - began) * 1000)
        samples.append(statistics.median(times))
    return samples


def _starts(context: Context, data: Path, rows: int) -> list[Figure]:
    """From the start of the process until it announces that it listens; its CPU time until then, which is less affected
    by other load on the core; and its memory, including shared pages. The first start, which compiles, is not counted.
    """
    starts = [_start(data) for _ in range(1 + context.rounds)][1:]
    ready, busy, memory = (list(samples) for samples in zip(*starts, strict=True))
    name = f"start to ready, {rows:,} rows"
    return [
        Figure(group=GROUP, name=name, unit="ms", samples=ready, target=Target("≤", 500)),
        Figure(group=GROUP, name="of which CPU", unit="ms", samples=busy),
        Figure(group=GROUP, name="memory then (RSS)", unit="MB", samples=memory, target=Target("≤", 55)),
    ]


def _start(data: Path) -> tuple[float, float, float]:
    """-> ms until ready, ms of CPU until then, MB."""
    began = time.perf_counter()
    command = [servers.ATHENA, "serve", "--port", "0", "--data", str(data)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=servers.environment(), cwd=servers.REPOSITORY
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        ready = (time.perf_counter() - began) * 1000
        busy = servers.Server(process.pid, 0).cpu_seconds() * 1000
        status = Path(f"/proc/{process.pid}/status").read_text()
        memory = int(status.partition("VmRSS:")[2].split()[0]) / 1000
        process.terminate()
        process.wait()
    return ready, busy, memory
