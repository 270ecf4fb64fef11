"""Threads that read a database, each with its own connection."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from athena.database import connect, value
from athena.errors import StoreUnavailable

T = TypeVar("T")


class Readers:
    """Runs as many reads at a time as there are threads; later ones wait, in order."""

    def __init__(self, path: Path, threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, name)
        self._connections: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        for _ in range(threads):
            db = connect(path, apsw.SQLITE_OPEN_READONLY)
            value(db, "PRAGMA schema_version")  # also opens the WAL, which can then be read even if it is moved away
            self._connections.put(db)

    async def run(self, read: Callable[[apsw.Connection], T]) -> T:
        """What `read` returns, inside one snapshot. Raises `StoreUnavailable` for SQLite's errors."""

        def run() -> T:
            db = self._connections.get()
            try:
                db.execute("BEGIN")
                try:
                    return read(db)
                finally:
                    db.execute("COMMIT")
            except apsw.Error as error:
                raise StoreUnavailable(str(error)) from error
            finally:
                self._connections.put(db)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def close(self) -> None:
        """Finish the submitted reads, and close."""
        self._threads.shutdown()
        while not self._connections.empty():
            self._connections.get().close()
