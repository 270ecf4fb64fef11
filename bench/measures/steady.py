"""Steady: 2,000 single edits per second to 1,000 clients, and how old an edit is when the last client has it.

The edits are sent on time whether or not the server keeps up; the age of each counts from when it was due. A client
that gets more messages than there were edits ends the measurement; missing messages are counted. `ws` gets a moment of
the same work, since it cannot keep up: what counts there is its CPU time.
"""

from __future__ import annotations

import json
import re
from threading import Thread

from bench import servers, traffic
from bench.calls import Http, WebSocket, request
from bench.contenders import WS
from bench.context import Context, percentile
from bench.loads import Producers, Subscribers, producers, subscribers
from bench.report import Figure, Target, ratio
from bench.servers import Server, Unavailable

GROUP = "steady"
RATE = 2000
CLIENTS = 1000
CONNECTIONS = 64
TRANSACTIONS = 64
SECONDS = 12.0
"""Per round; five of them are the minute."""

PEER_SECONDS = 0.05

_NUMBER = re.compile(rb"edit number (\d+)")


def measure(context: Context) -> list[Figure]:
    seconds = 2.0 if context.quick else SECONDS
    ages, lost, cpu = _athena(context, seconds)
    worst = [max(some) for some in ages]
    figures = [
        Figure(
            group=GROUP,
            name=f"{RATE:,} edits/s to {CLIENTS:,} clients, {seconds:g} s: edit → last client, p99",
            unit="ms",
            samples=[percentile(some, 99) * 1000 for some in ages],
            target=Target("≤", 25),
        ),
        Figure(group=GROUP, name="the same, median", unit="ms", samples=[percentile(some, 50) * 1000 for some in ages]),
        Figure(group=GROUP, name="the same, the slowest", unit="ms", samples=[value * 1000 for value in worst]),
        Figure(group=GROUP, name="lost", unit="messages", samples=lost, target=Target("≤", 0)),
    ]
    ours = Figure(group=GROUP, name="CPU seconds for a second of that work, Athena", unit="s", samples=cpu)
    theirs = _ws(context)
    return [*figures, ours, theirs, ratio(GROUP, "CPU of ws / Athena", theirs, ours, Target("≥", 3))]


def _athena(context: Context, seconds: float) -> tuple[list[list[float]], list[float], list[float]]:
    """-> ages of all edits (s), messages lost, and CPU seconds per second of the work; each per round."""
    edits = round(RATE * seconds)
    tx_ids = traffic.ids(TRANSACTIONS, "steady")
    requests = [_edit(tx_ids[number % TRANSACTIONS], number) for number in range(edits)]
    ages, lost, cpu = [], [], []
    with servers.athena(context.fresh("steady")) as server:
        traffic.open_all(server.port, tx_ids)
        with (
            subscribers(context.tools, server.port, CLIENTS) as listening,
            producers(context.tools, server.port, CONNECTIONS, requests, context.scratch, rate=RATE) as editing,
        ):
            for _ in range(context.rounds):
                before = server.cpu_seconds()
                some, missing = _round(server, listening, editing, edits, seconds)
                ages.append(some)
                lost.append(float(missing))
                cpu.append((server.cpu_seconds() - before) / seconds)
    return ages, lost, cpu


def _round(
    server: Server, listening: Subscribers, editing: Producers, edits: int, seconds: float
) -> tuple[list[float], int]:
    """-> the age of each message when the last client had it, in the order of the push, and how many deliveries are
    missing after the load has waited for them."""
    order: list[int] = []
    with WebSocket(server.port) as witness:
        reading = Thread(target=_note_order, args=(witness, edits, order), daemon=True)
        reading.start()
        listening.expect(edits, each=True)
        editing.tell(str(seconds))
        counted, answered = listening.counted(), editing.answered()
        reading.join()
    assert sorted(order) == list(range(edits)), "expected each edit to be pushed once"
    ages = [had - (answered.begun + number / RATE) for had, number in zip(counted.each, order, strict=True) if had]
    return ages, CLIENTS * edits - counted.frames


def _note_order(witness: WebSocket, edits: int, order: list[int]) -> None:
    """Note the push order: edits on different connections may be committed in another order than they were due."""
    for _ in range(edits):
        found = _NUMBER.search(witness.message())
        assert found, "expected an edit"
        order.append(int(found[1]))


def _edit(tx_id: str, number: int) -> bytes:
    body = json.dumps({"status": "pending", "on_step": 12, "total_steps": 40, "athena_msg": f"edit number {number}"})
    return request("PUT", f"{traffic.API}/webhooks/txs/{tx_id}", body.encode())


def _ws(context: Context) -> Figure:
    """The same rate for a moment: each POST is one message to all."""
    name = "CPU seconds for a second of that work, ws"
    edits = round(RATE * PEER_SECONDS)
    cpu = []
    try:
        with WS.running(context.scratch) as server, subscribers(context.tools, server.port, CLIENTS) as listening:
            requests = [request("POST", "/", b"x" * 300)] * edits
            with producers(context.tools, server.port, CONNECTIONS, requests, context.scratch, rate=RATE) as editing:
                with Http(server.port) as http:
                    listening.expect(1)
                    http.call("POST", "/", b"warm-up")
                    listening.counted()
                for _ in range(context.rounds):
                    before = server.cpu_seconds()
                    listening.expect(edits)
                    editing.tell(str(PEER_SECONDS))
                    listening.counted()
                    editing.answered()
                    cpu.append((server.cpu_seconds() - before) / PEER_SECONDS)
    except Unavailable as error:
        return Figure(group=GROUP, name=name, unit="s", missing=str(error))
    return Figure(group=GROUP, name=name, unit="s", samples=cpu, note="one core has 1 s")
