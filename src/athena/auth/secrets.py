"""Making secrets, and keeping only what cannot be turned back into them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

KEY = re.compile(r"ath_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})\Z")
PREFIXES = ("ath_", "ats_", "att_", "atl_")
"""How keys, sessions, tickets and sign-in links begin, so that a leaked one is recognised for what it is."""

SHAPE = re.compile(r"ath_[0-9a-f]{12}_[A-Za-z0-9_-]*|(?:ats|att|atl)_[A-Za-z0-9_-]{20,}")
"""What a secret of ours looks like, whole or cut short, wherever it stands."""


class ApiKey(NamedTuple):
    """`ath_<id>_<secret>`: 48 bits to find it by, 256 random bits to prove it by."""

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
    """A secret of 256 random bits behind a prefix that tells what it is."""
    return prefix + secrets.token_urlsafe(32)


def fingerprint(secret: str) -> bytes:
    """What is stored in a secret's place.

    One round of SHA-256 is enough for 256 random bits: there is no dictionary to try, unlike with passwords
    (OWASP Password Storage Cheat Sheet speaks of what people choose).
    """
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, stored: bytes) -> bool:
    """Compare in a time that does not depend on where they differ."""
    return hmac.compare_digest(fingerprint(secret), stored)
