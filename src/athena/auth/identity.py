"""An authenticated caller: what it may do, and until when."""

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

    It ends at `until` (UTC Unix ms), on `end()`, or when the identity that vouched for it (`parent`) ends: a session
    does not outlive the key it was made with. Live connections poll `ended()`.
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
        """`subject` identifies it among its kind where `id_` cannot, because that is masked; only its hash is kept."""
        self.kind = kind
        self.id = id_
        self.name = name
        self.role = role
        self.until = until
        self.parent = parent
        self.label = f"{kind} {id_} ({name})" if id_ else kind  # made once, because every request is logged with it
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
        """This identity and those that vouched for it, nearest first."""
        one: Identity | None = self
        while one is not None:
            yield one
            one = one.parent

    def end(self) -> None:
        """Invalidate it at once, wherever it is in use."""
        self.until = 0.0

    def release(self) -> None:
        """A live connection of this identity has closed."""
        self.connections -= 1

    def __str__(self) -> str:
        """For logs and the audit log: never holds a secret."""
        return self.label


NOBODY = Identity("nobody", "", "everyone on this machine", "manager")
"""Every caller, when there is no access control."""
