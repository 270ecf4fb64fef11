"""JSON Web Tokens of a company's identity provider (RFC 7519, with the advice of RFC 8725).

The settings fix issuer, audience and algorithms; nothing in a token decides where keys are fetched from or how it is
checked. Checking does no I/O: `refresh` fetches the provider's keys beforehand.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt
import urllib3

from athena.auth.identity import Identity
from athena.auth.roles import ROLES, Role
from athena.auth.secrets import fingerprint
from athena.domain.masking import mask_emails
from athena.errors import BadCredentials, Forbidden, StartupError

log = logging.getLogger("athena.auth")

MOST_TOKENS = 10_000
"""Valid tokens that are remembered, so that each is verified once."""

REFRESH_SECONDS = 300.0
RETRY_SECONDS = 30.0
"""The least time between two fetches caused by unknown key ids, and after a failed fetch."""

LEEWAY_SECONDS = 10
FETCH_SECONDS = 5.0
LATEST_SECONDS = 253_402_300_799
"""The end of the year 9999; a token may hold a number larger than a float can."""

MOST_BYTES = 1024 * 1024

KIND = "a token"


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must satisfy. `roles` maps values of the claim `role_claim` to roles; the highest one counts."""

    issuer: str
    audience: str
    algorithms: Sequence[str]
    role_claim: str
    roles: Mapping[str, Role]
    jwks_url: str = ""
    secret_file: str = ""


class _Good(NamedTuple):
    """A verified token: its identity, and the key that signed it."""

    identity: Identity
    key_id: str


class TokenVerifier:
    """Verifies tokens. Raises `StartupError` for rules that contradict each other."""

    def __init__(self, rules: TokenRules) -> None:
        self._rules = rules
        self._keys: dict[str, jwt.PyJWK] = {}
        self._secret = _read_secret(rules.secret_file) if rules.secret_file else b""
        self._good: OrderedDict[bytes, _Good] = OrderedDict()
        self._wanted = asyncio.Event()
        self._fetched_at = float("-inf")
        _check(rules)

    def identify(self, token: str) -> Identity:
        """The identity of a token. Raises `BadCredentials`, or `Forbidden` when it grants no role."""
        digest = fingerprint(token)
        known = self._good.get(digest)
        if known is not None and not known.identity.ended():
            return known.identity
        identity = self._identity(self._claims(token))
        self._good[digest] = _Good(identity, str(jwt.get_unverified_header(token).get("kid", "")))
        if len(self._good) > MOST_TOKENS:
            self._good.popitem(last=False)
        return identity

    def _claims(self, token: str) -> dict[str, Any]:
        rules = self._rules
        try:
            key = self._secret or self._key_for(token)
            return jwt.decode(
                token,
                key,
                algorithms=list(rules.algorithms),
                issuer=rules.issuer,
                audience=rules.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):  # the last two: hostile JSON
            raise BadCredentials(KIND) from None

    def _key_for(self, token: str) -> jwt.PyJWK:
        """The provider's key that a token names. An unknown key triggers a fetch for later tokens, but only if the
        token claims to be from our issuer, since anyone can make up a key id."""
        key = self._keys.get(str(jwt.get_unverified_header(token).get("kid", "")))
        if key is not None:
            return key
        claimed = jwt.decode(token, options={"verify_signature": False})
        if claimed.get("iss") == self._rules.issuer:
            self._wanted.set()
        raise BadCredentials(KIND)

    def _identity(self, claims: dict[str, Any]) -> Identity:
        given = claims.get(self._rules.role_claim)
        values = given if isinstance(given, list) else str(given or "").split()
        roles = {self._rules.roles[value] for value in values if isinstance(value, str) and value in self._rules.roles}
        role = next((role for role in reversed(ROLES) if role in roles), None)
        if role is None:
            raise Forbidden("view", f"token without a known role in its claim {self._rules.role_claim!r}")
        subject = _shown(claims.get("sub", ""))
        name = _shown(claims.get("name") or claims.get("preferred_username") or subject)
        until = float(min(int(claims["exp"]), LATEST_SECONDS)) * 1000
        return Identity("token", subject, name, role, until, subject=str(claims.get("sub") or claims))

    # ---- the provider's keys -----------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Keep the provider's keys fresh, until cancelled."""
        while self._rules.jwks_url:
            pause = RETRY_SECONDS
            try:
                await asyncio.to_thread(self.refresh)
                pause = REFRESH_SECONDS
            except Exception as error:  # whatever fails, the keys we have stay valid
                log.warning("the identity provider's keys cannot be had: %s", error)
            self._wanted.clear()
            try:
                await asyncio.wait_for(self._wanted.wait(), pause)
            except TimeoutError:
                continue
            await asyncio.sleep(max(0.0, self._fetched_at + RETRY_SECONDS - time.monotonic()))

    def refresh(self) -> None:
        """Fetch the keys from the one address in the settings."""
        self._fetched_at = time.monotonic()
        with urllib3.PoolManager(retries=False, timeout=FETCH_SECONDS) as pool:
            answer = pool.request("GET", self._rules.jwks_url, redirect=False, preload_content=False)
            body = answer.read(MOST_BYTES + 1)
            answer.release_conn()
        if answer.status != 200 or len(body) > MOST_BYTES:
            raise ValueError(f"expected 200 and at most {MOST_BYTES:,} bytes, got {answer.status} and {len(body):,}")
        keys = jwt.PyJWKSet.from_json(body.decode()).keys
        self._keys = {key.key_id: key for key in keys if key.key_id and key.public_key_use in (None, "sig")}
        for digest, good in list(self._good.items()):
            if good.key_id not in self._keys:  # the key was withdrawn: what it signed is no longer valid
                good.identity.end()
                self._good.pop(digest, None)


def roles_from(pairs: Sequence[str]) -> dict[str, Role]:
    """`value=role` pairs as a mapping. Raises `StartupError` for anything else."""
    roles: dict[str, Role] = {}
    for pair in pairs:
        value, equals, name = pair.rpartition("=")
        role = next((role for role in ROLES if role == name), None)
        if not (equals and value and role):
            raise StartupError(f"--jwt-roles: expected value=role with one of {', '.join(ROLES)}, got {pair!r}")
        roles[value] = role
    return roles


def _check(rules: TokenRules) -> None:
    symmetric = [name for name in rules.algorithms if name.upper().startswith("HS")]
    if not rules.audience:
        raise StartupError("--jwt-audience: expected the audience that tokens are made for, got nothing")
    if bool(rules.jwks_url) == bool(rules.secret_file):
        raise StartupError("expected either --jwks-url or --jwt-secret-file, got both or none")
    if any(name.lower() == "none" for name in rules.algorithms) or not rules.algorithms:
        raise StartupError("--jwt-algorithms: expected algorithms that sign, got none")
    if rules.jwks_url and symmetric:  # else a public key could be used as a shared secret
        raise StartupError(f"--jwt-algorithms: expected asymmetric ones with --jwks-url, got {', '.join(symmetric)}")
    if rules.secret_file and len(symmetric) != len(rules.algorithms):
        raise StartupError("--jwt-algorithms: expected HS256, HS384 or HS512 with --jwt-secret-file")
    if rules.jwks_url and not _is_safe(rules.jwks_url):
        raise StartupError(f"--jwks-url: expected an https address, got {rules.jwks_url!r}")


def _is_safe(url: str) -> bool:
    """Whether it is https, or plain http on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _read_secret(path: str) -> bytes:
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        raise StartupError(f"--jwt-secret-file: {path}: {error.strerror}") from error
    if len(secret) < 32:  # RFC 7518 section 3.2: no shorter than the hash
        raise StartupError(f"--jwt-secret-file: expected a secret of at least 32 bytes, got {len(secret)}")
    return secret


def _shown(claim: object) -> str:
    """A claim as logs and the audit log show it. JSON can hold half of a surrogate pair, which UTF-8 cannot."""
    return mask_emails(str(claim).encode("utf-8", "replace").decode())[:128]
