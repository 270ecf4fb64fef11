"""What a change costs, counted and not timed: it is encoded once for all clients, and written once to each."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from tests.e2e.calls import open_tx
from tests.support.server import Athena
from websockets.sync.client import ClientConnection, connect

EDITS = 200


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
    """All of it is there at once, as soon as the first byte is: one buffer, not one a message."""
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
