"""Malicious WebSocket handshakes and frames (RFC 6455); merely invalid ones are in tests/e2e."""

from __future__ import annotations

import os
import zlib

import pytest
from tests.e2e.calls import new_id, open_tx
from tests.e2e.rawsocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    frame,
    tcp,
)
from tests.e2e.subscribers import CHANGES, LIVE
from tests.hardening.wire import Reply, check_refusal, exchange, request
from tests.support.server import Athena

RSV1 = 0x40


def handshake(
    path: str = LIVE,
    more: bytes = b"",
    body: bytes = b"",
    version: bytes = b"13",
    key: bytes = b"dGhlIHNhbXBsZSBub25jZQ==",
    credentials: bytes = b"",
) -> bytes:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    wanted = b"Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n" % (version, key)
    return request("GET", path, upgrade + wanted + more, body, credentials)


def refusal(athena: Athena, sent: bytes, *statuses: int) -> Reply:
    """The only response, which must not be a switch of protocols."""
    (reply,) = exchange(athena, sent)
    assert reply.status in statuses, reply
    return reply


# ---- handshakes ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "offer",
    [
        b"permessage-deflate",
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        b"permessage-deflate; server_max_window_bits=8, permessage-deflate",
        b"permessage-deflate; client_max_window_bits=" + b"9" * 4000,
        b"x-webkit-deflate-frame, " + b"a, " * 1000 + b"b",
        b";;;,,,",
    ],
    ids=["plain", "parameters", "two", "long", "many", "nonsense"],
)
def test_an_offer_of_compression_is_not_taken_up(offer: bytes, target: Athena) -> None:
    with tcp(target) as sock:
        sock.sendall(handshake(more=b"Sec-WebSocket-Extensions: %s\r\n" % offer) + frame(CLOSE))
        received = b""
        while piece := sock.recv(65536):
            received += piece
    head = received.partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert b"sec-websocket-extensions" not in head.lower(), head


@pytest.mark.parametrize("version", [b"0", b"8", b"14", b"13, 8", b"", b"-13", b"013", b"\xb213", b"13\t13"], ids=repr)
def test_other_versions_of_the_protocol_are_refused(version: bytes, target: Athena) -> None:
    refusal(target, handshake(version=version), 400, 426)


@pytest.mark.parametrize("version", [b"8", b"14"], ids=repr)
def test_the_refusal_says_which_version_is_spoken(version: bytes, target: Athena) -> None:
    """RFC 6455 section 4.4."""
    assert b"sec-websocket-version: 13" in refusal(target, handshake(version=version), 400, 426).headers.lower()


@pytest.mark.parametrize(
    "key", [b"", b"!!!!", b"AAAA", b"\xff\xfe", b"A" * 4000, b"dGhlIHNhbXBsZSBub25jZQ==x"], ids=len
)
def test_bad_keys_are_refused(key: bytes, target: Athena) -> None:
    refusal(target, handshake(key=key), 400)


@pytest.mark.parametrize(
    "name", ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "Origin: a"]
)
def test_a_header_given_twice_is_refused(name: str, target: Athena) -> None:
    refusal(target, handshake(more=f"{name}\r\n{name}\r\n".encode()), 400)


@pytest.mark.parametrize("status", ["version", "key", "protocol"])
def test_a_refused_handshake_has_the_shape_of_all_errors(status: str, target: Athena) -> None:
    sent = {
        "version": handshake(version=b"8"),
        "key": handshake(key=b"!!!!"),
        "protocol": handshake(more=b"Sec-WebSocket-Protocol: @@,;\r\n"),
    }[status]
    reply = refusal(target, sent, 400, 426)
    check_refusal(reply, reply.status)


BODIES = {
    "a length": (b"Content-Length: 5\r\n", b"hello"),
    "a request as body": (b"Content-Length: 42\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_handshake_with_a_body_is_refused(name: str, target: Athena) -> None:
    more, body = BODIES[name]
    check_refusal(refusal(target, handshake(more=more, body=body), 400), 400)


def test_a_request_behind_a_handshake_is_not_answered(target: Athena) -> None:
    """It is read as frames, and closed as invalid."""
    with tcp(target) as sock:
        sock.sendall(handshake() + request("GET", "/healthz", b"Connection: close\r\n"))
        received = b""
        while piece := sock.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 ") == 1, received
    assert b"\x88" in received.partition(b"\r\n\r\n")[2], "no close frame"


def test_a_handshake_behind_a_request_without_an_answer_is_not_taken(target: Athena) -> None:
    """Both would be written to the same connection: the request gets its complete response, then the connection
    ends."""
    (reply,) = exchange(target, request("GET", f"{CHANGES}?wait=1") + handshake())
    assert reply.status == 200, reply
    assert reply.json["messages"] == []


@pytest.mark.parametrize(
    "path",
    ["//[::1", "//[", "http://[x/nowhere", "///", "//evil.example/", f"//evil.example{LIVE}", f"{LIVE}%00", f"{LIVE}/"],
)
def test_a_handshake_at_an_odd_address_is_refused(path: str, target: Athena) -> None:
    reply = refusal(target, handshake(path) + frame(CLOSE), 400, 404)
    check_refusal(reply, reply.status)


@pytest.mark.parametrize("count", [200, 2000])
def test_a_handshake_of_many_headers_is_refused(count: int, target: Athena) -> None:
    refusal(target, handshake(more=b"".join(b"X-%d: y\r\n" % number for number in range(count))), 400, 431)


@pytest.mark.parametrize("size", [9000, 70_000])
def test_a_handshake_with_a_long_header_is_refused(size: int, target: Athena) -> None:
    refusal(target, handshake(more=b"X-Long: " + b"y" * size + b"\r\n"), 400, 431)


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/2.0"])
def test_a_handshake_over_another_version_of_http_is_refused(version: bytes, target: Athena) -> None:
    """RFC 6455 section 4.2.1: HTTP/1.1 or higher; HTTP/2 has a handshake of its own (RFC 8441)."""
    sent = handshake().replace(b"HTTP/1.1", version) + frame(CLOSE)
    refusal(target, sent, 400, 426, 505)


# ---- frames ----------------------------------------------------------------------------------------------------------
def header(first: int, length: int, form: int, mask: bytes = b"mask") -> bytes:
    """A frame header whose length takes `form` bytes (1, 2 or 8), shortest or not."""
    if form == 1:
        return bytes([first, 0x80 | length]) + mask
    return bytes([first, 0x80 | (126 if form == 2 else 127)]) + length.to_bytes(form, "big") + mask


COMPRESSED = zlib.compressobj(wbits=-15)
BOMB = COMPRESSED.compress(bytes(4_000_000)) + COMPRESSED.flush()
"""4 MB of zeros in less than 4 KiB."""

CLOSED = {
    "a deflate bomb": (frame(BINARY, BOMB[:4000], first=FIN | RSV1 | BINARY), {1002}),
    "a deflate bomb in fragments": (
        frame(BINARY, BOMB[:100], first=RSV1 | BINARY) + frame(CONTINUATION, BOMB[100:4000]),
        {1002},
    ),
    "RSV bits on a ping": (frame(PING, b"", first=FIN | 0x70 | PING), {1002}),
    "RSV bits on a close": (frame(CLOSE, b"", first=FIN | 0x20 | CLOSE), {1002}),
    "RSV bits on a fragment": (frame(TEXT, b"a", first=TEXT) + frame(CONTINUATION, b"b", first=FIN | RSV1), {1002}),
    "2^63 bytes": (header(FIN | TEXT, 2**63, 8), {1002, 1009}),
    "2^63 - 1 bytes": (header(FIN | TEXT, 2**63 - 1, 8), {1009}),
    "2^64 - 1 bytes": (header(FIN | BINARY, 2**64 - 1, 8), {1002, 1009}),
    "2^63 bytes of a ping": (header(FIN | PING, 2**63, 8), {1002, 1009}),
    "2^32 bytes in fragments": (frame(TEXT, b"a", first=TEXT) + header(CONTINUATION, 2**32, 8), {1009}),
    "a close of 126 bytes": (frame(CLOSE, (1000).to_bytes(2, "big") + b"x" * 124), {1002}),
    "a fragmented close": (frame(CLOSE, b"", first=CLOSE), {1002}),
    "a fragmented pong": (frame(PONG, b"x", first=PONG), {1002}),
    "a pong of 126 bytes": (frame(PONG, b"x" * 126), {1002}),
    "unmasked binary": (frame(BINARY, b"x", masked=False), {1002}),
    "an unmasked ping": (frame(PING, b"x", masked=False), {1002}),
    "an unmasked close": (frame(CLOSE, b"", masked=False), {1002}),
    "an unmasked fragment": (frame(TEXT, b"x", first=TEXT) + frame(CONTINUATION, b"x", masked=False), {1002}),
    "random bytes": (b"\xff" + os.urandom(4000), {1002, 1009}),
}


@pytest.mark.parametrize("name", CLOSED)
def test_harmful_frames_are_closed(name: str, target: Athena) -> None:
    sent, codes = CLOSED[name]
    with RawWebSocket(target) as client:
        client.send_quietly(sent)
        assert client.receive_close() in codes


@pytest.mark.parametrize(
    ("form", "length"), [(2, 2), (2, 125), (8, 2), (8, 125), (8, 65535)], ids=lambda number: str(number)
)
def test_a_length_in_more_bytes_than_it_needs_does_not_confuse(form: int, length: int, target: Athena) -> None:
    """RFC 6455 section 5.2 requires the shortest; whether it is closed or read, there is only one interpretation."""
    payload = b"a" * length
    with RawWebSocket(target) as client:
        client.send_quietly(header(FIN | TEXT, length, form, bytes(4)) + payload + frame(PING, b"after"))
        got = client.receive()
        assert got in ((PONG, b"after"),) or got.opcode == CLOSE


FLOODS = {
    "a million fragments of a byte": (frame(TEXT, b"x", first=TEXT), frame(CONTINUATION, b"x", first=CONTINUATION)),
    "a million empty fragments": (frame(TEXT, b"", first=TEXT), frame(CONTINUATION, b"", first=CONTINUATION)),
    "a million pings": (b"", frame(PING, b"x")),
    "a million pongs": (b"", frame(PONG, b"x")),
    "a million messages": (b"", frame(TEXT, b"{}")),
    "a million bytes of one message": (header(FIN | TEXT, 4096, 2), b"x"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_closed(name: str, target: Athena) -> None:
    start, more = FLOODS[name]
    with RawWebSocket(target) as client:
        client.send_quietly(start)
        for _ in range(1000):
            client.send_quietly(more * 1000)
        assert client.receive_close() in (1008, 1009, 1002)


def test_a_flood_hinders_nobody(target: Athena) -> None:
    """Messages for other clients in the middle of it reach them."""
    with RawWebSocket(target) as listener, RawWebSocket(target) as flooder:
        for _ in range(20):
            flooder.send_quietly(frame(PING, b"x" * 125) * 500)
            tx_id = open_tx(target, new_id("flood"))
            assert listener.receive_message()["id"] == tx_id
