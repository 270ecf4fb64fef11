"""Somebody who was let in: what they may do, and until when."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Literal

from athena.auth.limits import TokenBucket
from athena.auth.roles import ROLES, Action, Role

Kind = Literal["nobody", "key", "session", "token", "ticket"]

FOREVER = float("inf")


def now_ms() -> float:
    return time.time() * 1000


class Identity:
    """One key, session or token, shared by all requests and connections that use it.

    It ends by itself at `until` (UTC Unix ms), at once by `end()`, and when the one that vouched for it (`parent`)
    ends: a session does not outlive the key that it was made with. Live connections keep asking `ended()`.
    """

    __slots__ = ("bucket", "connections", "id", "kind", "label", "name", "parent", "role", "scope", "until")

    def __init__(
        self,
        kind: Kind,
        id_: str,
        name: str,
        role: Role,
        until: float = FOREVER,
        parent: Identity | None = None,
        *,
        subject: str | None = None,
    ) -> None:
        """`subject` tells it from others of its kind where `id_` does not, being masked; only its hash is kept."""
        self.kind = kind
        self.id = id_
        self.name = name
        self.role = role
        self.until = until
        self.parent = parent
        self.label = f"{kind} {id_} ({name})" if id_ else kind  # made once: each request is logged with it
        said = f"{kind} {id_ if subject is None else subject}"
        self.scope = hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest()
        self.connections = 0
        self.bucket: TokenBucket | None = None

    def allows(self, action: Action) -> bool:
        return action in ROLES[self.role]

    def ended(self, now: Callable[[], float] = now_ms) -> bool:
        if self.until == FOREVER and self.parent is None:
            return False
        moment = now()
        one: Identity | None = self
        while one is not None:
            if moment >= one.until:
                return True
            one = one.parent
        return False

    def chain(self) -> Iterator[Identity]:
        """Itself, and those who vouched for it, the nearest first."""
        one: Identity | None = self
        while one is not None:
            yield one
            one = one.parent

    def end(self) -> None:
        """Not good any more, from now on, wherever it is in use."""
        self.until = 0.0

    def release(self) -> None:
        """A live connection of this identity is gone."""
        self.connections -= 1

    def __str__(self) -> str:
        """For logs and the audit log: never holds a secret."""
        return self.label


NOBODY = Identity("nobody", "", "everyone on this machine", "manager")
"""Who asks when there is no access control."""
