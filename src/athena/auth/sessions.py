"""Sessions: a secret in a cookie or in a page's memory that stands for somebody who has proved who they are.

They are kept on disk too, so that a restart of Athena signs nobody out.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from athena.auth.identity import FOREVER, Identity, Kind, now_ms
from athena.auth.keys import KeyRing
from athena.auth.roles import Role
from athena.auth.secrets import fingerprint, new_token
from athena.auth.store import StoredSession

PREFIX = "ats_"


@dataclass(slots=True)
class _Session:
    stored: StoredSession
    identity: Identity
    last_used: float
    touched: bool = False


class Sessions:
    """The sessions that are good now. Idle ones end after `idle` seconds without a request, all after `lifetime`.

    An open stream is no request: whoever only leaves a page open is away.
    """

    def __init__(self, idle: float, lifetime: float) -> None:
        self.idle_ms = idle * 1000
        self._lifetime_ms = lifetime * 1000
        self._sessions: dict[bytes, _Session] = {}

    def load(self, stored: Iterable[StoredSession], keys: KeyRing) -> None:
        """What was there before a restart, each after the one that vouched for it. Those whose key or session is gone
        are left out."""
        loaded: dict[str, Identity] = {}
        for session in stored:
            if session.parent_id is not None:
                parent = loaded.get(session.parent_id)
            else:
                parent = keys.by_id(session.key_id) if session.key_id else None
            if parent is not None or (session.parent_id is None and session.key_id is None):
                loaded[session.id] = self._add(session, parent)

    def create(self, name: str, role: Role, parent: Identity | None) -> tuple[str, StoredSession, Identity]:
        """A new session -> its secret, what to store of it, and who it stands for."""
        secret = new_token(PREFIX)
        now = int(now_ms())
        expires = int(min(now + self._lifetime_ms, _vouched_until(parent)))
        stored = StoredSession(
            fingerprint(secret),
            secrets.token_hex(6),
            name,
            role,
            _behind(parent, "key"),
            now,
            now,
            expires,
            _behind(parent, "session"),
        )
        return secret, stored, self._add(stored, parent)

    def find(self, secret: str) -> Identity | None:
        """Whose session this is; its idle time begins anew. None when it is over or unknown."""
        session = self._sessions.get(fingerprint(secret))
        if session is None:
            return None
        if session.identity.ended():
            del self._sessions[session.stored.fingerprint]
            return None
        session.last_used = now_ms()
        session.touched = True
        session.identity.until = min(session.stored.expires, session.last_used + self.idle_ms)
        return session.identity

    def remove(self, secret: str) -> bytes | None:
        """Sign out: ends it wherever it is in use -> its fingerprint, None when there is no such session."""
        session = self._sessions.pop(fingerprint(secret), None)
        if session is None:
            return None
        session.identity.end()
        return session.stored.fingerprint

    def take_used(self) -> list[tuple[int, bytes]]:
        """(time, fingerprint) of those used since this was last asked; forgets those that are over."""
        for digest in [digest for digest, session in self._sessions.items() if session.identity.ended()]:
            del self._sessions[digest]
        used = [(int(session.last_used), digest) for digest, session in self._sessions.items() if session.touched]
        for _, digest in used:
            self._sessions[digest].touched = False
        return used

    def _add(self, stored: StoredSession, parent: Identity | None) -> Identity:
        until = min(stored.expires, stored.last_used + self.idle_ms)
        identity = Identity("session", stored.id, stored.name, stored.role, until, parent)
        self._sessions[stored.fingerprint] = _Session(stored, identity, stored.last_used)
        return identity


def _behind(identity: Identity | None, kind: Kind) -> str | None:
    """The nearest key or session in the chain of those who vouched."""
    while identity is not None and identity.kind != kind:
        identity = identity.parent
    return None if identity is None else identity.id


def _vouched_until(identity: Identity | None) -> float:
    """When the key or token at the end of that chain ends: a token is not known any more after a restart."""
    while identity is not None and identity.kind not in ("key", "token"):
        identity = identity.parent
    return FOREVER if identity is None else identity.until
