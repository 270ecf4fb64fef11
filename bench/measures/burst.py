"""Burst: 1,000 WebSocket clients, one bulk of 200 edits. How many deliveries a second, beside a plain `ws` server.

The clock runs from the moment the HTTP request is sent to the last message read by the last client; for Athena that
includes decoding and the commit to disk. The peer is sent the very messages that Athena pushed, and stores nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench import servers, traffic
from bench.calls import Http, WebSocket, request
from bench.context import Context
from bench.loads import Subscribers, subscribers
from bench.report import Figure, Target, ratio
from bench.servers import Server

GROUP = "burst"
CLIENTS = 1000
EDITS = 200

Fire = Callable[[int], tuple[float, float]]
"""Does one round -> deliveries a second, and a second of the server's CPU. Its argument tells the rounds apart."""


def measure(context: Context) -> list[Figure]:
    """Both servers are up all the time, and burst in turns."""
    with ExitStack() as stack:
        fire, messages = stack.enter_context(_athena(context))
        contenders = {"Athena": fire}
        missing = ""
        try:
            contenders["ws"] = stack.enter_context(_ws(context, messages))
        except servers.Unavailable as error:
            missing = str(error)
        samples: dict[str, list[tuple[float, float]]] = {"Athena": [], "ws": []}
        for turn in range(context.rounds + 1):
            for name, fire in contenders.items():
                rate = fire(turn)
                if turn:  # the first one warms up
                    samples[name].append(rate)
    ours, our_cpu = _figures("Athena", samples["Athena"], Target("≥", 5e6))
    theirs, their_cpu = _figures("ws", samples["ws"], None, missing)
    return [ours, theirs, ratio(GROUP, "Athena / ws", ours, theirs, Target("≥", 20)), our_cpu, their_cpu]


def _figures(name: str, samples: list[tuple[float, float]], target: Target | None, missing: str = "") -> list[Figure]:
    return [
        Figure(
            group=GROUP,
            name=f"{CLIENTS:,} clients × {EDITS} edits, {name}",
            unit="deliveries/s",
            samples=[rate for rate, _ in samples],
            target=target,
            missing=missing,
        ),
        Figure(
            group=GROUP,
            name=f"the same for a second of CPU, {name}",
            unit="deliveries/s",
            samples=[rate for _, rate in samples],
            missing=missing,
        ),
    ]


@contextmanager
def _athena(context: Context) -> Iterator[tuple[Fire, list[bytes]]]:
    """-> how to fire, and the messages that a burst pushes."""
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
            yield (lambda turn: _fire(server, http, bulks[turn % 2], listening)), messages


@contextmanager
def _ws(context: Context, messages: list[bytes]) -> Iterator[Fire]:
    burst = request("POST", "/", b"\n".join(messages))
    with (
        servers.ws(context.scratch) as server,
        Http(server.port) as http,
        subscribers(context.tools, server.port, CLIENTS) as listening,
    ):
        yield lambda turn: _fire(server, http, burst, listening)


def _fire(server: Server, http: Http, burst: bytes, listening: Subscribers) -> tuple[float, float]:
    listening.expect(EDITS)
    time.sleep(0.1)
    cpu, sent = server.cpu_seconds(), time.monotonic()
    http.send(burst)
    counted = listening.counted()
    http.answer()
    return counted.frames / (counted.last - sent), counted.frames / (server.cpu_seconds() - cpu)
