"""Delivers the tail to its readers: by a flush to those that keep up, by a catch-up to those that do not.

A client whose transport calls `pause_writing` is taken out of the flush and keeps only its position; once it has
drained, it catches up: from the tail if that still has what it missed, else from the store's latest states.
Reconnecting clients, Server-Sent Events and long poll use the same path.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic

from athena.domain.model import Position, parse_cursor
from athena.domain.wire import Published, encode_ready
from athena.errors import StoreUnavailable
from athena.live.catchup import Catchup, History
from athena.live.client import Client, KeepAlive
from athena.live.cohorts import Cohorts
from athena.live.counts import Counts, Resume, TransportName
from athena.live.flush import CHUNK_BYTES, SLICE_CLIENTS, Flush
from athena.live.slow import TRY_AGAIN_LATER, SlowClients
from athena.live.streams import Streams
from athena.live.tail import UNKNOWN, Chunk, Encoding, Tail

log = logging.getLogger("athena.live")

LOOK_SECONDS = 2.0
"""Maximum time between two checks of the clients: those whose permit has ended are disconnected within this time."""

GOING_AWAY = 1001
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011


class Hub:
    """All readers of one node. Everything here runs on the event loop's thread."""

    def __init__(self, tail: Tail, history: History, slow: SlowClients, keepalive: KeepAlive) -> None:
        self.tail = tail
        self.keepalive = keepalive
        self.slow = slow
        self.clients: dict[Client, None] = {}
        """All that are pushed to. A dict, because a set of as many takes up to twice the memory."""
        self.closing = False
        self.counts = Counts()
        self.streams = Streams()
        self.cohorts = Cohorts()
        self.flush = Flush(tail, self.cohorts, self.clients, self.counts, self._advance)
        self.catchup = Catchup(history, lambda: self.tail.end)
        self._waiting: set[asyncio.Future[bool]] = set()
        self._replaying: set[Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references

    # ---- publishing --------------------------------------------------------------------------------------------------
    def publish(self, entries: Sequence[Published], since: float | None = None) -> None:
        """Publish committed messages, in the order of their seq. Returns soon; the flush happens now or later.

        `since`: when the oldest of the commit's edits was submitted here (`time.monotonic`).
        """
        self.tail.append(entries, heard=bool(self.clients or self._waiting or len(self.streams)))
        if since is not None:
            self.counts.published(since)
        self._wake()

    def restart(self, position: Position) -> None:
        """The history was purged or replaced: every reader gets a reset."""
        self.tail.restart(position)
        self.catchup.clear()
        self.counts.restarted += len(self.clients) + len(self.streams)
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(True)
        self._waiting.clear()
        if not self.clients:
            self.counts.all_reached(monotonic())
        else:
            self.flush.wake()

    # ---- clients that are pushed to ----------------------------------------------------------------------------------
    def locate(self, after: str | None) -> int:
        """The position a reader starts from: its cursor's, the current end without one, UNKNOWN for an unknown one.

        A seq that this history has not reached is unknown too: it is from before an older database was restored.
        """
        if not after:
            return self.tail.end
        position = parse_cursor(after)
        if position is None or position.epoch != self.tail.epoch or position.seq > self.tail.end:
            return UNKNOWN
        return position.seq

    def connected(self) -> dict[TransportName, int]:
        """Live connections by transport."""
        return {"websocket": len(self.clients), **self.streams.open}

    def resume_from(self, after: str | None, transport: TransportName) -> int:
        """The position a reader starts from, as by `locate`; counts readers that resume."""
        seq = self.locate(after)
        if after:
            kind: Resume = "reset" if seq < self.tail.floor else "tail" if self.tail.covers(seq) else "store"
            self.counts.resumes[transport, kind] += 1
        return seq

    def reached(self, position: Position) -> Position:
        """`position`, or the end of the tail if that is behind: a read of the store may see a commit that is not
        published yet. A cursor may be too early, never too late."""
        behind = position.epoch == self.tail.epoch and position.seq > self.tail.end
        return self.tail.position if behind else position

    def attach(self, client: Client, after: str | None) -> None:
        """Begin to serve a client. With `after` (also an empty one) it is notified when its replay is complete.

        From here on nothing is missed: messages published during a replay come after the client's position.
        """
        client.position = self.resume_from(after, "websocket")
        client.wants_ready = after is not None
        self.clients[client] = None
        self._advance(client)

    def detach(self, client: Client) -> None:
        """The client's transport is gone. May be called more than once."""
        self.clients.pop(client, None)
        self.cohorts.leave(client)
        self.slow.forget(client)

    def leave(self, client: Client) -> None:
        """The client is closing: send it nothing more."""
        self.cohorts.leave(client)
        self.slow.forget(client)

    def pause(self, client: Client) -> None:
        """The client's transport is full: leave it alone until `resume`."""
        self.cohorts.leave(client)
        self.slow.add(client, asyncio.get_running_loop().time())

    def resume(self, client: Client) -> None:
        """The client's transport has drained: bring it up to date."""
        self.slow.forget(client)
        self._advance(client)

    def _advance(self, client: Client) -> None:
        """Write what a client lacks, as long as it accepts more and the tail has it. Then it joins a cohort, and lacks
        nothing but what flushes will bring."""
        tail = self.tail
        while not (client.paused or client.closing or client.cohort is not None):
            if client.position >= tail.end:
                self.cohorts.join(client)
                if client.wants_ready:
                    client.wants_ready = False
                    ready = encode_ready(Position(tail.epoch, client.position))
                    client.send(client.encoding(tail.epoch, [ready]))
                return
            if not tail.covers(client.position):
                self._spawn_replay(client)
                return
            chunk = tail.read(client.position, client.encoding, CHUNK_BYTES)
            client.position = chunk.seq
            if chunk.data:
                client.send(chunk.data)

    def _spawn_replay(self, client: Client) -> None:
        if client in self._replaying:  # it was paused and has drained while the store was read
            return
        self._replaying.add(client)
        task = asyncio.get_running_loop().create_task(self._replay(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replay(self, client: Client) -> None:
        """Bring a client forward from the store until the tail can take over."""
        try:
            while not (client.paused or client.closing or self.tail.covers(client.position)):
                chunk = await self._read_store(client.position, client.encoding)
                if client.paused or client.closing or client.cohort is not None:
                    break  # read again when it has drained; or it got a reset meanwhile
                client.position = chunk.seq
                if chunk.data:
                    client.send(chunk.data)
        except StoreUnavailable:
            client.close(INTERNAL_ERROR, "the history cannot be read")
            return
        except Exception:
            log.exception("a client could not be brought up to date; it is cut off")
            client.abort()
            return
        finally:
            self._replaying.discard(client)
        self._advance(client)

    # ---- readers that pull -------------------------------------------------------------------------------------------
    async def next(self, seq: int, encoding: Encoding, timeout: float) -> Chunk | None:
        """The messages after `seq`, as soon as there are any.

        An empty chunk after `timeout` seconds without any; None when Athena stops. Raises `StoreUnavailable`.
        """
        give_up = asyncio.get_running_loop().time() + timeout
        while not self.closing:
            if seq >= self.tail.end:
                if not await self._changed(give_up):
                    return None if self.closing else Chunk(b"", seq)
                continue
            if self.tail.covers(seq):
                return self.tail.read(seq, encoding, CHUNK_BYTES)
            chunk = await self._read_store(seq, encoding)
            if chunk.data:
                return chunk
            seq = chunk.seq
        return None

    async def _changed(self, give_up: float) -> bool:
        """Wait until something is published; False when `give_up` (loop clock) comes first."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_at(give_up, _time_is_up, waiter)
        self._waiting.add(waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiting.discard(waiter)

    async def _read_store(self, seq: int, encoding: Encoding) -> Chunk:
        """The latest states after `seq` from the store, and how far they reach; no data when the store has no more."""
        epoch = self.tail.epoch
        page = await self.catchup.page(seq)
        if page.epoch != epoch or epoch != self.tail.epoch:  # a purge came in between: the reader must start over
            return Chunk(b"", UNKNOWN)
        if seq < page.retired:  # a row that changed since has been deleted: its end cannot be reported
            self.counts.outlived += 1
            return Chunk(b"", UNKNOWN)
        return Chunk(self.catchup.joined_after(page, seq, encoding), max(seq, page.reached))

    # ---- time --------------------------------------------------------------------------------------------------------
    async def watch_clients(self) -> None:
        """Ping clients that are due, drop silent and stalled ones, and end those whose permit has ended.

        Runs until cancelled.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self.keepalive.interval / 5, self.slow.timeout / 5))
            self.counts.ended["not_allowed"] += self.streams.end_unpermitted()
            for count, client in enumerate(list(self.clients), 1):
                if client.permit is not None and client.permit.ended() and not client.closing:
                    self.counts.ended["not_allowed"] += 1
                    client.close(POLICY_VIOLATION, "not allowed any more: sign in again")
                client.keep_alive(loop.time())
                if count % SLICE_CLIENTS == 0:
                    await asyncio.sleep(0)
            for client in self.slow.stalled(loop.time()):
                self.counts.ended["slow"] += 1
                client.close(TRY_AGAIN_LATER, f"no progress for {self.slow.timeout:g} s")

    async def shutdown(self, timeout: float) -> None:
        """Flush what is published, then close every client; after `timeout` seconds, abort those that are left."""
        while self.flush.going:  # noqa: ASYNC110 — a few slices, and a rest before them
            await asyncio.sleep(0.001)
        self.closing = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(False)
        for client in list(self.clients):
            client.close(GOING_AWAY, "Athena is shutting down")
        give_up = asyncio.get_running_loop().time() + timeout
        while self.clients and asyncio.get_running_loop().time() < give_up:  # noqa: ASYNC110 — rare, and bounded
            await asyncio.sleep(0.01)
        for client in list(self.clients):
            client.abort()


def _time_is_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
