"""Cross-origin requests of the pages that are allowed (Fetch Standard, CORS protocol); for others, nothing."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Message, Scope, Send

from athena.http.answers import ANSWER

METHODS = "GET, POST, PUT, DELETE"
HEADERS = "Authorization, Content-Type, Last-Event-ID, Idempotency-Key"
EXPOSED = "Retry-After, Idempotency-Replayed"
PREFLIGHT_SECONDS = 600


def preflight() -> Response:
    """The answer to a browser that asks whether a page may ask; to be `shared_with` that page."""
    headers = {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": HEADERS,
        "access-control-max-age": str(PREFLIGHT_SECONDS),
    }
    return Response(status_code=204, headers=headers)


def shared_with(origin: str, scope: Scope, send: Send) -> Send:
    """A `send` whose answer the page of `origin` may read."""
    scope.get("extensions", {}).pop(ANSWER, None)  # which would go past this

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
