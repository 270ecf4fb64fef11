"""The wall clock jumps and stands still, with restarts in between: no transaction ends early or late."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

from tests.e2e.calls import NOTIFICATIONS, PURGE, TXS
from tests.e2e.expect import check_fold
from tests.faults.follower import Follower, Shown
from tests.faults.promise import Round, hold, promised
from tests.faults.server import server
from tests.faults.terminal import TIMED_OUT
from tests.faults.wire import LOST, Connection, all_rows
from tests.support.server import PATIENCE, Athena

PRODUCERS = 40
HOUR, DAY = 3600.0, 86_400.0
JUMPS = (HOUR, -HOUR, DAY, -DAY, None)
"""Seconds; None stops the clock."""

KEPT_DAYS = "0.02"
"""If a jump of an hour were believed at once, everything finished would be too old."""

WHOLE_MS = 0.002
"""Seconds that a deadline may be early, since times are whole milliseconds."""


class WallClock:
    """The server's wall clock (`broken.moved_clock`)."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._ahead = 0.0
        self._put("+0")

    def jump(self, by: float | None) -> None:
        """Set it forward or back, or stop it."""
        if by is None:
            self._put(f"={time.time_ns() + int(self._ahead * 1e9)}")
        else:
            self._ahead += by
            self._put(f"+{int(self._ahead * 1e9)}")

    def _put(self, text: str) -> None:
        draft = self.file.with_suffix(".draft")
        draft.write_text(text)
        os.replace(draft, self.file)


@dataclass(slots=True)
class Watched:
    """One transaction: when its last report was sent and answered (seconds, monotonic), and when its end was seen."""

    timeout: float
    sent: float
    answered: float = 0.0
    ended: float | None = None


def jump(this: Round) -> None:
    """`times` jumps, with producers that fall silent."""
    asyncio.run(_jump(this))


async def _jump(this: Round) -> None:
    dice, wall = this.dice, WallClock(this.directory / "wall")
    faults = ",".join(filter(None, ("moved_clock", this.broken)))
    keep = ("--keep-days", KEPT_DAYS)
    with server(this.directory / "data", *keep, faults=faults, WALL=str(wall.file)) as athena:
        cursor = await _follows(athena, wall)
        async with Work(athena.port, dice, cursor) as work:
            for _ in range(this.times):
                await asyncio.sleep(dice.uniform(0, 0.8))  # any moment
                await _fault(athena, wall, dice)
                work.check_none_was_early()
            await work.stop()
        work.check_none_was_early()
        work.check_none_was_missed()
        async with Connection(athena.port) as connection:
            _, total, rows = await all_rows(connection, "&type=webhook_tx")
    hold(len(rows) == len(work.watched) == total, f"{len(work.watched)} opened, {len(rows)} there, in all {total}")
    hold(not work.shown.resets, "a client that came back was sent away")
    with promised():
        check_fold(work.shown.states, rows)
    backwards = [row for row in rows if row["ts_completed"] < row["ts_started"]]
    hold(not backwards, f"ended before they began: {backwards[:3]}")


async def _follows(athena: Athena, wall: WallClock) -> str:
    """Displayed times are those of the wall clock, soon after it was set. -> the cursor of an empty history"""
    wall.jump(HOUR)
    wanted = (time.time() + HOUR / 2) * 1000
    async with asyncio.timeout(PATIENCE), Connection(athena.port) as connection:
        shown = 0
        while shown < wanted:
            assert (await connection.ask("POST", NOTIFICATIONS, {"status": "success", "message": "now"}))[0] == 200
            shown = (await connection.ask("GET", f"{NOTIFICATIONS}?limit=1"))[1]["notifications"][0]["ts_display"]
        assert (await connection.ask("DELETE", PURGE))[0] == 200
        return str((await connection.ask("GET", NOTIFICATIONS))[1]["cursor"])


async def _fault(athena: Athena, wall: WallClock, dice: Random) -> None:
    """A jump; now and then with an end and a new start of the server before or after it."""
    how = dice.choice((*4 * ("runs",), "restarts before", "restarts after"))
    if how == "restarts before":
        athena.kill()
    wall.jump(dice.choice(JUMPS))
    if how == "restarts after":
        athena.kill()
    if how != "runs":
        await asyncio.to_thread(athena.start)


class Work:
    """Producers, each with one transaction at a time, and a client that observes how they end. An async context
    manager."""

    def __init__(self, port: int, dice: Random, cursor: str) -> None:
        self.watched: dict[str, Watched] = {}
        self.shown = Shown(cursor=cursor)
        self._port, self._dice = port, dice
        self._stopped = False
        self._some_ended = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._produce(f"p{number}")) for number in range(PRODUCERS)]
        self._tasks.append(asyncio.create_task(self._follow()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Wait until every open transaction has ended, with a time limit. Raises the exception of a failed task."""
        async with self._some_ended:
            self._stopped = True
            self._some_ended.notify_all()
        await asyncio.gather(*self._tasks[:-1])
        with suppress(TimeoutError):  # `check_none_was_missed` says which are missing
            async with asyncio.timeout(PATIENCE), self._some_ended:
                await self._some_ended.wait_for(lambda: all(one.ended for one in self.watched.values()))
        if self._tasks[-1].done():
            await self._tasks[-1]

    def check_none_was_early(self) -> None:
        for tx_id, one in self.watched.items():
            if one.ended is not None:
                lived = one.ended - one.sent
                hold(
                    lived >= one.timeout - WHOLE_MS, f"{tx_id} ended {lived:.3f} s after a report, not {one.timeout} s"
                )

    def check_none_was_missed(self) -> None:
        for tx_id, one in self.watched.items():
            hold(one.ended is not None, f"{tx_id}, with a timeout of {one.timeout} s, is still running")
            if one.ended is not None:
                late = one.ended - one.answered - one.timeout
                hold(late < PATIENCE, f"{tx_id}, with a timeout of {one.timeout} s, ended {late:.0f} s late")

    async def _produce(self, name: str) -> None:
        number, dice = 0, Random(self._dice.getrandbits(32))
        async with Connection(self._port) as connection:
            while not self._stopped:
                await self._transaction(connection, f"{name}-{number}", dice)
                number += 1

    async def _transaction(self, connection: Connection, tx_id: str, dice: Random) -> None:
        """Open one, report now and then, then be silent until it has ended."""
        timeout_ms = dice.randint(1000, 2000)
        opening = {"tx_id": tx_id, "description": "d", "timeout_ms": timeout_ms}
        one = self.watched[tx_id] = Watched(timeout_ms / 1000, time.monotonic())
        answered = False
        while not answered:  # the server will be back, and opening is idempotent
            answered = await self._report(connection, one, "POST", TXS, opening, one.sent)
            await asyncio.sleep(0 if answered else 0.05)
        for step in range(dice.choice((0, 1, 2))):
            await asyncio.sleep(one.timeout * dice.uniform(0.1, 0.6))
            edit = {"status": "pending", "athena_msg": dice.choice(("the same", f"step {step}"))}
            await self._report(connection, one, "PUT", f"{TXS}/{tx_id}", edit, time.monotonic())
        async with self._some_ended:
            await self._some_ended.wait_for(lambda: self._stopped or one.ended is not None)

    async def _report(
        self, connection: Connection, one: Watched, method: str, path: str, body: object, sent: float
    ) -> bool:
        """-> whether there was a response. Without one, the report may or may not have been accepted."""
        try:
            status, answer = await connection.ask(method, path, body)
        except LOST:
            return False
        assert status in (200, 201, 409), (status, answer)
        if status != 409:  # a report that is late because the machine is busy changes nothing
            one.sent, one.answered = sent, time.monotonic()
        return True

    async def _follow(self) -> None:
        """See each end, over all restarts. Positions only rise."""
        while True:
            follower = Follower("websocket", self._port)
            try:
                await follower.connect(self.shown.cursor)
                while True:
                    await self._take(await follower.receive())
            except LOST:
                await asyncio.sleep(0.01)
            finally:
                follower.abort()

    async def _take(self, message: dict[str, object]) -> None:
        if message["type"] == "notification":
            return
        self.shown.take(message)
        one = self.watched.get(str(message.get("id")))
        if one is not None and message["status"] == "error" and str(message["message"]).endswith(TIMED_OUT):
            async with self._some_ended:
                one.ended = time.monotonic()
                self._some_ended.notify_all()
