"""The search index may be absent, lagging, or stale: the result is that of a store that checks every row."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import apsw
import pytest

from athena.domain.model import ArchiveOne, Command, Edit, Notice, Notification, Open
from athena.store import sqlite_search
from athena.store.base import Query, SortKey
from athena.store.memory import MemoryStore
from athena.store.sqlite import SqliteStore

WORDS = ("deploy", "shop", "Äther", "a_b", "50%", 'say "x"', "back\\slash", "kiosk", "ship", "o'neil", "żółw")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_search, "BLOCK_ROWS", 5)


def commands(rng: random.Random, number: int, now: int) -> list[Command]:
    """Possible events at one moment: something is opened, ends, is archived, or is reported late."""
    name = f"t-{number}"
    text = " ".join(rng.choices(WORDS, k=3))
    if rng.random() < 0.25:
        moment = rng.choice([now, now - rng.randrange(60_000), now + 5_000])
        return [Command(name, Notice(status="error", message=text, ts_display=max(0, moment)))]
    wishes = [Command(name, Open(description=text, component_id=rng.choice([None, "shop-1"])))]
    if rng.random() < 0.9:
        wishes.append(Command(name, Edit(status="success", athena_msg=rng.choice(WORDS))))
    if rng.random() < 0.1:
        wishes.append(Command(f"t-{rng.randrange(number + 1)}", ArchiveOne()))
    return wishes


def queries(rng: random.Random, rows: list[Notification], now: int) -> list[Query]:
    row = rng.choice(rows)
    text = rng.choice([rng.choice(WORDS), row.text[:9], row.text[2:40], row.id, "none of it", "sh", "KIOSK", "äTHER"])
    return [
        Query(search=text, limit=1000),
        Query(search=text, limit=3, skip=rng.randrange(12)),
        Query(search=text, archived=True, from_ts=now - 30_000, to_ts=now - 9_000),
        Query(search=text, limit=4, after=SortKey(not row.active, row.ts_display, row.id)),
        Query(search=text, status=("error",), component_id="shop-1"),
    ]


@pytest.mark.parametrize("seed", range(6))
def test_the_answer_is_that_of_a_store_that_looks_at_every_row(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        indexed, plain, now = SqliteStore(tmp_path), MemoryStore(), 1_000_000
        for number in range(120):
            now += rng.choice([0, 0, 1, 700, 2_500])
            wishes = commands(rng, number, now)
            await indexed.write(wishes, now)
            await plain.write(wishes, now)
            if rng.random() < 0.3:
                await indexed.maintain(now)
            if number % 10 == 9:
                everything = (await plain.page(Query(limit=1000, archived=True))).rows
                for query in queries(rng, everything, now):
                    assert (await indexed.page(query)).rows == (await plain.page(query)).rows, query
        await indexed.close()

    asyncio.run(main())


def blocks(path: Path, which: str = "1") -> list[int]:
    db = apsw.Connection(str(path / "athena.db"), flags=apsw.SQLITE_OPEN_READONLY)
    made = [int(str(row[0])) for row in db.execute(f"SELECT upto FROM search_block WHERE {which} ORDER BY upto")]
    db.close()
    return made


def stale(path: Path) -> list[int]:
    return blocks(path, "stale")


def test_blocks_are_made_of_settled_rows_alone_and_go_with_a_purge(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        for number in range(23):
            done = Command(f"t-{number}", Notice(status="success", message="kiosk", ts_display=10_000 + number))
            await store.write([done], 10_000 + number)
        assert not await store.maintain(10_500), "they may not be the last of their moment"
        assert not await store.maintain(20_000), "less than a block is left"
        assert blocks(tmp_path) == [10_004, 10_009, 10_014, 10_019]
        assert len((await store.page(Query(search="kiosk"))).rows) == 23
        await store.purge(20_000)
        assert blocks(tmp_path) == []
        assert (await store.page(Query(search="kiosk"))).rows == []
        await store.close()

    asyncio.run(main())


def test_archiving_leaves_the_blocks_as_they_are(tmp_path: Path) -> None:
    """An archived row keeps its texts and its times."""

    async def main() -> None:
        store = SqliteStore(tmp_path)
        for number in range(10):
            await store.write([Command(f"t-{number}", Notice(status="success", message="kiosk"))], 10_000 + number)
        await store.maintain(20_000)
        assert blocks(tmp_path) == [10_004, 10_009]
        await store.write([Command("t-2", ArchiveOne()), Command("t-7", ArchiveOne())], 20_000)
        assert stale(tmp_path) == []
        await store.write([Command("late", Notice(status="success", message="kiosk", ts_display=10_003))], 20_000)
        assert stale(tmp_path) == [10_004]
        await store.close()

    asyncio.run(main())


def test_what_came_from_the_past_is_found_after_its_neighbours_are_gone(tmp_path: Path) -> None:
    """Retention keeps recently added rows, wherever they are in the order: the blocks around them go, and they stay."""

    async def main() -> None:
        store = SqliteStore(tmp_path)
        for number in range(20):
            await store.write([Command(f"t-{number}", Notice(status="success", message="kiosk"))], 10_000 + number)
        await store.write([Command("imported", Notice(status="success", message="zebra", ts_display=9_000))], 30_000)
        await store.maintain(40_000)
        query = Query(search="zebra")
        assert [row.id for row in (await store.page(query)).rows] == ["imported"]
        assert await store.retire(10_013, 100) == 13
        assert [row.id for row in (await store.page(query)).rows] == ["imported"]
        while await store.maintain(40_000):
            pass
        assert [row.id for row in (await store.page(query)).rows] == ["imported"]
        assert await store.retire(50_000, 100) == 8
        assert blocks(tmp_path)[:-1] == []
        await store.close()

    asyncio.run(main())


def test_a_block_that_many_rows_came_into_is_cut_anew(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        for number in range(10):
            moment = 10_000 + 10 * number
            await store.write([Command(f"t-{number}", Notice(status="success", message="one", ts_display=moment))], 1)
        await store.maintain(20_000)
        assert blocks(tmp_path) == [10_040, 10_090]
        late = [
            Command(f"late-{number}", Notice(status="success", message="kiosk", ts_display=10_041 + number))
            for number in range(12)
        ]
        await store.write(late, 20_000)
        assert len((await store.page(Query(search="kiosk"))).rows) == 12
        await store.maintain(20_000)
        assert len(blocks(tmp_path)) > 3
        assert len((await store.page(Query(search="kiosk"))).rows) == 12
        await store.close()

    asyncio.run(main())


IDS_AMONG_TEXTS = """
INSERT INTO search (rowid, text)
SELECT upto, (
    SELECT group_concat(message || char(10) || id, char(10)) FROM notification
    WHERE ts_display <= upto AND ts_display > coalesce(
        (SELECT max(upto) FROM search_block AS earlier WHERE earlier.upto < search_block.upto), 0)
) FROM search_block
"""


def test_blocks_that_were_made_before_ids_had_an_index_of_their_own_are_found(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        for number in range(20):
            done = Command(f"t-{number:04}", Notice(status="success", message="kiosk", ts_display=10_000 + number))
            await store.write([done], 10_000 + number)
        await store.maintain(20_000)
        await store.close()
        db = apsw.Connection(str(tmp_path / "athena.db"))
        for statement in ("purge_text", "purge_ids"):
            db.execute(sqlite_search.SQL[statement])
        db.execute(IDS_AMONG_TEXTS)
        db.close()
        store = SqliteStore(tmp_path)
        for text, count in (("0013", 1), ("t-001", 10), ("kiosk", 20), ("0023", 0)):
            assert len((await store.page(Query(search=text))).rows) == count, text
        await store.close()

    asyncio.run(main())


def test_blocks_with_the_digits_of_an_id_but_not_the_id_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_search, "BLOCK_ROWS", 50)

    async def main() -> None:
        store = SqliteStore(tmp_path)
        for number in range(1200, 1300):
            done = Command(f"t-{number}", Notice(status="success", message="kiosk", ts_display=10_000 + number))
            await store.write([done], 10_000 + number)
        while await store.maintain(20_000):
            pass
        await store.close()
        db = apsw.Connection(str(tmp_path / "athena.db"), flags=apsw.SQLITE_OPEN_READONLY)
        unsettled = (-sqlite_search.EVER, -11_300)
        assert list(sqlite_search.ranges(db, Query(search="1222"))) == [unsettled, (-11_249, sqlite_search.EVER - 1)]
        assert list(sqlite_search.ranges(db, Query(search="2122"))) == [unsettled]
        assert db.execute("""SELECT count(*) FROM search_id WHERE search_id MATCH '"212" AND "122"'""").get == 1
        db.close()

    asyncio.run(main())
