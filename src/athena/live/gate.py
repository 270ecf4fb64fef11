"""What a live connection needs of access control: a permit to begin with, and to ask again while it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from athena.errors import AthenaError


class Permit(Protocol):
    """Why a live connection may be here. One may be shared by many."""

    def ended(self) -> bool:
        """Whether it may not any more: a key was revoked, a session or a token is over."""

    def release(self) -> None:
        """The connection is gone. Once for each that was admitted with it."""


class Admitted(NamedTuple):
    """The permit, and the subprotocol to answer with, if the client offered ours."""

    permit: Permit
    subprotocol: str | None


class HandshakeGate(Protocol):
    """Who may open a WebSocket."""

    def admit(self, target: str, headers: Iterable[tuple[bytes, bytes]], transport: asyncio.Transport) -> Admitted:
        """Let a handshake in. `target` is the request target, header names are lower case. Raises an `AthenaError`."""

    def refused(
        self, target: str, headers: Iterable[tuple[bytes, bytes]], transport: asyncio.Transport, error: AthenaError
    ) -> None:
        """A handshake was answered with `error`, for the log."""
