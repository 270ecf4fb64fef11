"""The errors of the client; those of the server are in athena.errors.

Each message says what was expected, what happened instead, and what to do.

ClientError
├── InvalidUrl     the URL cannot be that of an Athena server
├── Unreachable    no connection, or no response in time; the request may or may not have arrived
├── NotAthena      something else responds at this URL
└── Refused        Athena responded with an error: `http_status`, `error_code` and the whole `answer`
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


class ClientError(Exception):
    """Base class of the client's errors."""


class InvalidUrl(ClientError):
    """The URL cannot be that of an Athena server."""

    def __init__(self, url: str) -> None:
        super().__init__(f"expected an address such as http://127.0.0.1:8787, got {url[:200]!r}")


class Unreachable(ClientError):
    """No connection, or no response in time. The request may or may not have arrived."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"expected Athena at {url}, got: {why}; start it with `athena serve`, "
            "or say where it is with --url or ATHENA_URL"
        )
        self.why = why


class NotAthena(ClientError):
    """Something else responds at this URL."""

    def __init__(self, url: str, got: str) -> None:
        super().__init__(f"expected Athena at {url}, got {got}; say where it is with --url or ATHENA_URL")


class Refused(ClientError):
    """Athena responded with an error. `str(error)` is its message, `answer` the whole JSON object."""

    def __init__(self, http_status: int, answer: dict[str, Any], url: str = "") -> None:
        sentence = str(answer.get("error") or f"Athena answered with HTTP status {http_status}")
        if http_status == 401:
            sentence += "; give a key by ATHENA_KEY"
            if urlsplit(url).hostname == "localhost":  # IPv4 or IPv6: the key could go to another server
                sentence += ", or write 127.0.0.1 or [::1]: for localhost none is looked up"
        super().__init__(sentence)
        self.http_status = http_status
        self.error_code = str(answer.get("code", ""))
        self.answer = answer

    @property
    def worth_repeating(self) -> bool:
        """Whether the same request may succeed later (HTTP 429 and 5xx)."""
        return self.http_status == 429 or self.http_status >= 500
