"""Combines the route table, the endpoints and the error shape into one ASGI application."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from athena.auth.gate import Caller
from athena.config import Config
from athena.errors import AthenaError, InternalError, MethodNotAllowed, NotFound, UpgradeRequired
from athena.http import cors, metrics, openapi, static
from athena.http.admission import IDENTITY, Admission
from athena.http.answers import JsonResponse, error_response
from athena.http.bodies import UnfinishedBodies
from athena.http.endpoints import Endpoints
from athena.http.fast_path import EditFastPath
from athena.http.metrics import Workers
from athena.http.protocol import HttpProtocol
from athena.http.routes import ROUTES, Route
from athena.http.sessions import SessionEndpoints
from athena.http.timeouts import TimeoutQueue
from athena.http.unread import UnreadAnswers
from athena.live.gate import Permit
from athena.live.hub import Hub
from athena.live.routes import strip_prefix
from athena.live.sse import PERMIT, EventStream
from athena.service import Service

log = logging.getLogger("athena.http")

Handler = Callable[[Request], Awaitable[ASGIApp]]

PARAMETER = "{tx_id}"


class Bound(NamedTuple):
    """A route and its handler."""

    route: Route
    handler: Handler


Table = dict[str, dict[str, Bound]]
"""Path -> method -> route and handler."""


def build_app(service: Service, hub: Hub, admission: Admission, config: Config, workers: Workers) -> Application:
    """The application of a node."""
    fast_path = EditFastPath(service, admission, config.max_head_bytes, config.max_body_bytes)
    unread, bodies = UnreadAnswers(), UnfinishedBodies()
    watched = metrics.watch(service, hub, admission, config, workers, fast_path, unread, bodies)
    endpoints = Endpoints(service, hub, admission, watched.readiness, config.max_body_bytes, config.max_bulk_bytes)
    secure = bool(config.tls_cert) or config.public_url.startswith("https:")
    sessions = SessionEndpoints(admission, config.max_body_bytes, secure, config.public_url)
    stream = EventStream(hub)
    others: dict[str, Handler] = {
        "stream": partial(_itself, stream),
        "live": _needs_upgrade,
        "metrics": partial(_metrics, watched),
        "openapi": _openapi,
        "docs": partial(_docs, openapi.page_policy(config.frame_ancestors)),
    }
    table: Table = {}
    for route in ROUTES:
        handler = others.get(route.handler) or getattr(endpoints, route.handler, None)
        bound = Bound(route, handler or getattr(sessions, route.handler))
        table.setdefault(route.path, {})[route.method] = bound
    return Application(
        table, static.handlers(admission, config.frame_ancestors), hub, admission, fast_path, unread, bodies
    )


class Application:
    """Finds the handler for a request, asks the gate, and turns exceptions into the common error shape.

    Routes are below /api/v1, /api/v2 and /api/v3, and below /ak with each of these. A path that ends in a parameter
    matches anything that follows, slashes included, so that an id with a slash is a 400 that says so. Routes are looked
    up, not searched for, and there is no middleware: docs/decisions/0006-a-dispatcher-of-forty-lines.md.
    """

    def __init__(
        self,
        table: Table,
        pages: dict[str, Handler],
        hub: Hub,
        admission: Admission,
        fast_path: EditFastPath,
        unread: UnreadAnswers,
        bodies: UnfinishedBodies,
    ) -> None:
        self._exact = {path: methods for path, methods in table.items() if not path.endswith(PARAMETER)}
        self._open_ended = [
            (path.removesuffix(PARAMETER), methods) for path, methods in table.items() if path.endswith(PARAMETER)
        ]
        self._root = {path for path, methods in table.items() if any(bound.route.root for bound in methods.values())}
        self._pages = pages
        self._hub = hub
        self._admission = admission
        self._fast_path = fast_path
        self._unread = unread
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        began = perf_counter()
        caller = self._admission.caller(scope)
        visit = Visit()
        answer: ASGIApp
        try:
            answer = await self._answer(scope, receive, caller, visit)
        except AthenaError as error:
            answer = error_response(error, self._admission.errors)
            error.__traceback__ = None  # its frames hold the error among their outcomes: a reference cycle
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            answer = error_response(InternalError(), self._admission.errors)
        if visit.origin is not None:
            send = cors.shared_with(visit.origin, scope, send)
        try:
            await answer(scope, receive, send)
        finally:
            if visit.permit is not None:
                visit.permit.release()
            status = getattr(answer, "status", 0) or getattr(answer, "status_code", 200)
            self._admission.log(caller, visit.who, scope["path"], status, perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, caller: Caller, visit: Visit) -> ASGIApp:
        """Admit the request and handle it. Raises an `AthenaError` for anything but success."""
        path, method = scope["path"], scope["method"]
        page = self._pages.get(path)
        if page is not None and method in ("GET", "HEAD"):
            return await page(Request(scope, receive))
        methods = self._find(scope)
        gate = self._admission.gate
        if not next(iter(methods.values())).route.root:
            visit.origin = gate.listed_origin(caller)
            if visit.origin is not None and method == "OPTIONS":
                return cors.preflight()
        bound = methods.get("GET" if method == "HEAD" else method)
        if bound is None:
            raise MethodNotAllowed(sorted({*methods, "HEAD"} if "GET" in methods else methods), method)
        route = bound.route
        if route.needs != "open":
            identity = gate.admit(caller, route.needs, route.streams)
            if not route.lasts:
                gate.count(identity)
            visit.who = str(identity)
            scope[IDENTITY] = identity
            if route.streams:
                scope[PERMIT] = visit.permit = gate.connect(identity, caller)
        return await bound.handler(Request(scope, receive))

    def _find(self, scope: Scope) -> dict[str, Bound]:
        """The routes of a path, by method; puts the path's parameter into the scope. Raises `NotFound`."""
        path = scope["path"]
        rest = strip_prefix(path)
        if rest is None:
            rest = path if path in self._root else ""
        methods = self._exact.get(rest, {})
        if not methods or scope["method"] not in methods:  # a transaction may be called "bulk"
            for start, more in self._open_ended:
                if rest.startswith(start):
                    scope["path_params"] = {"tx_id": rest[len(start) :]}
                    methods = methods | more
        if not methods:
            raise NotFound(f"expected a path such as /api/v3/notifications, got {path[:200]!r}")
        return methods

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gives the protocols what they need, through the state that uvicorn hands to them."""
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup":
                scope["state"] |= {
                    "hub": self._hub,
                    "admission": self._admission,
                    "fast_path": self._fast_path,
                    "unread": self._unread,
                    "bodies": self._bodies,
                    "handshake_timeouts": TimeoutQueue(HttpProtocol.header_timeout),
                    "idle_timeouts": TimeoutQueue(HttpProtocol.idle_timeout),
                }
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return


class Visit:
    """What is learned about a request while it is handled."""

    __slots__ = ("origin", "permit", "who")

    def __init__(self) -> None:
        self.who = "-"
        self.origin: str | None = None
        self.permit: Permit | None = None


# ---- small pages -----------------------------------------------------------------------------------------------------
async def _itself(app: ASGIApp, request: Request) -> ASGIApp:
    return app


async def _needs_upgrade(request: Request) -> ASGIApp:
    raise UpgradeRequired


async def _metrics(watched: metrics.Watched, request: Request) -> ASGIApp:
    from athena.http import exposition  # only where metrics are scraped

    return PlainTextResponse(exposition.expose(await metrics.look(watched)), media_type=exposition.CONTENT_TYPE)


async def _openapi(request: Request) -> ASGIApp:
    return JsonResponse(openapi.document())


async def _docs(policy: str, request: Request) -> ASGIApp:
    return HTMLResponse(openapi.as_html(openapi.document()), headers={"content-security-policy": policy})
