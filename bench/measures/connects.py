"""Connects: how many WebSocket clients per second a server accepts, 10,000 at once.

Athena looks up each client's key; the peers accept any client. The C loop shows the limit that the load generator and
the kernel's work on both sides set.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from bench import servers
from bench.contenders import FLOOR, WS
from bench.context import Context
from bench.loads import PLAIN, Dial, subscribers
from bench.report import Figure, Target, ratio
from bench.servers import Server, Unavailable

GROUP = "connects"
CLIENTS = 10_000
WARM_UP = 200


def measure(context: Context) -> list[Figure]:
    clients = servers.room(CLIENTS)
    data = context.fresh("connects")
    dial = Dial(header=f"Authorization: Bearer {servers.make_key(data, 'viewer')}")
    samples: dict[str, list[tuple[float, float]]] = {"Athena": [], WS.name: [], FLOOR.name: []}
    missing: dict[str, str] = {}
    for _ in range(context.rounds):
        samples["Athena"].append(_round(context, servers.athena(data, auth="keys"), clients, dial))
        for peer in (WS, FLOOR):
            try:
                samples[peer.name].append(_round(context, peer.running(context.scratch), clients, PLAIN))
            except Unavailable as error:
                missing[peer.name] = str(error)
    rates, costs = (
        {
            name: Figure(
                group=GROUP,
                name=f"{what}{clients:,} clients{' with a key' if name == 'Athena' else ''}, {name}",
                unit=unit,
                samples=[both[which] for both in some],
                target=Target("≥", 8000) if name == "Athena" and not which else None,
                missing=missing.get(name, ""),
            )
            for name, some in samples.items()
        }
        for which, what, unit in ((0, "", "connects/s"), (1, "server CPU for each of ", "µs"))
    )
    return [
        *rates.values(),
        ratio(GROUP, f"Athena / {WS.name}", rates["Athena"], rates[WS.name], Target("≥", 1.5)),
        ratio(GROUP, f"Athena / {FLOOR.name}", rates["Athena"], rates[FLOOR.name]),
        *costs.values(),
    ]


def _round(context: Context, start: AbstractContextManager[Server], clients: int, dial: Dial) -> tuple[float, float]:
    """-> connects per second, and µs of the server's CPU time for each."""
    with start as server:
        with subscribers(context.tools, server.port, WARM_UP, dial):
            pass
        before = server.cpu_seconds()
        with subscribers(context.tools, server.port, clients, dial) as listening:
            return clients / listening.seconds, (server.cpu_seconds() - before) / clients * 1e6
