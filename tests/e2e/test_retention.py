"""What is older than it is to be kept goes by itself; what is running stays, and the totals are right."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.e2e.calls import edit, open_tx
from tests.support.server import PATIENCE, Athena

FIVE_SECONDS = str(5 / 86_400)
"""In days."""


def test_old_rows_go_and_running_ones_stay(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--keep-days", FIVE_SECONDS)
    running = open_tx(athena, description="Still running")
    ended = open_tx(athena, description="Ended")
    edit(athena, ended, "success")
    lines = []
    for number in range(450):  # more than go at once
        lines += [
            {"op": "open", "tx_id": f"job-{number}", "description": "A job"},
            {"op": "edit", "tx_id": f"job-{number}", "status": "success"},
        ]
    assert athena.request("POST", "/api/v3/webhooks/txs/bulk", lines)[0] == 200

    deadline = time.monotonic() + PATIENCE
    page = athena.request("GET", "/api/v3/notifications")[1]
    while page["total"] > 1:
        assert time.monotonic() < deadline, page["total"]
        page = athena.request("GET", "/api/v3/notifications?limit=1000")[1]
        assert page["returning"] == min(1000, page["total"])
    assert [row["id"] for row in page["notifications"]] == [running]


def test_a_notice_about_the_past_stays_as_long_as_one_about_today(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--keep-days", "30")
    athena.request("POST", "/api/v3/notifications", {"status": "error", "message": "from 1970", "ts_display": 1})
    athena.restart()  # which looks at once for what is too old
    edit(athena, open_tx(athena, description="Something else"), "success")
    rows = athena.request("GET", "/api/v3/notifications")[1]["notifications"]
    assert [row["message"] for row in rows] == ["Something else", "from 1970"]
    assert "ts_completed" not in rows[1]


def test_nothing_goes_when_it_is_kept_for_ever(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--keep-days", "0")
    athena.request("POST", "/api/v3/notifications", {"status": "error", "message": "from 1970", "ts_display": 1})
    athena.restart()
    assert athena.request("GET", "/api/v3/notifications")[1]["total"] == 1
