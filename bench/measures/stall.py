"""Loop stall: how long an HTTP request waits while a change is being pushed to 20,000 clients.

One change after another is pushed; meanwhile another connection requests /healthz, which costs next to nothing. The
load generator has a lower priority than the process that makes these requests and shares its core, so that only the
server is measured.
"""

from __future__ import annotations

import time

from bench import servers, traffic
from bench.calls import Http
from bench.context import Context, percentile
from bench.loads import Subscribers, subscribers
from bench.report import Figure, Target

GROUP = "stall"
CLIENTS = 20_000
CHANGES = 10
"""Per round."""

NICE = 10


def measure(context: Context) -> list[Figure]:
    clients = servers.room(CLIENTS)
    waits: list[list[float]] = []
    with servers.athena(context.fresh("stall")) as server:
        traffic.open_all(server.port, ["stall"])
        with (
            subscribers(context.tools, server.port, clients, nice=NICE) as listening,
            Http(server.port) as editing,
            Http(server.port) as asking,
        ):
            idle = [_wait(asking) for _ in range(500)]
            for turn in range(context.rounds + 1):
                changes = 4 if context.quick else CHANGES
                some = [
                    wait
                    for number in range(changes)
                    for wait in _during(listening, editing, asking, turn * changes + number)
                ]
                if turn:  # the first one warms up
                    waits.append(some)
    name = f"an HTTP request while flushing to {clients:,} clients"
    return [
        Figure(
            group=GROUP,
            name=f"{name}, p99",
            unit="ms",
            samples=[percentile(some, 99) for some in waits],
            target=Target("≤", 10),
        ),
        Figure(group=GROUP, name="the same, median", unit="ms", samples=[percentile(some, 50) for some in waits]),
        Figure(group=GROUP, name="the same, the longest", unit="ms", samples=[max(some) for some in waits]),
        Figure(group=GROUP, name="the same on the idle server, p99", unit="ms", samples=[percentile(idle, 99)]),
    ]


def _during(listening: Subscribers, editing: Http, asking: Http, turn: int) -> list[float]:
    """-> the waits, in ms, of the requests made while one change was pushed to all clients."""
    listening.expect(1)
    time.sleep(0.02)
    editing.send(traffic.edit("stall", turn))
    waits = [_wait(asking)]
    while not listening.told():
        waits.append(_wait(asking))
    listening.counted()
    editing.answer()
    return waits


def _wait(asking: Http) -> float:
    begun = time.perf_counter()
    asking.call("GET", "/healthz")
    return (time.perf_counter() - begun) * 1000
