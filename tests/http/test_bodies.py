"""Which of the clients that send a body are disconnected when all bodies on their way together are too large."""

from __future__ import annotations

import socket
from typing import Any, cast

import pytest

from athena.http.bodies import UnfinishedBodies
from athena.http.budget import HARD_LIMIT, STALLED_SECONDS


class Sender:
    """A connection that can be reset."""

    def __init__(self) -> None:
        self.ended = False

    def get_extra_info(self, name: str) -> socket.socket | None:
        return None

    def abort(self) -> None:
        self.ended = True


class Senders:
    def __init__(self) -> None:
        self.now = 0.0
        self.bodies = UnfinishedBodies(100, lambda: self.now)

    def send(self, sender: Sender, size: int) -> None:
        self.bodies.grow(cast(Any, sender), size)


@pytest.fixture
def senders() -> Senders:
    return Senders()


def test_up_to_the_bound_nobody_is_disconnected(senders: Senders) -> None:
    first, second = Sender(), Sender()
    for _ in range(10):
        senders.now += STALLED_SECONDS
        senders.send(first, 5)
        senders.send(second, 5)
    assert (first.ended, second.ended, senders.bodies.ended) == (False, False, 0)


def test_whoever_has_stopped_sending_goes_first(senders: Senders) -> None:
    stopped, slow, third = Sender(), Sender(), Sender()
    senders.send(stopped, 50)
    senders.send(slow, 40)
    senders.now = STALLED_SECONDS
    senders.send(slow, 1)
    senders.send(third, 50)
    assert (stopped.ended, slow.ended, third.ended) == (True, False, False)
    assert senders.bodies.ended == 1


def test_those_that_go_on_sending_may_hold_more(senders: Senders) -> None:
    first, second = Sender(), Sender()
    senders.send(first, 100)
    senders.send(second, 100 * HARD_LIMIT - 100)
    assert not first.ended
    senders.send(second, 1)
    assert (first.ended, second.ended) == (True, False)


def test_what_has_come_whole_does_not_count_any_more(senders: Senders) -> None:
    first, second = Sender(), Sender()
    senders.send(first, 90)
    senders.bodies.remove(cast(Any, first))
    senders.now = STALLED_SECONDS
    senders.send(second, 90)
    assert (first.ended, senders.bodies.ended) == (False, 0)


def test_one_alone_is_never_disconnected(senders: Senders) -> None:
    """--max-bulk-bytes may be more than the bound."""
    only = Sender()
    for _ in range(10):
        senders.now += 2 * STALLED_SECONDS
        senders.send(only, 100)
    assert not only.ended
