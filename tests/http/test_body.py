import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from athena.domain.model import BulkEdit, BulkOpen, Edit, Notice, Open
from athena.errors import BadRequest, InvalidField, InvalidJson
from athena.http.body import _choices, identifier, parse, query
from athena.http.parameters import HistoryParameters, encode_next
from athena.store.base import Query, SortKey

open_ = msgspec.json.Decoder(Open)
edit = msgspec.json.Decoder(Edit)
notice = msgspec.json.Decoder(Notice)
line = msgspec.json.Decoder(BulkOpen | BulkEdit)


@pytest.mark.parametrize(
    ("decoder", "body", "field"),
    [
        (edit, "{}", "status"),
        (edit, '{"status":"done"}', "status"),
        (edit, '{"status":"pending","stauts":1}', "stauts"),
        (edit, '{"status":"pending","on_step":"2"}', "on_step"),
        (edit, '{"status":"pending","on_step":2.5}', "on_step"),
        (edit, '{"status":"pending","on_step":-1}', "on_step"),
        (edit, '{"status":"pending","on_step":true}', "on_step"),
        (edit, '{"status":"pending","timeout_ms":0}', "timeout_ms"),
        (edit, '{"status":"pending","total_steps":99999999999999999999999}', "total_steps"),
        (edit, "[]", "body"),
        (edit, "null", "body"),
        (open_, '{"description":""}', "description"),
        (open_, json.dumps({"description": "x" * 257}), "description"),
        (open_, json.dumps({"description": "x", "athena_msg": "x" * 1025}), "athena_msg"),
        (open_, '{"description":"d","tx_id":"a/b"}', "tx_id"),
        (open_, '{"description":"d","tx_id":"a\\n"}', "tx_id"),
        (open_, '{"description":"d","sub_type":"Template"}', "sub_type"),
        (line, '{"op":"close","tx_id":"a"}', "op"),
        (line, '{"tx_id":"a"}', "op"),
        (line, '{"op":"edit","status":"pending"}', "tx_id"),
    ],
)
def test_the_field_that_is_wrong_is_named(decoder: Any, body: str, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse(body.encode(), decoder)
    assert caught.value.data["field"] == field
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("decoder", "body", "sentence"),
    [
        (edit, '{"status":"done"}', "status: expected error, pending, success or undoing, got 'done'"),
        (notice, '{"status":"pending","message":"m"}', "status: expected error or success, got 'pending'"),
        (line, '{"op":"close","tx_id":"a"}', "op: expected open or edit, got 'close'"),
        (line, '{"tx_id":"a"}', "op: expected open or edit, got nothing"),
        (edit, '{"op":"edit","status":"pending"}', "op: object contains unknown field `op`"),
        (
            open_,
            '{"description":"d","sub_type":"A"}',
            "sub_type: expected `str` matching regex '^[a-z0-9_-]{1,32}$', got 'A'",
        ),
    ],
)
def test_it_is_said_what_may_be_there(decoder: Any, body: str, sentence: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse(body.encode(), decoder)
    assert str(caught.value) == sentence


def test_nothing_is_kept_of_names_that_nobody_knows() -> None:
    """The client chooses them, in any number and length."""
    known = _choices.cache_info().currsize
    for number in range(100):
        with pytest.raises(InvalidField):
            parse(b'{"status":"done","%d":1}' % number, edit)
        with pytest.raises(InvalidField):
            parse(b'{"%d":1}' % number, edit)
    assert _choices.cache_info().currsize <= known + 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"status=pending",
        b'{"status":"pending",}',
        b'{"status":NaN}',
        b'{"status":"pending","on_step":NaN}',
        b'{"status":"pending","on_step":Infinity}',
        b'{"status":"\xff"}',
        b'{"status":"pending","athena_msg":"\\ud800"}',
        b'{"x":' * 10_000,
        b"[" * 10_000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body, edit)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    for decoder in (edit, open_, line, notice):
        try:
            parse(body, decoder)
        except (InvalidField, InvalidJson):
            continue


@pytest.mark.parametrize("text", ["", "a/b", "a b", "ü", "a\n", "a\x00", "x" * 129, "x" * 10_000])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidField):
        identifier(text)


@pytest.mark.parametrize("text", ["a", "x" * 128, "A.b_c-9", ".", "..", "-"])
def test_ids(text: str) -> None:
    assert identifier(text) == text


# ---- query strings ---------------------------------------------------------------------------------------------------
def history(text: str) -> Query:
    request = Request({"type": "http", "query_string": text.encode(), "headers": []})
    return query(request, HistoryParameters).as_query()


def test_filters() -> None:
    asked = history(
        "status=error,pending&type=webhook_tx&from=5&to=6&archived=true&limit=7&skip=8&search=%25&unknown=1"
    )
    assert asked == Query(
        status=("error", "pending"),
        type=("webhook_tx",),
        from_ts=5,
        to_ts=6,
        archived=True,
        limit=7,
        skip=8,
        search="%",
    )
    assert history("") == Query()
    assert history("by=dora@x.org").by == "d**a@x.org", "what is stored is masked"
    assert history("component_id=null").component_id == "null"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1000000000", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("skip=-1", "skip"),
        ("skip=1e3", "skip"),
        ("from=1e3", "from"),
        ("skip=99999999999999999999999", "skip"),
        ("status=done", "status"),
        ("status=error,", "status"),
        ("type=x", "type"),
        ("from=yesterday", "from"),
        ("archived=perhaps", "archived"),
        ("next=x", "next"),
        ("next=%FF", "next"),
        ("next=MS54LmE=", "next"),
    ],
)
def test_a_wrong_parameter_is_named(text: str, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        history(text)
    assert caught.value.data["field"] == field


def test_next_survives_the_way_to_a_client_and_back() -> None:
    from tests.domain.test_wire import state_of

    row = state_of(Open(description="d"))
    assert history(f"next={encode_next(row)}").after == SortKey(False, 1000, "tx-1")
