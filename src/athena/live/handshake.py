"""The ordinary WebSocket handshake (RFC 6455 section 4.2), from headers that are parsed already.

Each microsecond counts when ten thousand clients reconnect after a restart. Anything unusual is left to the websockets
library, which knows how to answer it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==\Z")
"""16 bytes in base64."""

_PROTOCOLS = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*\Z")
"""Tokens with commas between (RFC 9110 section 5.6.2)."""

_SINGLE = frozenset({b"connection", b"origin", b"sec-websocket-key", b"sec-websocket-version", b"upgrade"})
"""Headers that may occur only once."""

MOST_HEADERS = 64
LONGEST_VALUE = 4096

Header = tuple[bytes, bytes]


def plain_key(headers: Sequence[Header]) -> bytes | None:
    """The client's key if this is an ordinary handshake, else None. Names are lower case."""
    said = dict(headers)
    if len(headers) > MOST_HEADERS or max([len(value) for _, value in headers], default=0) > LONGEST_VALUE:
        return None
    if len(said) < len(headers) and _repeats_what_is_said_once(headers):
        return None
    if said.get(b"sec-websocket-version") != b"13" or said.get(b"upgrade", b"").lower() != b"websocket":
        return None
    connection = said.get(b"connection", b"").lower()
    if connection != b"upgrade" and b"upgrade" not in [token.strip() for token in connection.split(b",")]:
        return None
    protocols = said.get(b"sec-websocket-protocol")
    if protocols is not None and not _PROTOCOLS.match(protocols):
        return None
    key = said.get(b"sec-websocket-key", b"")
    return key if _KEY.match(key) else None


def _repeats_what_is_said_once(headers: Sequence[Header]) -> bool:
    singles = [name for name, _ in headers if name in _SINGLE]
    return len(set(singles)) < len(singles)


def switching(key: bytes, subprotocol: str | None) -> bytes:
    """The response that accepts a handshake."""
    accept = b64encode(sha1(key + GUID, usedforsecurity=False).digest())
    chosen = b"" if subprotocol is None else b"Sec-WebSocket-Protocol: %s\r\n" % subprotocol.encode()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\n%s\r\n" % (accept, chosen)
    )
