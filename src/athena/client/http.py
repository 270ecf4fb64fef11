"""Athena's HTTP API: one method per call, JSON objects in and out."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import urllib3
import urllib3.exceptions

from athena.client.errors import InvalidUrl, NotAthena, Refused, Unreachable

API = "/api/v3"
LARGEST_PAGE = 1000
"""The most rows in one response."""

JsonObject = dict[str, Any]
Parameter = str | int | bool | None


class Client:
    """Athena's HTTP API over keep-alive connections; threads may share it.

    `key` is an API key or a token, for a server with access control; it may be replaced at any time. `timeout` is in
    seconds, for connecting and for each read. All methods raise `ClientError`.

    When a connection is lost before the response, GET, PUT and requests with an Idempotency-Key are sent once more;
    other requests are not repeated. `open` without a `tx_id` and `notify` always send a key, a new one unless `key` is
    given. To retry after `Unreachable` without a duplicate, pass the same `key` and content both times.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout: float = 10.0) -> None:
        self.url = base_url(url)
        self.key = key
        self._pool = urllib3.PoolManager(
            num_pools=1,
            retries=False,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            headers={"Accept": "application/json", "User-Agent": "athena-client"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._pool.clear()

    def open(self, transaction: Mapping[str, Any], *, key: str | None = None) -> JsonObject:
        """Open a transaction and return it. With a `tx_id` this is idempotent: same content, same response."""
        if transaction.get("tx_id") is None:
            key = key or new_key()
        return self.request("POST", "/webhooks/txs", body=transaction, key=key)

    def edit(self, tx_id: str, **changes: Any) -> JsonObject:
        """Edit a transaction: `status` and, optionally, `athena_msg`, `on_step`, `total_steps`, `description`."""
        return self.request("PUT", f"/webhooks/txs/{quote(tx_id, safe='')}", body=changes)

    def transaction(self, tx_id: str) -> JsonObject:
        """One transaction with all its changes."""
        return self.request("GET", f"/webhooks/txs/{quote(tx_id, safe='')}")

    def notify(self, notice: Mapping[str, Any], *, key: str | None = None) -> str:
        """Send a generic notice (`status`, `message`, …); returns its id."""
        return str(self.request("POST", "/notifications", body=notice, key=key or new_key())["id"])

    def notifications(self, **parameters: Parameter) -> JsonObject:
        """One page of the history: `{"total", "returning", "notifications", "cursor", "next"}`. The parameters are the
        API's (`from_` stands for `from`); those that are None are omitted.
        """
        page = self.request(
            "GET", "/notifications", parameters={name.rstrip("_"): value for name, value in parameters.items()}
        )
        rows = page.get("notifications")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or "cursor" not in page:
            raise NotAthena(self.url, "an answer without notifications and their cursor")
        return page

    def history(self, most: int, **parameters: Parameter) -> Iterator[JsonObject]:
        """At most `most` rows of the history, in its order; the pages do not shift when new rows arrive."""
        following: str | None = None
        while most > 0:
            page = self.notifications(**parameters, limit=min(most, LARGEST_PAGE), next=following)
            yield from page["notifications"]
            most -= len(page["notifications"])
            if not (following := page.get("next")):
                return

    def request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, Parameter] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> JsonObject:
        """Any other call; `path` is relative to `/api/v3`, `key` an Idempotency-Key. Returns the JSON object."""
        target = f"{self.url}{API}{path}"
        if query := _query(parameters or {}):
            target += f"?{query}"
        try:
            response = self._send(method, target, body, key)
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(self.url, why(error)) from error
        answer = json_object(response.data)
        if response.status >= 400 and answer is not None:
            raise Refused(response.status, answer, self.url)
        if response.status >= 500:
            raise Unreachable(self.url, f"HTTP status {response.status}")
        if answer is None or response.status >= 300:
            raise NotAthena(self.url, f"HTTP status {response.status} without what Athena would answer")
        return answer

    def _send(
        self, method: str, target: str, body: Mapping[str, Any] | None, key: str | None
    ) -> urllib3.BaseHTTPResponse:
        headers = {**self._pool.headers, **authorization(self.key), **({} if key is None else {"Idempotency-Key": key})}
        try:
            return self._pool.request(method, target, json=body, headers=headers, redirect=False)
        except urllib3.exceptions.ProtocolError as error:
            # Athena closes idle connections, possibly just as one is reused (RFC 9112 §9.3.1).
            repeatable = method in ("GET", "PUT") or key is not None
            if not repeatable or not isinstance(error.__context__, ConnectionError):
                raise
            return self._pool.request(method, target, json=body, headers=headers, redirect=False)


def new_key() -> str:
    """A unique Idempotency-Key: 128 random bits."""
    return secrets.token_hex(16)


def authorization(key: str | None) -> dict[str, str]:
    """The header that authenticates the caller."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def base_url(url: str) -> str:
    """`url` without a trailing slash. Raises `InvalidUrl` unless it is http or https with a host."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")  # what resolving it would do; raises UnicodeError
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username is not None or any(map(str.isspace, url)):
        raise InvalidUrl(url)
    return url.rstrip("/")


def _query(parameters: Mapping[str, Parameter]) -> str:
    given = {name: value for name, value in parameters.items() if value is not None}
    return urlencode({name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()})


def json_object(content: bytes) -> JsonObject | None:
    """`content` as a JSON object, or None if it is anything else."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def why(error: BaseException) -> str:
    """The operating system's message for a failed connection, without the libraries' wrapping."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"a certificate that is not trusted here ({cause.verify_message}; SSL_CERT_FILE names one that is)"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS that works ({cause.reason}; is it https there?)"
        if isinstance(cause, http.client.RemoteDisconnected):
            return "the connection was closed without an answer"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
