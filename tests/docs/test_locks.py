"""`make run` installs fewer packages than `make test`, and the same versions of those that both install."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pinned(lock: str) -> set[str]:
    """The names and versions in a lock file."""
    return set(re.findall(r"^[a-z0-9][\w.-]*==\S+", (ROOT / lock).read_text(), re.MULTILINE))


def test_the_tests_run_with_what_users_get() -> None:
    users, tests = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert {line.partition("==")[0] for line in users} >= {"apsw", "uvicorn", "hatchling"}
    assert users < tests
