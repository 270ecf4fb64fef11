"""One change to 10,000 clients: when the last of them has it, compared with a C loop of `send()` and other servers.

For Athena the time includes the request, its validation and the commit to disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench import servers, traffic
from bench.calls import Http, WebSocket, request
from bench.contenders import FLOOR, UWEBSOCKETS, WS, Peer
from bench.context import Context
from bench.loads import Subscribers, subscribers
from bench.report import Figure, Target, ratio

GROUP = "one change"
CLIENTS = 10_000
TIMES = 5
"""Changes per round. All servers get one, then all get the next: a disturbance affects them alike."""

Push = Callable[[int], float]
"""Sends one change -> ms until the last client has it."""


def measure(context: Context) -> list[Figure]:
    clients = servers.room(CLIENTS)
    samples: dict[str, list[float]] = {"Athena": []}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        push, message = stack.enter_context(_athena(context, clients))
        pushes = {"Athena": push}
        for peer in (FLOOR, UWEBSOCKETS, WS):
            samples[peer.name] = []
            try:
                pushes[peer.name] = stack.enter_context(_peer(context, peer, message, clients))
            except servers.Unavailable as error:
                missing[peer.name] = str(error)
        for turn in range((context.rounds + 1) * TIMES):
            for name, push in list(pushes.items()):
                try:
                    took = push(turn)
                except (servers.Unavailable, ConnectionError) as error:
                    missing[name] = f"gave up: {error}"
                    del pushes[name]
                    continue
                if turn >= TIMES:  # the first round warms up
                    samples[name].append(took)
    figures = {
        name: Figure(
            group=GROUP,
            name=f"to {clients:,} clients, the last one has it, {name}",
            unit="ms",
            samples=some,
            missing=missing.get(name, ""),
        )
        for name, some in samples.items()
    }
    ours = figures["Athena"]
    return [
        *figures.values(),
        ratio(GROUP, f"Athena / {FLOOR.name}", ours, figures[FLOOR.name], Target("≤", 1.25)),
        ratio(GROUP, f"Athena / {UWEBSOCKETS.name}", ours, figures[UWEBSOCKETS.name]),
        ratio(GROUP, f"Athena / {WS.name}", ours, figures[WS.name]),
    ]


@contextmanager
def _athena(context: Context, clients: int) -> Iterator[tuple[Push, bytes]]:
    """-> a function that pushes one change, and the message that it pushes."""
    with servers.athena(context.fresh("one")) as server, Http(server.port) as http:
        traffic.open_all(server.port, ["one"])
        with WebSocket(server.port) as listener:
            http.send(traffic.edit("one", 1))
            message = listener.message()
            http.answer()
        with subscribers(context.tools, server.port, clients) as listening:
            yield (lambda turn: _push(http, traffic.edit("one", turn), listening)), message


@contextmanager
def _peer(context: Context, peer: Peer, message: bytes, clients: int) -> Iterator[Push]:
    with (
        peer.running(context.scratch) as server,
        subscribers(context.tools, server.port, clients, peer.dial) as listening,
    ):

        def push(_turn: int) -> float:
            with Http(server.control) as http:  # a new one: uWebSockets ends connections that are idle for 10 s
                return _push(http, request("POST", "/", message), listening)

        yield push


def _push(http: Http, change: bytes, listening: Subscribers) -> float:
    listening.expect(1)
    time.sleep(0.02)
    begun = time.monotonic()
    http.send(change)
    last = listening.counted().last
    http.answer()
    return (last - begun) * 1000
