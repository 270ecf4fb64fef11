"""A third-party page on another origin, with Apollo embedded by its two lines of HTML.

with Host() as host:
    host.add("/", page(f'{script(athena.url)}<athena-notifications></athena-notifications>'))
    screen.page.goto(f"{host.url}/")
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


def script(athena_url: str) -> str:
    """The first of the two lines."""
    return f'<script type="module" src="{athena_url}/apollo.js"></script>'


def page(body: str, style: str = "", lang: str = "en") -> str:
    """A whole document. It has an icon, so that no browser requests one."""
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Elsewhere</title>'
        f'<link rel="icon" href="data:,"><style>{style}</style></head><body>{body}</body></html>'
    )


class Host:
    """Serves the added pages until the context manager exits."""

    def __init__(self) -> None:
        self._pages: dict[str, tuple[bytes, dict[str, str]]] = {}
        pages = self._pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body, headers = pages.get(urlsplit(self.path).path, (b"", {}))
                self.send_response(200 if body else 404)
                for name, value in {"Content-Type": "text/html", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """The log is not needed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, path: str, html: str, policy: str | None = None) -> str:
        """Serve `html` at `path`, with a Content-Security-Policy if one is given -> the page's address."""
        self._pages[path] = (html.encode(), {} if policy is None else {"Content-Security-Policy": policy})
        return self.url + path

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
