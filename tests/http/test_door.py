"""What the front door parses by itself equals the result of an HTTP parser."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.http.door import read_handshake

HEADERS = (
    b"Host: 127.0.0.1:8787",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version: 13",
)


def head(*lines: bytes, request: bytes = b"GET /?after=e.1 HTTP/1.1") -> bytes:
    return b"\r\n".join((request, *lines, b"", b""))


class Parsed:
    """The data from httptools' callbacks."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = httptools.HttpRequestParser(self)
        self.upgraded_at = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgraded_at = upgrade.args[0]

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def test_an_ordinary_handshake_is_read() -> None:
    found = read_handshake(head(*HEADERS, b"Authorization:Bearer x", b"X-Empty:"))
    assert found is not None
    target, headers = found
    assert target == "/?after=e.1"
    assert dict(headers)[b"host"] == b"127.0.0.1:8787"
    assert dict(headers)[b"authorization"] == b"Bearer x"
    assert dict(headers)[b"x-empty"] == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        head(*HEADERS)[:-1],
        head(*HEADERS) + b"\x81\x80abcd",
        head(*HEADERS) + head(*HEADERS),
        head(*HEADERS, request=b"POST / HTTP/1.1"),
        head(*HEADERS, request=b"GET / HTTP/1.0"),
        head(*HEADERS, request=b"GET  / HTTP/1.1"),
        head(*HEADERS, request=b"GET /\xc3\xa9 HTTP/1.1"),
        head(*HEADERS[1:]),
        head(*HEADERS, b"Host: b"),
        head(*HEADERS[1:], b"Host: a b"),
        head(*HEADERS, b"Content-Length: 0"),
        head(*HEADERS, b"Transfer-Encoding: chunked"),
        head(*HEADERS, b"Space : x"),
        head(*HEADERS, b" folded"),
        head(*HEADERS, b"Nul: \x00"),
        head(*HEADERS, b"Bare: a\nb"),
        head(*HEADERS, b"Latin: \xe9"),
        head(*HEADERS[:3], b"Sec-WebSocket-Version: 13"),
        head(*HEADERS, *(b"X-%d: x" % number for number in range(40))),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_all_else_is_left_to_http(data: bytes) -> None:
    assert read_handshake(data) is None


PIECES = st.sampled_from(
    [
        *HEADERS,
        b"Origin: null",
        b"A: \t b \t",
        b"A:",
        b": x",
        b"",
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\x00",
        b"\xff",
        b":",
        b"Host: x:1",
    ]
)


@given(st.permutations(HEADERS), st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=4), st.data())
def test_what_is_read_is_what_a_parser_reads(ordinary: list[bytes], more: list[bytes], data: st.DataObject) -> None:
    lines = data.draw(st.permutations([*ordinary, *more]))
    raw = head(*lines)
    found = read_handshake(raw)
    if found is not None:
        parsed = Parsed(raw)
        # The parser leaves a tab at the end of a value, which is not part of it (RFC 9110, section 5.5).
        assert found == (parsed.url.decode(), [(name, value.strip(b" \t")) for name, value in parsed.headers])
        assert parsed.parser.get_method() == b"GET"
        assert parsed.parser.get_http_version() == "1.1"
        assert parsed.upgraded_at == len(raw)
