"""`athena demo`: the scenarios as data, and all of them against a real server, fast."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

from tests.support.server import ATHENA, PATIENCE, Athena, environment, run_athena

from athena.cli.demo import LENGTH, SCENARIOS, timeline


def test_it_takes_about_half_a_minute_at_most() -> None:
    assert 15 <= LENGTH <= 30


def test_the_timeline_is_in_order_and_complete() -> None:
    moments = list(timeline(SCENARIOS))
    assert [seconds for seconds, _, _ in moments] == sorted(seconds for seconds, _, _ in moments)
    assert len(moments) == sum(1 + len(scenario.edits) for scenario in SCENARIOS)
    for scenario in SCENARIOS:
        assert [edit for _, of, edit in moments if of is scenario] == [None, *(edit for _, edit in scenario.edits)]


def rows(athena: Athena) -> list[dict[str, Any]]:
    found = athena.request("GET", "/api/v3/notifications")[1]["notifications"]
    assert isinstance(found, list)
    return found


def test_what_it_reports(athena: Athena) -> None:
    done = run_athena("demo", "--speed", "100", "--url", athena.url)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"athena watch --url {athena.url}".encode() in done.stdout
    statuses = {row["id"].rpartition("-")[2]: row["status"] for row in rows(athena) if row["type"] == "webhook_tx"}
    assert statuses == {"deploy": "success", "import": "success", "provision": "error", "report": "success"}
    assert [row["status"] for row in rows(athena) if row["type"] == "notification"] == ["success"]

    [provision] = [row["id"] for row in rows(athena) if row["id"].endswith("-provision")]
    changes = athena.request("GET", f"/api/v3/webhooks/txs/{provision}")[1]["changes"]
    undone = [change["on_step"] for change in changes if change["status"] == "undoing"]
    assert undone == [4, 3, 2, 1]


def test_interrupted_it_leaves_nothing_going_on(athena: Athena) -> None:
    with subprocess.Popen(
        [ATHENA, "demo", "--url", athena.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        athena.wait_for(lambda row: row["status"] == "pending")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert {row["status"] for row in rows(athena)} == {"error"}
    assert "the demo was interrupted" in rows(athena)[0]["message"]


def test_without_athena_it_says_so_and_stops() -> None:
    done = run_athena("demo", "--url", "http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"athena serve" in done.stderr
