"""Which web pages may use Athena: its own, and those on the allow-list. RFC 6454; OWASP ASVS 4.4.2."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from athena.errors import StartupError

_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?\Z")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def normalized(origin: str) -> str:
    """An origin as browsers write it: lower case, no default port. Raises ValueError for anything else."""
    found = _ORIGIN.match(origin.lower())
    if found is None:
        raise ValueError(f"expected an origin such as https://console.example, got {origin[:100]!r}")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"


class Origins:
    """Compares whole origins exactly: no patterns or suffixes, so no look-alike can match."""

    def __init__(self, allowed: Sequence[str], public_url: str, loopback_only: bool) -> None:
        """`loopback_only`: without access control, the Host header must name this machine. Otherwise a foreign site
        could resolve its own name to 127.0.0.1 (DNS rebinding) and pass as Athena's own page."""
        self.allowed = frozenset(_setting("--allow-origin", origin) for origin in allowed)
        self._public = _setting("--public-url", public_url) if public_url else None
        self._loopback_only = loopback_only

    def is_listed(self, origin: str) -> bool:
        return origin in self.allowed

    def is_own(self, origin: str, scheme: str, host: str) -> bool:
        """Whether a page of `origin` was served from the address it now requests; `scheme` and `host` are the
        request's."""
        if origin == self._public:
            return True
        try:
            return origin == normalized(f"{scheme}://{host}")
        except ValueError:
            return False

    def host_is_ours(self, host: str) -> bool:
        """Whether a request that names `host` was meant for Athena."""
        return not self._loopback_only or not host or _is_this_machine(host)  # browsers always name one


def _setting(flag: str, origin: str) -> str:
    try:
        return normalized(origin)
    except ValueError as error:
        raise StartupError(f"{flag}: {error}") from None


@lru_cache(maxsize=64)  # nearly all requests name the same host
def _is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine, independently of any resolver."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: never resolved elsewhere
            return True
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
