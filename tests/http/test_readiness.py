"""The checks of /readyz on a store controlled by the test; the real server is tested in tests/e2e/test_readiness.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from athena.domain.model import Command, Open
from athena.errors import NotReady, ShuttingDown, StoreUnavailable
from athena.http import readiness
from athena.http.readiness import Readiness
from athena.journal import Journal
from athena.live.client import KeepAlive
from athena.live.hub import Hub
from athena.live.slow import SlowClients
from athena.live.tail import Tail
from athena.relay.local import LocalRelay
from athena.store.disk import Disk
from athena.store.memory import MemoryStore

OPEN = Command("a", Open(description="d"))


class Moody(MemoryStore):
    """A store that counts its probes, refuses them while it is `full`, and blocks them while `may_go` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.probes = 0
        self.full = False
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def probe(self) -> None:
        self.probes += 1
        await self.may_go.wait()
        if self.full:
            raise StoreUnavailable("database or disk is full")


class World:
    def __init__(self, data: Path, min_free: int) -> None:
        self.store = Moody()
        self.journal = Journal(self.store, LocalRelay(), lambda: 1000)
        self.data = data
        self.min_free = min_free

    async def begin(self) -> Readiness:
        tail = Tail(await self.store.position(), 1000)
        self.hub = Hub(tail, self.store, SlowClients(60), KeepAlive(25, 60))
        return Readiness(self.store, self.journal, self.hub, Disk(self.data), self.min_free, None)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    def play(scenario: Callable[[World, Readiness], Awaitable[None]], min_free: int = 0) -> None:
        async def main() -> None:
            world = World(tmp_path, min_free)
            await scenario(world, await world.begin())

        asyncio.run(main())

    return play


Run = Callable[..., None]


def test_a_commit_is_proof_enough(run: Run) -> None:
    async def scenario(world: World, ready: Readiness) -> None:
        await world.journal.submit([OPEN])
        for _ in range(10):
            assert (await ready.answer()).checks.store.ok
        assert world.store.probes == 0

    run(scenario)


def test_a_commit_that_changed_nothing_proves_nothing(run: Run) -> None:
    async def scenario(world: World, ready: Readiness) -> None:
        await world.journal.submit([OPEN])
        world.journal.proven -= readiness.FRESH  # time goes by
        await world.journal.submit([OPEN])  # the same again
        await ready.answer()
        assert world.store.probes == 1

    run(scenario)


def test_an_idle_store_is_written_to_once_in_a_while_however_many_ask(run: Run) -> None:
    async def scenario(world: World, ready: Readiness) -> None:
        await asyncio.gather(*(ready.answer() for _ in range(20)))
        await ready.answer()
        assert world.store.probes == 1
        world.journal.proven -= readiness.FRESH  # time goes by
        await ready.answer()
        assert world.store.probes == 2

    run(scenario)


def test_a_store_that_takes_nothing_is_not_ready_until_it_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World, ready: Readiness) -> None:
        world.store.full = True
        with pytest.raises(NotReady, match="takes no changes") as caught:
            await ready.answer()
        assert not caught.value.data["checks"].store.ok
        assert caught.value.data["checks"].disk.ok
        with pytest.raises(NotReady):  # at once again: the first attempt counts for both
            await ready.answer()
        assert world.store.probes == 1
        world.store.full = False
        monkeypatch.setattr(ready, "_retry_at", 0.0)  # time goes by
        assert (await ready.answer()).checks.store.ok
        assert world.store.probes == 2

    run(scenario)


def test_a_failed_commit_is_looked_into_at_once(run: Run) -> None:
    async def scenario(world: World, ready: Readiness) -> None:
        await ready.answer()
        world.store.full = True
        with pytest.raises(StoreUnavailable):
            await world.journal.probe()
        with pytest.raises(NotReady):
            await ready.answer()

    run(scenario)


def test_a_store_that_does_not_answer_is_not_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.01)

    async def scenario(world: World, ready: Readiness) -> None:
        world.store.may_go.clear()
        for _ in range(3):
            with pytest.raises(NotReady, match="takes no changes"):
                await ready.answer()
        assert world.store.probes == 1, "those that lost patience wait for the same try"
        world.store.may_go.set()
        await world.journal.probe()
        assert (await ready.answer()).status == "ready"

    run(scenario)


def test_a_change_that_waits_for_too_long_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World, ready: Readiness) -> None:
        await ready.answer()
        assert world.journal.lag == 0
        world.store.may_go.clear()
        stuck = asyncio.ensure_future(world.journal.probe())
        await asyncio.sleep(0)
        behind = asyncio.ensure_future(world.journal.submit([OPEN]))
        await asyncio.sleep(0)
        first = world.journal.lag
        assert first > 0, "also while it is on its way to the disk"
        assert (await ready.look()).journal.ok
        monkeypatch.setattr(readiness, "MOST_LAG", first)
        with pytest.raises(NotReady, match="waited for"):
            await ready.answer()
        world.store.may_go.set()
        await asyncio.gather(stuck, behind)
        assert world.journal.lag == 0
        await ready.answer()

    run(scenario)


def test_a_disk_with_too_little_room_is_told(run: Run) -> None:
    async def scenario(_: World, ready: Readiness) -> None:
        with pytest.raises(NotReady, match="bytes free, fewer than 1,000,000,000,000,000,000") as caught:
            await ready.answer()
        assert caught.value.data["checks"].disk.free_bytes > 0

    run(scenario, 10**18)


def test_a_disk_that_cannot_be_asked_is_none_with_room(run: Run) -> None:
    async def scenario(world: World, ready: Readiness) -> None:
        world.data.rmdir()
        with pytest.raises(NotReady, match="a disk that cannot be asked") as caught:
            await ready.answer()
        assert caught.value.data["checks"].disk.free_bytes is None

    run(scenario)


def test_who_is_stopping_is_not_ready(run: Run) -> None:
    async def scenario(world: World, ready: Readiness) -> None:
        await world.journal.close()
        with pytest.raises(ShuttingDown):
            await ready.answer()

    run(scenario)
