"""Which of the connections with unread answers are cut off when all of them together hold too much."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from athena.http.unread import Unread


class Answer:
    """A transport with so many bytes to send."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.cut = False

    def get_write_buffer_size(self) -> int:
        return self.size

    def get_extra_info(self, name: str) -> Any:
        return None

    def abort(self) -> None:
        self.cut = True


def add(unread: Unread, *answers: Answer) -> None:
    for answer in answers:
        unread.add(cast(asyncio.Transport, answer))


def cut(*answers: Answer) -> list[bool]:
    return [answer.cut for answer in answers]


def test_nobody_is_cut_below_the_bound() -> None:
    unread, answers = Unread(100), [Answer(25) for _ in range(4)]
    add(unread, *answers)
    assert cut(*answers) == [False] * 4
    assert unread.ended == 0


def test_who_has_taken_nothing_for_the_longest_time_is_cut() -> None:
    unread, reads, stands, last = Unread(100), Answer(40), Answer(40), Answer(40)
    add(unread, reads, stands)
    reads.size = 39
    add(unread, last)
    assert cut(reads, stands, last) == [False, True, False]
    assert unread.ended == 1


def test_the_newest_is_never_cut_for_itself() -> None:
    """It may be larger than the bound, and has had no time to be read."""
    unread, reads, large = Unread(100), Answer(40), Answer(200)
    add(unread, reads)
    reads.size = 39
    add(unread, large)
    assert cut(reads, large) == [True, False]


def test_what_was_taken_does_not_count_any_more() -> None:
    unread, first, second = Unread(100), Answer(90), Answer(90)
    add(unread, first)
    unread.remove(cast(asyncio.Transport, first))
    add(unread, second)
    assert cut(first, second) == [False, False]


def test_a_connection_counts_once() -> None:
    unread, again, other = Unread(100), Answer(45), Answer(45)
    add(unread, other, again, again, again)
    assert cut(other, again) == [False, False]
