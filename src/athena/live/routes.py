"""Which paths serve the push, for the WebSocket handshake and the HTTP routes alike."""

from __future__ import annotations

import re

PREFIX = "(?:/ak)?/api/v[123]"
"""The pattern of the prefix of every route."""

_PREFIX = re.compile(f"{PREFIX}(?=/)")


def strip_prefix(path: str) -> str | None:
    """The part of a path after `/api/v1`, `/ak/api/v3` and so on; None when it has no such prefix."""
    prefix = _PREFIX.match(path)
    return None if prefix is None else path[prefix.end() :]


def is_live(path: str) -> bool:
    """Whether this path serves WebSockets: `/` and `/ak`, and `/notifications/live` below any API prefix."""
    return path in ("/", "/ak", "/ak/") or strip_prefix(path) == "/notifications/live"
