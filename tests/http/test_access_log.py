"""More lines than the queue holds; a line's content is tested in tests/access/test_logs.py."""

from __future__ import annotations

import pytest

from athena.http import access_log
from athena.http.access_log import AccessLog


def test_lines_for_which_there_is_no_room_are_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MOST_LINES", 2)
    written: list[str] = []
    log = AccessLog("text", errors_only=False, write=written.append)
    for number in range(5):
        log.add("127.0.0.1", "nobody", "GET", f"/{number}", 200, 0.001)
    log.flush()
    log.add("127.0.0.1", "nobody", "GET", "/5", 200, 0.001)
    log.flush()
    lines = "".join(written).splitlines()
    assert [next((part for part in line.split() if part.startswith("/")), "") for line in lines] == [
        "/0",
        "/1",
        "",
        "/5",
    ]
    assert " 3 more requests " in lines[2]
