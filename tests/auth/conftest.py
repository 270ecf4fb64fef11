"""An access control store in a temporary directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from athena.auth.store import AuthStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AuthStore]:
    with closing(AuthStore(tmp_path)) as store:
        yield store
