"""Requests that no well-behaved client sends: heads, framing, versions, addresses (RFC 9112). Each is refused with a
400 in the common error shape and the end of the connection, or is harmless; none is parsed as two."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.e2e.calls import NOTIFICATIONS, TXS, position
from tests.e2e.rawsocket import is_cut, is_cut_in_a_flood, tcp
from tests.hardening.wire import check_refusal, exchange, request
from tests.support.server import Athena

JSON = b"Content-Type: application/json\r\n"
CLOSE = b"Connection: close\r\n"
BODY = b'{"description":"d"}'
"""19 bytes."""
SMUGGLED = request("DELETE", f"{NOTIFICATIONS}/purge", CLOSE)
"""A request hidden after another: a response to it would mean that smuggling works."""
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"


# ---- heads -----------------------------------------------------------------------------------------------------------
def test_two_thousand_headers_are_read(target: Athena) -> None:
    headers = b"".join(b"X-%d: y\r\n" % number for number in range(2000))
    assert [reply.status for reply in exchange(target, request("GET", "/healthz", headers + CLOSE))] == [200]


def test_a_header_line_of_8_kb_is_read(target: Athena) -> None:
    headers = b"X-Long: " + b"y" * 8192 + b"\r\n"
    assert [reply.status for reply in exchange(target, request("GET", "/healthz", headers + CLOSE))] == [200]


def test_a_header_line_of_70_kb_is_refused(target: Athena) -> None:
    headers = b"X-Long: " + b"y" * 70_000 + b"\r\n"
    (reply,) = exchange(target, request("GET", "/healthz", headers + CLOSE))
    check_refusal(reply, 431)


def test_a_head_that_stops_is_cut(target: Athena) -> None:
    """Another byte seconds later would find the connection closed: the deadline counts from the first byte."""
    with tcp(target) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: l")
        assert is_cut(sock)


def test_a_small_head_behind_a_large_body_is_read(target: Athena) -> None:
    """They arrive in one piece that is nearly as long as a head may be; then the rest arrives."""
    head = request("GET", "/healthz", b"X-Long: " + b"y" * 8192 + b"\r\n" + CLOSE)
    with tcp(target) as sock:
        sock.sendall(request("POST", "/nowhere", b"Content-Length: 60000\r\n", b"x" * 60_000) + head[:2000])
        received = sock.recv(65536)
        assert received.startswith(b"HTTP/1.1 404")
        sock.sendall(head[2000:])
        while piece := sock.recv(65536):
            received += piece
    assert b"HTTP/1.1 200" in received


# ---- framing ---------------------------------------------------------------------------------------------------------
SMUGGLING = {
    "length, then chunked": b"Content-Length: 5\r\n" + CHUNKED,
    "chunked, then length": CHUNKED + b"Content-Length: 5\r\n",
    "length 0 and chunked": b"Content-Length: 0\r\n" + CHUNKED,
    "length and an unknown coding": b"Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "chunked, then something": b"Transfer-Encoding: chunked, identity\r\n",
    "chunked and another header": CHUNKED + b"Transfer-Encoding: identity\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\n",
    "a folded coding": b"X-A: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "a coding behind a bare CR": b"X-A: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "a coding behind a bare LF": b"X-A: y\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "a coding with NUL": b"Transfer-Encoding: chunked\0\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "the same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
}


@pytest.mark.parametrize("line", [b"X-Flood: " + b"y" * 65_000 + b"\r\n", b"y" * 65_536], ids=["lines", "one line"])
def test_trailers_without_end_are_cut(line: bytes, target: Athena) -> None:
    """Long before they have filled memory."""
    with tcp(target) as sock:
        sock.sendall(request("POST", TXS, JSON + CHUNKED, b"1\r\n{\r\n0\r\nX-Flood: "))
        assert is_cut_in_a_flood(sock, line), "16 MB, and still no end"


def test_a_trailer_is_no_header(target: Athena) -> None:
    """A proxy in front may have checked the headers, but not the trailers after the body."""
    body = b"13\r\n" + BODY + b"\r\n0\r\nContent-Type: text/plain\r\n\r\n"
    assert [reply.status for reply in exchange(target, request("POST", TXS, JSON + CHUNKED + CLOSE, body))] == [201]


@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggling_is_refused(name: str, target: Athena) -> None:
    """However the body is interpreted, the request after it is not answered, and nothing is stored."""
    before = position(target)
    (reply,) = exchange(target, request("POST", TXS, JSON + SMUGGLING[name], END + SMUGGLED))
    check_refusal(reply, 400)
    assert position(target) == before


LENGTHS = ["-1", "+19", "0x13", "1 9", "1_9", "19.0", "1e1", "", "x", "99999999999999999999999", "\u00b2", "19;x"]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_length_that_is_no_number_is_refused(length: str, target: Athena) -> None:
    headers = JSON + f"Content-Length: {length}\r\n".encode("latin-1")
    (reply,) = exchange(target, request("POST", TXS, headers, BODY))
    check_refusal(reply, 400)


@pytest.mark.parametrize("length", [b"1048577", b"18446744073709551615"])
def test_a_length_over_the_limit_is_refused_before_the_body_comes(length: bytes, target: Athena) -> None:
    """The server does not wait for a body that it will not read."""
    headers = JSON + CLOSE + b"Content-Length: %s\r\n" % length
    (reply,) = exchange(target, request("POST", TXS, headers, BODY))
    check_refusal(reply, 400)
    assert reply.json["code"] == "body_too_large"


CHUNKS = {
    "negative": b"-5\r\n" + BODY,
    "over 64 bits": b"fffffffffffffffff\r\n" + BODY,
    "0x": b"0x13\r\n" + BODY + b"\r\n" + END,
    "plus": b"+13\r\n" + BODY + b"\r\n" + END,
    "a space": b"13 \r\n" + BODY + b"\r\n" + END,
    "a space before": b" 13\r\n" + BODY + b"\r\n" + END,
    "too small": b"5\r\n" + BODY + b"\r\n" + END,
    "bare LF": b"13\n" + BODY + b"\n0\n\n",
    "nothing": b"\r\n" + BODY + b"\r\n" + END,
    "a bare LF in an extension": b"13;a\nb\r\n" + BODY + b"\r\n" + END,
    "no line break behind the data": b"13\r\n" + BODY + END,
}


@pytest.mark.parametrize("name", CHUNKS)
def test_a_chunk_of_no_size_is_refused(name: str, target: Athena) -> None:
    before = position(target)
    (reply,) = exchange(target, request("POST", TXS, JSON + CHUNKED, CHUNKS[name] + SMUGGLED))
    check_refusal(reply, 400)
    assert position(target) == before


def test_a_million_chunks_of_a_byte_are_one_body(target: Athena) -> None:
    body = BODY + b" " * (1_000_000 - len(BODY))
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + END
    (reply,) = exchange(target, request("POST", TXS, JSON + CLOSE + CHUNKED, chunks))
    assert reply.status == 201, reply


def test_answers_come_in_the_order_of_the_requests(target: Athena) -> None:
    """The error for unparsable data does not overtake an earlier response: the client would take it for that
    response."""
    length = b"Content-Length: %d\r\n" % len(BODY)
    first, *rest = exchange(target, request("POST", TXS, JSON + length, BODY) + b"nonsense\r\n\r\n")
    assert first.status == 201, first
    assert [reply.status for reply in rest] in ([], [400])


WAITING = b"GET /api/v3/notifications/changes?wait=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
BAD_CHUNK = b"POST /api/v3/webhooks/txs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"


@pytest.mark.parametrize("bad", [b"no request at all\r\n\r\n", BAD_CHUNK], ids=["head", "body"])
def test_what_is_no_request_waits_for_the_answers_before_it(bad: bytes, target: Athena) -> None:
    with tcp(target) as sock:
        sock.sendall(WAITING + bad)
        answers = all_of(sock)
    assert answers.startswith(b"HTTP/1.1 200 OK")
    assert answers.count(b"HTTP/1.1") == 1


def test_a_body_that_breaks_behind_its_answer_gets_no_second_one(target: Athena) -> None:
    with tcp(target) as sock:
        sock.sendall(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = sock.recv(65536)
        assert answer.startswith(b"HTTP/1.1 404")
        sock.sendall(b"zz\r\n")
        assert all_of(sock) == b""


def test_behind_what_is_no_request_nothing_is_collected(target: Athena) -> None:
    """Endless headers, while an earlier response is being sent."""
    pages = Path(f"/proc/{target.pid}/statm")
    before = int(pages.read_text().split()[1])
    with tcp(target) as sock:
        sock.sendall(WAITING.replace(b"wait=1", b"wait=30") + b"no request at all\r\n\r\n")
        sock.settimeout(1)
        with pytest.raises(TimeoutError):
            sock.sendall(b"X-A: b\r\n" * 8_000_000)
        assert int(pages.read_text().split()[1]) - before < 8 * 256, "pages of 4 KiB: more than 8 MiB"


def all_of(sock: socket.socket) -> bytes:
    """Everything until the other end closes."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_thousand_requests_at_once_are_answered_in_order(target: Athena) -> None:
    paths = [f"/api/v3/webhooks/txs/none-{number}" for number in range(999)]
    sent = b"".join(request("GET", path) for path in paths) + request("GET", "/healthz", CLOSE)
    got = exchange(target, sent)
    assert [reply.status for reply in got] == [404] * 999 + [200]
    assert all(path.encode().rpartition(b"/")[2] in reply.body for path, reply in zip(paths, got, strict=False))


# ---- header syntax ---------------------------------------------------------------------------------------------------
HEADERS = {
    "obs-fold": b"X-A: b\r\n c\r\n",
    "obs-fold with a tab": b"X-A: b\r\n\tc\r\n",
    "NUL in a value": b"X-A: b\0c\r\n",
    "NUL in a name": b"X\0A: b\r\n",
    "bare LF": b"X-A: b\nX-B: c\r\n",
    "bare CR": b"X-A: b\rX-B: c\r\n",
    "a control character": b"X-A: \x01\r\n",
    "a space in a name": b"X A: b\r\n",
    "a space behind a name": b"X-A : b\r\n",
    "no colon": b"X-A\r\n",
    "no name": b": b\r\n",
    "a name of other letters": b"X-\xc3\xa4: b\r\n",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_wrong_syntax_is_refused(name: str, target: Athena) -> None:
    (reply,) = exchange(target, request("GET", "/healthz", HEADERS[name]) + SMUGGLED)
    check_refusal(reply, 400)


HOSTS = {
    "none": b"",
    "two": b"Host: a\r\nHost: b\r\n",
    "user and path": b"Host: a/../b@c\r\n",
    "a port of no number": b"Host: localhost:8787x\r\n",
    "half an IPv6 address": b"Host: [::1\r\n",
    "a space": b"Host: a b\r\n",
    "other letters": b"Host: \xff\xfe\r\n",
}


@pytest.mark.parametrize("name", HOSTS)
def test_a_malformed_host_is_refused(name: str, target: Athena) -> None:
    """RFC 9112 section 3.2: a server MUST respond with 400 to a request that lacks a Host header, has more than one, or
    has an invalid one."""
    (reply,) = exchange(target, b"GET /healthz HTTP/1.1\r\n" + CLOSE + HOSTS[name] + b"\r\n")
    check_refusal(reply, 400)


# ---- versions --------------------------------------------------------------------------------------------------------
def test_http_1_0_is_answered_and_closed(target: Athena) -> None:
    assert [reply.status for reply in exchange(target, b"GET /healthz HTTP/1.0\r\n\r\n")] == [200]


VERSIONS = {
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "HTTP/3.0": b"GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n",
    "HTTP/1.10": b"GET /healthz HTTP/1.10\r\nHost: localhost\r\n\r\n",
    "no HTTP": b"GET /healthz ICE/1.0\r\nHost: localhost\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "an upgrade to HTTP/2": request("GET", "/healthz", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_other_versions_are_refused(name: str, target: Athena) -> None:
    (reply,) = exchange(target, VERSIONS[name])
    assert reply.status in (400, 505), reply
    check_refusal(reply, reply.status)


@pytest.mark.parametrize("upgrade", [b"h2c", b"TLS/1.2", b"websocket, h2c"])
def test_a_refused_upgrade_does_nothing(upgrade: bytes, target: Athena) -> None:
    """A request answered with 400 has not been carried out."""
    before = position(target)
    headers = b"Connection: Upgrade\r\nUpgrade: %s\r\n" % upgrade
    check_refusal(exchange(target, request("DELETE", f"{NOTIFICATIONS}/purge", headers))[0], 400)
    assert position(target) == before


# ---- addresses -------------------------------------------------------------------------------------------------------
NOWHERE = [
    "//evil.example/healthz",
    "//[::1",
    "///",
    "/..",
    "/../healthz",
    "/%2e%2e/healthz",
    "/apollo/../../../../etc/passwd",
    "/apollo/%2e%2e/%2e%2e/config.py",
    "/healthz%00",
    "/%00",
    "/healthz%0d%0aX-Evil:%20y",
    "/%2fhealthz",
    "/%zz",
    "/%",
    "*",
    "http://evil.example/nowhere",
]


@pytest.mark.parametrize("path", NOWHERE)
def test_odd_addresses_lead_nowhere(path: str, target: Athena) -> None:
    (reply,) = exchange(target, request("GET", path, CLOSE))
    check_refusal(reply, 404)
    assert b"evil:" not in reply.headers.lower()


@pytest.mark.parametrize(
    "path", ["http://[::1/healthz", "http://", "healthz", "/healthz\xff", "/a b", "/a\tb", "/a\0b", "", "http://x:y/"]
)
def test_an_address_that_is_none_is_refused(path: str, target: Athena) -> None:
    (reply,) = exchange(target, request("GET", path, CLOSE))
    check_refusal(reply, 400)


def test_the_absolute_form_is_the_same_address(target: Athena) -> None:
    """RFC 9112 section 3.2.2: a server MUST accept it."""
    (reply,) = exchange(target, request("GET", "http://localhost/healthz", CLOSE))
    assert reply.status == 200


@pytest.mark.parametrize(
    "value", ["bytes=0-18446744073709551615", "bytes=" + "0-1," * 2000 + "0-1", "x" * 8000, "\xff"]
)
@pytest.mark.parametrize("path", ["/healthz", NOTIFICATIONS])
def test_a_huge_range_is_ignored(path: str, value: str, target: Athena) -> None:
    """RFC 9110 section 14.2: a server MAY ignore it."""
    headers = f"Range: {value}\r\n".encode("latin-1")
    (reply,) = exchange(target, request("GET", path, headers + CLOSE))
    assert reply.status == 200, reply


PARTS = b'--x\r\nContent-Disposition: form-data; name="description"\r\n\r\nd\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"multipart/form-data; boundary=x", PARTS),
        (b"multipart/form-data; boundary=" + b"x" * 5000, PARTS * 1000),
        (b"application/x-www-form-urlencoded", b"description=d"),
        (b"application/x-www-form-urlencoded", b"a=b&" * 100_000),
        (b"application/json, text/plain", BODY),
        (b"\xff", BODY),
    ],
    ids=["multipart", "long multipart", "form", "long form", "a list", "no type"],
)
def test_other_bodies_are_415(kind: bytes, body: bytes, target: Athena) -> None:
    headers = b"Content-Type: %s\r\nContent-Length: %d\r\n" % (kind, len(body))
    (reply,) = exchange(target, request("POST", TXS, headers + CLOSE, body))
    check_refusal(reply, 415)
