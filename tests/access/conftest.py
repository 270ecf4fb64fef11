"""Servers with access control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.access.guarded import Guarded

StartGuarded = Callable[..., Guarded]


@pytest.fixture
def start_guarded(tmp_path: Path) -> Iterator[StartGuarded]:
    """Starts servers with the flags that a test needs, each with its own data."""
    with ExitStack() as servers:
        count = 0

        def start(*flags: str, **options: Any) -> Guarded:
            nonlocal count
            count += 1
            return servers.enter_context(Guarded(tmp_path / f"data-{count}", *flags, **options))

        yield start


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server shared by all tests of a module that leave its keys alone. Its limits are too high to reach."""
    data = tmp_path_factory.mktemp("access") / "athena-data"
    with Guarded(data, "--viewer-rate", "100000", "--bad-credentials", "1000000") as server:
        yield server
