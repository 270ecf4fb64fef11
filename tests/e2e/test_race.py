"""Subscribers attach while publishers race: no gap, no duplicate, in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import pytest
from tests.e2e.calls import BULK, NOTIFICATIONS, TXS, Caller, Deadline, StartAthena, ok, open_tx, position
from tests.e2e.expect import STATES, check_fold_against, check_gapless, check_order, seq_of
from tests.e2e.producer import producing
from tests.e2e.subscribers import CHANGES, Message, PythonSubscriber, subscribe
from tests.support.server import PATIENCE, Athena

ATTACHES = 204
"""For each tail size. A few run concurrently."""
AT_ONCE = 6
PUBLISHERS = 3
END = "the-end"

TAILS = {"all in memory": 16 * 1024 * 1024, "replays from the store": 65536}


class Attach(NamedTuple):
    """A planned subscriber: how it attaches, and how long it stays."""

    transport: str
    after: str  # "none", "empty", "now", "a while ago" or "the beginning"
    stay: int  # messages to receive after it has caught up


class Seen(NamedTuple):
    """What one subscriber received. Positions are indices in the order of changes.

    It must have all changes after `start`, and none up to `floor`.
    """

    attach: Attach
    messages: list[Message]
    start: int
    floor: int


def plan(dice: random.Random) -> list[Attach]:
    """Every transport with every way of attaching, in random order."""
    transports, afters = ("python", "sse", "longpoll"), ("none", "empty", "now", "a while ago")
    ways = [(transport, after) for transport in transports for after in afters]
    # The whole history takes long to read, so it is asked for less often.
    ways = 4 * ways + [(transport, "the beginning") for transport in transports]
    attaches = [Attach(*ways[i % len(ways)], stay=dice.randint(1, 40)) for i in range(ATTACHES)]
    dice.shuffle(attaches)
    return attaches


def attach_and_watch(athena: Athena, attach: Attach, beginning: str, lag: int) -> Seen:
    before = position(athena)
    epoch, _, now = before.rpartition(".")
    after = {
        "none": None,
        "empty": "",
        "now": before,
        "a while ago": f"{epoch}.{max(0, int(now) - lag)}",
        "the beginning": beginning,
    }[attach.after]
    with subscribe(attach.transport, athena, after) as subscriber:
        attached = seq_of(position(athena)) if attach.transport != "longpoll" else None
        messages: list[Message] = []
        deadline = Deadline()
        # A replay ends with `ready`; long poll has none, but has caught up once it is past its starting position.
        past = int(now)
        caught_up = attach.after == "none"
        stayed = 0
        while stayed < attach.stay:
            message = subscriber.receive(deadline.left)
            messages.append(message)
            caught_up = caught_up or message["type"] == "ready"
            caught_up = caught_up or (attach.transport == "longpoll" and seq_of(message["cursor"]) >= past)
            stayed += caught_up and message["type"] != "ready"
    if attach.after == "none":
        first = seq_of(messages[0]["cursor"]) - width(messages[0])
        # It received the first change after it was attached: nothing between that moment and its first message is lost.
        assert attached is None or first <= attached, (
            f"attached at {attached}, but the first change seen is {first + 1}"
        )
        return Seen(attach, messages, first, int(now))
    if attach.after == "empty":
        # Messages before `ready` were published while the connection was being established.
        start = seq_of(messages[0]["cursor"]) - width(messages[0])
        assert start >= int(now), f"now ({start}) is earlier than before ({now})"
        return Seen(attach, messages, start, start)
    assert after is not None
    return Seen(attach, messages, seq_of(after), seq_of(after))


def width(message: Message) -> int:
    """The number of changes in a message."""
    return {"archived": len(message.get("ids", ())), "ready": 0}.get(message["type"], 1)


@pytest.mark.parametrize("tail", TAILS)
def test_no_gap_no_duplicate_in_order(tail: str, start_athena: StartAthena, dice: random.Random) -> None:
    athena = start_athena("--tail-bytes", str(TAILS[tail]))
    beginning = position(athena)
    # More than is read from the store at a time.
    ok(athena, "POST", BULK, [{"op": "open", "tx_id": f"old-{i}", "description": "d"} for i in range(1000)])
    with PythonSubscriber(athena, after=beginning) as witness, ThreadPoolExecutor(1) as aside:
        witnessed = aside.submit(witness.receive_until, lambda message: message.get("id") == END, 4 * PATIENCE)
        with producing(athena, dice, PUBLISHERS, archives=True) as (_, count):
            count.wait_for_more(200)
            attaches = [(attach, dice.randint(1, 600)) for attach in plan(dice)]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                attached = [pool.submit(attach_and_watch, athena, attach, beginning, lag) for attach, lag in attaches]
        open_tx(athena, END)
        reference = witnessed.result()
        check_fold_against(athena, reference)
    seen = [future.result() for future in attached]
    check_order(reference)
    if tail == "all in memory":
        check_gapless(reference)
    truth = Truth(reference)
    for one in seen:
        try:
            truth.check(one, strict=tail == "all in memory")
        except AssertionError as wrong:
            raise AssertionError(f"{one.attach}: {wrong}") from wrong


def test_every_position_that_the_history_gives_is_known(fresh: Athena, dice: random.Random) -> None:
    """Even while a commit is on its way from the disk to the clients."""
    with producing(fresh, dice, PUBLISHERS) as (_, count), Caller(fresh) as caller:
        count.wait_for_more(50)
        for _ in range(1000):
            cursor = caller.call("GET", f"{NOTIFICATIONS}?limit=1").body["cursor"]
            answer = caller.call("GET", f"{CHANGES}?after={cursor}&wait=0").body
            assert all(message["type"] != "reset" for message in answer["messages"]), (cursor, answer)
            assert seq_of(answer["cursor"]) >= seq_of(cursor)


def test_every_position_that_a_replay_gives_is_known(start_athena: StartAthena, dice: random.Random) -> None:
    """The store, where replays come from, may be a commit ahead of what was pushed."""
    athena = start_athena("--tail-bytes", "20000")
    with producing(athena, dice, PUBLISHERS) as (_, count), Caller(athena) as caller:
        count.wait_for_more(500)
        for _ in range(600):
            epoch, _, seq = caller.call("GET", f"{NOTIFICATIONS}?limit=1").body["cursor"].rpartition(".")
            replay = caller.call("GET", f"{CHANGES}?after={epoch}.{int(seq) - 150}&wait=0").body
            more = caller.call("GET", f"{CHANGES}?after={replay['cursor']}&wait=0").body
            assert all(m["type"] != "reset" for m in replay["messages"] + more["messages"]), (replay["cursor"], more)
            check_order(replay["messages"] + more["messages"])


def test_what_was_acknowledged_comes_after_the_position_before_and_is_in_the_history(
    fresh: Athena, dice: random.Random
) -> None:
    """A 2xx response means: on disk, in the history, and on its way to every client."""
    with producing(fresh, dice, PUBLISHERS) as (_, count), Caller(fresh) as caller:
        count.wait_for_more(50)
        for number in range(60):
            cursor = caller.call("GET", f"{CHANGES}?after=&wait=0").body["cursor"]
            opened = caller.call("POST", TXS, {"tx_id": f"mine-{number}", "description": "d"})
            assert opened.status == 201
            changes = caller.call("GET", f"{CHANGES}?after={cursor}&wait=0").body
            assert f"mine-{number}" in {message.get("id") for message in changes["messages"]}
            page = caller.call("GET", f"{NOTIFICATIONS}?limit=1000&status=pending").body
            assert f"mine-{number}" in {row["id"] for row in page["notifications"]}


class Truth:
    """All changes in order, as received by one client that was connected from beginning to end."""

    def __init__(self, messages: list[Message]) -> None:
        self.by_seq = {seq_of(message["cursor"]): message for message in messages if message["type"] in STATES}
        self.latest: dict[str, tuple[int, str]] = {}
        for message in messages:
            # An `archived` message ends at its cursor, and lists its ids in the order in which they were archived.
            for seq, changed in enumerate(self._ids(message), seq_of(message["cursor"]) - width(message) + 1):
                self.latest[changed] = (seq, message["type"])

    def check(self, one: Seen, strict: bool) -> None:
        """`one` received everything after its start, once, in order; with `strict`, every single change."""
        changes = [message for message in one.messages if message["type"] != "ready"]
        for earlier, ready in pairwise(one.messages):
            if ready["type"] == "ready":  # it is the reader's position, not Athena's
                assert seq_of(ready["cursor"]) >= seq_of(earlier["cursor"])
        assert {message["type"] for message in changes} <= {*STATES, "archived"}
        seqs = check_order(changes)
        assert seqs[0] > one.floor, f"position {seqs[0]} is not news after {one.floor}"
        for message in changes:
            if message["type"] in STATES and seq_of(message["cursor"]) in self.by_seq:
                assert message == self.by_seq[seq_of(message["cursor"])]
        told = {(changed, message["type"]) for message in changes for changed in self._ids(message)}
        for changed, (seq, kind) in self.latest.items():
            if one.start < seq <= seqs[-1]:
                assert (changed, kind) in told, f"{changed} changed last at {seq} ({kind}); not seen after {one.start}"
        for message in changes:
            if message["type"] in STATES:
                seq, kind = self.latest[message["id"]]
                is_last = seq == seq_of(message["cursor"])
                assert is_last or seq > seq_of(message["cursor"]), "newer than the newest"
        if strict and one.attach.transport != "longpoll":
            check_gapless(changes if one.attach.after in ("none", "empty") else self._from_ready(one.messages))

    @staticmethod
    def _ids(message: Message) -> Iterator[str]:
        if message["type"] == "archived":
            yield from message["ids"]
        elif message["type"] in STATES:
            yield message["id"]

    @staticmethod
    def _from_ready(messages: list[Message]) -> list[Message]:
        """The end of the replay, represented as a change, and all live messages."""
        (place,) = [i for i, message in enumerate(messages) if message["type"] == "ready"]
        return [{**messages[place], "type": "the end of the replay"}, *messages[place + 1 :]]
