"""A thread beside the event loop, for the one kind of work that must wait for the disk.

`ThreadPoolExecutor` does the same with another future, a lock and two semaphores: 25 µs before a COMMIT begins, where
everything else that an edit costs is 60. Also, a thread woken by a Python lock is woken by one that holds the GIL, and
must wait again for that. Writing to a pipe releases the GIL, so that on one core the thread begins at once.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SideThread:
    """Runs jobs one after another, in the order of submission."""

    def __init__(self, name: str) -> None:
        self._jobs: deque[_Job[Any]] = deque()
        self._closed = False
        self._read_end, self._write_end = os.pipe()  # a byte for each job; end of file ends the thread
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` returns, or raises. A caller that is cancelled meanwhile, however often, still waits for the end,
        since `work` uses the caller's objects until then; if it fails, its error is raised, not the cancellation.
        Raises `RuntimeError` after `close`."""
        if self._closed:
            raise RuntimeError("the thread has ended")
        job = _Job(work, arguments)
        self._jobs.append(job)
        os.write(self._write_end, b"!")
        cancelled = False
        while not job.over:
            try:
                await job.ended
            except asyncio.CancelledError:
                cancelled, job.ended = True, job.loop.create_future()
        if cancelled and job.error is None:
            raise asyncio.CancelledError
        return job.outcome()

    def close(self) -> None:
        """Finish the submitted jobs, and end."""
        if not self._closed:
            self._closed = True
            os.close(self._write_end)
            self._thread.join()
            os.close(self._read_end)

    def _work(self) -> None:
        while os.read(self._read_end, 1):
            self._jobs.popleft().do()


class _Job(Generic[T]):
    """Created, completed and asked for its outcome on the event loop; run on the thread."""

    __slots__ = ("_arguments", "_result", "_work", "ended", "error", "loop", "over")

    def __init__(self, work: Callable[..., T], arguments: tuple[Any, ...]) -> None:
        self._work = work
        self._arguments = arguments
        self.error: BaseException | None = None
        self.loop = asyncio.get_running_loop()
        self.ended = self.loop.create_future()
        self.over = False

    def do(self) -> None:
        try:
            self._result = self._work(*self._arguments)
        except BaseException as error:
            self.error = error
        with suppress(RuntimeError):  # the loop is closed: nothing waits for it
            self.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self.over = True
        if not self.ended.done():  # the caller was cancelled
            self.ended.set_result(None)

    def outcome(self) -> T:
        if self.error is None:
            return self._result
        try:
            raise self.error
        finally:
            self.error = None  # its traceback holds this frame: a cycle that only the garbage collector could free
