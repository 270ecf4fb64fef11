"""The cost of a change, counted rather than timed: it is encoded once for all clients, written once to each, and leaves
nothing for the garbage collector."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.calls import open_tx
from tests.support import collected
from tests.support.server import Athena
from websockets.sync.client import ClientConnection, connect

EDITS = 200
TIMES = 20

API = "/api/v3"
TX = f"{API}/webhooks/txs"
KINDS: list[tuple[str, str, Any, int]] = [
    ("PUT", f"{TX}/a", {"status": "pending", "athena_msg": "number {}"}, 200),
    ("PUT", f"{TX}/unknown", {"status": "pending"}, 404),
    ("PUT", f"{TX}/over", {"status": "error"}, 409),
    ("PUT", f"{TX}/a", {"status": "?"}, 400),
    ("POST", f"{TX}/bulk", [{"op": "edit", "tx_id": "a", "status": "pending", "athena_msg": "once more {}"}], 200),
    ("POST", f"{TX}/bulk", [{"op": "edit", "tx_id": "over", "status": "error"}, {"op": "?"}], 200),
    ("GET", f"{TX}/a", None, 200),
    ("GET", f"{API}/notifications?search=once&status=pending", None, 200),
    ("GET", f"{API}/notifications/changes?after=", None, 200),
    ("GET", "/nothing", None, 404),
    ("GET", "/metrics", None, 200),
    ("GET", "/readyz", None, 200),
    ("GET", "/docs", None, 200),
]


def metric(athena: Athena, name: str) -> int:
    _, text = athena.request("GET", "/metrics")
    found = re.search(rf"^{name} (\S+)", text, re.MULTILINE)
    assert found, name
    return int(float(found[1]))


def received(client: ClientConnection, count: int) -> None:
    for _ in range(count):
        client.recv(timeout=30)


@pytest.mark.parametrize("clients", [1, 60])
def test_a_burst_is_encoded_once_however_many_clients_there_are(
    start_athena: Callable[..., Athena], clients: int
) -> None:
    athena = start_athena()
    ids = [open_tx(athena, description=f"Job {number}") for number in range(EDITS)]
    lines = [{"op": "edit", "tx_id": tx_id, "status": "success"} for tx_id in ids]
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(f"{athena.ws_url}?after=", proxy=None)) for _ in range(clients)]
        for client in sockets:
            assert '"ready"' in str(client.recv(timeout=30))
        encodes, flushes, commits = (
            metric(athena, f"athena_{name}_total") for name in ("encodes", "flushes", "commits")
        )
        assert athena.request("POST", "/api/v3/webhooks/txs/bulk", lines)[0] == 200
        for client in sockets:
            received(client, EDITS)
        assert metric(athena, "athena_commits_total") == commits + 1
        assert metric(athena, "athena_flushes_total") == flushes + 1
        assert metric(athena, "athena_encodes_total") == encodes + 1


def test_a_burst_reaches_a_socket_in_one_write(athena: Athena) -> None:
    """All of it arrives together with the first byte: one buffer, not one per message."""
    with socket.create_connection(("127.0.0.1", athena.port)) as plain:
        plain.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert plain.recv(4096).startswith(b"HTTP/1.1 101 ")
        more = [{"op": "open", "tx_id": f"more-{number}", "description": "More"} for number in range(40)]
        assert athena.request("POST", "/api/v3/webhooks/txs/bulk", more)[0] == 200
        plain.settimeout(30)
        assert plain.recv(1 << 20).count(b'"webhook_tx"') == 40


def test_nothing_is_left_for_the_garbage_collector(tmp_path: Path) -> None:
    """Otherwise, at 2,000 edits a second, it would have 30,000 objects a second to find, and stall all clients."""
    variables = {"PYTHONPATH": str(Path(collected.__file__).parent)}
    with Athena(tmp_path / "athena-data", variables=variables) as athena:
        _look_for_garbage(athena)


def _look_for_garbage(athena: Athena) -> None:
    open_tx(athena, tx_id="a", description="A")
    open_tx(athena, tx_id="over", description="Over")
    assert athena.request("PUT", f"{TX}/over", {"status": "success"})[0] == 200

    def answered(method: str, path: str, body: Any, status: int, number: int) -> None:
        if isinstance(body, dict):
            body = {name: str(value).format(number) for name, value in body.items()}
        elif body is not None:
            body = [{name: value.format(number) for name, value in line.items()} for line in body]
        assert athena.request(method, path, body)[0] == status

    def connected() -> None:
        with connect(f"{athena.ws_url}?after=", proxy=None) as client:
            client.recv(timeout=30)

    def told() -> tuple[int, str]:
        """The objects that only the collector has freed since the last call: their number and kinds."""
        before = athena.log().count("garbage: ")
        os.kill(athena.pid, signal.SIGUSR1)
        while athena.log().count("garbage: ") == before:
            assert athena.request("GET", "/healthz")[0] == 200
        line = athena.log().rpartition("garbage: ")[2]
        return int(line.split()[0]), line

    for kind in KINDS:
        answered(*kind, -1)  # objects created once, on first use, do not matter here
    connected()
    told()
    for kind in KINDS:
        for number in range(TIMES):
            answered(*kind, number)
        objects, line = told()
        assert objects < TIMES, f"{kind}: {line}"
    for _ in range(TIMES):
        connected()
    objects, line = told()
    assert objects < TIMES, f"WebSocket: {line}"
