"""Serves Apollo, the web UI: a page, a script and a style sheet that the wheel carries."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

FILES = {"/": "index.html", "/apollo.js": "apollo.js", "/apollo.css": "apollo.css"}
MEDIA_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; object-src 'none'; frame-ancestors 'none'"
)


class Asset(NamedTuple):
    """A file, as it is and compressed, read once."""

    body: bytes
    compressed: bytes
    etag: str
    media_type: str


def handlers() -> dict[str, Callable[[Request], Awaitable[ASGIApp]]]:
    """Path -> handler. In a source tree where Apollo was not built, the front page leads to the API's."""
    folder = files("athena").joinpath("apollo")
    if not folder.joinpath("index.html").is_file():
        return {"/": _to_the_docs}
    return {path: _server(_read(folder.joinpath(name).read_bytes(), name)) for path, name in FILES.items()}


def _read(body: bytes, name: str) -> Asset:
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return Asset(body, gzip.compress(body, mtime=0), etag, MEDIA_TYPES[name.rpartition(".")[2]])


def _server(asset: Asset) -> Callable[[Request], Awaitable[ASGIApp]]:
    async def serve(request: Request) -> ASGIApp:
        headers = {
            "etag": asset.etag,
            "cache-control": "no-cache",  # asked for each time, answered with 304 while it is the same
            "vary": "accept-encoding",
            "x-content-type-options": "nosniff",
            "content-security-policy": CONTENT_SECURITY_POLICY,
            "referrer-policy": "no-referrer",
            # Modules are fetched with CORS; the script is no secret, and pages elsewhere may embed it.
            "access-control-allow-origin": "*",
        }
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=304, headers=headers)
        body = asset.body
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = asset.compressed
            headers["content-encoding"] = "gzip"
        return Response(body, headers=headers, media_type=asset.media_type)

    return serve


async def _to_the_docs(request: Request) -> ASGIApp:
    return RedirectResponse("/docs")
