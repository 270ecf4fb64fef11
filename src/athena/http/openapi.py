"""The OpenAPI 3.1 document, built from the route table and the types that decode requests, and an HTML page of it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from html import escape
from typing import Any

import msgspec

import athena
from athena.auth.gate import COOKIE
from athena.domain.model import BulkEdit, BulkOpen
from athena.domain.wire import LiveMessage
from athena.http import idempotency
from athena.http.bulk import MOST_LINES
from athena.http.endpoints import Endpoints
from athena.http.routes import ROUTES, Route
from athena.http.sessions import SessionEndpoints

REF = "#/components/schemas/{name}"

ERRORS = {
    400: "What was sent cannot be understood; `field` names the place.",
    401: "Who is asking is not known.",
    403: "Who is asking may not do this, or from this page.",
    404: "There is nothing here.",
    409: "The transaction's present state does not allow it; nothing was changed.",
    415: "The Content-Type is not one that is read here.",
    422: "The Idempotency-Key stands for another request; nothing was changed.",
    426: "This address speaks WebSocket.",
    429: "A limit is reached; `Retry-After` tells for how many seconds.",
    503: "Nothing was stored; the same request may be sent again.",
}

FROM_THE_GATE = (400, 401, 403, 429, 503)
"""The errors of all routes that need admission: 400 for a secret in the URL, 503 while it is unknown who may be
admitted."""

SECURITY_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, a session's token, or an identity provider's (JWT).",
    },
    "basic": {"type": "http", "scheme": "basic", "description": "The id and the secret of an API key."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Of a browser that has signed in."},
}

SUMMARIES = {
    "live": "The live messages over WebSocket, one JSON text message a change.",
    "stream": "The live messages as Server-Sent Events; `id` is the cursor. `Last-Event-ID` resumes.",
    "metrics": "Metrics in Prometheus' text format.",
    "openapi": "This document.",
    "docs": "This document as a page.",
}


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    types = [route.answer for route in ROUTES if not isinstance(route.answer, str)]
    types += [route.body for route in ROUTES if route.body is not None and route.body != "bulk"]
    types += [BulkOpen | BulkEdit, LiveMessage, *{route.refusal for route in ROUTES}]
    _, components = msgspec.json.schema_components(types, ref_template=REF)
    paths: dict[str, Any] = {}
    for route in ROUTES:
        path = route.path if route.root else f"/api/v3{route.path}"
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Athena",
            "version": athena.__version__,
            "description": "Notifications about long-running, multi-step transactions. Every route also exists under "
            "/api/v1, /api/v2 and, with /ak in front, under each of the three.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _portable(paths),
        "components": {"schemas": _portable(components), "securitySchemes": SECURITY_SCHEMES},
    }


def _portable(described: Any) -> Any:
    """Convert patterns to JSON Schema's dialect (ECMA-262), where `$` is the very end, and backslash-Z a letter."""
    if isinstance(described, list):
        return [_portable(item) for item in described]
    if not isinstance(described, dict):
        return described
    portable = {name: _portable(item) for name, item in described.items()}
    if isinstance(pattern := described.get("pattern"), str):
        portable["pattern"] = re.sub(r"\\Z$", "$", pattern)
    return portable


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler,
        "summary": _summary(route.handler),
        "x-athena-action": route.needs,
        "parameters": _parameters(route),
        "responses": {str(route.status): _answer(route)},
    }
    operation["security"] = [] if route.needs == "open" else [{name: []} for name in SECURITY_SCHEMES]
    everywhere = () if route.root else (429,) if route.needs == "open" else FROM_THE_GATE
    keyed = (422,) if route.keyed else ()
    for status in sorted({*route.errors, *everywhere, *keyed}):
        operation["responses"][str(status)] = {
            "description": ERRORS[status],
            "content": {"application/json": {"schema": {"$ref": REF.format(name=route.refusal.__name__)}}},
        }
    if route.body == "bulk":
        line = {"oneOf": [{"$ref": REF.format(name=name)} for name in ("BulkOpen", "BulkEdit")]}
        operation["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "array", "items": line, "maxItems": MOST_LINES}},
                "application/x-ndjson": {"schema": line},
            },
        }
    elif route.body is not None:
        schema = {"$ref": REF.format(name=route.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _summary(handler: str) -> str:
    described = getattr(Endpoints, handler, None) or getattr(SessionEndpoints, handler, None)
    return SUMMARIES.get(handler) or str(described.__doc__).strip()


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if "{tx_id}" in route.path:
        schema = msgspec.json.schema_components([BulkEdit])[1]["BulkEdit"]["properties"]["tx_id"]
        parameters.append({"name": "tx_id", "in": "path", "required": True, "schema": schema})
    if route.parameters is not None:
        described = msgspec.json.schema_components([route.parameters])[1][route.parameters.__name__]
        for name, schema in described["properties"].items():
            parameters.append({"name": name, "in": "query", "required": False, "schema": schema})
    if route.keyed:
        parameters.append({"name": idempotency.HEADER, "in": "header", "required": False, "schema": idempotency.SCHEMA})
    if route.handler == "stream":
        parameters.append({"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}})
    return parameters


def _answer(route: Route) -> dict[str, Any]:
    if route.answer == "websocket":
        return {"description": "The protocol is switched; messages are `LiveMessage`."}
    if isinstance(route.answer, str):
        kind = {"type": "object"} if route.answer == "application/json" else {"type": "string"}
        return {"description": "OK", "content": {route.answer: {"schema": kind}}}
    schema = {"$ref": REF.format(name=route.answer.__name__)}
    answer: dict[str, Any] = {"description": "OK", "content": {"application/json": {"schema": schema}}}
    if route.keyed:
        answer["headers"] = idempotency.ANSWER_HEADERS
    return answer


# ---- the page --------------------------------------------------------------------------------------------------------
STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.4 ui-monospace,monospace}h2{margin-top:2.5rem;border-top:1px solid #8886;padding-top:1rem}
b{display:inline-block;min-width:4.5em}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884}
pre{overflow:auto;padding:.75rem;border:1px solid #8884;border-radius:6px}
"""


def page_policy(frame_ancestors: str) -> str:
    """The page's Content-Security-Policy: its own style sheet and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {frame_ancestors}"
    )


def as_html(spec: dict[str, Any]) -> str:
    """An HTML page of the document, without scripts or external resources."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Athena API</title>",
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>",
        f"<h1>Athena {escape(spec['info']['version'])}</h1><p>{escape(spec['info']['description'])}</p>",
        "<p>The same for programs: <a href=/openapi.json>/openapi.json</a></p>",
    ]
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation_html(path, method, operation))
    parts.append("<h2>Types</h2>")
    for name, schema in sorted(spec["components"]["schemas"].items()):
        shown = escape(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
        parts.append(
            f"<details id={escape(name)}><summary><code>{escape(name)}</code></summary><pre>{shown}</pre></details>"
        )
    return "".join(parts)


def _operation_html(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(p['name'])}</code><td>{p['in']}<td>{_said(p['schema'])}"
        for p in operation["parameters"]
    ]
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        rows.append(f"<tr><td>body<td><code>{escape(media)}</code><td>{_links(content['schema'])}")
    for status, response in operation["responses"].items():
        shapes = " ".join(_links(content["schema"]) for content in response.get("content", {}).values())
        rows.append(f"<tr><td>{status}<td>{_marked_up(response['description'])}<td>{shapes}")
    return (
        f"<h2><b>{method.upper()}</b> <code>{escape(path)}</code></h2><p>{_marked_up(operation['summary'])} "
        f"<small>needs: {operation['x-athena-action']}</small></p><table>{''.join(rows)}</table>"
    )


def _said(schema: dict[str, Any]) -> str:
    """A parameter's description, also where the parameter is nullable."""
    texts = [part["description"] for part in (schema, *schema.get("anyOf", ())) if "description" in part]
    return _marked_up(" ".join(texts))


def _marked_up(text: str) -> str:
    """As HTML; what is between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _links(schema: dict[str, Any]) -> str:
    """Links to the types that a schema names."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#{name}'>{name}</a>"
    return " ".join(
        _links(part) for part in (*schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else ()))
    )
