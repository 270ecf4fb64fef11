"""HTTP calls to a server, as producers and readers of the history make them."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from tests.support.server import PATIENCE, Athena

API = "/api/v3"
PREFIXES = ("/api/v1", "/api/v2", "/api/v3", "/ak/api/v1", "/ak/api/v2", "/ak/api/v3")

TXS = f"{API}/webhooks/txs"
BULK = f"{TXS}/bulk"
NOTIFICATIONS = f"{API}/notifications"
ARCHIVE = f"{NOTIFICATIONS}/bulk"
PURGE = f"{NOTIFICATIONS}/purge"

JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}

StartAthena = Callable[..., Athena]
"""The fixture `start_athena`: flags of `athena serve` -> the running server."""

UNREACHABLE = (OSError, http.client.HTTPException)
"""Errors of a call while the server is down or shutting down."""

_numbers = itertools.count(1)


def new_id(prefix: str = "tx") -> str:
    """An id that is unique in this process."""
    return f"{prefix}-{next(_numbers)}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def strict_json(text: str | bytes) -> Any:
    """Decode a server's JSON by RFC 8259: no NaN or Infinity, no duplicate members."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), f"a member appears twice in {text!r}"
        return dict(pairs)

    def constant(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON: {text!r}")

    return json.loads(text, object_pairs_hook=members, parse_constant=constant)


class Deadline:
    """A moment in the future, converted into the seconds left for one more wait."""

    def __init__(self, seconds: float = PATIENCE) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.left == 0.0


class Answer(NamedTuple):
    """One HTTP response. `body` is the decoded JSON, or the text when it is not JSON."""

    status: int
    body: Any
    headers: dict[str, str]


class Caller:
    """One keep-alive connection, reopened when it was lost. Must not be shared between threads."""

    def __init__(self, athena: Athena, timeout: float = PATIENCE) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", athena.port, timeout=timeout)

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request. `body` is sent as JSON unless it is bytes. Raises one of `UNREACHABLE` when it fails."""
        sent_headers = dict(JSON if body is not None and headers is None else headers or {})
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self._connection.request(method, path, sent, sent_headers)
            response = self._connection.getresponse()
            content = response.read()
        except UNREACHABLE:
            self._connection.close()
            raise
        received = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self._connection.close()
        is_json = content and received.get("content-type", "").startswith("application/json")
        return Answer(response.status, strict_json(content) if is_json else content.decode(), received)

    def insist(self, method: str, path: str, body: Any, deadline: Deadline) -> Answer:
        """Repeat the request while the server is down, restarting or shutting down."""
        pause = threading.Event()
        while True:
            with suppress(*UNREACHABLE):
                answer = self.call(method, path, body)
                if answer.status != 503:
                    return answer
            assert not deadline.passed, f"{method} {path}: the server did not come back"
            pause.wait(0.01)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def call(athena: Athena, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    with Caller(athena) as caller:
        return caller.call(method, path, body, headers)


def ok(athena: Athena, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """The body of a response that must be 200 or 201."""
    answer = call(athena, method, path, body, headers)
    assert answer.status in (200, 201), f"{method} {path}: {answer.status} {answer.body}"
    return answer.body


def open_tx(athena: Athena, tx_id: str | None = None, **members: Any) -> str:
    """Open a transaction -> its id."""
    tx_id = tx_id or new_id()
    ok(athena, "POST", TXS, {"tx_id": tx_id, "description": "a test", **members})
    return tx_id


def edit(athena: Athena, tx_id: str, status: str = "pending", **members: Any) -> None:
    """Report on a transaction."""
    ok(athena, "PUT", f"{TXS}/{tx_id}", {"status": status, **members})


def pages(athena: Athena, query: str = "", limit: int = 100) -> Iterator[Any]:
    """The pages of the history, from the first to the last, by `next`."""
    path = f"{NOTIFICATIONS}?limit={limit}{query}"
    seen: set[str] = set()
    while True:
        page = ok(athena, "GET", path)
        yield page
        if page["next"] is None:
            return
        assert page["next"] not in seen, "the same `next` twice: paging would never end"
        seen.add(page["next"])
        path = f"{NOTIFICATIONS}?limit={limit}{query}&next={quote(page['next'], safe='')}"


def history(athena: Athena, query: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """All rows of the history, in its order."""
    return [row for page in pages(athena, query, limit) for row in page["notifications"]]


def position(athena: Athena) -> str:
    """The current cursor of the history."""
    cursor = ok(athena, "GET", f"{NOTIFICATIONS}?limit=1")["cursor"]
    assert isinstance(cursor, str)
    return cursor


def check_error(answer: Answer, status: int, code: str | None = None, field: str | None = None) -> None:
    """`answer` has the common shape of errors and the expected content."""
    assert answer.status == status, f"expected {status}, got {answer.status}: {answer.body}"
    assert answer.headers["content-type"].startswith("application/json"), answer.headers
    assert isinstance(answer.body, dict), answer.body
    assert answer.body["statusCode"] == status, answer.body
    assert isinstance(answer.body["code"], str), answer.body
    assert answer.body["code"], answer.body
    assert isinstance(answer.body["error"], str), answer.body
    assert answer.body["error"], answer.body
    assert "Traceback" not in answer.body["error"]
    if code is not None:
        assert answer.body["code"] == code, answer.body
    if field is not None:
        assert field in answer.body["error"], f"expected the error to name {field!r}, got {answer.body}"
