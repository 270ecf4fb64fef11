"""What the hub counts, with the clients of test_hub.py."""

from __future__ import annotations

import asyncio

from tests.live.test_hub import World, live, settle

from athena.domain.model import Command, Open, Position
from athena.domain.wire import encode_messages
from athena.live.counts import Counts
from athena.live.flush import SLICE_CLIENTS


class Forever:
    """A permit that lasts until the test ends it."""

    over = False

    def ended(self) -> bool:
        return self.over

    def release(self) -> None:
        pass


async def publish(world: World, since: float) -> None:
    world.count += 1
    written = await world.store.write([Command(f"t{world.count}", Open(description="d"))], 1000)
    world.hub.publish(encode_messages(written.changes, written.position.epoch), since)


def observed(world: World) -> int:
    *_, (_, count) = world.hub.counts.latency.cumulative()
    return count


def test_each_commit_is_observed_once_however_many_clients_there_are() -> None:
    async def scenario(world: World) -> None:
        for _ in range(50):
            world.attach()
        for number in range(1, 4):
            await publish(world, 0.0)
            await settle()
            assert observed(world) == number
        assert world.hub.counts.latency.sum > 0

    live(scenario)


def test_with_nobody_to_write_to_it_is_observed_at_once() -> None:
    async def scenario(world: World) -> None:
        await publish(world, 0.0)
        assert observed(world) == 1

    live(scenario)


def test_what_comes_while_a_flush_goes_on_is_observed_when_everyone_has_it() -> None:
    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(2 * SLICE_CLIENTS)]
        await publish(world, 0.0)
        await asyncio.sleep(0)  # the first slice
        assert 0 < sum(bool(client.received) for client in clients) < len(clients)
        await publish(world, 0.0)
        assert observed(world) == 0
        while observed(world) == 0:  # noqa: ASYNC110 — each turn is a slice
            await asyncio.sleep(0)
        assert observed(world) == 1
        assert all(client.received for client in clients)
        assert not all(len(client.received) == 2 for client in clients)
        await settle()
        assert all(len(client.received) == 2 for client in clients)
        assert observed(world) == 2

    live(scenario)


def test_the_latency_begins_when_the_oldest_edit_came() -> None:
    counts = Counts()
    counts.published(1.0)
    counts.flush_began()
    counts.published(3.0)
    counts.flushed(4.0)
    assert counts.latency.sum == 3.0
    counts.flush_began()
    counts.flushed(5.0)
    assert counts.latency.sum == 5.0
    counts.all_reached(9.0)
    assert counts.latency.sum == 5.0


def test_who_comes_back_is_counted_by_where_it_is_served_from() -> None:
    async def scenario(world: World) -> None:
        await world.publish(100, text="x" * 200)
        resumes = world.hub.counts.resumes
        world.attach()
        world.attach("")
        assert not any(resumes.values()), "they are new"
        world.attach(world.cursor(world.hub.tail.end))
        world.attach(world.cursor(world.hub.tail.end - 1))
        assert resumes["websocket", "tail"] == 2
        world.attach(world.cursor(1))
        assert resumes["websocket", "store"] == 1
        world.attach("0a0b0c0d.1")
        world.attach("nonsense")
        assert resumes["websocket", "reset"] == 2
        world.hub.resume_from("nonsense", "sse")
        assert resumes["sse", "reset"] == 1
        assert world.hub.counts.resets() == {"unknown_cursor": 3, "purge": 0, "retention": 0}
        await settle()

    live(scenario, tail_bytes=5000)


def test_a_purge_resets_everyone_who_is_there() -> None:
    async def scenario(world: World) -> None:
        clients = [world.attach() for _ in range(3)]
        permit = Forever()
        stream = asyncio.ensure_future(asyncio.sleep(60))
        with world.hub.streams.tied(stream, permit, "sse"):
            assert world.hub.connected() == {"websocket": 3, "sse": 1, "longpoll": 0}
            world.hub.restart(Position("0a0b0c0d", world.hub.tail.end + 1))
            await settle()
        assert world.hub.counts.resets() == {"unknown_cursor": 0, "purge": 4, "retention": 0}
        assert [client.received[-1]["type"] for client in clients] == ["reset"] * 3
        assert world.hub.connected() == {"websocket": 3, "sse": 0, "longpoll": 0}
        stream.cancel()

    live(scenario)


def test_a_stream_whose_permit_is_over_is_ended_and_counted() -> None:
    async def scenario(world: World) -> None:
        permit = Forever()
        stream = asyncio.ensure_future(asyncio.sleep(60))
        with world.hub.streams.tied(stream, permit, "longpoll"):
            assert world.hub.streams.end_unpermitted() == 0
            permit.over = True
            assert world.hub.streams.end_unpermitted() == 1
            await asyncio.wait([stream])
        assert stream.cancelled()

    live(scenario)
