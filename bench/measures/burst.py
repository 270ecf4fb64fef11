"""Burst: 1,000 WebSocket clients, 200 changes in one commit. Deliveries per second, compared with every peer.

The clock runs from the moment the HTTP request is sent to the last message read by the last client; for Athena that
includes decoding and the commit to disk. The peers send the same messages that Athena has pushed, and store nothing.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from bench import contenders, servers, traffic
from bench.calls import Http, WebSocket, request
from bench.contenders import PEERS, Peer
from bench.context import Context
from bench.loads import Subscribers, subscribers
from bench.report import Figure, Target, ratio
from bench.servers import Server

GROUP = "burst"
CLIENTS = 1000
EDITS = 200
SLOW_EDITS = 10
"""For the slow peers: their cost is per message, so the rate is the same and the run is short."""

REPEATS = 4
"""Bursts per round, in turns, of all but the slow peers: one of 20 ms is short enough to be disturbed as a whole."""

TARGETS = {contenders.UWEBSOCKETS.name: Target("≥", 3), contenders.WS.name: Target("≥", 60)}
FIRST_TARGETS = {contenders.WS.name: Target("≥", 20)}
SLOW = {peer.name for peer in PEERS if peer.slow}


class Rate(NamedTuple):
    """Deliveries per second, and per second of the server's CPU time."""

    wall: float
    cpu: float


Fire = Callable[[int], Rate]
"""Runs one burst. Its argument is the number of the burst."""


def measure(context: Context) -> list[Figure]:
    """All servers run all the time, and burst in turns."""
    missing: dict[str, str] = {}
    samples: dict[str, list[Rate]] = {"Athena": [], **{peer.name: [] for peer in PEERS}}
    with ExitStack() as stack:
        fire, messages = stack.enter_context(_athena(context))
        fires = {"Athena": fire}
        for peer in PEERS:
            try:
                fires[peer.name] = stack.enter_context(_peer(context, peer, messages))
            except servers.Unavailable as error:
                missing[peer.name] = str(error)
        for turn in range(context.rounds + 1):
            rates: dict[str, list[Rate]] = {name: [] for name in fires}
            for repeat in range(REPEATS):
                for name, fire in list(fires.items()):
                    if repeat and name in SLOW:
                        continue
                    try:
                        rates[name].append(fire(turn * REPEATS + repeat))
                    except (servers.Unavailable, ConnectionError) as error:
                        missing[name] = f"gave up: {error}"
                        del fires[name]
            if turn:  # the first one warms up
                for name in fires:
                    samples[name].append(Rate(*map(statistics.harmonic_mean, zip(*rates[name], strict=True))))
    return _figures(samples, missing)


def _figures(samples: dict[str, list[Rate]], missing: dict[str, str]) -> list[Figure]:
    edits = {peer.name: SLOW_EDITS if peer.slow else EDITS for peer in PEERS}
    rates, costs = (
        {
            name: Figure(
                group=GROUP,
                name=f"{CLIENTS:,} clients × {edits.get(name, EDITS)} changes, {what}{name}",
                unit="deliveries/s",
                samples=[rate[field] for rate in some],
                target=Target("≥", 8e6) if name == "Athena" and not field else None,
                first=Target("≥", 5e6) if name == "Athena" and not field else None,
                missing=missing.get(name, ""),
            )
            for name, some in samples.items()
        }
        for field, what in ((0, ""), (1, "for a second of CPU, "))
    )
    peers = [name for name in rates if name != "Athena"]
    ratios = [
        ratio(GROUP, f"Athena / {name}", rates["Athena"], rates[name], TARGETS.get(name), FIRST_TARGETS.get(name))
        for name in peers
    ]
    return [*rates.values(), *ratios, *costs.values()]


@contextmanager
def _athena(context: Context) -> Iterator[tuple[Fire, list[bytes]]]:
    """-> a function that runs a burst, and the messages that it pushes."""
    tx_ids = traffic.ids(EDITS, "burst")
    bulks = [traffic.bulk(tx_ids, turn) for turn in (0, 1)]
    with servers.athena(context.fresh("burst")) as server, Http(server.port) as http:
        traffic.open_all(server.port, tx_ids)
        with WebSocket(server.port) as listener:
            http.send(traffic.bulk(tx_ids, 1))
            messages = [listener.message() for _ in tx_ids]
            results = json.loads(http.answer())["results"]
            assert all(result["status"] == 200 for result in results), results[0]
        with subscribers(context.tools, server.port, CLIENTS) as listening:
            yield (lambda turn: _fire(server, http, bulks[turn % 2], listening, EDITS)), messages


@contextmanager
def _peer(context: Context, peer: Peer, messages: list[bytes]) -> Iterator[Fire]:
    edits = SLOW_EDITS if peer.slow else EDITS
    burst = request("POST", "/", b"\n".join(messages[:edits]))
    with (
        peer.running(context.scratch) as server,
        subscribers(context.tools, server.port, CLIENTS, peer.dial) as listening,
    ):

        def fire(_turn: int) -> Rate:
            with Http(server.control) as http:  # a new one: uWebSockets ends connections that are idle for 10 s
                return _fire(server, http, burst, listening, edits)

        yield fire


def _fire(server: Server, http: Http, burst: bytes, listening: Subscribers, edits: int) -> Rate:
    listening.expect(edits)
    servers.wait_for_quiet()
    cpu, sent = server.cpu_seconds(), time.monotonic()
    http.send(burst)
    counted = listening.counted()
    http.answer()
    return Rate(counted.frames / (counted.last - sent), counted.frames / (server.cpu_seconds() - cpu))
