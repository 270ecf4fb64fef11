"""Pages of the store's latest states for readers that lag behind: shared, and bounded in bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from athena.domain.model import Command, Edit, Open
from athena.domain.wire import Encoded
from athena.live import catchup
from athena.live.catchup import PAGE_ROWS, Catchup, Recent
from athena.store.memory import MemoryStore


class Joining:
    """An encoding that counts its calls."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, epoch: str, entries: list[Encoded]) -> bytes:
        self.times += 1
        return b"".join(entry.data for entry in entries)


def reading(scenario: Callable[[Catchup], Awaitable[None]], rows: int) -> None:
    async def main() -> None:
        store = MemoryStore()
        await store.write([Command(f"t{number}", Open(description="d")) for number in range(rows)], 1000)
        await scenario(Catchup(store, lambda: rows))

    asyncio.run(main())


def test_a_page_is_read_and_joined_once_for_all_that_come_from_the_same_place() -> None:
    async def scenario(catchup: Catchup) -> None:
        one, other = Joining(), Joining()
        for seq in (0, 7, 255, 0, 7, 255):
            page = await catchup.page(seq)
            data = catchup.joined_after(page, seq, one)
            assert data.count(b'"id"') == PAGE_ROWS - seq
            assert catchup.joined_after(page, seq, other) == data
        assert catchup.reads == 1
        assert (one.times, other.times) == (3, 3)
        assert catchup.joined_after(page, 256, one) == b""

    reading(scenario, PAGE_ROWS)


def test_pages_and_joins_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "PAGES_BYTES", 300_000)
    monkeypatch.setattr(catchup, "JOINS_BYTES", 150_000)

    async def scenario(catchup: Catchup) -> None:
        join = Joining()

        async def at(seq: int) -> None:
            catchup.joined_after(await catchup.page(seq), seq, join)

        for seq in range(0, 20 * PAGE_ROWS, 50):
            await at(seq)
            assert catchup._pages.weight <= 300_000
            assert catchup._joined.weight <= 150_000
        reads, times = catchup.reads, join.times
        await at(seq)
        assert (catchup.reads, join.times) == (reads, times), "the newest are there"
        await at(0)
        assert (catchup.reads, join.times) == (reads + 1, times + 1), "the oldest are not"
        catchup.clear()
        assert catchup._pages.weight == catchup._joined.weight == 0
        await at(0)
        assert (catchup.reads, join.times) == (reads + 2, times + 2)

    reading(scenario, 20 * PAGE_ROWS)


def test_what_is_used_stays_and_what_is_put_again_counts_once() -> None:
    recent: Recent[str, bytes] = Recent(30, len)
    for key in "abc":
        recent.put(key, bytes(10))
    assert recent.get("a") == bytes(10)
    recent.put("d", bytes(10))
    assert [recent.get(key) is not None for key in "abcd"] == [True, False, True, True]
    recent.put("a", bytes(5))
    recent.put("a", bytes(8))
    assert recent.weight == 28
    recent.put("e", bytes(50))
    assert ([*recent._kept], recent.weight) == (["e"], 50)


def test_pages_without_rows_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction that was edited often: no row is left for any position but the last."""
    monkeypatch.setattr(catchup, "PAGES_BYTES", 20_000)

    async def main() -> None:
        store = MemoryStore()
        await store.write([Command("a", Open(description="d"))], 1000)
        edits = [Command("a", Edit(status="pending", athena_msg=str(number))) for number in range(100 * PAGE_ROWS)]
        await store.write(edits, 1000)
        pages = Catchup(store, lambda: 1)  # the push has not come that far: nothing is sent
        for begin in range(0, 100 * PAGE_ROWS, PAGE_ROWS):
            assert not (await pages.page(begin)).entries
        assert len(pages._pages._kept) <= 40

    asyncio.run(main())


def test_one_page_is_kept_however_much_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "PAGES_BYTES", 1)
    monkeypatch.setattr(catchup, "JOINS_BYTES", 1)

    async def scenario(catchup: Catchup) -> None:
        join = Joining()
        for _ in range(3):
            catchup.joined_after(await catchup.page(0), 0, join)
        assert (catchup.reads, join.times) == (1, 1)

    reading(scenario, PAGE_ROWS)
