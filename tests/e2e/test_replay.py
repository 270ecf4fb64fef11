"""A replay of more than the tail holds: messages no longer in memory come from the store, on every transport."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from tests.e2e.calls import ARCHIVE, BULK, new_id, ok, open_tx, position
from tests.e2e.expect import check_order, fold, seq_of
from tests.e2e.subscribers import TRANSPORTS, subscribe
from tests.support.server import Athena

TAIL_BYTES = 65_536
"""Room for the last few of the messages below."""


class Past(NamedTuple):
    """The setup: `opened` were opened after `start`, every second one succeeded, then `archived` were archived."""

    athena: Athena
    start: str
    opened: list[str]
    archived: list[str]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    data = tmp_path_factory.mktemp("replay") / "athena-data"
    with Athena(data, "--tail-bytes", str(TAIL_BYTES)) as athena:
        open_tx(athena)
        start = position(athena)
        ids = [new_id() for _ in range(1000)]
        ok(athena, "POST", BULK, [{"op": "open", "tx_id": tx_id, "description": "d" * 200} for tx_id in ids])
        ok(athena, "POST", BULK, [{"op": "edit", "tx_id": tx_id, "status": "success"} for tx_id in ids[::2]])
        archived = ids[100:900:8]
        ok(athena, "POST", ARCHIVE, {"notification_ids": archived})
        yield Past(athena, start, ids, archived)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_latest_state_of_everything_in_order_then_life(transport: str, past: Past) -> None:
    end = position(past.athena)
    with subscribe(transport, past.athena, after=past.start) as subscriber:
        if transport == "longpoll":
            messages = subscriber.receive_until(lambda message: message["cursor"] == end)
        else:
            *messages, ready = subscriber.receive_until(lambda message: message["type"] == "ready")
            assert ready["cursor"] == messages[-1]["cursor"] == end
        check_order(messages)
        assert seq_of(messages[0]["cursor"]) > seq_of(past.start)
        assert sorted(gone for m in messages if m["type"] == "archived" for gone in m["ids"]) == sorted(past.archived)
        states = fold(messages)
        states = {tx_id: state for tx_id, state in states.items() if tx_id in set(past.opened)}
        assert states.keys() == set(past.opened) - set(past.archived)
        for place, tx_id in enumerate(past.opened):
            if tx_id in states:
                assert states[tx_id]["status"] == ("pending" if place % 2 else "success")
        live = open_tx(past.athena)
        assert subscriber.receive()["id"] == live


def test_states_that_were_overtaken_long_ago_are_left_out(past: Past) -> None:
    """Each transaction costs one message, however often it changed."""
    with subscribe("python", past.athena, after=past.start) as subscriber:
        messages = subscriber.receive_until(lambda message: message["type"] == "ready")
    assert len(messages) < 1.5 * len(past.opened)
