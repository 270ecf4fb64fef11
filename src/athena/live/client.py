"""What the hub needs of a client that it pushes to, and of those that get the same bytes."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from athena.live.gate import Permit
from athena.live.tail import Encoding
from athena.sockets.broadcast import Group


class KeepAlive:
    """Seconds between pings, and seconds after an unanswered one until a silent peer is cut off."""

    def __init__(self, interval: float, timeout: float) -> None:
        self.interval = interval
        self.timeout = timeout
        self._due = 0.0

    def due(self, now: float) -> float:
        """When to ping a client that was heard from at `now` (the loop's clock). Calls at about the same time share one
        float: an object for each would be a fiftieth of what an idle client costs."""
        if self._due < now + self.interval * 0.96:
            self._due = now + self.interval
        return self._due


class Client(Protocol):
    """A client that is pushed to: what the hub needs of a WebSocket."""

    permit: Permit | None
    cohort: Cohort | None
    """The cohort whose flushes bring it up to date; None while it has to catch up by itself. Set by the hub, as are the
    next two."""
    position: int
    """Valid only without a cohort, which has its own."""
    wants_ready: bool
    paused: bool
    closing: bool

    @property
    def transport(self) -> asyncio.Transport:
        """For bytes that go to many clients; `send` is for this client's own."""

    @property
    def encoding(self) -> Encoding:
        """How messages are framed for it."""

    def send(self, data: bytes) -> None:
        """Write bytes. A full transport reports it through `Hub.pause`, now or later."""

    def acknowledged(self) -> int:
        """Bytes that the peer has acknowledged. Never decreases."""

    def keep_alive(self, now: float) -> None:
        """Ping a peer that is due, drop one that is silent. `now` is the loop's clock in seconds."""

    def close(self, code: int, reason: str) -> None:
        """Send a close code and set `closing`. `Hub.detach` follows when the transport is gone."""

    def abort(self) -> None:
        """Drop the transport at once."""


class Cohort(Group):
    """Clients at the same position, with the same encoding."""

    __slots__ = ("encoding", "position")

    def __init__(self, position: int, encoding: Encoding) -> None:
        super().__init__()
        self.position = position
        self.encoding = encoding

    @property
    def clients(self) -> list[Client]:
        """A copy."""
        return cast(list[Client], self.members())
