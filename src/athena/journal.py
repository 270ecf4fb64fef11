"""Adaptive group commit: commands that arrive while one commit is being written to disk form the next commit.

A single edit does not wait for others. Under load the batches grow by themselves, so more commands share each sync.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from athena.domain.model import AnyCommand, Notification
from athena.errors import AthenaError, InternalError, ShuttingDown
from athena.histogram import POWERS_OF_TWO, Histogram
from athena.relay.base import Committed, Relay
from athena.store.base import KeyedOutcome, KeyedRequest, Outcome, Purged, Store

log = logging.getLogger("athena.journal")

MAX_COMMANDS = 20_000
"""Most commands in one commit; storing them takes well under a second. A submission is never split."""

NEVER = float("-inf")


class _Submission(NamedTuple):
    """Items that belong together, or work that runs alone, and the future that the caller awaits."""

    items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]]
    size: int  # commands in the items
    done: asyncio.Future[Any]
    since: float  # seconds of the monotonic clock
    what: str = "a commit"
    alone: Callable[[], Awaitable[Any]] | None = None


class Journal:
    """The only way to change the store. Answers and pushes only what is durable, in commit order."""

    def __init__(self, store: Store, relay: Relay, now: Callable[[], int]) -> None:
        self.commits = 0
        self.commands = 0
        self.failed = 0
        """Failed commits, and other failed work on the store."""
        self.sizes = Histogram(POWERS_OF_TWO)
        """Commands per commit."""
        self.proven = NEVER
        """When the store last accepted a change (`time.monotonic`); `NEVER` after a failure."""
        self._oldest: float | None = None  # when the oldest submission in the current commit was queued
        self._store = store
        self._relay = relay
        self._now = now
        self._queue: deque[_Submission] = deque()
        self._listeners: list[Callable[[Sequence[Notification]], None]] = []
        self._runner: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Submissions that are not part of a commit yet."""
        return len(self._queue)

    @property
    def lag(self) -> float:
        """Seconds that the oldest submission without an outcome has waited; 0 if there is none."""
        oldest = self._queue[0].since if self._oldest is None and self._queue else self._oldest
        return 0.0 if oldest is None else monotonic() - oldest

    @property
    def closed(self) -> bool:
        """Whether new submissions are refused."""
        return self._closed

    def on_earlier_deadlines(self, listener: Callable[[Sequence[Notification]], None]) -> None:
        """Call `listener` after each commit with the states of rows that may expire earlier than was known."""
        self._listeners.append(listener)

    def submit(self, commands: Sequence[AnyCommand]) -> asyncio.Future[list[Outcome]]:
        """Decide and store `commands`, in order, in one commit -> one outcome each, once they are durable.

        Raises `ShuttingDown` at once; the future raises `Unavailable` if the commit failed: then nothing was stored or
        pushed.
        """
        return self._enqueue(commands, len(commands))

    async def submit_keyed(self, request: KeyedRequest[list[Outcome]]) -> KeyedOutcome:
        """The same for a request with a key, unless it was carried out before -> the outcome for its sender."""
        outcomes: list[KeyedOutcome] = await self._enqueue((request,), len(request.commands))
        return outcomes[0]

    async def purge(self, request: KeyedRequest[int] | None = None) -> Purged:
        """Remove everything and send all readers a reset, unless `request` was carried out before."""
        purged: Purged = await self._alone("a purge", partial(self._purge, request))
        return purged

    async def maintain(self) -> bool:
        """Let the store do some background work -> whether there is more."""
        more: bool = await self._alone("work in the background", self._maintain)
        return more

    async def retire(self, before: int, limit: int) -> int:
        """Delete finished rows from before a moment (ms) -> how many."""
        removed: int = await self._alone("letting go of old rows", partial(self._store.retire, before, limit))
        return removed

    async def postpone(self, before: int, limit: int) -> int:
        """Postpone the check of transactions that have time beyond it until their deadlines -> how many."""
        postponed: int = await self._alone("putting off deadlines", partial(self._store.postpone, before, limit))
        return postponed

    async def alone(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` on the store between two commits: nothing is decided meanwhile. `what` names it in the log if it
        fails. Raises its `AthenaError`, and `InternalError` for any other exception."""
        await self._alone(what, work)

    async def probe(self) -> None:
        """Have the store write something that changes nothing. Raises `Unavailable` if it cannot."""
        await self._alone("a probe", self._probe)

    def _alone(self, what: str, work: Callable[[], Awaitable[Any]]) -> asyncio.Future[Any]:
        return self._enqueue((), 0, what, work)

    def _enqueue(
        self,
        items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]],
        size: int,
        what: str = "a commit",
        alone: Callable[[], Awaitable[Any]] | None = None,
    ) -> asyncio.Future[Any]:
        if self._closed:
            raise ShuttingDown
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._queue.append(_Submission(items, size, done, monotonic(), what, alone))
        if self._runner is None:
            # A separate task: cancelling a caller must not cancel a commit halfway.
            self._runner = loop.create_task(self._run())
        return done

    async def close(self) -> None:
        """Accept nothing more, and finish what was submitted."""
        self._closed = True
        if self._runner is not None:
            await self._runner

    async def _run(self) -> None:
        """Commit until the queue is empty."""
        while self._queue:
            batch = self._take()
            self._oldest = batch[0].since
            try:
                if batch[0].alone is not None:
                    _fulfil(batch[0], await batch[0].alone())
                else:
                    await self._commit(batch)
            except AthenaError as error:
                self._record_failure()
                log.error("%s failed, of %d submissions: %s", batch[0].what, len(batch), error)
                _fail(batch, error)
            except Exception:
                self._record_failure()
                log.exception("%s failed, of %d submissions", batch[0].what, len(batch))
                _fail(batch, InternalError())
            self._oldest = None
        self._runner = None

    def _record_failure(self) -> None:
        self.failed += 1
        self.proven = NEVER

    def _take(self) -> list[_Submission]:
        """All waiting submissions, in order, up to MAX_COMMANDS; one with `alone` is taken by itself."""
        batch = [self._queue.popleft()]
        size = batch[0].size
        while batch[0].alone is None and self._queue and self._queue[0].alone is None:
            size += self._queue[0].size
            if size > MAX_COMMANDS:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _commit(self, batch: list[_Submission]) -> None:
        items = batch[0].items if len(batch) == 1 else [item for some in batch for item in some.items]
        size = sum(submission.size for submission in batch)
        written = await self._store.write(items, self._now())
        self.commits += 1
        self.commands += size
        self.sizes.observe(size)
        if written.changes:
            self.proven = monotonic()
            self._publish(Committed(written.changes, since=batch[0].since))
        if written.earlier_deadlines:
            self._tell_of_deadlines(written.earlier_deadlines)
        start = 0
        for submission in batch:
            end = start + len(submission.items)
            _fulfil(submission, written.outcomes[start:end])
            start = end

    def _tell_of_deadlines(self, states: Sequence[Notification]) -> None:
        """As in `_publish`, an error here does not affect the commit."""
        for listener in self._listeners:
            try:
                listener(states)
            except Exception:
                log.exception("deadlines are stored, and could not be told of")

    async def _purge(self, request: KeyedRequest[int] | None) -> Purged:
        purged = await self._store.purge(self._now(), request)
        if purged.done:
            self.commits += 1
            self._publish(Committed([], restart=purged.position))
        return purged

    def _publish(self, committed: Committed) -> None:
        """Whatever goes wrong here, the commit is durable and is answered as such."""
        try:
            self._relay.publish(committed)
        except Exception:
            log.exception("a commit is stored, and could not be pushed")

    async def _probe(self) -> None:
        await self._store.probe()
        self.proven = monotonic()

    async def _maintain(self) -> bool:
        return await self._store.maintain(self._now())


def _fulfil(submission: _Submission, result: Any) -> None:
    """Answer the caller, unless it was cancelled."""
    if not submission.done.done():
        submission.done.set_result(result)


def _fail(batch: list[_Submission], error: AthenaError) -> None:
    for submission in batch:
        if not submission.done.done():
            submission.done.set_exception(error)
