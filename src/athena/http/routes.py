"""The route table: method, path, required action, and the types of request and response. The application and the
OpenAPI document are both built from it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from athena.auth.roles import Action
from athena.domain.model import Archive, Edit, Notice, Open
from athena.domain.wire import Transaction
from athena.http.answers import (
    BulkAnswer,
    Changes,
    Done,
    Edited,
    ErrorBody,
    Health,
    History,
    IssuedTicket,
    NotReadyBody,
    Posted,
    Ready,
    Session,
    SignInLink,
    Templates,
    Webhooks,
)
from athena.http.auth_requests import SignIn, TicketRequest
from athena.http.parameters import HistoryParameters, Paging, StreamParameters, WaitParameters


class Route(NamedTuple):
    """`needs` is the action the caller must be allowed to do; `open` routes need none. `handler` names a method of
    `Endpoints` or `SessionEndpoints`, or a page of app.py. `errors` are statuses beyond those common to such routes.
    `root` routes have no prefix, `streams` deliver live messages, and those with `lasts` are connections rather than
    requests. `keyed` ones accept an `Idempotency-Key`."""

    method: str
    path: str
    needs: Action | Literal["open"]
    handler: str
    answer: Any
    status: int = 200
    body: Any = None
    parameters: Any = None
    errors: tuple[int, ...] = ()
    refusal: type[ErrorBody] = ErrorBody
    root: bool = False
    streams: bool = False
    lasts: bool = False
    keyed: bool = False


ROUTES = (
    Route(
        "PUT",
        "/webhooks/txs/{tx_id}",
        "report",
        "edit",
        Edited,
        body=Edit,
        errors=(404, 409, 415),
        keyed=True,
    ),
    Route("POST", "/webhooks/txs", "report", "open", Transaction, 201, body=Open, errors=(409, 415), keyed=True),
    Route("POST", "/webhooks/txs/bulk", "report", "bulk", BulkAnswer, body="bulk", errors=(415,), keyed=True),
    Route("GET", "/webhooks/txs/{tx_id}", "view", "transaction", Transaction, errors=(404,)),
    Route("GET", "/webhooks", "view", "webhooks", Webhooks, parameters=Paging),
    Route("GET", "/webhooks/templates", "view", "templates", Templates, parameters=Paging),
    Route("GET", "/notifications", "view", "history", History, parameters=HistoryParameters),
    Route("POST", "/notifications", "manage", "post", Posted, body=Notice, errors=(415,), keyed=True),
    Route("POST", "/notifications/bulk", "manage", "archive", Done, body=Archive, errors=(415,), keyed=True),
    Route("DELETE", "/notifications/purge", "manage", "purge", Done, keyed=True),
    Route(
        "GET",
        "/notifications/live",
        "view",
        "live",
        "websocket",
        101,
        parameters=StreamParameters,
        errors=(404, 426),
        streams=True,
        lasts=True,
    ),
    Route(
        "GET",
        "/notifications/stream",
        "view",
        "stream",
        "text/event-stream",
        parameters=StreamParameters,
        streams=True,
        lasts=True,
    ),
    Route(
        "GET",
        "/notifications/changes",
        "view",
        "changes",
        Changes,
        parameters=WaitParameters,
        streams=True,
    ),
    Route("POST", "/sessions", "open", "sign_in", Session, 201, body=SignIn, errors=(400, 401, 403, 404, 415, 503)),
    Route("GET", "/sessions/current", "view", "session", Session),
    Route("DELETE", "/sessions/current", "view", "sign_out", Done, errors=(404,)),
    Route("POST", "/tickets", "report", "ticket", IssuedTicket, 201, body=TicketRequest, errors=(404, 415)),
    Route("POST", "/sign-in-links", "manage", "sign_in_link", SignInLink, 201, errors=(404,)),
    Route("GET", "/healthz", "open", "healthz", Health, root=True),
    Route("GET", "/readyz", "open", "readyz", Ready, errors=(503,), refusal=NotReadyBody, root=True),
    Route("GET", "/metrics", "open", "metrics", "text/plain", root=True),
    Route("GET", "/openapi.json", "open", "openapi", "application/json", root=True),
    Route("GET", "/docs", "open", "docs", "text/html", root=True),
)
