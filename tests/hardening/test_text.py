"""Text that has a meaning in a log, a header, a query or a JSON document must stay text."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.e2e.calls import (
    ARCHIVE,
    BULK,
    NDJSON,
    NOTIFICATIONS,
    TXS,
    StartAthena,
    call,
    check_error,
    new_id,
    ok,
    open_tx,
    position,
)
from tests.e2e.expect import tx_path
from tests.e2e.subscribers import CHANGES, LIVE, SseSubscriber
from tests.hardening.wire import CONTROL, check_refusal, exchange, request
from tests.support.server import Athena

CLOSE = b"Connection: close\r\n"
JSON = {"Content-Type": "application/json"}
CRLF = "\r\nSet-Cookie: evil=1\r\n\r\n2026-11-23 00:00:00,000 ERROR athena: forged\x1b[2J\x07\x9b"


# ---- logs and headers ------------------------------------------------------------------------------------------------
def test_line_breaks_in_ids_forge_no_header_and_no_log_line(target: Athena) -> None:
    """The fixture reads the log: every line must be the server's own, with no control character in it."""
    quoted = urlencode({"x": CRLF})[2:].replace("+", "%20")
    for path in (tx_path(quoted), f"/{quoted}", f"{NOTIFICATIONS}?next={quoted}", f"{NOTIFICATIONS}?limit={quoted}"):
        (reply,) = exchange(target, request("GET", path, CLOSE))
        check_refusal(reply, reply.status)
        assert b"evil" not in reply.headers, reply
    for path in (CHANGES, LIVE):
        (reply,) = exchange(target, request("GET", f"{path}?after={quoted}", CLOSE))
        assert b"evil" not in reply.headers, reply
    with SseSubscriber(target, after=CRLF) as stream:
        assert stream.receive()["type"] == "reset"
        assert stream.response.getheader("set-cookie") is None


def test_line_breaks_in_messages_are_text(target: Athena) -> None:
    with SseSubscriber(target) as stream:
        tx_id = open_tx(target, description="a", athena_msg=CRLF, by=CRLF, component_id=CRLF)
        assert stream.receive_of(tx_id)["message"] == f"a: {CRLF}"
        assert stream.ids[-1] == position(target)
    assert ok(target, "GET", tx_path(tx_id))["component_id"] == CRLF


@pytest.mark.parametrize("value", [b"\x7f", b"\xc2\x9b2J", b"\x9b2J", b"a\tb"], ids=repr)
def test_control_characters_in_headers_do_not_reach_the_log(value: bytes, target: Athena) -> None:
    """A terminal that shows the log would act on them."""
    for headers in (b"X-A: " + value, b"Last-Event-ID: " + value, b"Sec-WebSocket-Key: " + value):
        upgrade = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" if headers.startswith(b"Sec-") else b""
        connection = b"Connection: Upgrade\r\n" if upgrade else CLOSE
        (reply,) = exchange(target, request("GET", LIVE, headers + b"\r\n" + upgrade + connection))
        assert reply.status in (400, 426), reply


def test_control_characters_do_not_reach_the_log_of_a_debug_run_either(start_athena: StartAthena) -> None:
    athena = start_athena("--log-level", "debug")
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nX-A: \x9b2J\r\n"
    (reply,) = exchange(athena, request("GET", LIVE, upgrade))
    assert reply.status == 400
    assert not CONTROL.search(athena.log().replace("\n", ""))


# ---- search ----------------------------------------------------------------------------------------------------------
SEARCHED = {
    "' OR 1=1--": "Robert ' OR 1=1-- and more",
    "100%": "at 100% now",
    "a_b": "file a_b",
    "c:\\temp": "in c:\\temp here",
    "\\": "one \\ alone",
    "%": "per % cent",
    "_": "under _ score",
    "%_\\%": "all of %_\\% it",
    "';DROP TABLE notifications;": "x';DROP TABLE notifications; y",
    '"': 'a " mark',
    "*": "a * star",
}


@pytest.mark.parametrize("text", SEARCHED, ids=repr)
def test_search_takes_everything_literally(text: str, target: Athena) -> None:
    mark = new_id("search")
    wanted = open_tx(target, component_id=mark, athena_msg=SEARCHED[text])
    open_tx(target, component_id=mark, athena_msg="100 axb c:temp, nothing special")
    query = urlencode({"search": text, "component_id": mark})
    assert [row["id"] for row in ok(target, "GET", f"{NOTIFICATIONS}?{query}")["notifications"]] == [wanted]


@pytest.mark.parametrize("text", ["%00", "nothing%00", "%00nothing"])
def test_a_search_with_nul_does_not_find_everything(text: str, target: Athena) -> None:
    """SQLite's LIKE treats it as the end of the pattern."""
    open_tx(target)
    check_error(call(target, "GET", f"{NOTIFICATIONS}?search={text}"), 400, field="search")


@pytest.mark.parametrize("name", ["component_id", "sub_type", "by", "status", "type"])
def test_filters_are_no_sql(name: str, target: Athena) -> None:
    open_tx(target)
    answer = call(target, "GET", f"{NOTIFICATIONS}?{urlencode({name: chr(39) + ' OR 1=1--'})}")
    if name in ("status", "type"):
        check_error(answer, 400, field=name)
    else:
        assert answer.body["notifications"] == []


@pytest.mark.parametrize(
    "number", [2**63, -(2**63) - 1, 10**30, "1_0", " 1", "-1", "\u0661"], ids=lambda n: str(n)[:12]
)
def test_a_next_with_numbers_of_any_size_is_refused(number: object, target: Athena) -> None:
    """It is opaque, but not secret: anyone can make one."""
    place = base64.urlsafe_b64encode(f"0.{number}.x".encode()).decode()
    check_error(call(target, "GET", f"{NOTIFICATIONS}?{urlencode({'next': place})}"), 400, field="next")


# ---- JSON ------------------------------------------------------------------------------------------------------------
DIGITS = b"9" * 1_000_000


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (TXS, b'{"description":"d","on_step":' + DIGITS + b"}", JSON),
        (TXS, b'{"description":"d","timeout_ms":1e' + DIGITS + b"}", JSON),
        (TXS, b'{"description":"d","timeout_ms":0.' + DIGITS + b"}", JSON),
        (TXS, b'{"description":"d","x":' + DIGITS + b"}", JSON),
        (ARCHIVE, b'{"notification_ids":' + DIGITS + b"}", JSON),
        (NOTIFICATIONS, b'{"status":"error","message":"m","code":' + DIGITS + b"}", JSON),
    ],
    ids=["whole", "exponent", "fraction", "unknown", "ids", "code"],
)
def test_a_number_of_a_million_digits_is_refused(
    path: str, body: bytes, headers: dict[str, str], target: Athena
) -> None:
    before = position(target)
    check_error(call(target, "POST", path, body, headers), 400)
    assert position(target) == before


def test_a_number_of_ten_million_digits_fails_its_line_alone(target: Athena) -> None:
    """Bulks are read up to 16 MiB, so this one reaches the decoder."""
    good = json.dumps({"op": "open", "tx_id": new_id(), "description": "d"}).encode()
    bad = b'{"op":"open","description":"d","on_step":' + DIGITS * 10 + b"}"
    results = ok(target, "POST", BULK, good + b"\n" + bad + b"\n" + good, NDJSON)["results"]
    assert [result["status"] for result in results] == [200, 400, 200]
    assert len(json.dumps(results)) < 4000, "the error repeats all of the input"


MEMBERS_TWICE: list[tuple[str, bytes, dict[str, Any]]] = [
    ("description", b'{"tx_id":"%s","description":"first","description":"last"}', {"description": "last"}),
    ("escaped", b'{"tx_id":"%s","description":"first","\\u0064escription":"last"}', {"description": "last"}),
]


@pytest.mark.parametrize(("name", "body", "stored"), MEMBERS_TWICE, ids=[row[0] for row in MEMBERS_TWICE])
def test_of_a_member_given_twice_the_last_counts(
    name: str, body: bytes, stored: dict[str, Any], target: Athena
) -> None:
    """RFC 8259 section 4 leaves it open; the response and the stored row must at least agree."""
    tx_id = new_id()
    answer = ok(target, "POST", TXS, body % tx_id.encode(), JSON)
    assert stored.items() <= answer.items()
    assert stored.items() <= ok(target, "GET", tx_path(tx_id)).items()


def test_both_of_a_member_given_twice_are_checked(target: Athena) -> None:
    """Otherwise the first could hide something that another parser reads as the value."""
    check_error(call(target, "POST", TXS, b'{"description":7,"description":"d"}', JSON), 400, field="description")


def test_a_body_of_a_hundred_thousand_unknown_members_is_refused(target: Athena) -> None:
    body = b'{"description":"d",' + b",".join(b'"m%d":1' % number for number in range(80_000)) + b"}"
    check_error(call(target, "POST", TXS, body, JSON), 400, field="m0")
