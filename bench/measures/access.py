"""The cost of access control: single edits with a key against single edits without access control, in turns; and how
long a live connection outlives its key."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench import servers, traffic
from bench.calls import WebSocket
from bench.context import Context
from bench.loads import Producers, producers
from bench.report import Figure, Target, ratio
from bench.servers import Server

GROUP = "access"
CONNECTIONS = 64
SECONDS = 0.4
TURNS = 3
WARM_UP_SECONDS = 0.4


class Sample(NamedTuple):
    """The number of answered edits, the time they took, and the server's CPU time."""

    edits: float
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.edits / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.edits * 1e6


def measure(context: Context) -> list[Figure]:
    samples = [_pair(context, number % 2) for number in range(context.rounds)]
    guarded = context.fresh("guarded")
    with servers.athena(guarded, auth="keys") as server:
        outlived = [_outlive(server, guarded) for _ in range(context.rounds)]
    rates = [
        Figure(
            group=GROUP, name=f"single edits, {name}", unit="edits/s", samples=[both[which].rate for both in samples]
        )
        for which, name in ((0, "no access control"), (1, "with a key"))
    ]
    costs = [
        Figure(
            group=GROUP, name=f"server CPU an edit, {name}", unit="µs", samples=[both[which].cpu_us for both in samples]
        )
        for which, name in ((0, "no access control"), (1, "with a key"))
    ]
    return [
        *rates,
        ratio(GROUP, "with a key / without", rates[1], rates[0], Target("≥", 0.9)),
        *costs,
        ratio(GROUP, "CPU with a key / without", costs[1], costs[0], Target("≤", 1.1)),
        Figure(
            group=GROUP,
            name="`athena keys revoke` → its WebSocket is closed",
            unit="s",
            samples=outlived,
            target=Target("≤", 5),
        ),
    ]


def _pair(context: Context, first: int) -> tuple[Sample, Sample]:
    """Two servers, one without access control and one with, in turns -> a sample of each.

    New processes each time, since one process can be some percent slower than its twin for its whole life (because of
    memory layout and string hashes); and neither always goes first.
    """
    tx_ids = traffic.ids(CONNECTIONS, "access")
    with ExitStack() as stack:
        runs: list[tuple[Server, Producers]] = []
        for auth in ("none", "keys"):
            data = context.fresh(f"access-{auth}")
            key = "" if auth == "none" else servers.make_key(data, "reporter")
            server = stack.enter_context(servers.athena(data, auth))
            traffic.open_all(server.port, tx_ids, key)
            edits = [traffic.edit(tx_id, turn, key) for turn in (0, 1) for tx_id in tx_ids]
            load = stack.enter_context(producers(context.tools, server.port, CONNECTIONS, edits, context.scratch))
            load.send_for(WARM_UP_SECONDS)
            runs.append((server, load))
        turns: list[list[Sample]] = [[], []]
        for which in (first, 1 - first, 1 - first, first) * TURNS:
            turns[which].append(_stretch(*runs[which]))
    without, with_ = (Sample(*(sum(column) for column in zip(*some, strict=True))) for some in turns)
    return without, with_


def _stretch(server: Server, load: Producers) -> Sample:
    before = server.cpu_seconds()
    answers, seconds, _ = load.send_for(SECONDS)
    return Sample(answers, seconds, server.cpu_seconds() - before)


def _outlive(server: Server, data: Path) -> float:
    """Seconds from the end of `athena keys revoke` until a live connection with that key is closed."""
    key = servers.make_key(data, "viewer")
    with WebSocket(server.port, key=key) as listener:
        _athena("keys", "revoke", key.split("_")[1], "--data", str(data))
        begun = time.perf_counter()
        listener.until_closed()
        return time.perf_counter() - begun


def _athena(*arguments: str) -> str:
    return subprocess.run([servers.ATHENA, *arguments], check=True, capture_output=True, text=True).stdout
