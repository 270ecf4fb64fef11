"""Rows that stay although they look old, and how clients learn of deleted ones. That old rows and only those are
deleted is tested in `tests/faults/retention.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.e2e.calls import TXS, Deadline, edit, open_tx, position
from tests.e2e.subscribers import TRANSPORTS, subscribe
from tests.support.server import Athena


def test_a_notice_about_the_past_stays_as_long_as_one_about_today(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--keep-days", "30")
    athena.request("POST", "/api/v3/notifications", {"status": "error", "message": "from 1970", "ts_display": 1})
    athena.restart()  # which checks for old rows at once
    edit(athena, open_tx(athena, description="Something else"), "success")
    rows = athena.request("GET", "/api/v3/notifications")[1]["notifications"]
    assert [row["message"] for row in rows] == ["Something else", "from 1970"]
    assert "ts_completed" not in rows[1]


def test_nothing_goes_when_it_is_kept_for_ever(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--keep-days", "0")
    athena.request("POST", "/api/v3/notifications", {"status": "error", "message": "from 1970", "ts_display": 1})
    athena.restart()
    assert athena.request("GET", "/api/v3/notifications")[1]["total"] == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("restarted", [False, True])
def test_who_missed_the_end_of_what_is_gone_starts_anew(
    transport: str, restarted: bool, start_athena: Callable[..., Athena]
) -> None:
    """Otherwise a client would show a transaction as running forever that ended and was deleted while it was away."""
    flags = ["--keep-days", str(1 / 86_400)]  # a second
    athena = start_athena(*flags) if restarted else start_athena(*flags, "--tail-bytes", "2000")
    old, running = open_tx(athena, description="Ends while a client is away"), open_tx(athena)
    cursor = position(athena)
    edit(athena, old, "success")
    deadline = Deadline()
    while athena.request("GET", f"{TXS}/{old}")[0] == 200:
        assert not deadline.passed, "the row is still there"
        edit(athena, running, "pending", athena_msg="x" * 1000)  # moves the tail on, too
        edit(athena, running, "pending", athena_msg="y" * 1000)
    if restarted:
        athena.restart()
    with subscribe(transport, athena, after=cursor) as late:
        reset = late.receive()
        assert reset["type"] == "reset"
    with subscribe(transport, athena, after=reset["cursor"]) as current:
        edit(athena, running, "success")
        assert current.receive_until(lambda message: message.get("id") == running)[-1]["status"] == "success"
