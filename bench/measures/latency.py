"""Latency: from sending one edit to its push on a WebSocket, on an idle server, against the bare sync of that disk.

The server has been up for some seconds, so that its WAL has its full size.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from athena.store.sqlite_file import WAL_BYTES
from bench import servers, traffic
from bench.calls import Http, WebSocket
from bench.context import Context, percentile
from bench.report import Figure, Target, ratio
from bench.servers import cores, pinned

GROUP = "latency"
EDITS = 300
PAUSE = 0.002
"""Seconds between edits, so that each one finds the server idle."""

PAGE = 4096
PATIENCE = 20.0
"""Seconds. On a disk that is too full for the WAL, only the figures are worse."""

IN_SYNCS, IN_SYNCS_FIRST = Target("≤", 5.5), Target("≤", 11)
"""1 ms and 2 ms relative to the 0.18 ms of a sync on the machine that they were set on, so that they hold on any
machine (docs/performance.md)."""


def measure(context: Context) -> list[Figure]:
    edits, syncs = [], []
    data = context.fresh("latency")
    with servers.athena(data) as server:
        _wait_for_log(data / "athena.db-wal")
        traffic.open_all(server.port, ["latency"])
        with Http(server.port) as http, WebSocket(server.port) as listener:
            _edits(http, listener)  # warms up
            for _ in range(context.rounds):
                edits.append(_edits(http, listener))
                with pinned(cores().server):
                    syncs.append(_syncs(context.scratch / "sync"))
    pushed = Figure(
        group=GROUP,
        name="one edit → push, idle server, median",
        unit="ms",
        samples=[statistics.median(times) for times in edits],
        target=Target("≤", 1),
        first=Target("≤", 2),
    )
    synced = Figure(
        group=GROUP,
        name="of which the disk: bare fdatasync, median",
        unit="ms",
        samples=[statistics.median(times) for times in syncs],
    )
    return [
        pushed,
        ratio(GROUP, "edit → push / bare fdatasync", pushed, synced, IN_SYNCS, IN_SYNCS_FIRST),
        Figure(group=GROUP, name="the same, p99", unit="ms", samples=[percentile(times, 99) for times in edits]),
        synced,
        Figure(group=GROUP, name="the same, p99", unit="ms", samples=[percentile(times, 99) for times in syncs]),
    ]


def _wait_for_log(path: Path) -> None:
    end = time.monotonic() + PATIENCE
    while path.stat().st_size < WAL_BYTES and time.monotonic() < end:
        time.sleep(0.1)


def _edits(http: Http, listener: WebSocket) -> list[float]:
    times = []
    for turn in range(EDITS):
        request = traffic.edit("latency", turn)
        time.sleep(PAUSE)
        begun = time.perf_counter()
        http.send(request)
        listener.message()
        times.append((time.perf_counter() - begun) * 1000)
        http.answer()
    return times


def _syncs(path: Path) -> list[float]:
    """Append a page to a file and sync it, as a commit does, and on the same core: the disk's interrupts arrive on one
    core, and a thread that waits for them on another is woken later, here by a fifth."""
    times = []
    page = os.urandom(PAGE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        for _ in range(EDITS):
            time.sleep(PAUSE)
            begun = time.perf_counter()
            os.write(descriptor, page)
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - begun) * 1000)
    finally:
        os.close(descriptor)
    return times
