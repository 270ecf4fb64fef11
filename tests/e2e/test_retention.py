"""What stays although it looks old. That what is old goes, and nothing else, is `tests/faults/retention.py`."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.calls import edit, open_tx
from tests.support.server import Athena


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
