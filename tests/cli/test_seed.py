"""`athena seed`: a history for measurements, in an empty directory only, consistent with what a server would store."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tests.support.server import ATHENA, Athena, environment, run_athena

from athena.store.seed import PATTERNS

COUNTED = """
SELECT unit, finished, -(ts_display / unit), archived, type, count(*)
FROM notification, (SELECT 3600000 AS unit UNION ALL SELECT 60000) GROUP BY 1, 2, 3, 4, 5
"""


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
    assert [row["id"] for row in last["notifications"]] == ["seed-00003000"]
    _, found = athena.request("GET", "/api/v3/webhooks/txs/seed-00000001")
    assert len(found["changes"]) == 1
    status, _ = athena.request("PUT", "/api/v3/webhooks/txs/seed-00000001", {"status": "error", "athena_msg": "over"})
    assert status == 200
    _, after = athena.request("GET", "/api/v3/notifications?search=over&status=error")
    assert "seed-00000001" in [row["id"] for row in after["notifications"]]


@pytest.mark.parametrize("rows", [1, 40, 41, PATTERNS + 40, PATTERNS + 41])
def test_what_is_kept_about_the_rows_is_true_of_them(tmp_path: Path, rows: int) -> None:
    done = run_athena("seed", "--rows", str(rows), "--days", "2", "--data", str(tmp_path))
    assert done.returncode == 0, done.stderr
    db = apsw.Connection(str(tmp_path / "athena.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("PRAGMA integrity_check").get == "ok"
    assert set(db.execute("SELECT * FROM tally")) == set(db.execute(COUNTED))
    assert db.execute("SELECT seq, total FROM history").get == (rows, rows)
    assert db.execute("SELECT count(DISTINCT id), min(seq), max(seq) FROM notification").get == (rows, 1, rows)
    assert db.execute("SELECT count(*) FROM notification WHERE NOT finished").get == min(rows, 40)
    assert db.execute("SELECT count(*) FROM notification WHERE look_at = deadline").get == min(rows, 40)
    late = "SELECT count(*) FROM notification WHERE max(ts_display, ifnull(ts_started, 0)) > unixepoch('subsec') * 1000"
    assert db.execute(late).get == 0
    changes = "SELECT count(*) FROM notification JOIN change USING (seq) WHERE type = 'webhook_tx'"
    assert db.execute(changes).get == db.execute("SELECT total_transactions FROM history").get
    db.close()


def test_it_is_as_if_it_had_been_lived_through(tmp_path: Path) -> None:
    """Positions follow the times of changes; what has ended did so with its last change."""
    done = run_athena("seed", "--rows", "5000", "--days", "2", "--data", str(tmp_path))
    assert done.returncode == 0, done.stderr
    db = apsw.Connection(str(tmp_path / "athena.db"), flags=apsw.SQLITE_OPEN_READONLY)
    times = [row[0] for row in db.execute("SELECT ts FROM change ORDER BY seq")]
    assert times == sorted(times)
    ended = list(db.execute("SELECT seq, ts_display FROM notification WHERE finished ORDER BY ts_display, seq"))
    assert ended == sorted(ended)
    assert len(ended) == 5000 - 40
    notices = "SELECT count(*) FROM notification WHERE type <> 'webhook_tx' AND ts_completed = ts_display"
    assert db.execute(notices).get == 5000 - len(times)
    transactions = list(
        db.execute(
            "SELECT ts_started, ts_completed, ts_display, ts, finished FROM notification JOIN change USING (seq)"
            " WHERE type = 'webhook_tx'"
        )
    )
    for started, completed, shown, changed, finished in transactions:
        assert started < changed
        assert (completed, shown) == ((changed, changed) if finished else (None, started))
    db.close()


def test_a_seed_that_is_killed_leaves_no_history(tmp_path: Path) -> None:
    """The draft file shows that it is running; it grows long before it could be finished."""
    draft, final = tmp_path / "athena.db.seed", tmp_path / "athena.db"
    command = [ATHENA, "seed", "--rows", "5000000", "--data", str(tmp_path)]
    with subprocess.Popen(command, env=environment()) as process:
        while process.poll() is None and not (draft.exists() and draft.stat().st_size):
            os.sched_yield()
        process.kill()
    assert draft.exists()
    assert not final.exists()
    done = run_athena("seed", "--rows", "10", "--data", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not draft.exists()
    assert final.exists()


def test_a_history_that_is_there_is_left_alone(athena: Athena) -> None:
    for _ in range(2):  # while it is being served, and after
        done = run_athena("seed", "--rows", "10", "--data", str(athena.data))
        assert done.returncode == 1
        assert done.stderr.startswith(b"athena: expected a")
        if athena.running:
            athena.stop()


def test_it_is_not_in_the_everyday_help() -> None:
    assert b" seed " not in run_athena("--help").stdout
