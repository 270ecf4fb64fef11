"""API keys in memory, so that a request costs no read: the database is asked only after somebody has written to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from athena.auth.identity import FOREVER, Identity, now_ms
from athena.auth.secrets import ApiKey, matches
from athena.auth.store import StoredKey


class _Known(NamedTuple):
    fingerprint: bytes
    identity: Identity


MOST_PROVED = 1_000
"""Ways of showing a key that are remembered at a time (a producer shows its own in one way); then all are forgotten."""


class KeyRing:
    """The keys that are good now."""

    def __init__(self) -> None:
        self._keys: dict[str, _Known] = {}
        self._used: set[str] = set()
        self._proved: dict[bytes, Identity] = {}

    def replace(self, stored: Iterable[StoredKey]) -> None:
        """Take over what is stored. The identity of a key that is gone ends, and with it all that uses it."""
        now = now_ms()
        good = {key.id: key for key in stored if key.is_good(now)}
        for key_id in self._keys.keys() - good.keys():
            self._keys.pop(key_id).identity.end()
        for key in good.values():
            if key.id not in self._keys:
                until = FOREVER if key.expires is None else key.expires
                self._keys[key.id] = _Known(key.fingerprint, Identity("key", key.id, key.name, key.role, until))

    def knows(self, key: ApiKey) -> bool:
        """Whether there is a key of this id; says nothing about its secret."""
        return key.id in self._keys

    def find(self, key: ApiKey) -> Identity | None:
        """Whose key this is; None when it is none of ours, revoked or expired."""
        known = self._keys.get(key.id)
        if known is None or not matches(key.secret, known.fingerprint) or known.identity.ended():
            return None
        self._used.add(key.id)
        return known.identity

    def recall(self, digest: bytes) -> Identity | None:
        """Whose key was shown in the way that `digest` is the fingerprint of; None when that must be looked at."""
        identity = self._proved.get(digest)
        if identity is None or identity.ended():
            return None
        self._used.add(identity.id)
        return identity

    def remember(self, digest: bytes, identity: Identity) -> None:
        """It was looked at, and is this one's."""
        if len(self._proved) >= MOST_PROVED:
            self._proved.clear()
        self._proved[digest] = identity

    def by_id(self, key_id: str) -> Identity | None:
        """The identity of a key, without proof: for those that it vouched for."""
        known = self._keys.get(key_id)
        return None if known is None else known.identity

    def take_used(self) -> set[str]:
        """The ids used since this was last asked."""
        used, self._used = self._used, set()
        return used
