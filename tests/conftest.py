"""Fixtures that any test may use. Their classes are in `tests/support`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from tests.support.server import Athena

# Each run tries the same examples, however slow the machine is, so that a failure is caused by a change. New ones are
# tried by `HYPOTHESIS_PROFILE=new make test`, and by `make fuzz`.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("new", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Tests started with `nohup`, or with `&` in a script, would ignore the signals that tests send to their processes: an
# ignored signal is inherited, a handled one is not.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def start_athena(tmp_path: Path) -> Iterator[Callable[..., Athena]]:
    """Starts any number of servers: `start_athena("--ping-interval", "1")`, each with its own data."""
    with ExitStack() as servers:
        count = 0

        def start(*flags: str, data: Path | None = None, port: int = 0) -> Athena:
            nonlocal count
            count += 1
            return servers.enter_context(Athena(data or tmp_path / f"athena-data-{count}", *flags, port=port))

        yield start


@pytest.fixture
def athena(start_athena: Callable[..., Athena]) -> Athena:
    """A running server with default settings and an empty history."""
    return start_athena()
