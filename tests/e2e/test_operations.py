"""Endpoints for operators: health, readiness, metrics, the API's description."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.calls import BULK, NOTIFICATIONS, TXS, call, edit, ok, open_tx
from tests.e2e.expect import tx_path
from tests.e2e.subscribers import PythonSubscriber
from tests.support.server import Athena

ROUTES = [
    ("post", "/webhooks/txs"),
    ("put", "/webhooks/txs/{tx_id}"),
    ("post", "/webhooks/txs/bulk"),
    ("get", "/webhooks/txs/{tx_id}"),
    ("get", "/webhooks"),
    ("get", "/webhooks/templates"),
    ("get", "/notifications"),
    ("post", "/notifications"),
    ("post", "/notifications/bulk"),
    ("delete", "/notifications/purge"),
    ("get", "/notifications/stream"),
    ("get", "/notifications/changes"),
]
"""Design §3, and the two transports of §2 that HTTP can describe."""


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health(path: str, shared: Athena) -> None:
    answer = call(shared, "GET", path)
    assert answer.status == 200
    assert call(shared, "HEAD", path).status in (200, 405)


# ---- metrics ---------------------------------------------------------------------------------------------------------
def metrics(athena: Athena) -> dict[str, float]:
    """Every sample, by its name and labels."""
    answer = call(athena, "GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.body):
        assert family.documentation, f"{family.name} has no help"
        for sample in family.samples:
            key = f"{sample.name}{sorted(sample.labels.items())}"
            assert key not in samples, f"{key} is there twice"
            samples[key] = sample.value
    return samples


def test_metrics_parse_and_move(shared: Athena) -> None:
    before = metrics(shared)
    assert any(name.startswith("athena_") for name in before)
    with PythonSubscriber(shared) as subscriber:
        for _ in range(20):
            tx_id = open_tx(shared)
            edit(shared, tx_id, "success")
            subscriber.receive_until(lambda message: message["status"] == "success")
        after = metrics(shared)
    counters = {name for name in before if "_total[" in name}
    assert counters
    assert all(after[name] >= before[name] for name in counters)
    assert any(after[name] >= before[name] + 40 for name in counters), "no counter counts changes"
    assert len(after) < 2000, "one series for each id or path?"


def test_metrics_are_not_named_after_what_clients_send(shared: Athena) -> None:
    for i in range(30):
        call(shared, "GET", f"/nowhere/{i}")
        call(shared, "GET", tx_path(f"unknown-{i}"))
        call(shared, "GET", f"{NOTIFICATIONS}?search=secret-{i}")
    names = "\n".join(metrics(shared))
    assert "unknown-1" not in names
    assert "nowhere" not in names
    assert "secret" not in names


# ---- the API's description -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def document(shared: Athena) -> dict[str, Any]:
    found: dict[str, Any] = ok(shared, "GET", "/openapi.json")
    return found


def test_openapi_is_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_is_described(method: str, path: str, document: dict[str, Any]) -> None:
    operation = document["paths"][f"/api/v3{path}"][method]
    assert operation["responses"]
    assert any(str(status).startswith("2") for status in operation["responses"])
    described = {it["name"] for it in parameters(document, operation, f"/api/v3{path}") if it["in"] == "path"}
    assert described == set(re.findall(r"{(\w+)}", path))


def parameters(document: dict[str, Any], operation: dict[str, Any], path: str) -> list[dict[str, Any]]:
    listed = operation.get("parameters", []) + document["paths"][path].get("parameters", [])
    return [resolve(document, it) for it in listed]


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def test_the_filters_of_the_history_are_described(document: dict[str, Any]) -> None:
    operation = document["paths"][NOTIFICATIONS]["get"]
    names = {it["name"] for it in parameters(document, operation, NOTIFICATIONS)}
    wanted = "limit skip next archived component_id status type sub_type by search from to"
    assert names >= set(wanted.split())


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values() if "operationId" in op]
    assert len(ids) == len(set(ids))


def test_references_lead_somewhere_and_schemas_are_schemas(document: dict[str, Any]) -> None:
    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                assert node["$ref"].startswith("#/"), f"{node['$ref']} leads out of the document"
                resolve(document, node)
            for value in node.values():
                visit(value)
        elif isinstance(node, list):
            for value in node:
                visit(value)

    visit(document)
    for schema in document.get("components", {}).get("schemas", {}).values():
        jsonschema.Draft202012Validator.check_schema(schema)


def check_described(document: dict[str, Any], method: str, path: str, status: int, body: Any) -> None:
    """`body` matches the document's description of this response."""
    response = resolve(document, document["paths"][path][method]["responses"][str(status)])
    schema = response["content"]["application/json"]["schema"]
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(body)


def test_real_answers_are_as_described(document: dict[str, Any], fresh: Athena) -> None:
    tx = f"{TXS}/{{tx_id}}"
    opening = {"tx_id": "t", "description": "d", "total_steps": 2, "on_step": 1, "sub_type": "template", "by": "me"}
    notice = {"status": "error", "message": "m", "code": 5, "api": "/x", "elapsed_ms": 3}
    exchanges: list[tuple[str, str, str, Any]] = [
        ("post", TXS, TXS, opening),
        ("put", tx, tx_path("t"), {"status": "pending", "athena_msg": "m"}),
        ("post", NOTIFICATIONS, NOTIFICATIONS, notice),
        (
            "post",
            BULK,
            BULK,
            [{"op": "edit", "tx_id": "t", "status": "error"}, {"op": "edit", "tx_id": "x", "status": "error"}],
        ),
        ("get", tx, tx_path("t"), None),
        ("get", NOTIFICATIONS, f"{NOTIFICATIONS}?limit=1", None),
        ("get", "/api/v3/webhooks", "/api/v3/webhooks", None),
        ("get", "/api/v3/webhooks/templates", "/api/v3/webhooks/templates", None),
        ("get", f"{NOTIFICATIONS}/changes", f"{NOTIFICATIONS}/changes?after=&wait=0", None),
        ("post", f"{NOTIFICATIONS}/bulk", f"{NOTIFICATIONS}/bulk", {"notification_ids": ["t"]}),
        ("put", tx, tx_path("t"), {"status": "success"}),  # 409
        ("put", tx, tx_path("unknown"), {"status": "success"}),  # 404
        ("post", TXS, TXS, {"description": 1}),  # 400
        ("delete", f"{NOTIFICATIONS}/purge", f"{NOTIFICATIONS}/purge", None),
    ]
    for method, described, path, body in exchanges:
        answer = call(fresh, method.upper(), path, body)
        check_described(document, method, described, answer.status, answer.body)


def test_docs_is_a_page_without_foreign_resources(shared: Athena) -> None:
    answer = call(shared, "GET", "/docs")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.body
    assert "<html" in page.lower()
    assert "/webhooks/txs" in page or "openapi.json" in page
    loaded = re.findall(r"""(?:src|href|action|data)\s*=\s*["']?([^"'\s>]+)""", page) + re.findall(
        r"url\(([^)]*)\)", page
    )
    foreign = [where for where in loaded if re.match(r"\s*[\"']?(?:https?:)?//", where)]
    scripts = re.findall(r"<script[^>]*src", page)
    assert foreign == [] or all(f'<a href="{where}"' in page for where in foreign), foreign
    assert "@import" not in page
    assert len(scripts) <= 1
