"""Every transport resumes across `kill -9` and restart: nothing missed, nothing duplicated."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from tests.e2e.calls import NOTIFICATIONS, UNREACHABLE, Deadline, call, history, ok, open_tx, position
from tests.e2e.expect import check_fold, check_order, fold
from tests.e2e.producer import Producer, check_kept, producing
from tests.e2e.rawsocket import tcp
from tests.e2e.subscribers import TRANSPORTS, Closed, Message, subscribe
from tests.support.server import PATIENCE, Athena

KILLS = 3
END = "the-end"


class Follower(threading.Thread):
    """A client that reconnects whenever it is cut off, with the last position it received."""

    def __init__(self, transport: str, athena: Athena) -> None:
        super().__init__(name=transport)
        self.transport = transport
        self.messages: list[Message] = []
        self.connections = 0
        self.failure: BaseException | None = None
        self.ready = threading.Event()
        self._athena = athena
        self._cursor: str | None = ""  # from now on

    def run(self) -> None:
        deadline = Deadline(4 * PATIENCE)
        pause = threading.Event()
        try:
            while not self._followed_to_the_end():
                assert not deadline.passed, f"{self.transport}: the end never came"
                pause.wait(0.02)
        except BaseException as failure:  # raised by the test
            self.failure = failure
        finally:
            self.ready.set()

    def _followed_to_the_end(self) -> bool:
        try:
            tcp(self._athena).close()  # a cheaper probe than a new node process
            subscriber = subscribe(self.transport, self._athena, self._cursor)
        except (Closed, *UNREACHABLE):
            return False
        with subscriber:
            served = False
            try:
                while True:
                    message = subscriber.receive()
                    self.connections += not served
                    served = True
                    self._cursor = subscriber.cursor
                    self.messages.append(message)
                    self.ready.set()
                    if message.get("id") == END:
                        return True
            except Closed:
                return False


class Heard(NamedTuple):
    """The results of the whole run."""

    followers: dict[str, Follower]
    producers: list[Producer]
    rows: list[dict[str, object]]
    seed: str


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """One run with a follower on every transport, while producers report and the server is killed again and again."""
    seed = os.environ.get("ATHENA_TEST_SEED") or str(random.SystemRandom().getrandbits(32))
    print(f"ATHENA_TEST_SEED={seed}")
    dice = random.Random(seed)
    with Athena(tmp_path_factory.mktemp("resume") / "athena-data") as athena:
        followers = {transport: Follower(transport, athena) for transport in TRANSPORTS}
        for follower in followers.values():
            follower.start()
        for follower in followers.values():
            if follower.transport != "longpoll":  # its position comes with the first response, whenever that arrives
                assert follower.ready.wait(PATIENCE), follower.transport
        with producing(athena, dice, 2, archives=True) as (producers, count):
            for _ in range(KILLS):
                count.wait_for_more(dice.randint(20, 150))
                athena.kill()
                athena.start()
            count.wait_for_more(100)
        open_tx(athena, END)
        for follower in followers.values():
            follower.join(4 * PATIENCE)
        yield Heard(followers, producers, history(athena), seed)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_missed_and_nothing_comes_twice(transport: str, heard: Heard) -> None:
    print(f"ATHENA_TEST_SEED={heard.seed}")
    follower = heard.followers[transport]
    if follower.failure is not None:
        raise follower.failure
    assert not follower.is_alive()
    assert follower.connections > 1, "this follower was never cut off"
    assert [m for m in follower.messages if m["type"] == "reset"] == []
    check_order(follower.messages)
    check_fold(fold(follower.messages), heard.rows)


def test_all_that_was_acknowledged_is_there(heard: Heard) -> None:
    print(f"ATHENA_TEST_SEED={heard.seed}")
    archived = {tx_id for producer in heard.producers for tx_id in producer.archived}
    rows = [row for row in heard.rows if row["id"] not in archived]
    assert len(rows) == len(heard.rows), "an archived row is in the everyday history"
    for producer in heard.producers:
        for tx_id in archived:
            producer.acknowledged.pop(tx_id, None)
    check_kept(heard.producers, rows)


@pytest.mark.parametrize("transport", ["python", "sse", "longpoll"])
def test_a_cursor_that_was_never_given_out_harms_nobody(transport: str, athena: Athena) -> None:
    """After a purge and a restart there are no positions between those before the purge and the current one."""
    for _ in range(3):
        open_tx(athena)
    ok(athena, "DELETE", f"{NOTIFICATIONS}/purge")
    athena.restart()
    epoch = position(athena).partition(".")[0]
    with subscribe(transport, athena, f"{epoch}.0") as subscriber:
        assert call(athena, "GET", "/healthz").status == 200
        tx_id = open_tx(athena)
        subscriber.receive_of(tx_id)
    assert call(athena, "GET", "/healthz").status == 200
