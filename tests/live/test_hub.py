"""The hub with clients that only record what they receive: without sockets, every order of events can be produced."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from athena.domain.model import Command, Edit, Open
from athena.domain.wire import Encoded, encode_messages
from athena.live.client import Cohort, KeepAlive
from athena.live.cohorts import COHORT_SIZE, Cohorts
from athena.live.encoding import json_array
from athena.live.flush import CHUNK_BYTES, FEW, LOOK_SECONDS, SLICE_CLIENTS, Flush
from athena.live.gate import Permit
from athena.live.hub import Hub
from athena.live.slow import SlowClients
from athena.live.tail import UNHEARD, Encoding, Tail
from athena.store.base import Changed
from athena.store.memory import MemoryStore


def spaced(epoch: str, entries: list[Encoded]) -> bytes:
    """A second encoding of the same messages."""
    return b"  " + json_array(epoch, entries)


class Recorder:
    """A client that pauses when the test tells it to."""

    def __init__(self, hub: Hub, encoding: Encoding = json_array) -> None:
        self.hub = hub
        self.encoding = encoding
        self.position = 0
        self.permit: Permit | None = None
        self.cohort: Cohort | None = None
        self.wants_ready = self.paused = self.closing = False
        self.pause_after: int | None = None
        self.received: list[dict[str, Any]] = []
        self.buffers: list[bytes] = []
        self.closed: int | None = None
        self.unread = 0
        self.aborted = False

    def send(self, data: bytes) -> None:
        assert not self.closing, "nothing is sent after the goodbye"
        assert not self.paused, "nothing is sent to a client that is full"
        self.buffers.append(data)
        self.received += json.loads(data)
        if self.pause_after is not None and len(self.buffers) >= self.pause_after:
            self.paused = True
            self.hub.pause(self)

    @property
    def transport(self) -> Any:
        return self

    def write(self, data: bytes) -> None:
        self.send(data)

    def drain(self) -> None:
        self.paused, self.pause_after = False, None
        self.hub.resume(self)

    def acknowledged(self) -> int:
        return -self.unread

    def keep_alive(self, now: float) -> None:
        pass

    def close(self, code: int, reason: str) -> None:
        if not self.closing:
            self.closing = True
            self.closed = code
            self.hub.leave(self)
            asyncio.get_running_loop().call_soon(self.hub.detach, self)

    def abort(self) -> None:
        self.aborted = True

    @property
    def cursors(self) -> list[int]:
        return [int(message["cursor"].partition(".")[2]) for message in self.received if "id" in message]


class World:
    """A store, a hub, and a publisher that commits before it publishes."""

    def __init__(self, store: MemoryStore, hub: Hub) -> None:
        self.store = store
        self.hub = hub
        self.count = 0

    async def publish(self, many: int = 1, text: str = "d") -> None:
        commands = []
        for _ in range(many):
            self.count += 1
            commands.append(Command(f"t{self.count}", Open(description=text)))
        written = await self.store.write(commands, 1000)
        self.hub.publish(encode_messages(written.changes, written.position.epoch))

    async def edit(self, tx_id: str, text: str) -> None:
        written = await self.store.write([Command(tx_id, Edit(status="pending", athena_msg=text))], 1000)
        self.hub.publish(encode_messages(written.changes, written.position.epoch))

    def attach(self, after: str | None = None, encoding: Encoding = json_array) -> Recorder:
        client = Recorder(self.hub, encoding)
        self.hub.attach(client, after)
        return client

    def cursor(self, seq: int) -> str:
        return f"{self.hub.tail.epoch}.{seq}"


_running: World | None = None
"""The world of the running test."""


def live(scenario: Callable[[World], Awaitable[None]], tail_bytes: int = 10**6, slow: float = 60.0) -> None:
    async def main() -> None:
        store = MemoryStore()
        tail = Tail(await store.position(), tail_bytes)
        global _running
        _running = World(store, Hub(tail, store, SlowClients(slow), KeepAlive(25, 60)))
        await scenario(_running)

    asyncio.run(main())


async def settle(rounds: int = 50) -> None:
    """Run until every task has had its turn and nothing is left to be written: a flush may have to pause first."""
    for _ in range(rounds):
        await asyncio.sleep(0)
    while _running is not None and _running.hub.flush.going:  # noqa: ASYNC110 — bounded by the pause
        await asyncio.sleep(0.001)


def test_without_after_a_client_gets_what_happens_from_now_on_and_nothing_else() -> None:
    async def scenario(world: World) -> None:
        await world.publish()
        client = world.attach()
        await settle()
        assert client.received == []
        await world.publish(2)
        await settle()
        assert client.cursors == [2, 3]

    live(scenario)


def test_an_empty_after_starts_now_and_says_where_that_is() -> None:
    async def scenario(world: World) -> None:
        await world.publish(3)
        client = world.attach("")
        assert client.received == [{"type": "ready", "cursor": world.cursor(3)}]
        await world.publish()
        await settle()
        assert client.cursors == [4]

    live(scenario)


def test_a_cursor_brings_what_was_missed_then_ready_then_live() -> None:
    async def scenario(world: World) -> None:
        await world.publish(5)
        client = world.attach(world.cursor(2))
        await world.publish()
        await settle()
        assert [message.get("id", message["type"]) for message in client.received] == ["t3", "t4", "t5", "ready", "t6"]

    live(scenario)


@pytest.mark.parametrize("after", ["nonsense", "other.1", "{epoch}.999", "{epoch}.-1"])
def test_a_cursor_that_is_not_ours_brings_a_reset(after: str) -> None:
    async def scenario(world: World) -> None:
        await world.publish(5)
        client = world.attach(after.format(epoch=world.hub.tail.epoch))
        now = world.cursor(5)
        assert client.received == [{"type": "reset", "cursor": now}, {"type": "ready", "cursor": now}]
        await world.publish()
        await settle()
        assert client.cursors == [6]

    live(scenario)


def test_a_burst_is_one_write_of_one_buffer_for_all() -> None:
    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(1000)]
        encoded = world.hub.tail.joins
        await world.publish(200)
        await settle()
        assert all(len(client.buffers) == 1 for client in clients)
        assert all(client.buffers[0] is clients[0].buffers[0] for client in clients)
        assert world.hub.tail.joins == encoded + 1
        assert world.hub.flush.begun == 1

    live(scenario)


def test_a_flush_goes_in_slices_and_what_comes_meanwhile_is_not_lost() -> None:
    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(3 * SLICE_CLIENTS)]
        await world.publish()
        await asyncio.sleep(0)
        served = sum(bool(client.received) for client in clients)
        assert 0 < served <= SLICE_CLIENTS, "others get a turn in between"
        await world.publish()
        late = world.attach()
        await settle()
        assert all(client.cursors == [1, 2] for client in clients)
        assert late.cursors == []

    live(scenario)


def test_what_is_published_meanwhile_prolongs_nobodys_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a chunk comes before all are served: those served first would wait for the others without end."""
    monkeypatch.setattr("athena.live.flush.SLICE_SECONDS", 10.0)

    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(4 * SLICE_CLIENTS)]
        await world.publish()
        for _ in range(20):
            await world.publish(10, text="x" * (CHUNK_BYTES // 8))
            for _ in range(8):
                await asyncio.sleep(0)
        assert world.hub.flush.begun >= 3
        await settle()
        assert all(client.cursors == list(range(1, 202)) for client in clients)

    live(scenario, tail_bytes=10**9)


def test_clients_at_many_positions_take_no_more_turns_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("athena.live.flush.SLICE_SECONDS", 10.0)

    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(SLICE_CLIENTS // 2)]
        for _ in range(SLICE_CLIENTS // 2):  # the flush runs only after all have joined
            await world.publish()
            clients.append(world.attach())
        await world.publish()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert all(client.cursors[-1:] == [world.count] for client in clients)
        await settle()
        assert len(world.hub.cohorts.all()) <= 4

    live(scenario)


def test_a_flush_waits_until_the_loop_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock here advances with the data sent and with other work in between, independently of the machine's
    speed."""
    moment, work = 0.0, 0.0
    looks: list[float] = []
    send = Recorder.send

    def sent(self: Recorder, data: bytes) -> None:
        nonlocal moment
        moment += 0.0002
        send(self, data)

    monkeypatch.setattr("athena.live.flush.perf_counter", lambda: moment)
    monkeypatch.setattr(Recorder, "send", sent)
    monkeypatch.setattr(Flush, "_look_soon", lambda self: looks.append(moment + LOOK_SECONDS))

    async def others(flush: Flush) -> None:
        nonlocal moment
        while True:
            moment += work if flush.going else 0
            await asyncio.sleep(0)

    async def turns() -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def scenario(world: World) -> None:
        nonlocal moment, work
        working = asyncio.create_task(others(world.hub.flush))
        clients = [world.attach() for _ in range(2 * SLICE_CLIENTS)]

        def have(count: int) -> bool:
            return all(client.cursors == list(range(1, count + 1)) for client in clients)

        for count in (1, 2):
            await world.publish()
            await turns()
            assert have(count), "nobody else wants the loop: nobody waits"
        assert not looks

        work = 0.1
        await world.publish()
        await turns()
        work = 0.0
        await world.publish()
        await turns()
        assert have(3), "there was much to do for others: it waits"
        moment = looks.pop()
        world.hub.flush._look(moment)
        await turns()
        assert have(4), "the timer was on time: the loop has time"

        work = 0.1
        await world.publish()
        await turns()
        work = 0.0
        begun = world.hub.flush.begun
        for _ in range(5):
            await world.publish()
            await turns()
            due = looks.pop()
            moment = due + 0.01
            world.hub.flush._look(due)
            await turns()
            assert have(5), "the timer was late: it goes on waiting"
        moment = (due := looks.pop()) + 10
        world.hub.flush._look(due)
        await turns()
        assert have(10), "it has waited for long enough"
        assert world.hub.flush.begun == begun + 1
        working.cancel()

    live(scenario)


def test_each_client_gets_what_it_lacks_wherever_it_joined() -> None:
    async def scenario(world: World) -> None:
        clients: list[Recorder] = []
        for _ in range(3):  # the flush runs only after all have joined
            clients += [world.attach(encoding=spaced if number % 2 else json_array) for number in range(COHORT_SIZE)]
            await world.publish()
        assert not any(client.buffers for client in clients)
        await settle()
        for number, client in enumerate(clients):
            assert client.cursors == list(range(number // COHORT_SIZE + 1, 4))
            assert client.buffers[-1].startswith(b"  ") == number % 2

    live(scenario)


def test_clients_that_come_and_go_leave_few_cohorts() -> None:
    """Each cohort is written to by itself: hundreds with one client each would cost as much as no cohorts."""

    async def scenario(world: World) -> None:
        chance = random.Random(5)
        clients = [world.attach() for _ in range(50 * COHORT_SIZE)]
        for _ in range(20):
            chance.shuffle(clients)
            for client in clients[: 10 * COHORT_SIZE]:
                world.hub.detach(client)
            clients = clients[10 * COHORT_SIZE :] + [world.attach() for _ in range(10 * COHORT_SIZE)]
            await world.publish()
            await settle()
            assert len(world.hub.cohorts.all()) <= 2 * 50 + 2
        for client in clients:
            world.hub.detach(client)
        assert world.hub.cohorts.all() == []

    live(scenario)


def test_a_client_that_cannot_be_written_to_is_cut_off_and_the_others_go_on() -> None:
    class Defect(Recorder):
        def send(self, data: bytes) -> None:
            raise RuntimeError("a defect")

    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(3)]
        broken = Defect(world.hub)
        world.hub.attach(broken, None)
        clients += [world.attach() for _ in range(3)]
        for _ in range(2):
            await world.publish()
            await settle()
        assert broken.aborted
        assert all(client.cursors == [1, 2] for client in clients)

    live(scenario)


def test_a_client_that_cannot_even_be_cut_off_ends_no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients written to together with it are cut off, since it is unknown what they have received."""
    monkeypatch.setattr("athena.live.flush.SLICE_SECONDS", 10.0)  # all in one slice, however slow this machine is

    class Defect(Recorder):
        def send(self, data: bytes) -> None:
            raise RuntimeError("a defect")

        def abort(self) -> None:
            super().abort()
            raise RuntimeError("another defect")

    async def scenario(world: World) -> None:
        last = [world.attach() for _ in range(COHORT_SIZE)]
        together = [world.attach() for _ in range(COHORT_SIZE - 1)]
        broken = Defect(world.hub)
        world.hub.attach(broken, None)
        first = [world.attach() for _ in range(COHORT_SIZE)]
        await world.publish()
        await settle()
        assert broken.aborted
        assert not world.hub.flush.going
        assert all(client.aborted for client in together)
        assert all(client.cursors == [1] and not client.aborted for client in first + last)
        world.hub.detach(broken)
        back = world.attach(world.cursor(0))
        await world.publish()
        await settle()
        assert back.cursors == [1, 2]

    live(scenario)


def test_a_client_that_cannot_be_moved_is_cut_off_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    join, joined = Cohorts.join, 0

    def sometimes(self: Cohorts, client: Any) -> None:
        nonlocal joined
        joined += 1
        if joined == 3:
            raise MemoryError
        join(self, client)

    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(COHORT_SIZE + 5)]
        for client in clients[: COHORT_SIZE // 2]:
            world.hub.detach(client)
        stay = clients[COHORT_SIZE // 2 :]
        monkeypatch.setattr(Cohorts, "join", sometimes)
        for _ in range(2):
            await world.publish()
            await settle()
        assert joined >= 3
        assert not world.hub.flush.going
        cut = [client for client in stay if client.aborted]
        assert cut
        assert all(client.cohort is None for client in cut)
        assert all(client.cursors == [1, 2] for client in stay if client not in cut)

    live(scenario)


def test_a_commit_that_could_not_be_pushed_leaves_no_gap() -> None:
    """The tail does not have it; the store does."""

    async def scenario(world: World) -> None:
        await world.publish()
        there = world.attach("")
        world.count += 1
        await world.store.write([Command(f"t{world.count}", Open(description="d"))], 1000)
        await world.publish(2)
        back = world.attach(world.cursor(1))
        await settle()
        await world.publish()
        await settle()
        for client in (there, back):
            assert [message["id"] for message in client.received if "id" in message] == ["t2", "t3", "t4", "t5"]

    live(scenario)


@pytest.mark.parametrize(("count", "at_once"), [(FEW, True), (FEW + 1, False)])
def test_few_clients_are_written_to_before_publishing_returns(count: int, at_once: bool) -> None:
    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(count)]
        await world.publish()
        assert [client.cursors for client in clients] == [[1] if at_once else []] * count
        await settle()
        assert [client.cursors for client in clients] == [[1]] * count

    live(scenario)


def test_an_encoding_that_fails_costs_its_client_and_nobody_else() -> None:
    fails = False

    def encode(epoch: str, entries: list[Encoded]) -> bytes:
        if fails:
            raise MemoryError
        return json_array(epoch, entries)

    async def scenario(world: World) -> None:
        nonlocal fails
        first, broken, last = world.attach(), world.attach(encoding=encode), world.attach()
        fails = True
        for _ in range(2):
            await world.publish()
            await settle()
        assert broken.aborted
        assert first.cursors == last.cursors == [1, 2]
        assert not world.hub.flush.going

    live(scenario)


def test_a_large_burst_is_handed_over_in_bounded_pieces() -> None:
    async def scenario(world: World) -> None:
        client = world.attach()
        await world.publish(4000, text="x" * 200)
        await settle()
        assert client.cursors == list(range(1, 4001))
        assert len(client.buffers) > 1
        assert all(len(buffer) < CHUNK_BYTES + 10_000 for buffer in client.buffers)

    live(scenario, tail_bytes=10**7)


def test_a_purge_that_reaches_a_client_before_its_replay_leaves_it_in_one_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It drains while the store is read, gets its reset, and is up to date when the read ends."""

    async def scenario(world: World) -> None:
        await world.publish(20)
        world.hub.tail.restart(world.hub.tail.position)
        world.hub.tail.floor = 0
        read, reading = world.hub.catchup.page, asyncio.Event()

        async def page(seq: int) -> Any:
            await reading.wait()
            return await read(seq)

        monkeypatch.setattr(world.hub.catchup, "page", page)
        client = world.attach(world.cursor(1))
        await settle()
        assert client.received == [], "it waits for the store"
        purged = await world.store.purge(1000)
        world.hub.restart(purged.position)
        client.paused = True
        world.hub.pause(client)
        client.drain()
        assert [message["type"] for message in client.received] == ["reset", "ready"]
        reading.set()
        await settle()
        others = [world.attach() for _ in range(COHORT_SIZE)]
        await world.publish()
        await settle()
        assert [message.get("id", message.get("type")) for message in client.received] == ["reset", "ready", "t21"]
        world.hub.detach(client)
        await world.publish()
        await settle()
        assert len(client.buffers) == 3
        assert all(len(other.buffers) == 2 for other in others)

    live(scenario)


def test_a_large_burst_reaches_clients_that_are_put_together_meanwhile() -> None:
    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(COHORT_SIZE + 5)]
        for client in clients[: COHORT_SIZE - 5]:
            world.hub.detach(client)
        await world.publish(4000, text="x" * 200)
        await settle()
        assert len(clients[-1].buffers) > 1
        assert all(client.cursors == list(range(1, 4001)) for client in clients[COHORT_SIZE - 5 :])
        assert len(world.hub.cohorts.all()) == 1

    live(scenario, tail_bytes=10**7)


def test_a_full_client_keeps_only_its_position_and_catches_up_from_the_tail() -> None:
    async def scenario(world: World) -> None:
        slow, quick = world.attach(), world.attach()
        slow.pause_after = 1
        for _ in range(5):
            await world.publish()
            await settle()
        assert slow.cursors == [1]
        assert quick.cursors == [1, 2, 3, 4, 5]
        assert len(world.hub.slow) == 1
        slow.drain()
        await world.publish()
        await settle()
        assert slow.cursors == [1, 2, 3, 4, 5, 6]
        assert len(world.hub.slow) == 0
        assert world.hub.catchup.reads == 0

    live(scenario)


def test_who_comes_back_after_many_changes_that_nobody_heard_shares_what_is_sent() -> None:
    async def scenario(world: World) -> None:
        await world.publish(50)
        for _ in range(8):
            await world.publish(UNHEARD // 2)
        assert not world.hub.tail.covers(50), "nobody was there"
        clients = [world.attach(world.cursor(after)) for after in (50, 50, 50, 60, 70, 80, 90, 50)]
        await settle()
        for client, after in zip(clients, (50, 50, 50, 60, 70, 80, 90, 50), strict=True):
            assert client.cursors == list(range(after + 1, 51 + 4 * UNHEARD))
        assert world.hub.catchup.reads <= 5
        whole = {id(buffer) for client in clients for buffer in client.buffers[1:-1]}
        assert len(whole) <= 4, "but for the first page, all of them are sent the same bytes"
        assert len({id(client.buffers[0]) for client in clients[:3]}) == 1, "and those that come together, all bytes"

    live(scenario, tail_bytes=10**6)


def test_behind_the_tail_it_gets_the_latest_states_from_the_store() -> None:
    async def scenario(world: World) -> None:
        client = world.attach()
        client.pause_after = 1
        await world.publish()
        await settle()
        for number in range(100):
            await world.edit("t1", f"step {number}")
        await world.publish(300)
        assert not world.hub.tail.covers(client.position)
        client.drain()
        await settle()
        assert client.cursors[0] == 1
        assert client.cursors[1:] == sorted(client.cursors[1:])
        assert client.cursors[-1] == world.hub.tail.end
        states = {message["id"]: message["message"] for message in client.received}
        assert states["t1"] == "d: step 99"
        assert len(states) == 301
        assert sum(message["id"] == "t1" for message in client.received) == 2
        assert world.hub.catchup.reads > 0

    live(scenario, tail_bytes=2000)


class SlowHistory(MemoryStore):
    """Answers when the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def changed_since(self, seq: int, limit: int) -> Changed:
        await self.may_answer.wait()
        return await super().changed_since(seq, limit)


def test_a_replay_that_is_paused_and_drained_while_the_store_is_read_goes_on_once() -> None:
    async def main() -> None:
        store = SlowHistory()
        hub = Hub(Tail(await store.position(), 2000), store, SlowClients(60), KeepAlive(25, 60))
        world = World(store, hub)
        await world.publish(300)
        client = world.attach(world.cursor(0))
        await settle()
        for _ in range(3):
            client.paused = True
            hub.pause(client)
            await settle()
            client.drain()
        store.may_answer.set()
        await settle()
        assert client.cursors == sorted(set(client.cursors))
        assert client.cursors[-1] == 300
        assert [message["type"] for message in client.received].count("ready") == 1

    asyncio.run(main())


def test_a_replay_that_fails_costs_its_client_and_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """Left open, it would silently receive nothing more."""

    class Defective(MemoryStore):
        async def changed_since(self, seq: int, limit: int) -> Changed:
            raise ZeroDivisionError

    async def main() -> None:
        store = Defective()
        world = World(store, Hub(Tail(await store.position(), 2000), store, SlowClients(60), KeepAlive(25, 60)))
        await world.publish(300)
        behind, current = world.attach(world.cursor(0)), world.attach()
        await settle()
        await world.publish()
        await settle()
        assert (behind.aborted, current.aborted) == (True, False)
        assert current.cursors == [301]

    asyncio.run(main())
    assert "ZeroDivisionError" in caplog.text


def test_a_replay_never_hands_out_a_cursor_that_the_push_has_not_reached() -> None:
    async def scenario(world: World) -> None:
        await world.publish(300)
        unpublished = await world.store.write([Command("ahead", Open(description="d"))], 1000)
        client = world.attach(world.cursor(0))
        await settle()
        assert client.cursors[-1] == 300
        assert world.hub.locate(client.received[-1]["cursor"]) == 300
        world.hub.publish(encode_messages(unpublished.changes, unpublished.position.epoch))
        await settle()
        assert client.cursors[-1] == 301
        assert client.received[-1]["id"] == "ahead"

    live(scenario, tail_bytes=2000)


def test_a_purge_resets_those_who_are_up_to_date_and_those_who_are_not() -> None:
    async def scenario(world: World) -> None:
        quick, slow = world.attach(), world.attach()
        slow.pause_after = 1
        await world.publish()
        await settle()
        await world.publish()
        await settle()
        world.hub.restart((await world.store.purge(0))[1])
        await settle()
        await world.publish()
        await settle()
        slow.drain()
        await settle()
        assert [message["type"] for message in quick.received] == ["webhook_tx", "webhook_tx", "reset", "webhook_tx"]
        assert [message["type"] for message in slow.received] == ["webhook_tx", "reset"]
        assert slow.received[-1]["cursor"] == world.cursor(4)

    live(scenario)


def test_a_stalled_client_is_closed_and_one_that_takes_a_byte_now_and_then_is_not() -> None:
    async def scenario(world: World) -> None:
        stalled, slow = world.attach(), world.attach()
        for client in (stalled, slow):
            client.pause_after, client.unread = 1, 1000
        await world.publish()
        await settle()
        policy, start = world.hub.slow, asyncio.get_running_loop().time()
        for second in range(0, 130, 10):
            slow.unread -= 1
            for given_up in policy.stalled(start + second):
                given_up.close(1013, "")
        assert (stalled.closed, slow.closed) == (1013, None)

    live(scenario)


def test_shutdown_flushes_says_goodbye_and_cuts_those_who_do_not_answer() -> None:
    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(2 * SLICE_CLIENTS)]
        deaf = world.attach()
        deaf.close = lambda code, reason: None  # type: ignore[method-assign]
        waiting = asyncio.ensure_future(world.hub.next(world.hub.tail.end, json_array, 30))
        await world.publish()
        await world.hub.shutdown(0.05)
        assert all(client.cursors == [1] and client.closed == 1001 for client in clients)
        assert deaf.aborted
        chunk = await waiting
        assert chunk is not None
        assert json.loads(chunk.data)[0]["id"] == "t1"
        assert await world.hub.next(world.hub.tail.end, json_array, 30) is None

    live(scenario)


# ---- readers that ask ------------------------------------------------------------------------------------------------
def test_a_reader_that_asks_waits_until_something_comes_or_its_time_is_up() -> None:
    async def scenario(world: World) -> None:
        assert await world.hub.next(0, json_array, 0.01) == (b"", 0)
        waiting = asyncio.ensure_future(world.hub.next(0, json_array, 30))
        await settle()
        assert not waiting.done()
        await world.publish()
        chunk = await waiting
        assert chunk is not None
        assert chunk.seq == 1
        assert not world.hub._waiting, "no waiter is left behind"

    live(scenario)


def test_readers_that_ask_get_everything_also_from_the_store() -> None:
    async def scenario(world: World) -> None:
        await world.publish(1000)
        seq, got = 0, []
        while seq < world.hub.tail.end:
            chunk = await world.hub.next(seq, json_array, 0)
            assert chunk is not None
            got += [message["id"] for message in json.loads(chunk.data)]
            seq = chunk.seq
        assert got == [f"t{number}" for number in range(1, 1001)]
        assert world.hub.catchup.reads >= 3

    live(scenario, tail_bytes=2000)


# ---- everything at once ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_folded_states_equal_the_store_and_cursors_only_rise(seed: int) -> None:
    rng = random.Random(seed)

    async def scenario(world: World) -> None:
        clients: list[Recorder] = []
        for _ in range(300):
            what = rng.random()
            if what < 0.45:
                await world.publish(rng.randrange(1, 5))
            elif what < 0.6 and world.count:
                await world.edit(f"t{rng.randrange(world.count) + 1}", str(rng.random()))
            elif what < 0.75:
                clients.append(world.attach(world.cursor(rng.randrange(world.hub.tail.end + 1))))
            elif what < 0.85 and clients:
                rng.choice(clients).pause_after = 0
            elif clients:
                client = rng.choice(clients)
                if client.paused:
                    client.drain()
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
        for client in clients:
            client.pause_after = None
            if client.paused:
                client.drain()
        for _ in range(4):  # replays end in a flush, which ends in a pause
            await settle(200)
        rows = {row.id: row.seq for row in (await world.store.changed_since(0, 10**6))[0]}
        for client in clients:
            assert client.cursors == sorted(set(client.cursors)), f"seed {seed}: a gap in the order or a duplicate"
            start = client.received[0]
            first = int(start["cursor"].partition(".")[2])
            folded = {m["id"]: int(m["cursor"].partition(".")[2]) for m in client.received if "id" in m}
            missing = {key for key, seq in rows.items() if seq > first and folded.get(key) != seq}
            assert not missing, f"seed {seed}: {missing}"
            assert client.cohort is not None
            assert client.cohort.position == world.hub.tail.end

    live(scenario, tail_bytes=rng.choice([300, 3000, 10**6]))
