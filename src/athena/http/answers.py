"""The types of responses, besides those in athena.domain.wire."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.types import Receive, Scope, Send

from athena.auth.identity import Kind
from athena.auth.roles import Role
from athena.domain.wire import LiveMessage, Row, Transaction
from athena.errors import AthenaError, CommandError

ANSWER = "athena.answer"
"""The ASGI scope extension by which our HTTP protocol takes a whole response at once: status, header lines, body."""

_HEAD = b"content-type: application/json\r\ncontent-length: %d\r\ncache-control: no-store\r\n"


class JsonResponse:
    """A response whose body is JSON, encoded already or here. An ASGI application, as Starlette's responses are."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        self.status = status
        self.headers = headers

    def lines(self) -> bytes:
        """The header lines that are specific to this response."""
        lines = _HEAD % len(self.body)
        if self.headers:
            lines += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items()).encode("latin-1")
        return lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = self.lines()
        at_once = scope.get("extensions", {}).get(ANSWER)
        if at_once is not None and at_once(self.status, head, self.body):
            return
        headers = [line.split(b": ", 1) for line in head.splitlines()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class ErrorBody(Struct, rename={"status_code": "statusCode"}):
    """Every error has this shape. Further members hold its data; `field` names the part of the request at fault."""

    status_code: int
    code: Annotated[str, Meta(description="Stable; for programs.")]
    error: Annotated[str, Meta(description="A sentence for people: expected, got.")]
    field: str | UnsetType = UNSET


class Edited(Struct):
    tx_id: str
    message: Literal["ok"] = "ok"


class Posted(Struct):
    id: str
    message: Literal["ok"] = "ok"


class Done(Struct):
    details: str
    message: Literal["ok"] = "ok"


class BulkResult(Struct, gc=False, omit_defaults=True):
    """The result of one line: 200, or the status and error that it would have got as a request of its own."""

    tx_id: str | None
    status: int
    code: str | None = None
    error: str | None = None
    field: str | None = None


class BulkAnswer(Struct):
    results: list[BulkResult]
    message: Literal["ok"] = "ok"


class History(Struct):
    """A page of the history. `cursor` is the position it reflects; send `next` back to get the following page."""

    total: int
    returning: int
    notifications: list[Row]
    cursor: str
    next: str | None


class Webhooks(Struct):
    """`total` transactions are stored, `matches` are in this response."""

    total: int
    matches: int
    webhooks: list[Transaction]


class Templates(Struct):
    template_webhooks: list[Transaction]


class Changes(Struct):
    """`messages` as in the live stream; send `cursor` with the next request."""

    messages: list[LiveMessage]
    cursor: str


class Session(Struct, omit_defaults=True):
    """An authenticated caller. `token` is present once, in exchange for a ticket: a bearer token for the page that sent
    it. `by` is how the caller was authenticated; `nobody` means no access control. `expires` is UTC Unix ms."""

    role: Role
    name: str
    by: Kind
    expires: int | None = None
    token: str | None = None


class IssuedTicket(Struct):
    """Valid once, until `expires` (UTC Unix ms)."""

    ticket: str
    expires: int


class SignInLink(Struct):
    """`link` is a path, or with `--public-url` the whole address. The secret is after the `#`, so it is never sent to a
    server. Valid once, until `expires`."""

    link: str
    expires: int


class Health(Struct):
    status: Literal["ok"]
    version: str


class StoreCheck(Struct):
    """Whether the store can be written and read."""

    ok: bool


class DiskCheck(Struct):
    """Whether the data's disk has enough free space (`--min-free-bytes`); `free_bytes` is null when unknown."""

    ok: bool
    free_bytes: int | None


class JournalCheck(Struct):
    """How long the oldest change without an outcome has waited."""

    ok: bool
    lag_ms: int


class AccessCheck(Struct):
    """Whether a key revoked now would be refused."""

    ok: bool


class Checks(Struct):
    store: StoreCheck
    disk: DiskCheck
    journal: JournalCheck
    access: AccessCheck


class Ready(Struct):
    status: Literal["ready"]
    version: str
    checks: Checks


class NotReadyBody(ErrorBody, kw_only=True):
    """An error that also holds all checks, unless Athena is stopping."""

    status: Literal["not_ready"] | UnsetType = UNSET
    version: str | UnsetType = UNSET
    checks: Checks | UnsetType = UNSET


def error_codes() -> list[str]:
    """The codes of all errors that can be responses."""

    def below(kind: type[AthenaError]) -> set[str]:
        return {kind.code}.union(*(below(child) for child in kind.__subclasses__() if child is not CommandError))

    return sorted(below(AthenaError))


def error_response(error: AthenaError, counts: dict[str, int]) -> JsonResponse:
    """An error in the common shape, counted by its code."""
    counts[error.code] += 1
    return JsonResponse(error.as_dict(), error.status, error.headers())


class ClientGone:
    """Takes the place of a response when the client has closed the connection. Nothing is written; the status, which is
    nginx's for this case, is for the access log."""

    status = 499

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pass
