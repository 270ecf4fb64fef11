"""CORS for pages on allowed origins (Fetch Standard, CORS protocol); other origins get no CORS headers."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Message, Scope, Send

from athena.http.answers import ANSWER

METHODS = "GET, POST, PUT, DELETE"
HEADERS = "Authorization, Content-Type, Last-Event-ID, Idempotency-Key"
EXPOSED = "Retry-After, Idempotency-Replayed"
PREFLIGHT_SECONDS = 600


def preflight() -> Response:
    """The response to a CORS preflight request; send it by `shared_with`, which names the origin."""
    headers = {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": HEADERS,
        "access-control-max-age": str(PREFLIGHT_SECONDS),
    }
    return Response(status_code=204, headers=headers)


def shared_with(origin: str, scope: Scope, send: Send) -> Send:
    """A `send` that lets pages of `origin` read the response."""
    scope.get("extensions", {}).pop(ANSWER, None)  # it would bypass `sharing`

    async def sharing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message["headers"],
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", EXPOSED.encode()),
                (b"vary", b"Origin"),
            ]
        await send(message)

    return sharing
