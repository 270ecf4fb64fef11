"""Creates transactions, as producers do."""

from __future__ import annotations

from typing import Any

from tests.e2e.calls import BULK, edit, ok, open_tx
from tests.support.server import Athena


def finished(athena: Athena, description: str, status: str = "success", message: str = "done", **members: Any) -> str:
    """Begin and end a transaction -> its id."""
    tx_id = open_tx(athena, description=description, **members)
    edit(athena, tx_id, status, athena_msg=message)
    return tx_id


def bulk(athena: Athena, items: list[dict[str, Any]]) -> None:
    answer = ok(athena, "POST", BULK, items)
    assert all(result["status"] in (200, 201) for result in answer["results"]), answer


def many_finished(athena: Athena, count: int, prefix: str = "job") -> list[str]:
    """Begin and end transactions in one commit -> their ids."""
    ids = [f"{prefix}-{number:04}" for number in range(count)]
    opened = [{"op": "open", "tx_id": tx_id, "description": f"Job {tx_id}"} for tx_id in ids]
    closed = [{"op": "edit", "tx_id": tx_id, "status": "success"} for tx_id in ids]
    bulk(athena, opened + closed)
    return ids
