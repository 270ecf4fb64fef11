"""Rows past their retention are deleted automatically, under readers and kills: never an active one, never too early.

Wave after wave of finished rows; each must be gone before the next one comes, so the file must reuse its space.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random

import apsw
from tests.e2e.calls import BULK, NOTIFICATIONS, TXS
from tests.faults.crash import check_file
from tests.faults.promise import Round, hold
from tests.faults.server import keep_for, server
from tests.faults.wire import Connection
from tests.support.server import PATIENCE, Athena

RUNNING = {f"running-{number}" for number in range(50)}
WAVE = 800
"""Rows at a time: together with the active ones they fit on one page."""

KEPT = 1.0
WHOLE_MS = 0.002
"""Seconds that a row is kept, and by which it may be deleted early, since times are whole milliseconds."""

GROWTH = 1.5
"""At most this many times the file's pages after the second wave: where rows arrive before the pages of the last ones
are free, it grows a little, and then stops. Without reuse, the fourth wave would double them."""


def replace(this: Round) -> None:
    """`times` rows that are opened, end and are deleted."""
    asyncio.run(_replace(this))


async def _replace(this: Round) -> None:
    pages: list[int] = []
    with server(this.directory / "data", *keep_for(KEPT), faults=this.broken) as athena:
        async with Connection(athena.port) as connection:
            lines = [_open(tx_id) for tx_id in sorted(RUNNING)]
            assert (await connection.ask("POST", BULK, lines))[0] == 200
            for number in range(-(-this.times // WAVE)):
                await _wave(athena, connection, this.dice, number)
                pages.append(_pages(athena.data))
        athena.kill()
        check_file(athena.data)
    hold(max(pages) <= GROWTH * pages[min(1, len(pages) - 1)], f"pages of the file after each wave: {pages}")


def _open(tx_id: str) -> dict[str, object]:
    return {"op": "open", "tx_id": tx_id, "description": f"job {tx_id} {'x' * 100}", "timeout_ms": 3_600_000}


async def _wave(athena: Athena, connection: Connection, dice: Random, number: int) -> None:
    """Finished rows, watched until they are gone; now and then the server is killed meanwhile."""
    ids = {f"wave{number}-{place}" for place in range(WAVE)}
    ends = [{"op": "edit", "tx_id": tx_id, "status": "success"} for tx_id in sorted(ids)]
    sent = time.monotonic()
    assert (await connection.ask("POST", BULK, [_open(tx_id) for tx_id in sorted(ids)] + ends))[0] == 200
    kill_at = dice.choice((None, dice.randrange(40)))
    give_up, looks, left = time.monotonic() + PATIENCE, 0, ids
    while left:
        hold(time.monotonic() < give_up, f"{len(left)} rows are still there after {PATIENCE:g} s")
        left = await _look(connection, ids, sent)
        if looks == kill_at:
            athena.kill()
            connection.close()
            await asyncio.to_thread(athena.start)
        looks += 1
    gone = dice.choice(sorted(ids))
    hold((await connection.ask("GET", f"{TXS}/{gone}"))[0] == 404, f"{gone} is not in the history, and is still served")


async def _look(connection: Connection, ids: set[str], sent: float) -> set[str]:
    """Check that all pages agree -> which of `ids`, sent at that time, still exist."""
    there, total = await _page(connection, "")
    hold(total == len(there), f"the total is {total}, the rows are {len(there)}")
    hold(there >= RUNNING, f"running, and gone: {sorted(RUNNING - there)[:5]}")
    if time.monotonic() < sent + KEPT - WHOLE_MS:
        hold(there >= ids, f"gone within {KEPT:g} s: {sorted(ids - there)[:5]}")
    hold(there <= RUNNING | ids, f"came back: {sorted(there - RUNNING - ids)[:5]}")
    running, _ = await _page(connection, "&status=pending")
    hold(running == RUNNING, f"pending by the filter: {len(running)}")
    found, _ = await _page(connection, "&search=wave")
    hold(found <= there, f"found by a search, and gone before it: {sorted(found - there)[:5]}")
    return there - RUNNING


async def _page(connection: Connection, query: str) -> tuple[set[str], int]:
    """-> the ids of a page, and the total."""
    status, page = await connection.ask("GET", f"{NOTIFICATIONS}?limit=1000{query}")
    hold(status == 200, f"{status} {page}")
    ids = {row["id"] for row in page["notifications"]}
    hold(len(ids) == page["returning"], f"{page['returning']} rows, {len(ids)} ids")
    return ids, page["total"]


def _pages(directory: Path) -> int:
    database = apsw.Connection(str(directory / "athena.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(str(database.execute("PRAGMA page_count").get))
    finally:
        database.close()
