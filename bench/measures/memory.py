"""Memory: what an idle WebSocket client costs the server's process, at 20,000 clients, compared with ws and socket.io.

Private memory (what the machine would get back) after the clients have connected, minus before, divided by the clients.
Every round is a new process, warmed up with a few clients. What the kernel keeps for a socket is the same for every
server and not counted.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from bench import servers
from bench.calls import Http
from bench.contenders import SOCKETIO, WS, Peer
from bench.context import Context
from bench.loads import Dial, subscribers
from bench.report import Figure, Target, ratio
from bench.servers import Server, Unavailable

GROUP = "memory"
CLIENTS = 20_000
WARM_UP = 100
SETTLED = 64 * 1024
"""Bytes. Memory that moves less than this in a quarter of a second has settled."""


def measure(context: Context) -> list[Figure]:
    clients = servers.room(CLIENTS)
    samples: dict[str, list[float]] = {"Athena": [], WS.name: [], SOCKETIO.name: []}
    missing: dict[str, str] = {}
    for _ in range(context.rounds):
        samples["Athena"].append(_cost(context, servers.athena(context.fresh("memory")), Dial(), clients, settle=False))
        for peer in (WS, SOCKETIO):
            try:
                samples[peer.name].append(_peer_cost(context, peer, clients))
            except Unavailable as error:
                missing[peer.name] = str(error)
    figures = {
        name: Figure(
            group=GROUP,
            name=f"an idle client at {clients:,}, {name}",
            unit="KB",
            samples=some,
            missing=missing.get(name, ""),
            target=Target("≤", 1.5) if name == "Athena" else None,
            first=Target("≤", 2) if name == "Athena" else None,
        )
        for name, some in samples.items()
    }
    bounds = {WS.name: Target("≤", 1 / 4), SOCKETIO.name: Target("≤", 1 / 15)}
    ours = figures["Athena"]
    return [
        *figures.values(),
        *(ratio(GROUP, f"Athena / {name}", ours, figures[name], bound) for name, bound in bounds.items()),
    ]


def _peer_cost(context: Context, peer: Peer, clients: int) -> float:
    return _cost(context, peer.running(context.scratch), peer.dial, clients, settle=True)


def _cost(context: Context, start: AbstractContextManager[Server], dial: Dial, clients: int, *, settle: bool) -> float:
    """KB (1,000 bytes) per client."""
    with start as server:
        with subscribers(context.tools, server.port, WARM_UP, dial):
            pass
        before = _settled(server, settle)
        with subscribers(context.tools, server.port, clients, dial):
            after = _settled(server, settle)
    return (after - before) / clients / 1000


def _settled(server: Server, settle: bool) -> int:
    """The private memory once it is stable; a server that supports it collects its garbage first."""
    if settle:
        with Http(server.port) as http:
            http.call("POST", "/settle")
    previous = -SETTLED
    for _ in range(40):
        time.sleep(0.25)
        current = server.private_bytes()
        if abs(current - previous) < SETTLED:
            break
        previous = current
    return current
