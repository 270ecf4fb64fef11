"""docs/alerts.yml, evaluated by Prometheus' own promtool: each alert fires when it should, and not otherwise.

The cases are in alerts_test.yml. `make promtool` downloads promtool, and so does `make test`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric
from tests.docs.test_docs import DOCS
from tests.docs.test_operations import RULES, families

PROMTOOL = shutil.which("promtool", path=Path(sys.executable).parent) or shutil.which("promtool")
CASES = Path(__file__).with_name("alerts_test.yml")
LABEL = re.compile(r'(\w+)="([^"]*)"')

NEVER, ALWAYS = "vector(0) > 1", 'label_replace(vector(1), "instance", "a", "", "")'

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here: make promtool")

__all__ = ["families"]  # a fixture


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)


@needs_promtool
def test_the_rules_are_valid() -> None:
    checked = promtool("check", "rules", DOCS / "alerts.yml")
    assert checked.returncode == 0, checked.stderr
    assert f"{len(RULES)} rules found" in checked.stdout


@needs_promtool
def test_each_alert_fires_when_it_should_and_only_then() -> None:
    tested = promtool("test", "rules", CASES)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
@pytest.mark.parametrize("expression", [NEVER, ALWAYS], ids=["never", "always"])
def test_the_cases_find_out_alerts_that_are_wrong(expression: str, tmp_path: Path) -> None:
    wrong = [rule | {"expr": expression} for rule in RULES]
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": [{"name": "athena", "rules": wrong}]}))
    cases = yaml.safe_load(CASES.read_text()) | {"rule_files": ["alerts.yml"]}
    (tmp_path / CASES.name).write_text(yaml.safe_dump(cases))
    tested = promtool("test", "rules", tmp_path / CASES.name)
    assert tested.returncode == 1, tested.stdout + tested.stderr
    for rule in RULES:
        assert f'alertname="{rule["alert"]}"' in tested.stderr, "no case finds this one out"


def test_the_cases_are_made_of_what_is_exported(families: list[Metric]) -> None:
    exported = {(sample.name, frozenset(sample.labels.items())) for family in families for sample in family.samples}
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for series in case["input_series"]:
            name, _, labels = series["series"].partition("{")
            own = frozenset(pair for pair in LABEL.findall(labels) if pair[0] not in ("job", "instance"))
            assert name == "up" or (name, own) in exported, f"{case['name']}: {series['series']}"
