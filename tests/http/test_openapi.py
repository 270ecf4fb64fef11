import json
from typing import Any

import jsonschema

from athena.http.openapi import as_html, document
from athena.http.routes import ROUTES


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


def test_every_route_of_the_table_is_there_with_the_action_it_needs() -> None:
    paths = document()["paths"]
    for route in ROUTES:
        path = route.path if route.root else f"/api/v3{route.path}"
        operation = paths[path][route.method.lower()]
        assert operation["x-athena-action"] == route.needs
        assert str(route.status) in operation["responses"]
        assert operation["summary"]


def test_all_references_lead_somewhere_and_all_schemas_are_schemas() -> None:
    spec = document()
    schemas = spec["components"]["schemas"]
    assert {ref.rpartition("/")[2] for ref in references(spec)} <= schemas.keys()
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_limits_are_the_ones_that_are_enforced() -> None:
    schemas = document()["components"]["schemas"]
    assert schemas["Open"]["properties"]["description"]["maxLength"] == 256
    assert schemas["Edit"]["additionalProperties"] is False
    assert schemas["Edit"]["required"] == ["status"]


def test_patterns_are_those_of_json_schema() -> None:
    """ECMA-262 has no backslash-Z; the end of the text is `$`, which in Python also matches before a final line
    break."""
    described = json.dumps(document())
    assert described.count('"pattern": "') > 10
    assert "\\\\Z" not in described


def test_the_page_names_every_route_and_needs_nothing_from_elsewhere() -> None:
    page = as_html(document())
    for route in ROUTES:
        assert route.path in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
