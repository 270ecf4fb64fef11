"""Bad input (docs/api.md): errors have one shape and name the field, and nothing is stored."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.calls import (
    ARCHIVE,
    BULK,
    NDJSON,
    NOTIFICATIONS,
    PREFIXES,
    PURGE,
    TXS,
    call,
    check_error,
    new_id,
    ok,
    open_tx,
    position,
)
from tests.e2e.expect import tx_path
from tests.e2e.rawsocket import tcp
from tests.support.server import Athena

MIB = 1024 * 1024


@pytest.fixture
def untouched(shared: Athena) -> Iterator[Athena]:
    """The server, in which the test must change nothing."""
    before = (position(shared), ok(shared, "GET", f"{NOTIFICATIONS}?limit=1000"))
    yield shared
    assert (position(shared), ok(shared, "GET", f"{NOTIFICATIONS}?limit=1000")) == before


@pytest.fixture(scope="module")
def known(shared: Athena) -> str:
    """The id of an active transaction."""
    return open_tx(shared, total_steps=5, on_step=1)


# ---- values ----------------------------------------------------------------------------------------------------------
BAD_MEMBERS: list[tuple[str, Any]] = [
    ("description", ""),
    ("description", "d" * 257),
    ("description", "🚀" * 257),
    ("description", 7),
    ("description", ["d"]),
    ("description", {"text": "d"}),
    ("athena_msg", "m" * 1025),
    ("athena_msg", 1),
    ("athena_msg", False),
    ("on_step", -1),
    ("on_step", 1.5),
    ("on_step", "1"),
    ("on_step", True),
    ("on_step", 2**31),
    ("on_step", 2**63),
    ("on_step", 10**400),
    ("on_step", [1]),
    ("total_steps", -1),
    ("total_steps", "many"),
    ("total_steps", 2**64),
    ("timeout_ms", 0),
    ("timeout_ms", -5),
    ("timeout_ms", "60s"),
    ("timeout_ms", 1e300),
    ("timeout_ms", 2**62),
    ("wishes", "three"),
    ("ts_started", 1),
    ("cursor", "x.1"),
]
BAD_OPEN_MEMBERS: list[tuple[str, Any]] = [
    *BAD_MEMBERS,
    ("sub_type", ""),
    ("sub_type", "Template"),
    ("sub_type", "s" * 33),
    ("sub_type", "a b"),
    ("sub_type", "tmpl\n"),
    ("by", "b" * 10_000),
    ("by", 1),
    ("component_id", "c" * 10_000),
    ("component_id", {}),
    ("tx_id", ""),
    ("tx_id", "a/b"),
    ("tx_id", "a\\b"),
    ("tx_id", "a b"),
    ("tx_id", "a\nb"),
    ("tx_id", "a\n"),
    ("tx_id", "\0"),
    ("tx_id", "ä"),
    ("tx_id", "x" * 129),
    ("tx_id", "x" * 10_240),
    ("tx_id", 7),
    ("status", "pending"),
    ("op", "open"),
]
BAD_EDIT_MEMBERS: list[tuple[str, Any]] = [
    *BAD_MEMBERS,
    ("status", ""),
    ("status", "done"),
    ("status", "Success"),
    ("status", None),
    ("status", 1),
    ("status", ["success"]),
    ("tx_id", "other"),
    ("by", "me"),
    ("sub_type", "template"),
]


def label(value: object) -> str:
    return repr(value)[:24]


@pytest.mark.parametrize(("field", "value"), BAD_OPEN_MEMBERS, ids=label)
def test_bad_opens(field: str, value: object, untouched: Athena) -> None:
    answer = call(untouched, "POST", TXS, {"tx_id": "bad-open", "description": "d", field: value})
    check_error(answer, 400, field=field)
    assert answer.body["field"] == field
    assert len(json.dumps(answer.body)) < 2000, "the error repeats all of the input"


@pytest.mark.parametrize(("field", "value"), BAD_EDIT_MEMBERS, ids=label)
def test_bad_edits(field: str, value: object, known: str, untouched: Athena) -> None:
    answer = call(untouched, "PUT", tx_path(known), {"status": "success", field: value})
    check_error(answer, 400, field=field)
    assert answer.body["field"] == field


@pytest.mark.parametrize("body", [{}, {"tx_id": "no-description"}], ids=label)
def test_opens_without_a_description(body: object, untouched: Athena) -> None:
    check_error(call(untouched, "POST", TXS, body), 400, "invalid_field", "description")


def test_edits_without_a_status(known: str, untouched: Athena) -> None:
    check_error(call(untouched, "PUT", tx_path(known), {"on_step": 2}), 400, "invalid_field", "status")


@pytest.mark.parametrize("value", [256, 1024])
def test_limits_are_inclusive(value: int, shared: Athena) -> None:
    field = {256: "description", 1024: "athena_msg"}[value]
    tx_id = open_tx(shared, **{field: "x" * value})
    assert "x" * value in ok(shared, "GET", tx_path(tx_id))["message"]


@pytest.mark.parametrize(("field", "value"), BAD_OPEN_MEMBERS[::4], ids=label)
@pytest.mark.parametrize("form", ["array", "ndjson"])
def test_bad_lines_of_a_bulk(form: str, field: str, value: object, shared: Athena) -> None:
    """The same errors, each for its line alone."""
    if field == "op":
        return  # the only member that is specific to bulk lines
    good: list[dict[str, Any]] = [{"op": "open", "tx_id": new_id(), "description": "d"} for _ in range(2)]
    lines = [good[0], {"op": "open", "tx_id": new_id(), "description": "d", field: value}, good[1]]
    if form == "array":
        results = ok(shared, "POST", BULK, lines)["results"]
    else:
        results = ok(shared, "POST", BULK, "\n".join(map(json.dumps, lines)).encode(), NDJSON)["results"]
    assert [result["status"] // 100 for result in results] == [2, 4, 2], results
    assert results[1]["status"] == 400
    assert field in results[1]["error"]


# ---- JSON ------------------------------------------------------------------------------------------------------------
DEEP = b"[" * 10_000 + b"]" * 10_000
BROKEN = {
    "empty": b"",
    "cut off": b'{"description":"d"',
    "trailing comma": b'{"description":"d",}',
    "two values": b'{"description":"d"} {}',
    "single quotes": b"{'description':'d'}",
    "NaN": b'{"description":"d","on_step":NaN}',
    "Infinity": b'{"description":"d","timeout_ms":Infinity}',
    "-Infinity": b'{"description":"d","timeout_ms":-Infinity}',
    "1e999": b'{"description":"d","timeout_ms":1e999}',
    "deep": DEEP,
    "deep member": b'{"description":' + DEEP + b"}",
    "deep unknown member": b'{"description":"d","x":' + DEEP + b"}",
    "deep object": b'{"description":' * 10_000 + b"1" + b"}" * 10_000,
    "lone surrogate": b'{"description":"\\ud800"}',
    "lone low surrogate": b'{"description":"d","athena_msg":"a\\udc00b"}',
    "reversed surrogates": b'{"description":"\\udc00\\ud800"}',
    "bad UTF-8": b'{"description":"caf\xe9"}',
    "UTF-8 surrogate": b'{"description":"\xed\xa0\x80"}',
    "UTF-16": '{"description":"d"}'.encode("utf-16"),
    "control character": b'{"description":"a\nb"}',
    "not an object": b'["description"]',
    "null": b"null",
    "a string": b'"d"',
    "a number": b"7",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_json(name: str, known: str, untouched: Athena) -> None:
    body = BROKEN[name]
    headers = {"Content-Type": "application/json"}
    for method, path in (("POST", TXS), ("PUT", tx_path(known)), ("POST", NOTIFICATIONS), ("POST", ARCHIVE)):
        check_error(call(untouched, method, path, body, headers), 400)
    # A body that does not begin as an array is read as lines, each valid or invalid by itself.
    answer = call(untouched, "POST", BULK, body, headers)
    if answer.status == 200:
        assert not body.startswith(b"[") or name == "not an object", answer
        assert {result["status"] for result in answer.body["results"]} == {400}, answer
    else:
        check_error(answer, 400)


@pytest.mark.parametrize("name", BROKEN)
def test_an_array_with_a_broken_element(name: str, shared: Athena) -> None:
    """Either it fails as a whole, with nothing stored, or only that element fails."""
    tx_id = new_id()
    good = json.dumps({"op": "open", "tx_id": tx_id, "description": "d"}).encode()
    answer = call(shared, "POST", BULK, b"[" + good + b"," + BROKEN[name] + b"]", {"Content-Type": "application/json"})
    if answer.status == 200:
        statuses = [result["status"] for result in answer.body["results"]]
        assert statuses[0] in (200, 201), answer
        assert set(statuses[1:]) == {400}, answer
        assert call(shared, "GET", tx_path(tx_id)).status == 200
    else:
        check_error(answer, 400)
        assert call(shared, "GET", tx_path(tx_id)).status == 404


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", "json", ""],
)
def test_other_content_types_are_415(content_type: str, known: str, untouched: Athena) -> None:
    headers = {"Content-Type": content_type}
    body = b'{"description":"d","status":"success"}'
    for method, path in (
        ("POST", TXS),
        ("PUT", tx_path(known)),
        ("POST", NOTIFICATIONS),
        ("POST", ARCHIVE),
        ("POST", BULK),
    ):
        check_error(call(untouched, method, path, body, headers), 415, "unsupported_media_type", "Content-Type")
    if content_type == "":
        return
    check_error(call(untouched, "POST", TXS, body, NDJSON), 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_by_its_names(content_type: str, shared: Athena) -> None:
    answer = call(shared, "POST", TXS, b'{"description":"d"}', {"Content-Type": content_type})
    assert answer.status == 201


# ---- size ------------------------------------------------------------------------------------------------------------
def padded(size: int) -> bytes:
    body = b'{"description":"d","status":"success","message":"m","notification_ids":[]}'
    return body + b" " * (size - len(body))


def test_bodies_up_to_1_mib(shared: Athena) -> None:
    body = b'{"description":"d"}'
    headers = {"Content-Type": "application/json"}
    assert call(shared, "POST", TXS, body + b" " * (MIB - len(body)), headers).status == 201
    line = json.dumps({"op": "open", "description": "d"}).encode()
    assert call(shared, "POST", BULK, line + b" " * (16 * MIB - len(line)), NDJSON).status == 200


@pytest.mark.parametrize("more", [1, 3 * MIB])
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_larger_bodies_are_refused(more: int, chunked: bool, known: str, untouched: Athena) -> None:
    for method, path in (("POST", TXS), ("PUT", tx_path(known)), ("POST", NOTIFICATIONS), ("POST", ARCHIVE)):
        status, body = send_large(untouched, method, path, MIB + more, chunked)
        assert (status, body["code"]) == (400, "body_too_large"), path
    status, body = send_large(untouched, "POST", BULK, 16 * MIB + more, chunked)
    assert (status, body["code"]) == (400, "body_too_large")


def send_large(athena: Athena, method: str, path: str, size: int, chunked: bool) -> tuple[int, Any]:
    """The response, even when the server answers and closes before it has read everything."""
    body = padded(size)
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    if chunked:
        pieces = [body[i : i + 65536] for i in range(0, len(body), 65536)]
        framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        head += "Transfer-Encoding: chunked\r\n\r\n"
    else:
        framed = body
        head += f"Content-Length: {len(body)}\r\n\r\n"
    with tcp(athena) as sock:
        try:
            sock.sendall(head.encode() + framed)
        except OSError:
            pass  # answered early
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        content = json.loads(answer.read())
        answer.close()
    return answer.status, content


# ---- addresses -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tx_id", "statuses"),
    [
        ("a%2Fb", (400, 404)),
        ("a/b", (400, 404)),
        ("a//b", (400, 404)),
        ("a%00", (400,)),
        ("a%0Ab", (400,)),
        ("a%0A", (400,)),
        ("a%09", (400,)),
        ("a%0D", (400,)),
        ("%20", (400,)),
        ("%C3%A4", (400,)),
        ("%FF", (400,)),
        ("x" * 129, (400,)),
        ("x" * 10_240, (400,)),
    ],
)
def test_paths_with_odd_ids(tx_id: str, statuses: tuple[int, ...], untouched: Athena) -> None:
    for method, body in (("GET", None), ("PUT", {"status": "success"})):
        answer = call(untouched, method, tx_path(tx_id), body)
        assert answer.status in statuses, (tx_id[:20], answer)
        check_error(answer, answer.status)
        if answer.status == 400:
            assert answer.body["field"] == "tx_id"


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api",
        "/api/v3",
        "/api/v3/",
        "/api/v4/webhooks",
        "/ak",
        "/..",
        "/%2e%2e",
    ],
)
def test_unknown_addresses_are_404(path: str, untouched: Athena) -> None:
    for method in ("GET", "POST"):
        check_error(call(untouched, method, path, {} if method == "POST" else None), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", TXS),
        ("DELETE", TXS),
        ("PATCH", f"{TXS}/x"),
        ("DELETE", f"{TXS}/x"),
        ("POST", f"{TXS}/x"),
        ("POST", "/api/v3/webhooks"),
        ("POST", "/api/v3/webhooks/templates"),
        ("DELETE", NOTIFICATIONS),
        ("PUT", NOTIFICATIONS),
        ("GET", PURGE),
        ("POST", PURGE),
        ("GET", ARCHIVE),
        ("POST", "/healthz"),
        ("DELETE", "/metrics"),
    ],
)
def test_other_methods_are_405(method: str, path: str, untouched: Athena) -> None:
    answer = call(untouched, method, path, {} if method in ("POST", "PUT", "PATCH") else None)
    check_error(answer, 405, "method_not_allowed")
    allowed = answer.headers["allow"].split(", ")  # RFC 9110 §15.5.6
    assert allowed
    assert method not in allowed
    assert ("HEAD" in allowed) == ("GET" in allowed)


def test_errors_look_the_same_under_every_prefix(untouched: Athena) -> None:
    bodies = []
    for prefix in PREFIXES:
        answer = call(untouched, "POST", f"{prefix}/webhooks/txs", {"description": 1})
        check_error(answer, 400, "invalid_field", "description")
        bodies.append(answer.body)
    assert all(body == bodies[0] for body in bodies)


# ---- below HTTP ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "request_text",
    [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        f"POST {TXS} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        f"POST {TXS} HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        f"POST {TXS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        f"POST {TXS} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /" + "x" * 200_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["nonsense", "version", "length -1", "length x", "chunk size", "length and chunks", "long path"],
)
def test_broken_http_ends_the_connection_and_nothing_else(request_text: str, untouched: Athena) -> None:
    with tcp(untouched) as sock:
        received = b""
        try:
            sock.sendall(request_text.encode())
            while data := sock.recv(65536):
                received += data
        except ConnectionError:
            pass
    assert not received or int(received.split()[1]) in (400, 404, 413, 414, 431, 505), received[:200]
    assert call(untouched, "GET", "/healthz").status == 200


def test_a_body_that_stops_halfway_stores_nothing(untouched: Athena) -> None:
    body = b'{"description":"halfway"}'
    for sent in (b"", body[:10]):
        with tcp(untouched) as sock:
            head = f"POST {TXS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\n\r\n"
            sock.sendall(head.encode() + sent)
