"""Sessions: a secret, in a cookie or in a page's memory, that stands for a user who has signed in.

They are also kept on disk, so that a restart of Athena signs no one out.
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
    """The sessions that are valid now. They end after `idle` seconds without a request, at the latest after `lifetime`.

    An open stream does not count as a request: a user who only leaves a page open is away.
    """

    def __init__(self, idle: float, lifetime: float) -> None:
        self.idle_ms = idle * 1000
        self._lifetime_ms = lifetime * 1000
        self._sessions: dict[bytes, _Session] = {}

    def load(self, stored: Iterable[StoredSession], keys: KeyRing) -> None:
        """Load the sessions from before a restart; each must come after the session that vouched for it. Those whose
        key or session is gone are left out."""
        loaded: dict[str, Identity] = {}
        for session in stored:
            if session.parent_id is not None:
                parent = loaded.get(session.parent_id)
            else:
                parent = keys.by_id(session.key_id) if session.key_id else None
            if parent is not None or (session.parent_id is None and session.key_id is None):
                loaded[session.id] = self._add(session, parent)

    def create(self, name: str, role: Role, parent: Identity | None) -> tuple[str, StoredSession, Identity]:
        """Create a session -> its secret, the record to store, and its identity."""
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
        """The identity of a session, whose idle time starts again; None when it has ended or is unknown."""
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
        """End a session wherever it is in use -> its fingerprint, None when there is no such session."""
        session = self._sessions.pop(fingerprint(secret), None)
        if session is None:
            return None
        session.identity.end()
        return session.stored.fingerprint

    def take_used(self) -> list[tuple[int, bytes]]:
        """(time, fingerprint) of the sessions used since the last call; forgets those that have ended."""
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
    """The id of the nearest key or session among the identities that vouched."""
    while identity is not None and identity.kind != kind:
        identity = identity.parent
    return None if identity is None else identity.id


def _vouched_until(identity: Identity | None) -> float:
    """When the key or token at the end of that chain expires: after a restart, a token is no longer known."""
    while identity is not None and identity.kind not in ("key", "token"):
        identity = identity.parent
    return FOREVER if identity is None else identity.until
