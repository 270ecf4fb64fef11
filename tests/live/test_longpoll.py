"""One long poll, in process, where every order of events can be made."""

from __future__ import annotations

import asyncio
import time

from tests.live.test_hub import World, live

from athena.live.longpoll import poll


def test_a_purge_in_the_turn_in_which_a_poll_ends_is_not_passed_over() -> None:
    """The poll answers nothing, with a cursor of the history that has just ended: the next one gets the reset. A cursor
    of the new history would hide the purge for good."""

    async def scenario(world: World) -> None:
        await world.publish(3)
        loop = asyncio.get_running_loop()
        polling = asyncio.ensure_future(poll(world.hub, world.cursor(3), 0.02))
        await asyncio.sleep(0)
        before = world.cursor(3)
        purged = await world.store.purge(0)
        loop.call_later(0.021, world.hub.restart, purged.position)
        time.sleep(0.05)  # noqa: ASYNC251 - both are due now, and run in the same turn
        ended = await polling
        assert (ended.messages, ended.cursor) == (b"[]", before)
        assert b'"reset"' in (await poll(world.hub, ended.cursor, 0.02)).messages

    live(scenario)


def test_a_purge_right_before_athena_stops_is_not_passed_over() -> None:
    async def scenario(world: World) -> None:
        await world.publish(3)
        before = world.cursor(3)
        polling = asyncio.ensure_future(poll(world.hub, before, 5))
        await asyncio.sleep(0)
        world.hub.restart((await world.store.purge(0)).position)
        await world.hub.shutdown(0.1)
        ended = await polling
        assert (ended.messages == b"[]") == (ended.cursor == before)

    live(scenario)
