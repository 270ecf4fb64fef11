"""API keys in memory, so that requests need no read: the database is read only after a write."""

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
"""Verified headers that are remembered (a producer always sends the same one); beyond that, all are forgotten."""


class KeyRing:
    """The keys that are valid now."""

    def __init__(self) -> None:
        self._keys: dict[str, _Known] = {}
        self._used: set[str] = set()
        self._proved: dict[bytes, Identity] = {}

    def replace(self, stored: Iterable[StoredKey]) -> None:
        """Replace all keys by the stored ones. The identity of a missing key ends, with everything that uses it."""
        now = now_ms()
        good = {key.id: key for key in stored if key.is_good(now)}
        for key_id in self._keys.keys() - good.keys():
            self._keys.pop(key_id).identity.end()
        for key in good.values():
            if key.id not in self._keys:
                until = FOREVER if key.expires is None else key.expires
                self._keys[key.id] = _Known(key.fingerprint, Identity("key", key.id, key.name, key.role, until))

    def knows(self, key: ApiKey) -> bool:
        """Whether a key with this id exists; the secret is not checked."""
        return key.id in self._keys

    def find(self, key: ApiKey) -> Identity | None:
        """The identity of a key; None when it is unknown, revoked or expired."""
        known = self._keys.get(key.id)
        if known is None or not matches(key.secret, known.fingerprint) or known.identity.ended():
            return None
        self._used.add(key.id)
        return known.identity

    def recall(self, digest: bytes) -> Identity | None:
        """The identity that a header with the fingerprint `digest` has proved; None when it must be checked."""
        identity = self._proved.get(digest)
        if identity is None or identity.ended():
            return None
        self._used.add(identity.id)
        return identity

    def remember(self, digest: bytes, identity: Identity) -> None:
        """Remember that a header with the fingerprint `digest` proves this identity."""
        if len(self._proved) >= MOST_PROVED:
            self._proved.clear()
        self._proved[digest] = identity

    def by_id(self, key_id: str) -> Identity | None:
        """The identity of a key, without proof: for the sessions that it vouched for."""
        known = self._keys.get(key_id)
        return None if known is None else known.identity

    def take_used(self) -> set[str]:
        """The ids used since the last call."""
        used, self._used = self._used, set()
        return used
