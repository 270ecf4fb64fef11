"""Reconnect storm: Athena is killed (-9) and started again, and 10,000 clients reconnect, each from its own cursor.

The clients' cursors are spread evenly over the last changes before the kill, so that they have missed from none to all
of them. A client is current when it has received everything since and `ready`. The clock runs from starting the new
process to the last `ready`; the server's start is included.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from bench import servers, traffic
from bench.calls import Http
from bench.context import Context
from bench.loads import Dial, subscribers
from bench.report import Figure, Target

GROUP = "storm"
CLIENTS = 10_000
MISSED = 200
"""Changes, each of a different transaction, over which the cursors are spread."""

AT_A_TIME = 2000


def measure(context: Context) -> list[Figure]:
    clients = servers.room(CLIENTS)
    seconds, reads, connecting = [], [], []
    for turn in range(context.rounds):
        data = context.fresh("storm")
        cursor = _history(data)
        paths = context.scratch / f"cursors-{turn}"
        paths.write_text("".join(f"/?after={some}\n" for some in _cursors(cursor)))
        begun = time.monotonic()
        with servers.athena(data) as server:
            dial = Dial(until='{"type":"ready"', paths=paths, at_a_time=AT_A_TIME)
            with subscribers(context.tools, server.port, clients, dial) as listening:
                seconds.append(time.monotonic() - begun)
                connecting.append(listening.seconds)
                reads.append(traffic.metric(server.port, "athena_store_reads_total"))
    return [
        Figure(
            group=GROUP,
            name=f"{clients:,} clients with {MISSED} different cursors, start → all current",
            unit="s",
            samples=seconds,
            target=Target("≤", 5),
        ),
        Figure(group=GROUP, name="of which connecting and catching up", unit="s", samples=connecting),
        Figure(group=GROUP, name="reads of the store for all of them", unit="reads", samples=reads),
    ]


def _history(data: Path) -> str:
    """Make changes and kill the server -> the cursor of the last one."""
    with servers.athena(data) as server:
        tx_ids = traffic.ids(MISSED, "storm")
        traffic.open_all(server.port, tx_ids)
        with Http(server.port) as http:
            http.send(traffic.bulk(tx_ids, 1))
            http.answer()
            cursor = json.loads(http.call("GET", f"{traffic.API}/notifications?limit=1"))["cursor"]
        os.kill(server.pid, signal.SIGKILL)
    return str(cursor)


def _cursors(last: str) -> list[str]:
    """The cursors of the last changes before `last`: `<epoch>.<seq>`."""
    epoch, seq = last.rsplit(".", 1)
    return [f"{epoch}.{int(seq) - missed}" for missed in range(MISSED)]
