"""Edits: how many per second are made durable, with the server on one core: one by one, and in bulk.

An edit counts if its request was answered with 200 and the server's own position has advanced by one for it. Every edit
changes something that clients would see, and each line of a bulk is for a different transaction.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench import contenders, servers, traffic
from bench.context import Context
from bench.loads import Program, producers, run
from bench.report import Figure, Target, ratio
from bench.servers import Server, cores

GROUP = "edits"
CONNECTIONS = 64
WARM_UP_SECONDS = 0.5

# The first absolute targets, relative to the floors of the machine they were set on, so that they hold on any machine
# (docs/performance.md).
SINGLE_SHARE = Target("≥", round(10_000 / 56_000, 2))
BULK_SHARE = Target("≥", round(60_000 / 150_000, 2))
GROUPED = 64
FLOORS = (
    (f"bare SQLite, {GROUPED} edits a commit", str(GROUPED)),
    ("bare SQLite, 1,000 edits a commit", "1000"),
    ("bare SQLite with an index of deadlines, 1,000 edits a commit", "1000", "plain"),
)
"""Their names and arguments: with the store's own statements and schema, and with a plain schema."""
TURNS = 5
"""Alternations of a bulk and its floors in each round: a machine that is faster for a second is so for all of them."""


def measure_single(context: Context) -> list[Figure]:
    """64 keep-alive connections, in turns with two floors: the same requests to servers that do nothing with them."""
    tx_ids = traffic.ids(CONNECTIONS, "single")
    edits = [traffic.edit(tx_id, turn) for turn in (0, 1) for tx_id in tx_ids]
    rates: list[float] = []
    no_op: list[float] = []
    bare: list[float] = []
    cpu: list[float] = []
    counted = 0
    with ExitStack() as stack:
        server = stack.enter_context(servers.athena(context.fresh("single")))
        traffic.open_all(server.port, tx_ids)
        floors = [stack.enter_context(start(context.scratch)) for start in (contenders.no_op, contenders.bare_asgi)]
        loads = [
            stack.enter_context(producers(context.tools, some.port, CONNECTIONS, edits, context.scratch))
            for some in (server, *floors)
        ]
        for load in loads:
            load.send_for(WARM_UP_SECONDS)
        before = traffic.changes(server.port)
        for _ in range(context.rounds):
            cpu_before = server.cpu_seconds()
            answers, seconds, _ = loads[0].send_for(_seconds(context))
            cpu.append((server.cpu_seconds() - cpu_before) / answers * 1e6)
            counted += answers
            rates.append(answers / seconds)
            for load, samples in zip(loads[1:], (no_op, bare), strict=True):
                answers, seconds, _ = load.send_for(_seconds(context) / 2)
                samples.append(answers / seconds)
        _check(server, before, counted)
    return _single_figures(rates, no_op, bare, cpu)


def _single_figures(rates: list[float], no_op: list[float], bare: list[float], cpu: list[float]) -> list[Figure]:
    edited = Figure(
        group=GROUP,
        name=f"{CONNECTIONS} connections, single edits",
        unit="edits/s",
        samples=rates,
        target=Target("≥", 15_000),
        first=Target("≥", 10_000),
    )
    route = Figure(
        group=GROUP, name="the same requests, a Starlette route that does nothing", unit="requests/s", samples=no_op
    )
    nothing = Figure(
        group=GROUP, name="the same requests, bare ASGI that does nothing", unit="requests/s", samples=bare
    )
    return [
        edited,
        route,
        ratio(GROUP, "a single edit / no-op route", edited, route, Target("≥", 0.5)),
        nothing,
        ratio(GROUP, "a single edit / bare ASGI", edited, nothing, None, SINGLE_SHARE),
        Figure(group=GROUP, name="server CPU a single edit", unit="µs", samples=cpu),
    ]


def measure_bulk(context: Context) -> list[Figure]:
    """Bulks of NDJSON lines; those of 1,000 on one connection in short turns with only the store's statements."""
    figures, costs = [], []
    floors: list[Figure] = []
    for connections, lines in ((1, 1000), (2, 1000), (1, 10_000), (2, 10_000)):
        name = f"bulks of {lines:,} lines, {connections} connection{'s' if connections > 1 else ''}"
        with ExitStack() as stack:
            wanted = () if floors else FLOORS
            bare = [stack.enter_context(_bare_sqlite(context, *arguments)) for _, *arguments in wanted]
            rates, cpu, bare_rates = _bulk(context, connections, lines, bare)
        floors += [
            Figure(group=GROUP, name=name, unit="edits/s", samples=some)
            for (name, *_), some in zip(wanted, bare_rates, strict=True)
        ]
        figures.append(
            Figure(
                group=GROUP,
                name=name,
                unit="edits/s",
                samples=rates,
                target=Target("≥", 100_000),
                first=Target("≥", 60_000),
            )
        )
        costs += cpu
    grouped, own, plain = floors
    return [
        *figures,
        Figure(group=GROUP, name="server CPU an edit in a bulk", unit="µs", samples=costs),
        grouped,
        ratio(GROUP, f"bulks of 1,000 lines / bare SQLite, {GROUPED} a commit", figures[0], grouped, None, BULK_SHARE),
        own,
        ratio(GROUP, f"bulks of 1,000 lines / {own.name}", figures[0], own, Target("≥", 0.6)),
        plain,
        ratio(GROUP, f"bulks of 1,000 lines / {plain.name}", figures[0], plain, Target("≥", 0.6)),
    ]


@contextmanager
def _bare_sqlite(context: Context, lines: str, *schema: str) -> Iterator[Program]:
    """SQLite alone, on the server's core: see peers/bare_sqlite.py."""
    command = [sys.executable, "-m", "bench.peers.bare_sqlite", str(context.fresh("floor")), lines, *schema]
    with run(command, cores().server) as process:
        yield Program(process)


def _bulk(
    context: Context, connections: int, lines: int, floors: Sequence[Program]
) -> tuple[list[float], list[float], list[list[float]]]:
    """-> edits per second, µs of the server's CPU time per edit, and each floor's edits per second; all per round."""
    tx_ids = [traffic.ids(lines, f"bulk-{number}") for number in range(connections)]
    bulks = [traffic.bulk(some, turn) for turn in (0, 1) for some in tx_ids]
    rates, cpu = [], []
    bare: list[list[float]] = [[] for _ in floors]
    with servers.athena(context.fresh("bulk")) as server:
        for some in tx_ids:
            traffic.open_all(server.port, some)
        with producers(context.tools, server.port, connections, bulks, context.scratch) as editing:
            editing.send_for(WARM_UP_SECONDS)
            before, counted = traffic.changes(server.port), 0
            for _ in range(context.rounds):
                cpu_before, edits, spent = server.cpu_seconds(), 0, 0.0
                floor_rates: list[list[float]] = [[] for _ in floors]
                for _ in range(TURNS):
                    answers, seconds, _ = editing.send_for(_seconds(context) / TURNS)
                    edits, spent = edits + answers * lines, spent + seconds
                    for floor, heard in zip(floors, floor_rates, strict=True):
                        floor.tell(str(_seconds(context) / TURNS))
                        heard.append(float(floor.hear()))
                cpu.append((server.cpu_seconds() - cpu_before) / edits * 1e6)
                counted += edits
                rates.append(edits / spent)
                for samples, heard in zip(bare, floor_rates, strict=True):
                    samples.append(statistics.fmean(heard))
            _check(server, before, counted)
    return rates, cpu, bare


def _seconds(context: Context) -> float:
    return 0.4 if context.quick else 1.0


def _check(server: Server, before: int, counted: int) -> None:
    """Check that every edit that was answered is in the history."""
    stored = traffic.changes(server.port) - before
    assert stored == counted, f"expected {counted} stored edits, got {stored}"
