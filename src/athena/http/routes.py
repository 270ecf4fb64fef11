"""The table of routes: method, path, the action it needs, and the types it speaks. The application and the OpenAPI
document are both made from it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from athena.domain.model import Archive, Edit, Notice, Open
from athena.domain.wire import Transaction
from athena.http.answers import (
    BulkAnswer,
    Changes,
    Done,
    Edited,
    Health,
    History,
    Posted,
    Templates,
    Webhooks,
)
from athena.http.parameters import AfterParameters, HistoryParameters, Paging, WaitParameters

Action = Literal["view", "report", "manage", "open"]
"""What a caller must be allowed to do. `open` routes are for operations and need nothing."""


class Route(NamedTuple):
    """`handler` names a method of `Endpoints` or an application of app.py."""

    method: str
    path: str
    needs: Action
    handler: str
    answer: Any
    status: int = 200
    body: Any = None
    parameters: Any = None
    errors: tuple[int, ...] = ()


ROUTES = (
    Route("PUT", "/webhooks/txs/{tx_id}", "report", "edit", Edited, body=Edit, errors=(400, 404, 409, 415, 503)),
    Route("POST", "/webhooks/txs", "report", "open", Transaction, 201, body=Open, errors=(400, 409, 415, 503)),
    Route("POST", "/webhooks/txs/bulk", "report", "bulk", BulkAnswer, body="bulk", errors=(400, 415, 503)),
    Route("GET", "/webhooks/txs/{tx_id}", "view", "transaction", Transaction, errors=(400, 404, 503)),
    Route("GET", "/webhooks", "view", "webhooks", Webhooks, parameters=Paging, errors=(400, 503)),
    Route("GET", "/webhooks/templates", "view", "templates", Templates, parameters=Paging, errors=(400, 503)),
    Route("GET", "/notifications", "view", "history", History, parameters=HistoryParameters, errors=(400, 503)),
    Route("POST", "/notifications", "manage", "post", Posted, body=Notice, errors=(400, 415, 503)),
    Route("POST", "/notifications/bulk", "manage", "archive", Done, body=Archive, errors=(400, 415, 503)),
    Route("DELETE", "/notifications/purge", "manage", "purge", Done, errors=(503,)),
    Route(
        "GET", "/notifications/live", "view", "live", "websocket", 101, parameters=AfterParameters, errors=(404, 426)
    ),
    Route("GET", "/notifications/stream", "view", "stream", "text/event-stream", parameters=AfterParameters),
    Route("GET", "/notifications/changes", "view", "changes", Changes, parameters=WaitParameters, errors=(400, 503)),
    Route("GET", "/healthz", "open", "healthz", Health),
    Route("GET", "/readyz", "open", "readyz", Health, errors=(503,)),
    Route("GET", "/metrics", "open", "metrics", "text/plain"),
    Route("GET", "/openapi.json", "open", "openapi", "application/json"),
    Route("GET", "/docs", "open", "docs", "text/html"),
)
