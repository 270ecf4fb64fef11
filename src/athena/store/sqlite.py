"""The embedded store: SQLite through apsw, one writing connection, readers on their own threads.

Why the statements of a commit run on the event loop and only COMMIT runs on a thread, and why readers fetch one JSON
value instead of rows: docs/decisions/0003-sqlite-threads.md.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn, TypeVar

import apsw
import msgspec

from athena.clock import Anchor
from athena.database import Files, connect, load_blocks, make_durable, migrate, value
from athena.datadir import unusable
from athena.domain.model import ACTIVE, AnyCommand, Change, Notification, Position
from athena.errors import DataDirectoryUnusable, StoreUnavailable
from athena.store import sqlite_clock, sqlite_receipts, sqlite_retention, sqlite_search
from athena.store.base import Answer, Changed, Deadline, KeyedRequest, Outcome, Page, Purged, Query, Written
from athena.store.batch import Batch, replay
from athena.store.side_thread import SideThread
from athena.store.sqlite_file import WAL_BYTES, check_version, describe_error, lock, make_file, tune
from athena.store.sqlite_pages import read_page
from athena.store.sqlite_readers import Readers
from athena.store.sqlite_rows import newly_finished, statements
from athena.time_slice import TimeSlice

log = logging.getLogger("athena.store")

READERS = 2
"""Threads for client queries. Only one of them searches at a time, so that the other is free for plain pages."""

SLICE = 256
"""Commands applied, or rows written, between two checks of the time that has passed: about a millisecond."""

CACHED_STATES = 20_000
"""Active transactions whose state is kept in memory: about 12 MiB. Two full bulks fit."""

PACKAGE = "athena.store"
MAINTENANCE_BLOCKS, MAINTENANCE_SECONDS = 32, 0.05
"""Blocks of the search index made in one commit: about 1 ms each, more where many rows ended in one commit. No block is
begun after this many seconds, since edits wait."""

PREALLOCATE_AFTER = 5.0
"""Seconds from opening the store until its WAL gets its full size: a start has other things to do, and a short-lived
process need not write 16 MiB."""
PREALLOCATED_AT_ONCE = 1 << 20
"""Bytes; takes some ms, during which no edit is committed."""

FAILED_SYNCS = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})

SQL = load_blocks(PACKAGE, "sqlite.sql")
ARCHIVED = Notification.__struct_fields__.index("archived")
T = TypeVar("T")

_decode_rows = msgspec.json.Decoder(list[Notification]).decode
_decode_changes = msgspec.json.Decoder(list[Change]).decode
_decode_deadlines = msgspec.json.Decoder(list[Deadline]).decode
_decode_ids = msgspec.json.Decoder(list[str]).decode


class SqliteStore:
    """A directory with `athena.db` (and its -wal and -shm) and a lock file, held while the store is open."""

    def __init__(self, directory: Path) -> None:
        """Open or create. Raises a `StartupError` that says what is wrong and what to do."""
        check_version(apsw.sqlite_lib_version())
        self.path = directory / "athena.db"
        self._lock = lock(directory)
        try:
            if not self.path.exists() and self.path.with_name("athena.db-wal").exists():
                # Next to an empty database SQLite would remove the WAL, and with it the latest commits.
                why = "athena.db is gone, and its log (athena.db-wal) is still there"
                raise DataDirectoryUnusable(str(directory), why, "put it back, or remove the log, too")
            make_file(self.path)
            self._writer = connect(self.path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            make_durable(self._writer)
            tune(self._writer)
            migrate(self._writer, PACKAGE)
            self._files = Files(self.path)
            self._searchable = sqlite_search.newest(self._writer)
            self._query_readers = Readers(self.path, READERS, "athena-read")
            self._internal_readers = Readers(self.path, 1, "athena-own")  # for Athena's own reads, which must not wait
        except (OSError, apsw.Error) as error:
            os.close(self._lock)
            raise unusable(directory, error, "athena.db") from error
        except BaseException:
            os.close(self._lock)
            raise
        self._preallocate_at = monotonic() + PREALLOCATE_AFTER
        self._states = _StateCache(self._writer)
        self._commit_thread = SideThread("athena-commit")
        self._searching = asyncio.Semaphore(READERS - 1)

    # ---- writing -----------------------------------------------------------------------------------------------------
    async def write(self, items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]], now: int) -> Written:
        async with self._transaction():
            epoch, seq, _, _ = self._row("position")
            batch = Batch(seq, now, self._states, lambda key: sqlite_receipts.find(self._writer, key, now))
            time_slice = TimeSlice()
            for _ in batch.run(items, SLICE):
                await time_slice.yield_if_due()
            await self._save(batch, now, time_slice)
        self._remember(batch)
        return Written(batch.outcomes, batch.changes, Position(epoch, batch.seq), batch.earlier_deadlines)

    async def purge(self, now: int, request: KeyedRequest[int] | None = None) -> Purged:
        answer: Answer | None = None
        async with self._transaction():
            epoch, seq, total, _ = self._row("position")
            if request is not None:
                before = replay(request.key, sqlite_receipts.find(self._writer, request.key.id, now))
                if before is not None:
                    return Purged(0, Position(epoch, seq), before)
                answer = Answer(request.answer(total), replayed=False)
                self._writer.execute(SQL["keep_receipt"], (*request.key, answer.body, now))
            for block in ("purge_notifications", "purge_changes", "purge_tally", "new_epoch"):
                self._writer.execute(SQL[block])
            sqlite_search.purge(self._writer)
            epoch, seq, _, _ = self._row("position")
        self._states.clear()
        self._searchable = sqlite_search.newest(self._writer)
        return Purged(total, Position(epoch, seq), answer)

    async def maintain(self, now: int) -> bool:
        if monotonic() > self._preallocate_at:
            if await self._commit_thread.run(self._preallocate_wal):
                return True
            self._preallocate_at = float("inf")  # if it has failed, the WAL grows as it is written
        more = False
        async with self._transaction():
            forgetting = sqlite_receipts.forget(self._writer, now)
            give_up = monotonic() + MAINTENANCE_SECONDS
            for _ in range(MAINTENANCE_BLOCKS):
                # On the thread: rows that ended in one commit are one block, a quarter of a second for 10,000 rows.
                more = await self._commit_thread.run(sqlite_search.extend, self._writer, now)
                if not more or monotonic() > give_up:
                    break
        self._searchable = sqlite_search.newest(self._writer)
        return more or forgetting

    def _preallocate_wal(self) -> bool:
        """A sync is faster if the WAL does not grow: its size and its place on the disk need not be written."""
        try:
            return self._files.preallocate_wal(WAL_BYTES, PREALLOCATED_AT_ONCE)
        except OSError as error:  # nothing depends on these zeros; a commit checks its own sync
            log.warning("athena.db-wal could not be preallocated: %s", error)
            return False

    async def retire(self, before: int, limit: int) -> int:
        async with self._transaction():
            # On the thread: it skips rows with old display times that arrived recently, and there may be many.
            rows = await self._commit_thread.run(sqlite_retention.oldest, self._writer, before, limit)
            if rows:
                sqlite_retention.remove(self._writer, rows)
        self._searchable = sqlite_search.newest(self._writer)
        return len(rows)

    async def postpone(self, before: int, limit: int) -> int:
        async with self._transaction():
            # On the thread: the rows may be all over the file.
            return await self._commit_thread.run(self._postpone, before, limit)

    def _postpone(self, before: int, limit: int) -> int:
        self._writer.execute(SQL["postpone"], (before, limit))
        return self._writer.changes()

    async def set_clock(self, anchor: Anchor, shift: int, now: int) -> None:
        async with self._transaction():
            for _ in sqlite_clock.move(self._writer, anchor, shift, now):
                await asyncio.sleep(0)
        self._states.clear()  # their deadlines have moved

    async def probe(self) -> None:
        async with self._transaction():
            self._writer.execute(SQL["probe"])

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """Everything done in the block is durable when it ends, or none of it is. Raises `StoreUnavailable`."""
        try:
            self._begin()
            yield
            await self._commit()
        except BaseException as error:
            if isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in FAILED_SYNCS:
                end_process(error)
            self._roll_back()
            self._states.clear()  # a transaction cancelled during its COMMIT may be stored
            if isinstance(error, apsw.Error):
                raise StoreUnavailable(describe_error(self._writer, error)) from error
            raise

    def _begin(self) -> None:
        """Take the write lock at once: upgrading a read lock later could fail, whatever the timeout."""
        self._writer.execute("BEGIN IMMEDIATE")

    def _row(self, block: str) -> Any:
        return self._writer.execute(SQL[block]).fetchone()

    def _remember(self, batch: Batch) -> None:
        """Keep only active states, and not too many of them. The first to be added are dropped first, whenever they
        were edited: another edit loads them again."""
        states = self._states
        for key in batch.new.keys() | batch.moved:
            if batch.dirty[key].status not in ACTIVE:
                del states[key]
        while len(states) > CACHED_STATES:
            del states[next(iter(states))]

    async def _save(self, batch: Batch, now: int, time_slice: TimeSlice) -> None:
        for block, size, parameters in statements(batch, now):
            for _ in range(0, size, SLICE):
                await time_slice.yield_if_due()
                self._writer.executemany(SQL[block], islice(parameters, SLICE))
        late = {state.ts_display for state in newly_finished(batch) if state.ts_display <= self._searchable}
        if late:
            sqlite_search.mark_stale(self._writer, late)
        if batch.changes:
            self._writer.execute(SQL["advance"], (batch.seq, len(batch.new), sum(batch.new.values())))

    async def _commit(self) -> None:
        """The only step that waits for the disk, on a thread so that nothing else does."""
        await self._commit_thread.run(self._finish)

    def _finish(self) -> None:
        """Raises `StoreUnavailable` if the files are not where they were."""
        self._files.check()
        self._writer.execute("COMMIT")

    def _roll_back(self) -> None:
        if self._writer.in_transaction:  # SQLite may have rolled back by itself
            with suppress(apsw.Error):
                self._writer.execute("ROLLBACK")

    # ---- reading -----------------------------------------------------------------------------------------------------
    async def position(self) -> Position:
        def read(db: apsw.Connection) -> Position:
            return Position(*_position(db)[:2])

        return await self._internal_readers.run(read)

    async def get(self, notification_id: str) -> tuple[Notification, list[Change]] | None:
        def read(db: apsw.Connection) -> tuple[Notification, list[Change]] | None:
            row: Any = db.execute(SQL["load"], (notification_id,)).fetchone()
            if row is None:
                return None
            state = _state(row)
            return state, _decode_changes(value(db, SQL["changes"], (notification_id,)))

        return await self._query_readers.run(read)

    async def page(self, query: Query) -> Page:
        def read(db: apsw.Connection) -> Page:
            epoch, seq, total, transactions = _position(db)
            rows = read_page(db, query)
            return Page(rows[: query.limit], len(rows) > query.limit, Position(epoch, seq), total, transactions)

        if not query.search:
            return await self._query_readers.run(read)
        async with self._searching:
            return await self._query_readers.run(read)

    async def changed_since(self, seq: int, limit: int) -> Changed:
        def read(db: apsw.Connection) -> Changed:
            rows = _decode_rows(value(db, SQL["changed_since"], (seq, limit)))
            return Changed(rows, Position(*_position(db)[:2]), value(db, SQL["retired"]))

        return await self._internal_readers.run(read)

    async def clock(self) -> tuple[Anchor, int]:
        return await self._internal_readers.run(sqlite_clock.read)

    async def deadlines(self, limit: int) -> list[Deadline]:
        return await self._internal_readers.run(lambda db: _decode_deadlines(value(db, SQL["deadlines"], (limit,))))

    async def due(self, now: int, limit: int) -> list[str]:
        return await self._internal_readers.run(lambda db: _decode_ids(value(db, SQL["due"], (now, limit))))

    async def close(self) -> None:
        self._commit_thread.close()
        self._query_readers.close()
        self._internal_readers.close()
        self._writer.close()
        os.close(self._lock)


def end_process(error: apsw.Error) -> NoReturn:
    """A sync failed. The data may or may not reach the disk, and no later sync will tell: the kernel has given up those
    pages (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). So the requests get no
    response, neither success nor failure: the process ends, and the next start reads what the file contains."""
    log.critical("a sync to disk failed, and Athena ends without an answer: %s; look at the disk, then start it", error)
    os._exit(os.EX_IOERR)


class _StateCache(dict[str, Notification]):
    """States of active transactions, which then need not be read: what was committed last is what is stored. During a
    batch, also all the states that it has decided. Cleared when a transaction fails.

    A dictionary and not a function, since nearly all look-ups are hits, which need no Python call.
    """

    def __init__(self, writer: apsw.Connection) -> None:
        self._writer = writer

    def __missing__(self, notification_id: str) -> Any:
        row: Any = self._writer.execute(SQL["load"], (notification_id,)).fetchone()
        if row is None:
            return None
        state = _state(row)
        if state.active:
            self[notification_id] = state
        return state


# ---- helpers ---------------------------------------------------------------------------------------------------------
def _state(row: Any) -> Notification:
    """A row of the block `load`. SQLite has no booleans."""
    columns = list(row)
    columns[ARCHIVED] = bool(columns[ARCHIVED])
    return Notification(*columns)


def _position(db: apsw.Connection) -> Any:
    return db.execute(SQL["position"]).fetchone()
