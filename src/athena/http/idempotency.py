"""The `Idempotency-Key` header: a request that carries one may be sent again, and is executed once.

draft-ietf-httpapi-idempotency-key-header defines it as a string in double quotes (RFC 9651 section 3.3.3); most clients
send it bare. Both forms are accepted as the same key. How keys are stored: docs/decisions/0014-receipts.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from starlette.requests import Request
from starlette.types import Scope

from athena.auth.identity import Identity
from athena.errors import InvalidField
from athena.http.admission import IDENTITY
from athena.live.routes import strip_prefix
from athena.store.base import IdempotencyKey

HEADER = "Idempotency-Key"
REPLAYED = {"idempotency-replayed": "true"}
"""The header of a replayed response."""

ANSWER_HEADERS = {
    "Idempotency-Replayed": {
        "description": "There when this was answered before, and nothing has been done now.",
        "schema": {"type": "string", "const": REPLAYED["idempotency-replayed"]},
    }
}

LONGEST = 255
SCHEMA = {
    "type": "string",
    "pattern": rf"^[!#-~]{{1,{LONGEST}}}$",
    "description": "Makes the request safe to repeat for 24 hours: the same key and request are answered as the first "
    "time, and done once. Best a new random one for each request, such as a UUID.",
}

_NAME = HEADER.lower().encode()
_BARE = re.compile(r"[!#-~]+")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
_SIZE = 16


def key_of(request: Request, raw: bytes) -> IdempotencyKey | None:
    """The key of a request with the body `raw`; None when it has none. Raises `InvalidField`."""
    given = None
    for name, value in request.scope["headers"]:
        if name == _NAME:
            if given is not None:
                raise InvalidField(HEADER, "expected it once, got it twice")
            given = value.decode("latin-1")
    return None if given is None else _key(_unquoted(given), request.scope, raw)


def _unquoted(given: str) -> str:
    quoted = _QUOTED.fullmatch(given)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else given
    if not (quoted or _BARE.fullmatch(given)) or len(key) > LONGEST:
        shown = repr(given) if len(given) <= 40 else f"{len(given):,} characters beginning {given[:40]!r}"
        raise InvalidField(HEADER, f"expected 1 to {LONGEST} visible ASCII characters, got {shown}")
    return key


def _key(key: str, scope: Scope, raw: bytes) -> IdempotencyKey:
    """Two hashes: of the caller and the key, and of the request. The second is keyed (HMAC, RFC 2104), so the request
    cannot be recovered by hashing guesses, which matters for e-mail addresses that are stored masked."""
    who: Identity = scope[IDENTITY]
    request = hmac.new(key.encode(), f"{scope['method']} {strip_prefix(scope['path'])}\n".encode(), "sha256")
    request.update(raw)
    return IdempotencyKey(hashlib.sha256(who.scope + key.encode()).digest()[:_SIZE], request.digest()[:_SIZE])
