"""What the hub needs to know of a reader that is written to."""

from __future__ import annotations

import asyncio
from typing import Protocol

from athena.live.gate import Permit
from athena.live.tail import Encoding


class KeepAlive:
    """Seconds between pings, and seconds after an unanswered one until a silent peer is gone."""

    def __init__(self, interval: float, timeout: float) -> None:
        self.interval = interval
        self.timeout = timeout
        self._due = 0.0

    def due(self, now: float) -> float:
        """When a client that was heard of `now` is to be pinged (the loop's clock). All that ask at about the same time
        share one number: as an object for each, it would be a fiftieth of what an idle client costs."""
        if self._due < now + self.interval * 0.96:
            self._due = now + self.interval
        return self._due


class Client(Protocol):
    """A reader that is written to: what the hub needs to know of a WebSocket."""

    permit: Permit | None
    live: bool
    """Whether it is up to date and takes part in flushes. The hub's own mark."""
    position: int
    wants_ready: bool
    paused: bool
    closing: bool

    @property
    def transport(self) -> asyncio.Transport:
        """Where bytes go that many get; `send` is for its own."""

    @property
    def encoding(self) -> Encoding:
        """How messages are framed for it."""

    def send(self, data: bytes) -> None:
        """Hand over bytes. A transport that is full says so by `Hub.pause`, now or later."""

    def acknowledged(self) -> int:
        """Bytes that the peer has acknowledged. It only rises."""

    def keep_alive(self, now: float) -> None:
        """Ping a peer that is due, give up on one that is silent. `now` is the loop's clock in seconds."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with a close code; sets `closing`. `Hub.detach` follows when the transport is gone."""

    def abort(self) -> None:
        """Let go of the transport at once."""
