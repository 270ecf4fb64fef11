"""What access control costs: single edits with a key beside the same without access control, in turns; and how long a
live connection outlives its key."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from bench import servers, traffic
from bench.calls import WebSocket
from bench.context import Context
from bench.loads import Producers, producers
from bench.report import Figure, Target, ratio
from bench.servers import Server

GROUP = "access"
CONNECTIONS = 64
SECONDS = 1.5
WARM_UP_SECONDS = 0.5


def measure(context: Context) -> list[Figure]:
    tx_ids = traffic.ids(CONNECTIONS, "access")
    guarded = context.fresh("guarded")
    key = servers.make_key(guarded, "reporter")
    with servers.athena(context.fresh("open")) as without, servers.athena(guarded, auth="keys") as with_:
        traffic.open_all(without.port, tx_ids)
        traffic.open_all(with_.port, tx_ids, key)
        loads = [[traffic.edit(tx_id, turn, some) for turn in (0, 1) for tx_id in tx_ids] for some in ("", key)]
        with (
            producers(context.tools, without.port, CONNECTIONS, loads[0], context.scratch) as plain,
            producers(context.tools, with_.port, CONNECTIONS, loads[1], context.scratch) as keyed,
        ):
            for load in (plain, keyed):
                load.send_for(WARM_UP_SECONDS)
            samples = [(_round(without, plain), _round(with_, keyed)) for _ in range(context.rounds)]
        outlived = [_outlive(with_, guarded) for _ in range(context.rounds)]
    rates = [
        Figure(group=GROUP, name=f"single edits, {name}", unit="edits/s", samples=[both[which][0] for both in samples])
        for which, name in ((0, "no access control"), (1, "with a key"))
    ]
    costs = [
        Figure(group=GROUP, name=f"server CPU an edit, {name}", unit="µs", samples=[both[which][1] for both in samples])
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


def _round(server: Server, load: Producers) -> tuple[float, float]:
    """-> edits a second, and µs of the server's CPU an edit."""
    before = server.cpu_seconds()
    answers, seconds, _ = load.send_for(SECONDS)
    return answers / seconds, (server.cpu_seconds() - before) / answers * 1e6


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
