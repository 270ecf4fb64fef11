"""Secrets that are good once, and not for long: tickets for a page's user, and links to sign in with.

They live in memory: a restart ends those that are on their way, and whoever holds one asks for another.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from athena.auth.identity import Identity, now_ms
from athena.auth.roles import Role
from athena.auth.secrets import fingerprint, new_token

MOST = 100_000
"""Tickets that are remembered at a time; the oldest go first."""


class Ticket(NamedTuple):
    """Who it is for, who vouched, and until when (UTC Unix ms) it can be used."""

    name: str
    role: Role
    issuer: Identity
    until: float


class Tickets:
    """`issue` makes one, `redeem` takes it back, once."""

    def __init__(self, prefix: str, lifetime: float, now: Callable[[], float] = now_ms) -> None:
        """`lifetime` is in seconds."""
        self._prefix = prefix
        self._lifetime = lifetime
        self._now = now
        self._open: OrderedDict[bytes, Ticket] = OrderedDict()

    def issue(self, name: str, role: Role, issuer: Identity) -> tuple[str, float]:
        """-> the secret, and until when it is good."""
        until = self._now() + self._lifetime * 1000
        secret = new_token(self._prefix)
        self._forget_old()
        self._open[fingerprint(secret)] = Ticket(name, role, issuer, until)
        return secret, until

    def redeem(self, secret: str) -> Ticket | None:
        """The ticket, if it is good. From here on it is not."""
        ticket = self._open.pop(fingerprint(secret), None)
        if ticket is None or self._now() >= ticket.until or ticket.issuer.ended(self._now):
            return None
        return ticket

    def _forget_old(self) -> None:
        """All live equally long, so the oldest is the first to be over."""
        while self._open and (len(self._open) >= MOST or next(iter(self._open.values())).until <= self._now()):
            self._open.popitem(last=False)
