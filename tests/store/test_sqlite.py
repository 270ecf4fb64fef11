from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import threading
from pathlib import Path

import apsw
import pytest

from athena import database
from athena.database import make_durable, migrate, migrations
from athena.domain.model import ArchiveOne, Command, Edit, Expire, Notice, Notification, Open
from athena.errors import (
    DataDirectoryInUse,
    DataDirectoryUnusable,
    SQLiteTooOld,
    StoreNotDurable,
    StoreTooNew,
    StoreUnavailable,
)
from athena.store import sqlite
from athena.store.backup import back_up, restore
from athena.store.base import Query
from athena.store.checkup import examine
from athena.store.disk import Disk
from athena.store.sqlite import PREALLOCATED_AT_ONCE, SqliteStore
from athena.store.sqlite_file import WAL_BYTES, check_version
from athena.store.sqlite_pages import read_page

OPEN = Command("a", Open(description="d"))


def test_a_history_that_is_still_in_its_log_has_its_size(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.write([Command(f"t{number}", Open(description="d" * 200)) for number in range(1000)], 1)
        found = examine(tmp_path, thoroughly=False)
        assert found is not None
        assert (tmp_path / "athena.db").stat().st_size < 200_000 < found.size < found.wal
        await store.close()

    asyncio.run(main())


def test_a_sqlite_with_the_wal_defect_is_refused() -> None:
    for version in ("3.51.2", "3.7.17", "3.50.7"):
        with pytest.raises(SQLiteTooOld, match=version):
            check_version(version)
    for version in ("3.51.3", "3.53.0", "4.0.0"):
        check_version(version)


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        written = await store.write([OPEN], 1000)
        await store.close()
        store = SqliteStore(tmp_path)
        assert await store.position() == written.position
        assert (await store.page(Query())).rows == written.changes
        await store.close()

    asyncio.run(main())


def test_commits_are_durable(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        writer = store._writer
        assert writer.execute("PRAGMA journal_mode").get == "wal"
        assert writer.execute("PRAGMA synchronous").get == 2
        await store.close()

    asyncio.run(main())


def test_whoever_is_cancelled_during_a_commit_leaves_the_store_to_the_next(tmp_path: Path) -> None:
    """The thread owns the connection until the disk has answered; only then may others use it."""

    async def main() -> None:
        store = SqliteStore(tmp_path)
        statuses: set[str] = set()
        for number in range(200):
            tx = f"tx-{number}"
            await store.write([Command(tx, Open(description="d"))], 1000)
            writing = asyncio.create_task(store.write([Command(tx, Edit(status="success"))], 1000))
            for _ in range(number % 5):
                await asyncio.sleep(0)
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            assert not store._writer.in_transaction
            found = await store.get(tx)
            [outcome] = (await store.write([Command(tx, Edit(status="error"))], 1000)).outcomes
            assert found is not None
            assert isinstance(outcome, Notification) == (found[0].status == "pending")
            statuses.add(found[0].status)
        assert statuses == {"pending", "success"}, "some came to be stored, and some did not"
        await store.close()

    asyncio.run(main())


def test_a_probe_writes_a_page_to_the_log(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        log = tmp_path / "athena.db-wal"
        size = log.stat().st_size
        for _ in range(3):
            await store.probe()
            assert log.stat().st_size > size, "what writes nothing shows nothing"
            size = log.stat().st_size
        await store.close()

    asyncio.run(main())


def test_a_database_that_cannot_be_durable_is_refused() -> None:
    with pytest.raises(StoreNotDurable, match="journal_mode"):
        make_durable(apsw.Connection(":memory:"))  # has no WAL


def test_a_directory_in_use_is_refused_and_free_again_after(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    with pytest.raises(DataDirectoryInUse, match=str(tmp_path)):
        SqliteStore(tmp_path)
    asyncio.run(store.close())
    asyncio.run(SqliteStore(tmp_path).close())


def test_an_unusable_directory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DataDirectoryUnusable, match="file"):
        SqliteStore(file / "below")
    (tmp_path / "athena.db").write_text("this is no database, but a text that is long enough to be read as one" * 20)
    with pytest.raises(DataDirectoryUnusable, match="not a database"):
        SqliteStore(tmp_path)
    (tmp_path / "athena.db").unlink()
    asyncio.run(SqliteStore(tmp_path).close())


def test_a_database_of_a_newer_athena_is_refused(tmp_path: Path) -> None:
    asyncio.run(SqliteStore(tmp_path).close())
    db = apsw.Connection(str(tmp_path / "athena.db"))
    db.execute(f"PRAGMA user_version = {len(migrations('athena.store')) + 1}")
    db.close()
    with pytest.raises(StoreTooNew):
        SqliteStore(tmp_path)


def test_migrating_in_steps_or_at_once_leads_to_the_same_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    def schema(db: apsw.Connection) -> list[object]:
        return list(db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name"))

    at_once = apsw.Connection(":memory:")
    migrate(at_once, "athena.store")
    in_steps = apsw.Connection(":memory:")
    everything = migrations("athena.store")
    for count in range(1, len(everything) + 1):
        monkeypatch.setattr(database, "migrations", lambda package, count=count: everything[:count])
        migrate(in_steps, "athena.store")
    assert schema(in_steps) == schema(at_once)
    assert in_steps.execute("PRAGMA user_version").get == len(everything)


def test_a_failed_migration_leaves_the_database_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    db = apsw.Connection(":memory:")
    migrate(db, "athena.store")
    broken = [*migrations("athena.store"), "CREATE TABLE half (x); SELECT no_such_function();"]
    monkeypatch.setattr(database, "migrations", lambda package: broken)
    with pytest.raises(apsw.Error):
        migrate(db, "athena.store")
    assert db.execute("PRAGMA user_version").get == len(broken) - 1
    assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").get == 0


@pytest.mark.parametrize("moment", ["statement", "commit"])
def test_a_failed_commit_stores_nothing_and_the_next_one_works(tmp_path: Path, moment: str) -> None:
    """A SQLite hook makes a real commit fail; no part of Athena is replaced."""

    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.write([OPEN], 1000)
        before = await store.page(Query())
        if moment == "commit":
            store._writer.set_commit_hook(lambda: True)
        else:
            store._writer.execute("CREATE TRIGGER t BEFORE INSERT ON change BEGIN SELECT RAISE(ROLLBACK, 'full'); END")
        with pytest.raises(StoreUnavailable):
            await store.write([Command("a", Edit(status="success")), Command("b", Open(description="d"))], 2000)
        assert await store.page(Query()) == before
        store._writer.set_commit_hook(None)
        store._writer.execute("DROP TRIGGER IF EXISTS t")
        written = await store.write([Command("a", Edit(status="success"))], 3000)
        assert [row.seq for row in written.changes] == [2]
        found = await store.get("a")
        assert found is not None
        assert [change.ts for change in found[1]] == [1000, 3000]
        await store.close()

    asyncio.run(main())


def test_readers_see_commits_whole_while_a_large_one_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        commands = [Command(f"t{number}", Open(description="d")) for number in range(3000)]
        writing = asyncio.ensure_future(store.write(commands, 1000))
        seen = set()
        while not writing.done():
            page = await store.page(Query(limit=1))
            seen.add((page.total, page.position.seq))
        assert (await store.page(Query(limit=1))).total == 3000
        assert seen <= {(0, 0), (3000, 3000)}
        assert (0, 0) in seen
        await store.close()

    asyncio.run(main())


def test_the_files_are_what_a_backup_of_a_stopped_athena_needs(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "data")
        written = await store.write([OPEN], 1000)
        await store.close()
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["athena.db", "lock"]
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
        copy = SqliteStore(tmp_path / "copy")
        assert (await copy.page(Query())).rows == written.changes
        await copy.close()

    asyncio.run(main())


def test_the_tally_is_what_counting_would_tell(tmp_path: Path) -> None:
    """After every operation that moves a row in the order: opening, finishing, archiving, returning by an edit."""

    async def main() -> None:
        store = SqliteStore(tmp_path)
        for number in range(40):
            now = 1000 + number * 1_000_000
            commands = [Command(f"t-{number}", Open(description="d"))]
            commands += [Command(f"t-{number // 2}", Edit(status="error"))] * (number % 3)
            commands += [Command(f"t-{number}", Edit(status="undoing")), Command(f"t-{number // 4}", ArchiveOne())]
            commands += [Command(f"t-{number * 2 // 3}", ArchiveOne())]
            await store.write(commands, now)
        await store.close()

    asyncio.run(main())
    db = apsw.Connection(str(tmp_path / "athena.db"))
    counted = db.execute(
        "SELECT unit, finished, -(ts_display / unit), archived, type, count(*) FROM notification, "
        "(SELECT 3600000 AS unit UNION ALL SELECT 60000) GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
    ).fetchall()
    kept = db.execute("SELECT * FROM tally WHERE rows <> 0 ORDER BY 1, 2, 3, 4, 5").fetchall()
    assert counted == kept
    assert {(row[1], row[3]) for row in kept} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    db.close()


def test_an_edit_moves_its_deadline_and_no_entry_in_the_order_of_looks(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.write([OPEN], 1000)
        (before,) = await store.deadlines(9)
        await store.write([Command("a", Edit(status="pending", athena_msg="m"))], 2000)
        await store.write([Command("a", Edit(status="pending"))], 3000)
        assert await store.deadlines(9) == [(before.id, before.deadline + 2000, before.look_at)]
        assert await store.postpone(before.look_at, 9) == 1
        assert await store.deadlines(9) == [(before.id, before.deadline + 2000, before.deadline + 2000)]
        await store.close()

    asyncio.run(main())


def of_an_earlier_version(path: Path) -> None:
    """A history from before `look_at` (migration 8)."""
    db = apsw.Connection(str(path))
    for step in migrations("athena.store")[:7]:
        db.execute(step)
    columns = "id, seq, type, status, description, by, ts_display, timeout_ms, deadline, archived"
    for row in (("a", 1, "pending", 9000), ("b", 2, "success", None), ("c", 3, "undoing", 8000)):
        db.execute(f"INSERT INTO notification ({columns}) VALUES (?, ?, 'webhook_tx', ?, 'd', '-', 1, 1000, ?, 0)", row)
    db.execute("UPDATE history SET seq = 3, total = 3, total_transactions = 3")
    db.execute("PRAGMA user_version = 7")
    db.close()


def test_deadlines_of_an_earlier_version_are_looked_at(tmp_path: Path) -> None:
    of_an_earlier_version(tmp_path / "athena.db")

    async def main() -> None:
        store = SqliteStore(tmp_path)
        assert await store.deadlines(9) == [("c", 8000, 8000), ("a", 9000, 9000)]
        await store.close()

    asyncio.run(main())


def test_a_history_of_an_earlier_version_is_copied_and_put_back(tmp_path: Path) -> None:
    of_an_earlier_version(tmp_path / "athena.db")
    found = examine(tmp_path, thoroughly=True)
    assert found is not None
    assert (found.rows, found.changes, found.damage) == (3, 3, "")
    assert back_up(tmp_path, tmp_path / "copy").seq == 3
    position, aside = restore(tmp_path, tmp_path / "copy", replace=True)
    assert position.seq == 3
    assert aside is not None

    async def main() -> None:
        store = SqliteStore(tmp_path)
        assert await store.position() == position
        assert len(await store.deadlines(9)) == 2
        await store.close()

    asyncio.run(main())


def test_searches_hold_up_neither_pages_nor_what_athena_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going_on, may_end = threading.Event(), threading.Event()

    def slow(db: apsw.Connection, query: Query) -> list[Notification]:
        if query.search:
            going_on.set()
            assert may_end.wait(20)
        return read_page(db, query)

    monkeypatch.setattr(sqlite, "read_page", slow)

    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.write([OPEN], 1000)
        searches = [asyncio.ensure_future(store.page(Query(search="d"))) for _ in range(20)]
        await asyncio.to_thread(going_on.wait, 20)
        async with asyncio.timeout(20):
            assert (await store.page(Query())).total == 1
            assert await store.get("a") is not None
            assert (await store.position()).seq == 1
            assert await store.due(10**9, 10) == ["a"]
            assert len((await store.changed_since(0, 10)).rows) == 1
        assert not any(search.done() for search in searches)
        may_end.set()
        assert all(len(page.rows) == 1 for page in await asyncio.gather(*searches))
        await store.close()

    asyncio.run(main())


def test_a_log_without_its_database_is_left_alone(tmp_path: Path) -> None:
    """The last commits are only in the log, and SQLite would remove it beside an empty database."""

    async def main() -> None:
        store = SqliteStore(tmp_path / "running")
        await store.write([OPEN], 1000)
        shutil.copytree(tmp_path / "running", tmp_path / "data")
        await store.close()
        (tmp_path / "data/athena.db").rename(tmp_path / "away")
        with pytest.raises(DataDirectoryUnusable, match=r"athena\.db is gone"):
            SqliteStore(tmp_path / "data")
        (tmp_path / "away").rename(tmp_path / "data/athena.db")
        store = SqliteStore(tmp_path / "data")
        assert await store.get("a") is not None
        await store.close()

    asyncio.run(main())


async def noted(directory: Path, count: int) -> None:
    """A history of `count` notices."""
    store = SqliteStore(directory)
    for number in range(count):
        await store.write([Command(f"n-{number}", Notice(status="success", message="told"))], 1000 + number)
    await store.close()


def test_histories_that_are_put_aside_within_a_second_are_all_kept(tmp_path: Path) -> None:
    asyncio.run(noted(tmp_path / "other", 3))
    back_up(tmp_path / "other", tmp_path / "copy")
    asyncio.run(noted(tmp_path / "data", 5))
    asides = [restore(tmp_path / "data", tmp_path / "copy", replace=True)[1] for _ in range(3)]
    counts = [apsw.Connection(str(aside)).execute("SELECT count(*) FROM notification").get for aside in asides]
    assert counts == [5, 3, 3]
    assert not list((tmp_path / "data").glob(".*draft"))


@pytest.mark.parametrize("moment", ["link", "rename"])
def test_a_restore_that_is_interrupted_leaves_the_history_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """As a power cut would at that moment. A killed server has left commits only in the log."""
    asyncio.run(noted(tmp_path / "other", 3))
    back_up(tmp_path / "other", tmp_path / "copy")

    class PowerCut(BaseException):
        pass

    def cut(*_: object) -> None:
        raise PowerCut

    async def kill_and_restore() -> None:
        store = SqliteStore(tmp_path / "running")
        for number in range(5):
            await store.write([Command(f"n-{number}", Notice(status="success", message="told"))], 1000 + number)
        shutil.copytree(tmp_path / "running", tmp_path / "data")
        await store.close()

    asyncio.run(kill_and_restore())
    with monkeypatch.context() as patch:
        patch.setattr(os if moment == "link" else Path, moment, cut)
        with pytest.raises(PowerCut):
            restore(tmp_path / "data", tmp_path / "copy", replace=True)

    async def count() -> int:
        store = SqliteStore(tmp_path / "data")
        page = await store.page(Query())
        await store.close()
        return page.total

    assert asyncio.run(count()) == 5


def test_what_is_known_of_active_transactions_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most recently cached ones stay, whether by an edit or a look-up."""
    monkeypatch.setattr("athena.store.sqlite.CACHED_STATES", 10)

    async def main() -> None:
        store = SqliteStore(tmp_path)
        for number in range(30):
            await store.write([Command(f"t{number}", Open(description="d"))], 1000)
        assert [*store._states] == [f"t{number}" for number in range(20, 30)]
        await store.write([Command(f"t{number}", Expire()) for number in range(15)], 2000)
        assert [*store._states] == [f"t{number}" for number in range(5, 15)]
        await store.close()

    asyncio.run(main())


def test_the_position_outlives_rows_and_restarts(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.write([OPEN, Command("b", Open(description="d"))], 1000)
        edits = [Command("b", Edit(status="pending", athena_msg=str(number))) for number in range(5)]
        written = await store.write([*edits, Command("a", Edit(status="success"))], 2000)
        assert written.position.seq == 8
        await store.close()
        store = SqliteStore(tmp_path)
        assert await store.position() == written.position
        assert await store.retire(3000, 10) == 1
        assert await store.position() == written.position
        await store.close()
        store = SqliteStore(tmp_path)
        assert (await store.write([Command("b", Edit(status="error"))], 4000)).position.seq == 9
        before = await store.position()
        assert (await store.purge(4000)).position.seq == before.seq + 1
        await store.close()
        store = SqliteStore(tmp_path)
        assert (await store.write([OPEN], 5000)).position.seq == before.seq + 2
        await store.close()

    asyncio.run(main())


def test_the_log_gets_its_full_size_and_loses_nothing(tmp_path: Path) -> None:
    """Zeros then follow the commits: even when the process is killed, and another one reads the log."""

    async def main() -> None:
        store = SqliteStore(tmp_path)
        log = tmp_path / "athena.db-wal"
        written = await store.write([OPEN], 1000)
        await store.maintain(1000)
        assert log.stat().st_size < PREALLOCATED_AT_ONCE, "not in the first seconds"
        store._preallocate_at = 0
        sizes = []
        while await store.maintain(1000):
            sizes.append(log.stat().st_size)
            written = await store.write([Command("a", Edit(status="pending", athena_msg=str(len(sizes))))], 1000)
        assert len(sizes) == WAL_BYTES // PREALLOCATED_AT_ONCE
        assert log.stat().st_size == WAL_BYTES
        written = await store.write([Command("a", Edit(status="success"))], 1000)
        assert log.stat().st_size == WAL_BYTES
        killed = tmp_path / "killed"
        killed.mkdir()
        for name in ("athena.db", "athena.db-wal"):
            shutil.copy(tmp_path / name, killed)
        again = SqliteStore(killed)
        assert await again.position() == written.position
        assert (await again.page(Query())).rows == written.changes
        await again.close()
        await store.close()

    asyncio.run(main())


def test_where_there_is_no_room_for_a_full_log_it_grows_as_it_is_written(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        store._preallocate_at = 0
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (PREALLOCATED_AT_ONCE // 2, limits[1]))
        try:
            while await store.maintain(1000):
                pass
            await store.write([OPEN], 1000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert not await store.maintain(1000), "it is not tried again"
        assert (tmp_path / "athena.db-wal").stat().st_size < PREALLOCATED_AT_ONCE
        await store.close()

    asyncio.run(main())


def test_the_last_of_a_disk_is_not_spent_on_the_log(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    log = tmp_path / "athena.db-wal"
    size, free = log.stat().st_size, Disk(tmp_path).free()
    assert not store._files.preallocate_wal(free // 9, 4096)
    assert log.stat().st_size == size
    assert store._files.preallocate_wal(free // 20, 4096)
    assert log.stat().st_size == size + 4096
    asyncio.run(store.close())


def test_a_file_in_the_place_of_the_log_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        store._preallocate_at = 0
        log = tmp_path / "athena.db-wal"
        log.rename(tmp_path / "moved")
        log.write_bytes(b"something else")
        with pytest.raises(StoreUnavailable):
            await store.maintain(1000)
        assert log.read_bytes() == b"something else"
        (tmp_path / "moved").rename(log)
        await store.close()

    asyncio.run(main())
