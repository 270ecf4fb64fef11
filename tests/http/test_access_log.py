"""Lines that cannot be written; what a line holds is tested in tests/access/test_logs.py."""

from __future__ import annotations

import os
from pathlib import Path

from athena.http.access_log import AccessLog


def test_lines_that_a_full_disk_does_not_take_are_counted_and_told_later(tmp_path: Path) -> None:
    out = os.open("/dev/full", os.O_WRONLY)

    def report(requests: int) -> None:
        for number in range(requests):
            log.add("127.0.0.1", "nobody", "GET", f"/{number}", 200, 0.001)
        log.flush()

    log = AccessLog("text", errors_only=False, write=lambda text: os.write(out, text.encode()))
    report(3)
    report(4)  # and the line that tells of the first three
    os.close(out)
    out = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    report(1)
    report(1)
    os.close(out)
    lines = (tmp_path / "log").read_text().splitlines()
    assert [" GET /0 200 " in line for line in lines] == [True, False, True]
    assert " 7 more requests " in lines[1]
