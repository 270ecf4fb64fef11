"""What is older than it is to be kept goes by itself; what is running stays, and the totals are right."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.e2e.calls import edit, open_tx
from tests.support.server import PATIENCE, Athena

YEAR_MS = 365 * 24 * 3600 * 1000


def test_old_rows_go_and_running_ones_stay(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--keep-days", "30")
    old = int(time.time() * 1000) - YEAR_MS
    for number in range(450):  # more than go at once
        notice = {"status": "success", "message": f"from last year {number}", "ts_display": old + number}
        assert athena.request("POST", "/api/v3/notifications", notice)[0] == 200
    running = open_tx(athena, description="Still running")
    ended = open_tx(athena, description="Ended now")
    edit(athena, ended, "success")

    deadline = time.monotonic() + PATIENCE
    page = athena.request("GET", "/api/v3/notifications")[1]
    while page["total"] > 2:
        assert time.monotonic() < deadline, page["total"]
        page = athena.request("GET", "/api/v3/notifications?limit=1000")[1]
        assert page["returning"] == min(1000, page["total"])
    assert [row["id"] for row in page["notifications"]] == [running, ended]


def test_nothing_goes_when_it_is_kept_for_ever(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--keep-days", "0")
    athena.request("POST", "/api/v3/notifications", {"status": "error", "message": "from 1970", "ts_display": 1})
    athena.restart()
    assert athena.request("GET", "/api/v3/notifications")[1]["total"] == 1
