from __future__ import annotations

import base64
import secrets

import pytest
from websockets.utils import accept_key

from athena.live.handshake import Header, plain_key, switching

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
PLAIN: list[Header] = [
    (b"host", b"a"),
    (b"upgrade", b"WebSocket"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
]


def test_the_key_of_an_ordinary_handshake() -> None:
    assert plain_key(PLAIN) == KEY
    assert plain_key([*PLAIN, (b"cookie", b"a"), (b"cookie", b"b")]) == KEY


@pytest.mark.parametrize(
    "headers",
    [
        PLAIN[1:4],
        [header for header in PLAIN if header[0] != b"upgrade"],
        [*PLAIN, (b"sec-websocket-key", KEY)],
        [*PLAIN, (b"origin", b"a"), (b"origin", b"a")],
        [*PLAIN[:4], (b"sec-websocket-version", b"8")],
        [*PLAIN[:3], (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ"), PLAIN[4]],
        [*PLAIN[:3], (b"sec-websocket-key", base64.b64encode(b"x" * 17)), PLAIN[4]],
        [*PLAIN, (b"cookie", b"x" * 5000)],
        [*PLAIN, (b"sec-websocket-protocol", b"@@,;")],
        [*PLAIN, *[(b"x-%d" % number, b"") for number in range(100)]],
    ],
)
def test_whatever_is_odd_is_left_to_the_library(headers: list[Header]) -> None:
    assert plain_key(headers) is None


def test_the_answer_proves_that_the_key_was_read() -> None:
    for key in [KEY, *(base64.b64encode(secrets.token_bytes(16)) for _ in range(20))]:
        head, _, rest = switching(key, "athena").partition(b"\r\n\r\n")
        assert rest == b""
        assert b"Sec-WebSocket-Accept: " + accept_key(key.decode()).encode() in head.split(b"\r\n")
        assert b"Sec-WebSocket-Protocol: athena" in head.split(b"\r\n")
    assert b"-Protocol" not in switching(KEY, None)
