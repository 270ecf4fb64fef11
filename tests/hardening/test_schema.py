"""Requests made from the OpenAPI document, valid and not, to the real server: nothing fails inside, and what comes back
is what the document says. By schemathesis."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hardening.wire import check_log
from tests.support.server import PATIENCE, Athena, environment, run_athena

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
SEED = "1"
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]
"""Not those that ask whether just what the schema allows is accepted: it cannot say that 1.0 is no whole number here,
that `next` is opaque, and that one bad line of a bulk fails alone. Nor `Allow` at `/webhooks/txs/bulk`, which is
also where a transaction called "bulk" is."""
SETTINGS = """
[[operations]]
include-path = "/api/v3/notifications/changes"
parameters = { "query.wait" = 0 }
"""
"""A poll of thirty seconds would be most of the time there is."""
ENDLESS = "/api/v3/notifications/stream"
PHASES = (
    ("--phases", "coverage"),
    ("--phases", "fuzzing", "--max-examples", "20", "--max-time", "8"),
)
"""Every route with what the document names, however long that takes; then whatever else, for so many seconds."""


@pytest.mark.parametrize("role", [None, "viewer", "reporter", "manager"])
def test_every_route_is_as_the_document_says(
    start_athena: Callable[..., Athena], tmp_path: Path, role: str | None
) -> None:
    """Without access control, and with it for each role."""
    server = start_athena() if role is None else start_athena("--auth", "keys", "--viewer-rate", "10000")
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS)
    given: list[str] = []
    if role is not None:
        made = run_athena("keys", "create", "--name", role, "--role", role, "--data", str(server.data))
        given = ["--header", f"Authorization: Bearer {made.stdout.decode().strip()}"]
    for phase in PHASES:
        command = [SCHEMATHESIS, "--config-file", str(settings), "run", f"{server.url}/openapi.json", *given, *phase]
        command += ["--exclude-path", ENDLESS, "--checks", ",".join(CHECKS), "--seed", SEED, "--continue-on-failure"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment(NO_COLOR="1"),
            cwd=tmp_path,
            timeout=4 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
        if "coverage" in phase:
            check_that_all_were_tested(server, done.stdout)
    check_log(server.log())


def check_that_all_were_tested(server: Athena, told: str) -> None:
    _, document = server.request("GET", "/openapi.json")
    operations = sum(len(methods) for methods in document["paths"].values())
    tested = re.search(r"Tested: (\d+)", told)
    assert tested is not None
    assert int(tested[1]) >= operations - 2, told[-2000:]
