"""What can go wrong between a client and Athena, apart from the errors of the server (athena.errors).

Each sentence says what was expected, what came, and what to do.

ClientError
├── InvalidUrl     the address cannot be that of an Athena
├── Unreachable    no connection, or no answer in time; nothing is known about what was sent
├── NotAthena      something else answers at this address
└── Refused        Athena answered with an error; `http_status`, `error_code` and `answer` are the answer's
"""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """Base of what can go wrong between this client and Athena."""


class InvalidUrl(ClientError):
    """The address cannot be that of an Athena."""

    def __init__(self, url: str) -> None:
        super().__init__(f"expected an address such as http://127.0.0.1:8787, got {url[:200]!r}")


class Unreachable(ClientError):
    """No connection, or no answer in time. Whether what was sent arrived is not known."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"expected Athena at {url}, got: {why}; start it with `athena serve`, "
            "or say where it is with --url or ATHENA_URL"
        )
        self.why = why


class NotAthena(ClientError):
    """Something else answers at this address."""

    def __init__(self, url: str, got: str) -> None:
        super().__init__(f"expected Athena at {url}, got {got}; say where it is with --url or ATHENA_URL")


class Refused(ClientError):
    """Athena answered with an error. `str(error)` is its sentence; `answer` is the whole JSON object."""

    def __init__(self, http_status: int, answer: dict[str, Any]) -> None:
        sentence = str(answer.get("error") or f"Athena answered with HTTP status {http_status}")
        super().__init__(f"{sentence}; give a key by ATHENA_KEY" if http_status == 401 else sentence)
        self.http_status = http_status
        self.error_code = str(answer.get("code", ""))
        self.answer = answer

    @property
    def worth_repeating(self) -> bool:
        """Whether the same request may succeed later (HTTP 429 and 5xx)."""
        return self.http_status == 429 or self.http_status >= 500
