"""An identity provider: its keys, a URL that publishes them, tokens signed with them."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://login.example"
AUDIENCE = "athena"


class SigningKey:
    """An RSA key with a name."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def as_jwk(self) -> dict[str, Any]:
        jwk: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key()))
        return {**jwk, "kid": self.kid, "use": "sig", "alg": "RS256"}


def claims(lifetime: float = 300, **others: Any) -> dict[str, Any]:
    """The claims of a valid token; None omits one. `lifetime` in seconds."""
    now = time.time()
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u-1", "name": "Ann", "roles": ["reporter"], "exp": now + lifetime}
    return {name: value for name, value in {**told, **others}.items() if value is not None}


def signed(key: SigningKey, told: Mapping[str, Any] | None = None, **headers: Any) -> str:
    """A token with additional `headers`; None omits one."""
    said = {name: value for name, value in {"kid": key.kid, **headers}.items() if value is not None}
    return jwt.encode(dict(told or claims()), key.private, "RS256", headers=said)


def unsigned(told: Mapping[str, Any] | None = None, alg: str = "none", kid: str = "first") -> str:
    """A token without a signature."""
    return f"{part({'typ': 'JWT', 'alg': alg, 'kid': kid})}.{part(told or claims())}."


def part(content: Any) -> str:
    """One part of a token: JSON, or bytes as they are."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Provider:
    """Publishes `keys` at `url` and counts requests. Listens while it is entered as a context manager."""

    def __init__(self, *keys: SigningKey, port: int = 0) -> None:
        self.keys = list(keys)
        self.asked = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                body = json.dumps({"keys": [key.as_jwk() for key in provider.keys]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
