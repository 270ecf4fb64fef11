"""A full disk: what does not fit is refused and not stored, all else continues, and freeing space is enough to
recover."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.e2e.expect import seq_of
from tests.faults.crash import check_file
from tests.faults.follower import Follower, follow
from tests.faults.ledger import Ledger, Load, read_back
from tests.faults.promise import Round, hold
from tests.faults.server import server
from tests.faults.wire import Connection, all_rows

PRODUCERS = 20
SIZE = 8 * 1024 * 1024
BALLAST = 6 * 1024 * 1024
"""Bytes of the small file system, and of a file that takes up space on it."""


class Small(NamedTuple):
    """A place for data, with the settings that the server needs. `ballast` fills it while it exists, soon or at
    once."""

    data: Path
    ballast: Path
    faults: str | None


@contextmanager
def small_disk(directory: Path) -> Iterator[Path | None]:
    """A file system of `SIZE` bytes in memory; None where this process may not mount one."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "athena-faults", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def fill(this: Round) -> None:
    """`times` times on a layer that returns SQLITE_FULL at any moment, and, where it may be mounted, on a real file
    system."""
    for number in range(this.times):
        switch = this.directory / f"full-{number}"
        asyncio.run(_fill(this, Small(this.directory / f"data-{number}", switch, "fillable_disk")))
        with small_disk(this.directory / f"disk-{number}") as disk:
            if disk is not None:
                ballast = disk / "ballast"
                ballast.write_bytes(bytes(BALLAST))
                asyncio.run(_fill(this, Small(disk / "data", ballast, None)))


async def _fill(this: Round, small: Small) -> None:
    ledger, dice = Ledger(), this.dice
    with server(small.data, faults=small.faults, FULL=str(small.ballast)) as athena:
        follower = await Follower("websocket", athena.port).connect("")
        stream = asyncio.create_task(follow(follower, lambda: 0))
        async with Load(athena.port, ledger, dice, PRODUCERS) as load:
            await load.answered(dice.randint(1, 200))
            small.ballast.touch()
            await load.answered(0, refused=3 * PRODUCERS)
            async with Connection(athena.port) as connection:
                # Not compared: some change may still find room, such as where the log restarts from its beginning.
                _, _, rows = await all_rows(connection, "&archived=true")
            hold(rows, "nothing can be read while the disk is full")
            late = await Follower("sse", athena.port).connect("")
            hold((await late.receive())["type"] == "ready", "no stream can begin while the disk is full")
            hold(not stream.done(), "a stream ended because the disk was full")
            small.ballast.unlink()
            await load.answered(5 * PRODUCERS)
            await load.stop()
        served = await read_back(athena.port)
        ledger.check(served)
        last = (await late.receive())["cursor"]
        while seq_of(last) < served.seq:
            last = (await late.receive())["cursor"]
        late.abort()
        athena.kill()
        pushed = await stream
        hold(seq_of(pushed[-1][1]["cursor"]) <= served.seq, "something was pushed that is not there")
        check_file(small.data)
        athena.start()
        ledger.check(await read_back(athena.port))
