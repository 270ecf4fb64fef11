"""Memory: what an idle WebSocket client costs the server's process, at 10,000 clients, beside a plain `ws` server.

Private memory (what the machine would get back) after the clients have connected, minus before, for each client. Every
round is a fresh process, warmed up with a few clients. What the kernel keeps for a socket is the same for every server
and not counted.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from bench import servers
from bench.calls import Http
from bench.context import Context
from bench.loads import subscribers
from bench.report import Figure, Target, ratio
from bench.servers import Server, Unavailable

GROUP = "memory"
CLIENTS = 10_000
WARM_UP = 100
SPARE_FILES = 200
SETTLED = 64 * 1024
"""Bytes. Memory that moves less than this in half a second has settled."""


def measure(context: Context) -> list[Figure]:
    samples: dict[str, list[float]] = {"Athena": [], "ws": []}
    missing = {"Athena": "", "ws": ""}
    for _ in range(context.rounds):
        for name, start in (
            ("Athena", lambda: servers.athena(context.fresh("memory"))),
            ("ws", lambda: servers.ws(context.scratch)),
        ):
            try:
                samples[name].append(_cost(context, start, settle=name == "ws"))
            except Unavailable as error:
                missing[name] = str(error)
    ours, theirs = (
        Figure(
            group=GROUP,
            name=f"an idle client at {CLIENTS:,}, {name}",
            unit="KB",
            samples=samples[name],
            missing=missing[name],
            target=Target("≤", 2) if name == "Athena" else None,
        )
        for name in samples
    )
    return [ours, theirs, ratio(GROUP, "Athena / ws", ours, theirs)]


def _cost(context: Context, start: Callable[[], AbstractContextManager[Server]], *, settle: bool) -> float:
    """KB (1,000 bytes) a client."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed < CLIENTS + SPARE_FILES:
        raise Unavailable(f"a process may open only {allowed:,} files here (ulimit -n)")
    with start() as server:
        with subscribers(context.tools, server.port, WARM_UP):
            _settled(server, settle)
        before = _settled(server, settle)
        with subscribers(context.tools, server.port, CLIENTS):
            after = _settled(server, settle)
    return (after - before) / CLIENTS / 1000


def _settled(server: Server, settle: bool) -> int:
    """The private memory once it stays the same; a server that knows how collects its garbage first."""
    if settle:
        with Http(server.port) as http:
            http.call("POST", "/settle")
    previous = -SETTLED
    for _ in range(20):
        time.sleep(0.5)
        current = server.private_bytes()
        if abs(current - previous) < SETTLED:
            break
        previous = current
    return current
