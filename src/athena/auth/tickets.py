"""Short-lived, single-use secrets: tickets for a page's user, and sign-in links.

They are kept in memory only: after a restart, a client that holds one must request another.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from athena.auth.identity import Identity, now_ms
from athena.auth.roles import Role
from athena.auth.secrets import fingerprint, new_token

MOST = 100_000
"""Tickets that are remembered; the oldest are dropped first."""


class Ticket(NamedTuple):
    """Whom it is for, who issued it, and until when (UTC Unix ms) it can be redeemed."""

    name: str
    role: Role
    issuer: Identity
    until: float


class Tickets:
    """`issue` creates a ticket, `redeem` accepts it once."""

    def __init__(self, prefix: str, lifetime: float, now: Callable[[], float] = now_ms) -> None:
        """`lifetime` is in seconds."""
        self._prefix = prefix
        self._lifetime = lifetime
        self._now = now
        self._open: OrderedDict[bytes, Ticket] = OrderedDict()

    def issue(self, name: str, role: Role, issuer: Identity) -> tuple[str, float]:
        """-> the secret, and when it expires (UTC Unix ms)."""
        until = self._now() + self._lifetime * 1000
        secret = new_token(self._prefix)
        self._forget_old()
        self._open[fingerprint(secret)] = Ticket(name, role, issuer, until)
        return secret, until

    def redeem(self, secret: str) -> Ticket | None:
        """The ticket, if it is valid. Afterwards it no longer is."""
        ticket = self._open.pop(fingerprint(secret), None)
        if ticket is None or self._now() >= ticket.until or ticket.issuer.ended(self._now):
            return None
        return ticket

    def _forget_old(self) -> None:
        """All have the same lifetime, so the oldest expires first."""
        while self._open and (len(self._open) >= MOST or next(iter(self._open.values())).until <= self._now()):
            self._open.popitem(last=False)
