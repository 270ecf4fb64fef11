"""What the front door lets in by itself is just what an HTTP parser would have made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.http.door import LOOK_SECONDS, FrontDoor, Waiting, read_handshake
from athena.http.protocol import HttpProtocol

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
    """What httptools calls back with."""

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
        # The parser leaves a tab at the end of a value, which is none of it (RFC 9110, section 5.5).
        assert found == (parsed.url.decode(), [(name, value.strip(b" \t")) for name, value in parsed.headers])
        assert parsed.parser.get_method() == b"GET"
        assert parsed.parser.get_http_version() == "1.1"
        assert parsed.upgraded_at == len(raw)


# ---- those that say nothing ------------------------------------------------------------------------------------------
class Silent:
    """A connection; when it was ended, by the loop's clock."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.ended: float | None = None

    def abort(self) -> None:
        self.ended = self.loop.now
        self.loop.ended.append(self)


class Loop:
    """A clock that jumps to the next timer, of which there is never more than one."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns = 0
        self.ended: list[Silent] = []
        self._due: tuple[float, Callable[..., None], tuple[Any, ...]] | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> None:
        assert self._due is None, "a second timer"
        self._due = when, callback, args

    def run(self) -> None:
        while self._due is not None:
            (self.now, callback, args), self._due = self._due, None
            self.turns += 1
            callback(*args)


def arrive(count: int, apart: float) -> tuple[Loop, Waiting, list[tuple[Silent, float]]]:
    """`count` connections, so many seconds apart -> each, and when its time is over."""
    loop, waiting = Loop(), Waiting()
    due = []
    for _ in range(count):
        silent = Silent(loop)
        waiting.add(cast(FrontDoor, silent), cast(asyncio.AbstractEventLoop, loop))
        due.append((silent, loop.now + HttpProtocol.header_timeout))
        loop.now += apart
    return loop, waiting, due


def test_the_silent_are_ended_in_order_and_in_time() -> None:
    loop, _, due = arrive(1000, apart=0.01)
    loop.run()
    assert loop.ended == [silent for silent, _ in due]
    for silent, until in due:
        assert silent.ended is not None
        assert until <= silent.ended <= until + LOOK_SECONDS


def test_however_many_are_silent_they_are_looked_at_a_few_times_a_second() -> None:
    seconds = 5
    loop, _, due = arrive(1000 * seconds, apart=0.001)
    loop.run()
    assert len(loop.ended) == len(due)
    assert loop.turns <= seconds / LOOK_SECONDS + 2


def test_one_look_ends_all_that_are_due_and_nobody_else() -> None:
    loop, waiting, due = arrive(100, apart=0.0)
    said, _ = due[50]
    assert waiting.remove(cast(FrontDoor, said)) == due[50][1]
    loop.run()
    assert loop.turns == 1
    assert said.ended is None
    assert all(silent.ended for silent, _ in due if silent is not said)
