"""Edits of transactions, by far the most frequent requests, from their bytes to their response.

Through ASGI, each needs parser callbacks, a scope, a task and a route that are used once: two thirds of what an edit
cost. Here an ordinary edit goes straight to the journal. Anything unusual, and anything to be refused before it is
stored, goes through ASGI as other requests do, with the same result, and with an error that says what is wrong.
docs/decisions/0023-a-fast-path-for-edits.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import msgspec

from athena.auth.gate import RELEVANT, Headers, relevant
from athena.auth.identity import Identity
from athena.auth.secrets import fingerprint
from athena.domain.model import Edit
from athena.errors import AthenaError, InternalError
from athena.http import body
from athena.http.admission import Admission
from athena.http.answers import Edited, JsonResponse, error_response
from athena.http.head import LINE, header_lines
from athena.live.routes import PREFIX
from athena.service import Service, granted
from athena.store.base import Outcome

log = logging.getLogger("athena.http")

MOST_HEADS = 1_000
"""Maximum number of cached heads (those of one producer differ in Content-Length); when full, the cache is cleared."""

_REPORT = re.compile(rb"PUT (%b/webhooks/txs/([A-Za-z0-9._-]{1,128})) HTTP/1\.1\r\n" % PREFIX.encode())
_LINES = re.compile(rb"(?:%b){2,40}\Z" % LINE)
_LENGTH = re.compile(rb"[0-9]{1,7}\Z")

_UNUSUAL = (RELEVANT - {b"authorization", b"host", b"x-forwarded-for", b"x-forwarded-proto"}) | {
    b"expect",
    b"idempotency-key",
    b"proxy-connection",  # which the parser treats as `connection`
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
"""Headers that an ordinary head does not have: origins and cookies to be checked, responses to be stored."""

_edit = msgspec.json.Decoder(Edit).decode


class Head(NamedTuple):
    """What the header lines of an ordinary edit say."""

    length: int
    """Of the body, in bytes."""
    credentials: bytes | None
    """The fingerprint of the credentials."""
    headers: Headers
    """As for `Caller`, without the credentials: the cache holds no secret."""


class Connection(Protocol):
    """The connection that an edit came from: what is needed of the HTTP protocol."""

    transport: asyncio.Transport
    scheme: Any

    def write_response(self, cycle: FastPathCycle, status: int, lines: bytes, body: bytes) -> None:
        """Write the response of a cycle; `lines` are its header lines."""


class EditFastPath:
    """Inspects requests that arrived in one piece, and submits the ordinary edits among them."""

    def __init__(self, service: Service, admission: Admission, max_head: int, max_body: int) -> None:
        """`max_head` and `max_body` are in bytes."""
        self.submitted = 0
        """How many edits were submitted."""
        self._service = service
        self._admission = admission
        self._max_head = max_head
        self._max_body = max_body
        self._heads: dict[bytes, Head] = {}  # by the fingerprint of their lines

    def try_submit(self, data: bytes, connection: Connection) -> FastPathCycle | None:
        """Submit `data` to the journal if it is an ordinary edit; else None, and nothing is done."""
        found = _REPORT.match(data)
        if found is None:
            return None
        begun = perf_counter()
        head_end = data.find(b"\r\n\r\n", found.end()) + 2
        if head_end > self._max_head:
            return None
        head = self._head(data[found.end() : head_end])
        if head is None or len(data) != head_end + 2 + head.length:
            return None
        identity = self._admission.gate.recall(head.credentials, "report")
        if identity is None:
            return None
        path, tx_id = found.groups()
        try:
            edit = _edit(data[head_end + 2 :])
            self._admission.gate.count(identity)
            done = self._service.submit_edit(tx_id.decode(), edit)
        except (AthenaError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        self.submitted += 1
        cycle = FastPathCycle(self, connection, _Request(head, path, identity, begun))
        done.add_done_callback(cycle.on_commit)
        return cycle

    def _head(self, lines: bytes) -> Head | None:
        """What header lines say, if they are ordinary. Most are those of an earlier edit, byte for byte."""
        digest = hashlib.sha256(lines).digest()
        head = self._heads.get(digest)
        if head is None:
            head = self._parse(lines)
            if head is not None:
                if len(self._heads) >= MOST_HEADS:
                    self._heads.clear()
                self._heads[digest] = head
        return head

    def _parse(self, lines: bytes) -> Head | None:
        headers = header_lines(lines) if _LINES.match(lines) else None
        if headers is None or not _UNUSUAL.isdisjoint(headers):
            return None
        if headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
            return None
        length = headers.get(b"content-length", b"")
        if not _LENGTH.match(length) or int(length) > self._max_body:
            return None
        if not body.is_of(headers.get(b"content-type"), body.JSON):
            return None
        kept = dict(relevant(headers.items()))
        if not self._admission.gate.origins.host_is_ours(kept[b"host"]):
            return None
        credentials = kept.pop(b"authorization", None)
        return Head(int(length), None if credentials is None else fingerprint(credentials), kept)

    def answer(self, outcome: asyncio.Future[list[Outcome]]) -> JsonResponse:
        """The same response as the route gives."""
        try:
            return JsonResponse(body.answer(Edited(granted(outcome.result()[0]).id)))
        except AthenaError as error:
            answer = error_response(error, self._admission.errors)
            error.__traceback__ = None  # its frames hold the error among their outcomes: a reference cycle
            return answer
        except Exception:
            log.exception("a report has failed")
            return error_response(InternalError(), self._admission.errors)

    def log_access(self, request: _Request, connection: Connection, status: int) -> None:
        """Write a line to the access log, if there is one."""
        if self._admission.logs:
            caller = self._admission.caller_from(
                "PUT", "", request.head.headers, connection.transport, connection.scheme
            )
            seconds = perf_counter() - request.begun
            self._admission.log(caller, str(request.identity), request.path.decode(), status, seconds)


class _Request(NamedTuple):
    """What is needed of an edit to answer it."""

    head: Head
    path: bytes
    identity: Identity
    begun: float


class _NobodyWaits:
    """In place of the event that notifies an application of more body data."""

    def set(self) -> None:
        pass


class FastPathCycle:
    """An edit waiting for its commit, in place of uvicorn's `RequestResponseCycle`: the members that are used."""

    __slots__ = (
        "_connection",
        "_fast_path",
        "_request",
        "disconnected",
        "keep_alive",
        "response_complete",
        "response_started",
    )

    message_event = _NobodyWaits()

    def __init__(self, fast_path: EditFastPath, connection: Connection, request: _Request) -> None:
        self._fast_path = fast_path
        self._connection = connection
        self._request = request
        self.disconnected = self.response_started = self.response_complete = False
        self.keep_alive = True

    def on_commit(self, outcome: asyncio.Future[list[Outcome]]) -> None:
        """The commit has succeeded or failed: write the response."""
        answer = self._fast_path.answer(outcome)
        self._connection.write_response(self, answer.status, answer.lines(), answer.body)
        self._fast_path.log_access(self._request, self._connection, answer.status)
