"""A worker that fails with an unforeseen error: Athena exits instead of appearing healthy without it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.calls import NOTIFICATIONS, ok, open_tx, position
from tests.e2e.subscribers import subscribe
from tests.faults.server import server


def test_it_ends_in_order_and_says_why(tmp_path: Path) -> None:
    failing = tmp_path / "fail"
    with server(tmp_path / "data", faults="fail_at_maintenance", FAIL=str(failing)) as athena:
        beginning = position(athena)
        tx_id = open_tx(athena)
        with subscribe("python", athena, beginning) as stream:
            stream.receive_of(tx_id)
            failing.touch()
            assert athena.ended() == 70
        log = athena.log()
        assert "a part of Athena has failed, so it ends" in log
        assert "RuntimeError: a defect" in log
        failing.unlink()
        athena.kill()  # cleans up after the ended process
        athena.start()
        assert [row["id"] for row in ok(athena, "GET", NOTIFICATIONS)["notifications"]] == [tx_id]
