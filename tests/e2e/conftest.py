"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from tests.e2e.calls import PURGE, ok
from tests.support.server import Athena


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Athena]:
    """One running server for all tests of a module that inspect only rows they created themselves."""
    with Athena(tmp_path_factory.mktemp("shared") / "athena-data") as server:
        yield server


@pytest.fixture
def fresh(shared: Athena) -> Athena:
    """The same server with an empty history. Starting a server for each test would take most of the time."""
    ok(shared, "DELETE", PURGE)
    return shared


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Reproducible randomness: a failing test prints its seed; ATHENA_TEST_SEED=… repeats it."""
    seed = os.environ.get("ATHENA_TEST_SEED") or str(random.SystemRandom().getrandbits(32))
    print(f"ATHENA_TEST_SEED={seed}")
    return random.Random(f"{seed} {request.node.name}")
