"""Puts the table of routes, the endpoints and the error shape together as one ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from athena.errors import AthenaError, BadRequest, InternalError, MethodNotAllowed, NotFound
from athena.http import metrics, openapi
from athena.http.answers import JsonResponse, error_response
from athena.http.endpoints import Endpoints
from athena.http.routes import ROUTES
from athena.live.hub import Hub
from athena.live.routes import strip_prefix
from athena.live.sse import EventStream
from athena.service import Service

log = logging.getLogger("athena.http")

OPERATIONS = frozenset(route.path for route in ROUTES if route.needs == "open")
"""Paths that are served without a prefix too."""


def build_app(service: Service, hub: Hub) -> ASGIApp:
    """The application. Its lifespan state hands the hub to the WebSocket protocol."""
    endpoints = Endpoints(service, hub)
    collect = metrics.collector(service, hub)
    handlers: dict[str, Any] = {
        "stream": EventStream(hub),
        "live": _needs_upgrade,
        "metrics": partial(_metrics, collect),
        "openapi": _openapi,
        "docs": _docs,
    }
    routes = [
        StarletteRoute(
            route.path.replace("{tx_id}", "{tx_id:anything}"),
            handlers.get(route.handler) or getattr(endpoints, route.handler),
            methods=[route.method],
        )
        for route in ROUTES
    ]
    # The path with a parameter comes last: it would take /webhooks/txs/bulk too.
    routes.sort(key=lambda route: "{" in route.path and "PUT" not in (route.methods or ()))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        yield {"hub": hub}

    app = Starlette(
        routes=[StarletteRoute("/", _front), *routes],
        lifespan=lifespan,
        exception_handlers={AthenaError: _athena_error, HTTPException: _http_error, Exception: _defect},
    )
    app.router.redirect_slashes = False
    return _Prefixes(app)


class _Anything(Convertor[str]):
    """Takes slashes and line breaks too, so that an id that holds them is a 400 that says so, not a 404."""

    regex = r"(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", _Anything())


class _Prefixes:
    """Serves every API route below /api/v1, /api/v2, /api/v3 and the same behind /ak."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            rest = strip_prefix(path)
            if rest is not None and rest != "/":
                scope["path"] = rest
            elif path != "/" and path not in OPERATIONS:
                error = NotFound(f"expected a path such as /api/v3/notifications, got {path[:200]!r}")
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


# ---- errors ----------------------------------------------------------------------------------------------------------
async def _athena_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AthenaError)
    headers = {"retry-after": "1"} if error.status == 503 else None
    return error_response(error, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """What Starlette found wrong, in our shape."""
    assert isinstance(error, HTTPException)
    ours: AthenaError
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        ours = MethodNotAllowed(f"expected one of {allowed}, got {request.method}")
    elif error.status_code == 404:
        ours = NotFound(f"expected a path such as /api/v3/notifications, got {request.url.path[:200]!r}")
    else:
        ours = BadRequest(str(error.detail))
    return error_response(ours, dict(error.headers or {}))


async def _defect(request: Request, error: Exception) -> Response:
    """Starlette raises the error again behind this answer, so that it is logged with its trace."""
    return error_response(InternalError())


# ---- small pages -----------------------------------------------------------------------------------------------------
async def _front(request: Request) -> Response:
    return RedirectResponse("/docs")


async def _needs_upgrade(request: Request) -> Response:
    body = {
        "statusCode": 426,
        "code": "upgrade_required",
        "error": "expected a WebSocket handshake (RFC 6455), got a plain request",
    }
    return JsonResponse(body, 426, {"upgrade": "websocket", "connection": "upgrade"})


async def _metrics(collect: metrics.Collect, request: Request) -> Response:
    return PlainTextResponse(collect(), media_type=metrics.CONTENT_TYPE)


async def _openapi(request: Request) -> Response:
    return JsonResponse(openapi.document())


async def _docs(request: Request) -> Response:
    return HTMLResponse(openapi.as_html(openapi.document()))
