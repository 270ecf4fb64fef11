"""What a live connection needs of access control: a permit to begin with, which is checked again while it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from athena.errors import AthenaError


class Permit(Protocol):
    """The right to a live connection. One permit may be shared by many connections."""

    def ended(self) -> bool:
        """Whether it is no longer valid: a key was revoked, or a session or token has ended."""

    def release(self) -> None:
        """The connection is gone. To be called once for each connection admitted with it."""


class Admitted(NamedTuple):
    """The permit, and the subprotocol to answer with, if the client offered ours."""

    permit: Permit
    subprotocol: str | None


class HandshakeGate(Protocol):
    """Decides who may open a WebSocket."""

    def admit(self, target: str, headers: Iterable[tuple[bytes, bytes]], transport: asyncio.Transport) -> Admitted:
        """Admit a handshake. `target` is the request target, header names are lower case. Raises an `AthenaError`."""

    def refused(
        self, target: str, headers: Iterable[tuple[bytes, bytes]], transport: asyncio.Transport, error: AthenaError
    ) -> None:
        """Log and count a handshake that was answered with `error`."""
