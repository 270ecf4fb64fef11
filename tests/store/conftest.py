"""What the suites that every engine has to pass are run on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from athena.store.base import Store
from athena.store.memory import MemoryStore
from athena.store.sqlite import SqliteStore

Scenario = Callable[[Store], Awaitable[None]]
Run = Callable[[Scenario], None]


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Plays a scenario on an empty store; the test runs once for each engine."""

    def with_store(scenario: Scenario) -> None:
        async def main() -> None:
            store: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path)
            try:
                await scenario(store)
            finally:
                await store.close()

        asyncio.run(main())

    return with_store
