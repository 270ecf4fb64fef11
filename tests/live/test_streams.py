"""Pull-based readers take turns, so that other work does not wait until all of them have written."""

from __future__ import annotations

import asyncio
import itertools

from athena.live.streams import AT_ONCE, Streams


def test_in_one_turn_of_the_loop_only_a_few_write() -> None:
    async def main() -> None:
        streams, loop = Streams(), asyncio.get_running_loop()
        written: list[int] = []
        seen: list[int] = []

        async def write(number: int) -> None:
            await streams.turn()
            written.append(number)

        def look() -> None:
            seen.append(len(written))
            if len(written) < 100:
                loop.call_soon(look)

        loop.call_soon(look)
        await asyncio.gather(*map(write, range(100)))
        assert written == list(range(100)), "who came first is first"
        assert max(after - before for before, after in itertools.pairwise(seen)) <= AT_ONCE

    asyncio.run(main())


def test_one_that_is_cancelled_holds_up_nobody() -> None:
    async def main() -> None:
        streams = Streams()
        tasks = [asyncio.ensure_future(streams.turn()) for _ in range(3 * AT_ONCE)]
        await asyncio.sleep(0)
        for task in tasks[: 2 * AT_ONCE]:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks[2 * AT_ONCE :]), 5)
        await asyncio.wait_for(streams.turn(), 5)

    asyncio.run(main())
