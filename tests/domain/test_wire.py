import json
import sys
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from athena.domain.lifecycle import decide
from athena.domain.model import Change, Command, Edit, Notice, Notification, Open, Position
from athena.domain.wire import (
    ARCHIVED_IDS_A_MESSAGE,
    Encoded,
    Published,
    encode_messages,
    encode_ready,
    encode_reset,
    encode_state,
    row,
    transaction,
    weights,
)


def state_of(*operations: Open | Edit | Notice) -> Notification:
    state: Notification | None = None
    for seq, operation in enumerate(operations, 1):
        state = decide(Command("tx-1", operation), state, 1000 * seq, seq)
    assert state is not None
    return state


def message(state: Notification) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(encode_state(state, "e").data)
    return decoded


def test_a_pending_transaction_with_all_that_may_be_known() -> None:
    state = state_of(Open(description="d", sub_type="template", by="dora@x.org", on_step=1, total_steps=3))
    assert message(state) == {
        "type": "webhook_tx",
        "sub_type": "template",
        "id": "tx-1",
        "status": "pending",
        "message": "d",
        "ts_display": 1000,
        "ts_started": 1000,
        "on_step": 1,
        "total_steps": 3,
        "by": "d**a@x.org",
        "cursor": "e.1",
    }


def test_a_finished_one_with_as_little_as_possible() -> None:
    state = state_of(Open(description="d"), Edit(status="success", athena_msg="m"))
    assert message(state) == {
        "type": "webhook_tx",
        "sub_type": None,
        "id": "tx-1",
        "status": "success",
        "message": "d: m",
        "ts_display": 2000,
        "ts_started": 1000,
        "ts_completed": 2000,
        "by": "-",
        "cursor": "e.2",
    }


def test_a_notice() -> None:
    assert message(state_of(Notice(status="error", message="m", code=5))) == {
        "type": "notification",
        "id": "tx-1",
        "status": "error",
        "message": "m",
        "ts_display": 1000,
        "by": "-",
        "cursor": "e.1",
    }


def test_reset_and_ready() -> None:
    assert json.loads(encode_reset(Position("e", 5)).data) == {"type": "reset", "cursor": "e.5"}
    assert json.loads(encode_ready(Position("e", 5)).data) == {"type": "ready", "cursor": "e.5"}


def numbered(kinds: list[bool]) -> list[Notification]:
    state = state_of(Open(description="d"))
    return [structs.replace(state, id=f"t{seq}", seq=seq, archived=kind) for seq, kind in enumerate(kinds, 1)]


@given(st.lists(st.booleans(), max_size=20))
def test_changes_keep_their_order_and_neighbouring_archived_rows_share_a_message(kinds: list[bool]) -> None:
    messages = [(seq, json.loads(text)) for seq, text in encode_messages(numbered(kinds), "e")]
    assert [seq for seq, _ in messages] == sorted(seq for seq, _ in messages)
    assert all(decoded["cursor"] == f"e.{seq}" for seq, decoded in messages)
    told = [name for _, decoded in messages for name in decoded.get("ids", [decoded.get("id")])]
    assert told == [f"t{seq}" for seq in range(1, len(kinds) + 1)]
    neighbours = [decoded["type"] for _, decoded in messages]
    assert ("archived", "archived") not in list(pairwise(neighbours))


def test_an_archived_message_has_a_limit() -> None:
    messages = encode_messages(numbered([True] * (ARCHIVED_IDS_A_MESSAGE + 1)), "e")
    assert [len(json.loads(text)["ids"]) for _, text in messages] == [ARCHIVED_IDS_A_MESSAGE, 1]
    assert [seq for seq, _ in messages] == [ARCHIVED_IDS_A_MESSAGE, ARCHIVED_IDS_A_MESSAGE + 1]


def test_what_is_encoded_already_stays_as_it_is_and_keeps_archived_ones_apart() -> None:
    first, *rest = numbered([False, True, True])
    published: list[Published] = [first, rest[0], Encoded(9, b"{}"), structs.replace(rest[1], seq=10)]
    messages = encode_messages(published, "e")
    assert [seq for seq, _ in messages] == [1, 2, 9, 10]
    assert messages[2][1] == b"{}"
    assert [json.loads(text).get("ids") for _, text in messages] == [None, ["t2"], None, ["t3"]]


def test_what_weighs_a_state_is_about_what_its_message_does() -> None:
    state = state_of(Open(description="d" * 200), Edit(status="pending", athena_msg="m" * 1000))
    assert weights([state, Encoded(2, b"x" * 40)]) == [1465, 40]
    assert abs(len(encode_state(state, "cf1333cb").data) - 1465) < 200


@pytest.mark.parametrize("letter", ["m", "é", "語", "🐢"])
def test_no_text_weighs_less_than_it_takes(letter: str) -> None:
    state = state_of(Open(description=letter * 256, by=letter * 200), Edit(status="pending", athena_msg=letter * 1000))
    texts = (state.description, state.message, state.by)
    in_memory, in_utf8 = sum(map(sys.getsizeof, texts)), len(encode_state(state, "cf1333cb").data)
    assert max(in_memory, in_utf8) <= weights([state])[0] <= 5 * in_memory


def shown(value: object) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(value))
    return decoded


def test_rows_leave_out_what_is_not_known() -> None:
    assert shown(row(state_of(Open(description="d", component_id="c")))) == {
        "id": "tx-1",
        "type": "webhook_tx",
        "sub_type": None,
        "status": "pending",
        "message": "d",
        "description": "d",
        "ts_display": 1000,
        "ts_started": 1000,
        "by": "-",
        "timeout_ms": 180000,
        "component_id": "c",
    }
    assert shown(row(state_of(Notice(status="success", message="m", code=0, api="GET:/x", elapsed_ms=3)))) == {
        "id": "tx-1",
        "type": "notification",
        "status": "success",
        "message": "m",
        "ts_display": 1000,
        "by": "-",
        "api": "GET:/x",
        "code": 0,
        "elapsed_ms": 3,
    }


def test_a_transaction_with_its_changes() -> None:
    state = structs.replace(state_of(Open(description="d"), Edit(status="success", athena_msg="m")), archived=True)
    changes = [Change(1, "pending"), Change(2, "pending", "a", 1, 2), Change(3, "pending", "a", 2, 2)]
    decoded = shown(transaction(state, [*changes, Change(4, "success", "m", 2, 2)]))
    assert decoded["tx_id"] == "tx-1"
    assert decoded["archived"] is True
    assert decoded["athena_messages"] == ["a", "m"]
    assert decoded["changes"][0] == {"ts": 1, "status": "pending"}
    assert decoded["changes"][3] == {"ts": 4, "status": "success", "message": "m", "on_step": 2, "total_steps": 2}
    assert "changes" not in shown(transaction(state))
