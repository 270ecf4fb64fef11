"""A thread beside the event loop, for the one kind of work that has to wait for the disk.

`ThreadPoolExecutor` does the same by a future of its own, a lock and two semaphores: 25 µs before a COMMIT begins,
where all else that an edit costs is 60. And whoever is woken by a lock of Python's is so by a thread that holds the
interpreter: it only finds out that it has to wait again. Who writes to a pipe lets go of the interpreter meanwhile, so
that on one core the thread begins at once.
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
    """Does one thing after another, in the order in which it is asked to."""

    def __init__(self, name: str) -> None:
        self._jobs: deque[_Job[Any]] = deque()
        self._closed = False
        self._read_end, self._write_end = os.pipe()  # a byte for each job; its end is the thread's
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` returns, or raises. Whoever is cancelled meanwhile, however often, waits for its end: until then
        what it works on is not theirs, and if it failed, they hear that. Raises `RuntimeError` after `close`."""
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
        """Finish what was asked for."""
        if not self._closed:
            self._closed = True
            os.close(self._write_end)
            self._thread.join()
            os.close(self._read_end)

    def _work(self) -> None:
        while os.read(self._read_end, 1):
            self._jobs.popleft().do()


class _Job(Generic[T]):
    """Made, told of and asked for its outcome on the event loop, and done on the thread."""

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
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self.over = True
        if not self.ended.done():  # whoever waited was cancelled
            self.ended.set_result(None)

    def outcome(self) -> T:
        if self.error is None:
            return self._result
        try:
            raise self.error
        finally:
            self.error = None  # its traceback has this frame, which would go in circles
