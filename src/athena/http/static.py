"""Serves pages: Apollo, the web UI shipped in the wheel, and the sign-in page."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from athena.http.admission import Admission
from athena.http.sessions import is_signed_in

APOLLO = {"/": "index.html", "/apollo.js": "apollo.js", "/apollo.css": "apollo.css"}
SIGN_IN = {"/sign-in": "sign-in.html", "/sign-in.js": "sign-in.js", "/sign-in.css": "sign-in.css"}
MEDIA_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; object-src 'none'; frame-ancestors {frame_ancestors}"
)

Handler = Callable[[Request], Awaitable[ASGIApp]]


class Asset(NamedTuple):
    """A file, plain and gzip-compressed, read once."""

    body: bytes
    compressed: bytes
    etag: str
    media_type: str


def handlers(admission: Admission, frame_ancestors: str) -> dict[str, Handler]:
    """Path -> handler. In a source tree where Apollo was not built, the front page redirects to the API's."""
    policy = CONTENT_SECURITY_POLICY.format(frame_ancestors=frame_ancestors)
    pages = {
        path: _server(_read(files("athena.http").joinpath("pages", name)), policy) for path, name in SIGN_IN.items()
    }
    folder = files("athena").joinpath("apollo")
    if not folder.joinpath("index.html").is_file():
        return {**pages, "/": _to_the_docs}
    pages |= {path: _server(_read(folder.joinpath(name)), policy) for path, name in APOLLO.items()}
    return pages | {"/": _for_the_signed_in(admission, pages["/"])}


def _read(file: Traversable) -> Asset:
    body = file.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return Asset(body, gzip.compress(body, mtime=0), etag, MEDIA_TYPES[file.name.rpartition(".")[2]])


def _server(asset: Asset, policy: str) -> Handler:
    async def serve(request: Request) -> ASGIApp:
        headers = {
            "etag": asset.etag,
            "cache-control": "no-cache",  # revalidated each time; 304 while unchanged
            "vary": "accept-encoding",
            "content-security-policy": policy,
            # Modules are fetched with CORS; these files are public, and pages on other origins may embed the script.
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


def _for_the_signed_in(admission: Admission, page: Handler) -> Handler:
    """Redirect to the sign-in page without a session. The page holds nothing secret, but would be empty. Signing in
    leads back to it: filters and the like are in the query, and the browser keeps the fragment by itself."""

    async def serve(request: Request) -> ASGIApp:
        if is_signed_in(admission.gate, admission.caller(request.scope)):
            return await page(request)
        asked = request.url.query
        target = f"/sign-in?next={quote(f'/?{asked}', safe='')}" if asked else "/sign-in"
        return RedirectResponse(target, 303, {"cache-control": "no-store"})

    return serve


async def _to_the_docs(request: Request) -> ASGIApp:
    return RedirectResponse("/docs")
