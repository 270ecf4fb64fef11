"""Fixtures for the suites that every engine must pass."""

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


async def deadlines(store: Store, limit: int = 1000) -> dict[str, int]:
    """The deadlines of active transactions, ms. None is checked later than that."""
    found = await store.deadlines(limit)
    assert all(one.look_at <= one.deadline for one in found)
    assert [one.look_at for one in found] == sorted(one.look_at for one in found)
    return {one.id: one.deadline for one in found}


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a scenario on an empty store; the test runs once for each engine."""

    def with_store(scenario: Scenario) -> None:
        async def main() -> None:
            store: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path)
            try:
                await scenario(store)
            finally:
                await store.close()

        asyncio.run(main())

    return with_store
