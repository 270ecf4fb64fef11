"""Puts the table of routes, the endpoints and the error shape together as one ASGI application."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from athena.errors import AthenaError, InternalError, MethodNotAllowed, NotFound
from athena.http import metrics, openapi, static
from athena.http.answers import JsonResponse, error_response
from athena.http.endpoints import Endpoints
from athena.http.routes import ROUTES
from athena.live.hub import Hub
from athena.live.routes import strip_prefix
from athena.live.sse import EventStream
from athena.service import Service

log = logging.getLogger("athena.http")

Handler = Callable[[Request], Awaitable[ASGIApp]]

PARAMETER = "{tx_id}"
OPERATIONS = frozenset(route.path for route in ROUTES if route.needs == "open")
"""Paths that are served without a prefix too."""


def build_app(service: Service, hub: Hub) -> Application:
    """The application of a node."""
    endpoints = Endpoints(service, hub)
    stream = EventStream(hub)
    others: dict[str, Handler] = {
        "stream": partial(_itself, stream),
        "live": _needs_upgrade,
        "metrics": partial(_metrics, metrics.collector(service, hub)),
        "openapi": _openapi,
        "docs": _docs,
    }
    table: dict[str, dict[str, Handler]] = {}
    for route in ROUTES:
        table.setdefault(route.path, {})[route.method] = others.get(route.handler) or getattr(endpoints, route.handler)
    return Application(table, hub)


class Application:
    """Finds the handler for a request and turns what it raises into the one shape of errors.

    Below the prefixes /api/v1, /api/v2, /api/v3 and the same behind /ak. A path that ends in a parameter matches
    whatever follows, slashes too, so that an id with a slash is a 400 that says so. The table is looked up rather than
    searched, and there is no middleware: docs/decisions/0006-a-dispatcher-of-forty-lines.md.
    """

    def __init__(self, table: dict[str, dict[str, Handler]], hub: Hub) -> None:
        self._exact = {path: methods for path, methods in table.items() if not path.endswith(PARAMETER)}
        self._open_ended = [
            (path.removesuffix(PARAMETER), methods) for path, methods in table.items() if path.endswith(PARAMETER)
        ]
        self._pages = static.handlers()
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        answer: ASGIApp
        try:
            handler = self._find(scope)
            answer = await handler(Request(scope, receive))
        except AthenaError as error:
            answer = error_response(error)
        except Exception:
            log.exception("%s %r failed", scope["method"], scope["path"])
            answer = error_response(InternalError())
        await answer(scope, receive, send)

    def _find(self, scope: Scope) -> Handler:
        """The handler for a request; puts its path parameter into the scope. Raises `NotFound`, `MethodNotAllowed`."""
        path, method = scope["path"], scope["method"]
        rest = strip_prefix(path)
        wanted = "GET" if method == "HEAD" else method
        if rest is None:
            page = self._pages.get(path)
            if page is not None and wanted == "GET":
                return page
            rest = path if path in OPERATIONS else ""
        methods = self._exact.get(rest, {})
        if wanted not in methods:  # a transaction may be called "bulk"
            for start, more in self._open_ended:
                if rest.startswith(start):
                    scope["path_params"] = {"tx_id": rest[len(start) :]}
                    methods = methods | more
        if not methods:
            raise NotFound(f"expected a path such as /api/v3/notifications, got {path[:200]!r}")
        if wanted not in methods:
            raise MethodNotAllowed(sorted(methods), method)
        return methods[wanted]

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gives the WebSocket protocol the hub, by way of the state that uvicorn hands to it."""
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup":
                scope["state"]["hub"] = self._hub
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return


# ---- small pages -----------------------------------------------------------------------------------------------------
async def _itself(app: ASGIApp, request: Request) -> ASGIApp:
    return app


async def _needs_upgrade(request: Request) -> ASGIApp:
    body = {
        "statusCode": 426,
        "code": "upgrade_required",
        "error": "expected a WebSocket handshake (RFC 6455), got a plain request",
    }
    return JsonResponse(body, 426, {"upgrade": "websocket", "connection": "upgrade"})


async def _metrics(collect: metrics.Collect, request: Request) -> ASGIApp:
    return PlainTextResponse(collect(), media_type=metrics.CONTENT_TYPE)


async def _openapi(request: Request) -> ASGIApp:
    return JsonResponse(openapi.document())


async def _docs(request: Request) -> ASGIApp:
    return HTMLResponse(openapi.as_html(openapi.document()))
