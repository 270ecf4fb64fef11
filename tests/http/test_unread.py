"""Which connections with unread responses are cut off when all of them together hold too much."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

from athena.http.budget import HARD_LIMIT, STALLED_SECONDS
from athena.http.unread import LOOK_SECONDS, UnreadAnswers


class Answer:
    """A transport on a real connection, whose other end reads data at once; `size` bytes wait here."""

    def __init__(self, size: int, ours: socket.socket, theirs: socket.socket) -> None:
        self.size = size
        self.cut = False
        self._ours = ours
        self._theirs = theirs

    def take(self) -> None:
        """Its peer reads more."""
        self._ours.sendall(b"x")
        assert self._theirs.recv(1)

    def get_write_buffer_size(self) -> int:
        return self.size

    def get_extra_info(self, name: str) -> Any:
        return self._ours

    def abort(self) -> None:
        self.cut = True


class Clients:
    """Creates clients, and adds their responses to an `UnreadAnswers` of 100 bytes."""

    def __init__(self, open_: ExitStack) -> None:
        self.now = 0.0
        self.unread = UnreadAnswers(100, lambda: self.now)
        self._open = open_

    def add(self, *sizes: int) -> list[Answer]:
        answers = [self._made(size) for size in sizes]
        for answer in answers:
            self.again(answer)
        return answers

    def again(self, answer: Answer) -> None:
        self.unread.add(cast(Any, answer))

    def _made(self, size: int) -> Answer:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = self._open.enter_context(socket.create_connection(listener.getsockname()))
            ours = self._open.enter_context(listener.accept()[0])
        return Answer(size, ours, theirs)


@pytest.fixture
def clients() -> Iterator[Clients]:
    with ExitStack() as open_:
        yield Clients(open_)


def cut(*answers: Answer) -> list[bool]:
    return [answer.cut for answer in answers]


def test_nobody_is_cut_below_the_bound(clients: Clients) -> None:
    answers = clients.add(25, 25, 25)
    clients.now += STALLED_SECONDS
    assert cut(*answers, *clients.add(25)) == [False] * 4
    assert clients.unread.ended == 0


def test_who_has_taken_nothing_for_the_longest_time_is_cut(clients: Clients) -> None:
    reads, stands = clients.add(40, 40)
    clients.now += STALLED_SECONDS
    reads.take()
    (last,) = clients.add(40)
    assert cut(reads, stands, last) == [False, True, False]
    assert clients.unread.ended == 1


def test_who_has_just_read_is_not_cut(clients: Clients) -> None:
    """All send requests at once: none of them had time to read anything."""
    answers = clients.add(40, 40, 40, 40)
    clients.now += STALLED_SECONDS - LOOK_SECONDS
    for answer in answers:
        answer.take()
    answers += clients.add(40)
    clients.now += LOOK_SECONDS
    answers += clients.add(40)
    assert not any(cut(*answers))


def test_at_four_times_the_bound_somebody_goes(clients: Clients) -> None:
    answers = clients.add(*[100] * (HARD_LIMIT + 2))
    assert cut(*answers) == [True, True] + [False] * HARD_LIMIT


def test_the_newest_is_never_cut_for_itself(clients: Clients) -> None:
    """It may exceed every bound, and there was no time to read it."""
    (reads,) = clients.add(40)
    (large,) = clients.add(1000)
    assert cut(reads, large) == [True, False]


def test_what_was_taken_does_not_count_any_more(clients: Clients) -> None:
    (first,) = clients.add(90)
    clients.unread.remove(cast(Any, first))
    clients.now += STALLED_SECONDS
    (second,) = clients.add(90)
    assert cut(first, second) == [False, False]


def test_a_connection_counts_once(clients: Clients) -> None:
    other, again = clients.add(45, 45)
    clients.now += STALLED_SECONDS
    clients.again(again)
    assert cut(other, again) == [False, False]
