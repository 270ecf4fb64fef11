"""docs/operations.md lists each metric that a running Athena exports, and docs/alerts.yml uses no others."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.docs.test_docs import DOCS, text
from tests.e2e.calls import ok
from tests.support.server import Athena

ALERTS: dict[str, Any] = yaml.safe_load((DOCS / "alerts.yml").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
ROW = re.compile(r"^\| `((?:athena|process)_\w+)` \| (\w+) \| (.+?) \| .+ \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> list[Metric]:
    with Athena(tmp_path_factory.mktemp("operations") / "athena-data") as athena:
        return list(text_string_to_metric_families(ok(athena, "GET", "/metrics")))


def full_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_the_table_has_exactly_the_metrics_that_are_exported(families: list[Metric]) -> None:
    exported = {}
    for family in families:
        labels = {f"`{label}`" for sample in family.samples for label in sample.labels} - {"`le`"}
        exported[full_name(family)] = (family.type, labels)
    described = {
        name: (kind, set() if labels == "–" else set(labels.split(", ")))
        for name, kind, labels in ROW.findall(text("operations.md"))
    }
    assert described == exported


def test_every_value_of_a_label_but_codes_is_described(families: list[Metric]) -> None:
    rows = {match[1]: match[0] for match in ROW.finditer(text("operations.md"))}
    for family in families:
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label not in ("le", "version", "transport", "code"):
                    assert f"`{value}`" in rows[full_name(family)], f"{family.name}: {label}={value}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_exported(rule: dict[str, Any], families: list[Metric]) -> None:
    series = {sample.name: sample for family in families for sample in family.samples}
    asked = re.findall(r"\b(?:athena|process)_\w+", rule["expr"])
    assert asked or rule["expr"].startswith("up{")
    for name in asked:
        assert name in series, f"{name} is not exported"
    labels = {label for sample in series.values() for label in sample.labels} | {"job", "instance"}
    assert set(re.findall(r"(\w+)=~?\"", rule["expr"])) <= labels
    told = {value for family in families for sample in family.samples for value in sample.labels.values()}
    for values in re.findall(r"(?<!job)=~?\"([^\"]+)\"", rule["expr"]):
        assert set(values.split("|")) <= told, "a label never has this value"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_it_means(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"].endswith(".")
    assert "{{ $labels.instance }}" in rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
    for opening, closing in ("()", "{}", "[]"):
        assert rule["expr"].count(opening) == rule["expr"].count(closing)


def test_each_alert_has_a_name_of_its_own() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
