from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref

import pytest

from athena.store.side_thread import SideThread


class Wrong(Exception):
    pass


def test_work_is_done_on_one_other_thread_in_order() -> None:
    async def main() -> None:
        beside = SideThread("beside")
        done: list[int] = []

        def work(number: int) -> str:
            done.append(number)
            return threading.current_thread().name

        names = await asyncio.gather(*(beside.run(work, number) for number in range(50)))
        assert set(names) == {"beside"}
        assert done == list(range(50))
        beside.close()

    asyncio.run(main())


def test_what_it_raises_is_raised_and_the_next_work_is_done() -> None:
    async def main() -> None:
        beside = SideThread("beside")

        def fail() -> None:
            raise Wrong("so be it")

        with pytest.raises(Wrong, match="so be it"):
            await beside.run(fail)
        assert await beside.run(int, "7") == 7
        beside.close()

    asyncio.run(main())


def test_whoever_is_cancelled_waits_for_the_end_of_the_work() -> None:
    async def main() -> None:
        beside, begun, may_end, over = SideThread("beside"), threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            assert may_end.wait(30)
            over.set()

        task = asyncio.create_task(beside.run(work))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            task.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
            assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert over.is_set()
        beside.close()

    asyncio.run(main())


def test_whoever_is_cancelled_hears_that_the_work_failed() -> None:
    async def main() -> None:
        beside, begun, may_end = SideThread("beside"), threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            assert may_end.wait(30)
            raise Wrong("after all")

        task = asyncio.create_task(beside.run(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.sleep(0)
        may_end.set()
        with pytest.raises(Wrong, match="after all"):
            await task
        beside.close()

    asyncio.run(main())


def test_closing_finishes_what_was_asked_for() -> None:
    async def main() -> None:
        beside = SideThread("beside")
        done: list[int] = []
        tasks = [asyncio.create_task(beside.run(done.append, number)) for number in range(20)]
        await asyncio.sleep(0)
        beside.close()
        assert done == list(range(20))
        await asyncio.gather(*tasks)
        with pytest.raises(RuntimeError, match="has ended"):
            await beside.run(done.append, 20)

    asyncio.run(main())


def test_it_leaves_no_descriptor_and_no_thread() -> None:
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(5):
        beside = SideThread("beside")
        beside.close()
        beside.close()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_a_failure_leaves_nothing_to_the_garbage_collector() -> None:
    async def main() -> None:
        beside = SideThread("beside")
        errors: list[weakref.ref[Wrong]] = []

        def fail() -> None:
            raise Wrong

        for _ in range(5):
            try:
                await beside.run(fail)
            except Wrong as error:
                errors.append(weakref.ref(error))
        await beside.run(int)
        assert [error() for error in errors] == [None] * 5
        beside.close()

    gc.collect()
    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()
