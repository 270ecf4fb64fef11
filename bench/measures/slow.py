"""Slow readers: 1 % of 10,000 clients never read. What the others notice, and what each slow reader costs.

Two servers, one with slow readers and one without, get the same work in turns: first enough changes that clients that
do not read are behind for good, then single ones, which are timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench import servers, traffic
from bench.calls import Http
from bench.context import Context
from bench.loads import Dial, Subscribers, subscribers
from bench.report import Figure, Target, ratio
from bench.servers import Server, Unavailable

GROUP = "slow readers"
CLIENTS = 10_000
SHARE = 0.01
FLOOD = 1000
"""Changes per flood, to fill the buffers that the kernel and the server have for a client that does not read."""

MOST_FLOODS = 12
TIMES = 10
"""Timed changes per round; the median of their p99s is the round's sample."""

KIB = 1024


class Side:
    """One of the two servers, with its clients and its work."""

    def __init__(self, server: Server, http: Http, listening: Subscribers, tx_ids: list[str]) -> None:
        self.server, self.http, self.listening = server, http, listening
        self.tx_ids, self.turn = tx_ids, 0

    def flood(self) -> None:
        self.turn += 1
        self.listening.expect(len(self.tx_ids))
        self.http.send(traffic.bulk(self.tx_ids, self.turn))
        self.listening.counted()
        self.http.answer()

    def p99(self) -> float:
        """ms until 99 % of the clients that read have one change."""
        self.turn += 1
        self.listening.expect(1)
        time.sleep(0.02)
        begun = time.monotonic()
        self.http.send(traffic.edit(self.tx_ids[0], self.turn))
        reached = self.listening.counted().p99
        self.http.answer()
        return (reached - begun) * 1000


def measure(context: Context) -> list[Figure]:
    clients = servers.room(CLIENTS)
    deaf = round(clients * SHARE)
    with _side(context, clients, 0) as without, _side(context, clients, deaf) as with_:
        grown = _grow(with_, without, deaf)
        samples = [
            [statistics.median(side.p99() for _ in range(TIMES)) for side in (without, with_)]
            for _ in range(context.rounds)
        ]
    ours, theirs = (
        Figure(group=GROUP, name=f"one change to {clients:,} clients, p99, {name}", unit="ms", samples=some)
        for name, some in (
            (f"{deaf} of them never read", [both[1] for both in samples]),
            ("all of them read", [both[0] for both in samples]),
        )
    )
    return [
        ours,
        theirs,
        ratio(GROUP, "with / without", ours, theirs, Target("≤", 1.2)),
        Figure(
            group=GROUP,
            name="memory for each that never reads",
            unit="KiB",
            samples=[grown / deaf / KIB],
            target=Target("≤", 256),
        ),
    ]


def _grow(with_: Side, without: Side, deaf: int) -> int:
    """Flood both alike until all slow readers are behind, and once more -> bytes by which `with_` has grown more.

    It takes several floods: at first the kernel keeps enlarging the buffers of clients that do not read.
    """
    before = [side.server.private_bytes() for side in (with_, without)]
    floods_behind = 0
    for _ in range(MOST_FLOODS):
        with_.flood()
        without.flood()
        behind = traffic.metric(with_.server.port, "athena_slow_clients")
        floods_behind = floods_behind + 1 if behind == deaf else 0
        if floods_behind == 2:
            break
    else:
        raise Unavailable(
            f"{behind} of {deaf} clients that never read were behind after {MOST_FLOODS * FLOOD:,} changes"
        )
    grown = [side.server.private_bytes() - size for side, size in zip((with_, without), before, strict=True)]
    return grown[0] - grown[1]


@contextmanager
def _side(context: Context, clients: int, deaf: int) -> Iterator[Side]:
    tx_ids = traffic.ids(FLOOD, "slow")
    with servers.athena(context.fresh("slow")) as server, Http(server.port) as http:
        traffic.open_all(server.port, tx_ids)
        with subscribers(context.tools, server.port, clients, Dial(deaf=deaf)) as listening:
            yield Side(server, http, listening, tx_ids)
