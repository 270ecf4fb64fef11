"""Adaptive group commit: while one commit is on its way to disk, the next commands queue; then all of them are one.

A single edit waits for nobody. Under load the batch grows by itself, so the cost of a sync is shared by more and more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from athena.domain.model import Command, Notification
from athena.domain.wire import encode_changes
from athena.errors import AthenaError, InternalError, ShuttingDown
from athena.relay.base import Committed, Relay
from athena.store.base import Outcome, Store

log = logging.getLogger("athena.journal")

MAX_COMMANDS = 20_000
"""Commands in one commit at the most; so many are stored in well under a second. A submission is never split."""


class _Submission(NamedTuple):
    """Commands that belong together, or work that goes alone, and who waits for it."""

    commands: Sequence[Command]
    done: asyncio.Future[Any]
    alone: Callable[[], Awaitable[Any]] | None = None


class Journal:
    """The one way to change the store. Answers and pushes only what is durable, in commit order."""

    def __init__(self, store: Store, relay: Relay, now: Callable[[], int]) -> None:
        self.commits = 0
        self.commands = 0
        self._store = store
        self._relay = relay
        self._now = now
        self._queue: deque[_Submission] = deque()
        self._listeners: list[Callable[[Sequence[Notification]], None]] = []
        self._runner: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Submissions that no commit has taken yet."""
        return len(self._queue)

    def on_states(self, listener: Callable[[Sequence[Notification]], None]) -> None:
        """Call `listener` after each commit with the states that its commands led to, heartbeats included."""
        self._listeners.append(listener)

    async def submit(self, commands: Sequence[Command]) -> list[Outcome]:
        """Decide and store `commands`, all in one commit, in order -> one outcome each, when they are durable.

        Raises `Unavailable` when the commit failed: then nothing of it is stored or pushed.
        """
        outcomes: list[Outcome] = await self._enqueue(commands)
        return outcomes

    async def purge(self) -> int:
        """Remove everything -> how many rows that were. All readers get a reset."""
        removed: int = await self._enqueue((), self._purge)
        return removed

    async def tend(self) -> bool:
        """Let the store do some of the work that keeps questions fast -> whether there is more."""
        more: bool = await self._enqueue((), self._tend)
        return more

    async def retire(self, before: int, limit: int) -> int:
        """Let go of finished rows from before a moment (ms) -> how many."""
        removed: int = await self._enqueue((), partial(self._store.retire, before, limit))
        return removed

    def _enqueue(
        self, commands: Sequence[Command], alone: Callable[[], Awaitable[Any]] | None = None
    ) -> asyncio.Future[Any]:
        if self._closed:
            raise ShuttingDown
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._queue.append(_Submission(commands, done, alone))
        if self._runner is None:
            # A task of its own: a caller that is cancelled must not cancel a commit in the middle.
            self._runner = loop.create_task(self._run())
        return done

    async def close(self) -> None:
        """Take nothing more, and finish what was submitted."""
        self._closed = True
        if self._runner is not None:
            await self._runner

    async def _run(self) -> None:
        """Commit until nothing waits."""
        while self._queue:
            batch = self._take()
            try:
                if batch[0].alone is not None:
                    _fulfil(batch[0], await batch[0].alone())
                else:
                    await self._commit(batch)
            except AthenaError as error:
                log.error("a commit of %d submissions failed: %s", len(batch), error)
                _fail(batch, error)
            except Exception:
                log.exception("a commit of %d submissions failed", len(batch))
                _fail(batch, InternalError())
        self._runner = None

    def _take(self) -> list[_Submission]:
        """All that is waiting, in order, up to MAX_COMMANDS; what goes alone goes alone."""
        batch = [self._queue.popleft()]
        size = len(batch[0].commands)
        while batch[0].alone is None and self._queue and self._queue[0].alone is None:
            size += len(self._queue[0].commands)
            if size > MAX_COMMANDS:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _commit(self, batch: list[_Submission]) -> None:
        commands = [command for submission in batch for command in submission.commands]
        written = await self._store.write(commands, self._now())
        self.commits += 1
        self.commands += len(commands)
        if written.changes:
            self._relay.publish(Committed(encode_changes(written.changes, written.position.epoch)))
        for listener in self._listeners:
            listener([outcome.state for outcome in written.outcomes if isinstance(outcome, tuple)])
        start = 0
        for submission in batch:
            end = start + len(submission.commands)
            _fulfil(submission, written.outcomes[start:end])
            start = end

    async def _purge(self) -> int:
        removed, position = await self._store.purge()
        self.commits += 1
        self._relay.publish(Committed([], restart=position))
        return removed

    async def _tend(self) -> bool:
        return await self._store.tend(self._now())


def _fulfil(submission: _Submission, result: Any) -> None:
    """Answer whoever waits, if they still do."""
    if not submission.done.done():
        submission.done.set_result(result)


def _fail(batch: list[_Submission], error: AthenaError) -> None:
    for submission in batch:
        if not submission.done.done():
            submission.done.set_exception(error)
