"""A connection that is silent for too long is ended on time, and no other one is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from athena.http.timeouts import LOOK_SECONDS, TimeoutQueue

SECONDS = 10.0


class Silent:
    """A connection; records when it was ended, by the loop's clock."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.ended: float | None = None

    def time_is_up(self) -> None:
        self.ended = self.loop.now
        self.loop.ended.append(self)


class Loop:
    """A clock that jumps to the next timer; there is never more than one."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns = 0
        self.ended: list[Silent] = []
        self._due: tuple[float, Callable[..., None], tuple[Any, ...]] | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> None:
        assert self._due is None, "a second timer"
        self._due = when, callback, args

    def run(self) -> None:
        while self._due is not None:
            (self.now, callback, args), self._due = self._due, None
            self.turns += 1
            callback(*args)


def arrive(count: int, apart: float) -> tuple[Loop, TimeoutQueue, list[tuple[Silent, float]]]:
    """`count` connections, `apart` seconds apart -> each, and when its time is over."""
    loop, waiting = Loop(), TimeoutQueue(SECONDS)
    due = []
    for _ in range(count):
        silent = Silent(loop)
        waiting.add(silent, cast(asyncio.AbstractEventLoop, loop))
        due.append((silent, loop.now + SECONDS))
        loop.now += apart
    return loop, waiting, due


def test_the_silent_are_ended_in_order_and_in_time() -> None:
    loop, _, due = arrive(1000, apart=0.01)
    loop.run()
    assert loop.ended == [silent for silent, _ in due]
    for silent, until in due:
        assert silent.ended is not None
        assert until <= silent.ended <= until + LOOK_SECONDS


def test_however_many_are_silent_they_are_looked_at_a_few_times_a_second() -> None:
    seconds = 5
    loop, _, due = arrive(1000 * seconds, apart=0.001)
    loop.run()
    assert len(loop.ended) == len(due)
    assert loop.turns <= seconds / LOOK_SECONDS + 2


def test_one_look_ends_all_that_are_due_and_nobody_else() -> None:
    loop, waiting, due = arrive(100, apart=0.0)
    said, _ = due[50]
    assert waiting.remove(said) == due[50][1]
    loop.run()
    assert loop.turns == 1
    assert said.ended is None
    assert all(silent.ended for silent, _ in due if silent is not said)


def test_who_says_something_and_waits_again_has_all_the_time_again() -> None:
    loop, waiting, due = arrive(2, apart=1.0)
    (talker, _), (silent, until) = due
    waiting.remove(talker)
    waiting.add(talker, cast(asyncio.AbstractEventLoop, loop))
    again = loop.now + SECONDS
    loop.run()
    assert loop.ended == [silent, talker]
    assert silent.ended == until
    assert talker.ended == again


def test_one_that_cannot_be_ended_keeps_nobody_else() -> None:
    class Defect(Silent):
        def time_is_up(self) -> None:
            raise RuntimeError("a defect")

    loop, waiting, due = arrive(1, apart=0.0)
    waiting.add(Defect(loop), cast(asyncio.AbstractEventLoop, loop))
    for _ in range(2):
        waiting.add(Silent(loop), cast(asyncio.AbstractEventLoop, loop))
    loop.run()
    assert len(loop.ended) == 3
    assert due[0][0].ended is not None


def test_one_may_end_another_that_is_due() -> None:
    class Killer(Silent):
        def time_is_up(self) -> None:
            super().time_is_up()
            waiting.remove(victim)

    loop, waiting, _ = arrive(0, apart=0.0)
    victim, last = Silent(loop), Silent(loop)
    for one in (Killer(loop), victim, last):
        waiting.add(one, cast(asyncio.AbstractEventLoop, loop))
    loop.run()
    assert victim.ended is None
    assert last.ended is not None
