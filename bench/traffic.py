"""The workload: transactions, and edits of them that clients see."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from bench.calls import Http, request

API = "/api/v3"
BULK = f"{API}/webhooks/txs/bulk"
NDJSON = "application/x-ndjson"
STEPS = 40

MESSAGES = ("the image is pulled, waiting for the pods to start", "the pods are up, waiting for the first health check")
"""The messages of edits, alternating, so that each edit is a change that clients see and not a heartbeat."""


def ids(count: int, prefix: str) -> list[str]:
    return [f"{prefix}-{number:06}" for number in range(count)]


def open_all(port: int, tx_ids: Sequence[str], key: str = "") -> None:
    """Open a transaction for each id, with a timeout longer than any benchmark."""
    with Http(port) as http:
        for start in range(0, len(tx_ids), 5000):
            lines = [_open(tx_id) for tx_id in tx_ids[start : start + 5000]]
            answer = json.loads(http.call("POST", BULK, b"\n".join(lines), NDJSON, key))
            refused = [result for result in answer["results"] if result["status"] != 200]
            assert not refused, f"expected transactions to be opened, got {refused[0]}"


def edit(tx_id: str, turn: int, key: str = "") -> bytes:
    """A request with a single edit."""
    return request("PUT", f"{API}/webhooks/txs/{tx_id}", json.dumps(_edit(turn)).encode(), key=key)


def bulk(tx_ids: Sequence[str], turn: int) -> bytes:
    """A request with one edit for each id, one per line."""
    lines = [json.dumps({"op": "edit", "tx_id": tx_id, **_edit(turn)}).encode() for tx_id in tx_ids]
    return request("POST", BULK, b"\n".join(lines), NDJSON)


def changes(port: int) -> int:
    """The number of changes in the history, according to the server: each stored edit is one."""
    return metric(port, "athena_changes_total")


def metric(port: int, name: str) -> int:
    """A counter from the server's own metrics."""
    with Http(port) as http:
        found = re.search(rf"^{name} (\S+)", http.call("GET", "/metrics").decode(), re.MULTILINE)
    assert found, f"expected the metric {name}"
    return int(float(found[1]))


def _open(tx_id: str) -> bytes:
    content = {"description": "Deploy web to production", "by": "nadia@example.com", "total_steps": STEPS}
    return json.dumps({"op": "open", "tx_id": tx_id, "timeout_ms": 24 * 3600 * 1000, **content}).encode()


def _edit(turn: int) -> dict[str, object]:
    return {"status": "pending", "on_step": 12, "total_steps": STEPS, "athena_msg": MESSAGES[turn % len(MESSAGES)]}
