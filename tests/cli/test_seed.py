"""`athena seed`: a history for measurements, in an empty directory only, and consistent with what the server keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.server import Athena, run_athena


def test_a_server_serves_what_was_seeded(start_athena: Callable[..., Athena], tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = run_athena("seed", "--rows", "3000", "--days", "3", "--data", str(data))
    assert done.returncode == 0, done.stderr
    assert b"3,000 rows over 3 days" in done.stdout

    athena = start_athena(data=data)
    _, page = athena.request("GET", "/api/v3/notifications?limit=1000")
    assert page["total"] == 3000
    assert {row["status"] for row in page["notifications"]} == {"pending", "undoing", "success", "error"}
    assert {row["type"] for row in page["notifications"]} == {"webhook_tx", "notification"}
    _, last = athena.request("GET", "/api/v3/notifications?skip=2999")
    assert [row["id"] for row in last["notifications"]] == ["seed-00000001"]
    _, found = athena.request("GET", "/api/v3/webhooks/txs/seed-00003000")
    assert len(found["changes"]) == 1
    status, _ = athena.request("PUT", "/api/v3/webhooks/txs/seed-00003000", {"status": "error", "athena_msg": "over"})
    assert status == 200
    _, after = athena.request("GET", "/api/v3/notifications?search=over&status=error")
    assert "seed-00003000" in [row["id"] for row in after["notifications"]]


def test_a_history_that_is_there_is_left_alone(athena: Athena) -> None:
    for _ in range(2):  # while it is served, and after
        done = run_athena("seed", "--rows", "10", "--data", str(athena.data))
        assert done.returncode == 1
        assert done.stderr.startswith(b"athena: expected a")
        if athena.running:
            athena.stop()


def test_it_is_not_in_the_everyday_help() -> None:
    assert b" seed " not in run_athena("--help").stdout
