"""Creating secrets, and storing only their hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

KEY = re.compile(r"ath_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})\Z")
PREFIXES = ("ath_", "ats_", "att_", "atl_")
"""Prefixes of keys, sessions, tickets and sign-in links, so that a leaked one can be recognised."""

SHAPE = re.compile(r"ath_[0-9a-f]{12}_[A-Za-z0-9_-]*|(?:ats|att|atl)_[A-Za-z0-9_-]{20,}")
"""Matches our secrets anywhere in a text, whole or truncated."""


class ApiKey(NamedTuple):
    """`ath_<id>_<secret>`: a 48-bit id for the lookup, and a secret of 256 random bits."""

    id: str
    secret: str

    def __str__(self) -> str:
        return f"ath_{self.id}_{self.secret}"


def new_key() -> ApiKey:
    return ApiKey(secrets.token_hex(6), secrets.token_urlsafe(32))


def parse_key(text: str) -> ApiKey | None:
    found = KEY.match(text)
    return None if found is None else ApiKey(found["id"], found["secret"])


def new_token(prefix: str) -> str:
    """A secret of 256 random bits, after a prefix that tells its kind."""
    return prefix + secrets.token_urlsafe(32)


def fingerprint(secret: str) -> bytes:
    """The hash that is stored instead of a secret.

    One round of SHA-256 is enough for 256 random bits: unlike for passwords chosen by people (the subject of the OWASP
    Password Storage Cheat Sheet), there is no dictionary to try.
    """
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, stored: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(fingerprint(secret), stored)
