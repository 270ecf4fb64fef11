"""Many clients at a time: slow or dead ones, all reconnecting at once, and all disconnected by a shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.e2e.calls import BULK, TXS
from tests.e2e.expect import check_fold, seq_of
from tests.e2e.rawsocket import HANDSHAKE, TEXT, frame
from tests.e2e.subscribers import LIVE
from tests.faults.follower import Follower, Shown, follow
from tests.faults.ledger import Ledger, Load, read_back
from tests.faults.promise import Round, hold, promised
from tests.faults.server import WEBSOCKETS, descriptors, metric, server
from tests.faults.wire import LOST, Connection, all_rows, reset, together
from tests.hardening.test_memory import settled_memory
from tests.support.server import PATIENCE, Athena

LIMIT = 10.0
"""Seconds within which a shutdown is promised."""

MEMORY = 4 * 1024 * 1024
"""Bytes that a turn may leave allocated; a leak per connection or message would be far more."""

MOST_RETURNS = 10
TRY_AGAIN_LATER = 1013

BULKS, LINES = 6, 200
"""Changes of 1 KB each that the slow clients do not read."""


# ---- slow and dead ones ----------------------------------------------------------------------------------------------
def slow(this: Round) -> None:
    """`times` clients; at least one, and one per hundred, does not read; as many are dead; many are cut within a
    frame."""
    asyncio.run(_slow(this))


async def _slow(this: Round) -> None:
    """Repeat until memory no longer grows: what the first turn allocates (caches, reserve) is paid once."""
    flags = ("--ping-interval", "1", "--ping-timeout", "4", "--slow-timeout", "2", "--tail-bytes", "2000000")
    with server(this.directory / "data", *flags, faults=this.broken) as athena:
        async with Connection(athena.port) as connection:
            opens = [{"op": "open", "tx_id": f"f{number}", "description": "d"} for number in range(LINES)]
            assert (await connection.ask("POST", BULK, opens))[0] == 200
        before = descriptors(athena)
        grown: list[int] = []
        while len(grown) < 4 and (len(grown) < 2 or grown[-1] >= MEMORY):
            memory = settled_memory(athena)
            await _turn(athena, this.times, f"turn{len(grown)}")
            await back_to(athena, before)
            grown.append(settled_memory(athena) - memory)
        hold(grown[-1] < MEMORY, f"bytes more after each turn: {grown}")


async def _turn(athena: Athena, clients: int, name: str) -> None:
    bad = max(1, clients // 100)
    async with Connection(athena.port) as connection:
        beginning, _, _ = await all_rows(connection)
    end = seq_of(beginning) + BULKS * LINES
    good = [await Follower("websocket", athena.port).connect(beginning) for _ in range(clients - 2 * bad)]
    others = [_socket(athena, 4096) for _ in range(bad)] + [_socket(athena) for _ in range(bad)]
    for _ in range(10 * bad):
        _cut_in_a_frame(athena)
    *shown, _ = await together(*(_keep_up(one, athena.port, beginning, end) for one in good), _flood(athena.port, name))
    async with Connection(athena.port) as connection:
        _, _, rows = await all_rows(connection)
    for one in shown:
        with promised():
            check_fold(one.states, rows)
    await until(athena, WEBSOCKETS, 0)  # Athena drops those that read or sent nothing
    for sock in others:
        sock.close()


async def _keep_up(follower: Follower, port: int, beginning: str, end: int) -> Shown:
    """Follow to the position `end`; when the connection is lost, reconnect with the cursor, as every client does.

    That happens to well-behaved clients too, when this process gets too little CPU time to answer pings in time.
    """
    shown = Shown(cursor=beginning)
    for _, message in await follow(follower, lambda: 0, end):
        shown.take(message)
    for _ in range(MOST_RETURNS):
        if seq_of(shown.cursor) >= end:
            break
        hold(follower.code in (None, TRY_AGAIN_LATER), f"a good client was closed with {follower.code}")
        follower = Follower("websocket", port)
        with suppress(*LOST):
            await _read_to(follower, shown, end)
        follower.abort()
    hold(seq_of(shown.cursor) == end and not shown.resets, f"a client did not get all up to {end}")
    return shown


async def _read_to(follower: Follower, shown: Shown, end: int) -> None:
    await follower.connect(shown.cursor)
    while seq_of(shown.cursor) < end:
        shown.take(await follower.receive())


async def _flood(port: int, name: str) -> None:
    """More than a MiB of changes."""
    async with Connection(port) as connection:
        for bulk in range(BULKS):
            lines = [
                {"op": "edit", "tx_id": f"f{number}", "status": "pending", "athena_msg": f"{name} {bulk} {'x' * 1000}"}
                for number in range(LINES)
            ]
            assert (await connection.ask("POST", BULK, lines))[0] == 200


def _socket(athena: Athena, receive_buffer: int | None = None) -> socket.socket:
    """A client that does nothing after its handshake."""
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", athena.port))
    sock.sendall(HANDSHAKE.format(path=LIVE, port=athena.port).encode())
    assert sock.recv(12) == b"HTTP/1.1 101"
    return sock


def _cut_in_a_frame(athena: Athena) -> None:
    sock = _socket(athena)
    sock.sendall(frame(TEXT, b'{"type":"ping"}')[:-3])
    reset(sock)


async def until(athena: Athena, name: str, wanted: float, patience: float = PATIENCE) -> None:
    """Poll until the metric has this value, for `patience` seconds at most."""
    give_up = time.monotonic() + patience
    while (value := await asyncio.to_thread(metric, athena, name)) != wanted:
        hold(time.monotonic() < give_up, f"{name} stays at {value:g}; expected {wanted:g}")
        await asyncio.sleep(0.02)


async def back_to(athena: Athena, before: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while (now := descriptors(athena)) > before + 1:  # one for a connection that has just been answered
        hold(time.monotonic() < give_up, f"{now} descriptors stay open; there were {before}")
        metric(athena, WEBSOCKETS)


STORM_PRODUCERS = 5
REST_PER_CLIENT = 0.001
"""Seconds that a producer pauses after a report, per client that receives it: the number of clients should be limited
by Athena, not by what this process can read."""


# ---- all at once -----------------------------------------------------------------------------------------------------
def storm(this: Round) -> None:
    """The server is killed under `times` clients that reconnect with their cursors, twice in a row."""
    asyncio.run(_storm(this))


async def _storm(this: Round) -> None:
    dice, ledger = this.dice, Ledger()
    with server(this.directory / "data", faults=this.broken) as athena:
        async with Connection(athena.port) as connection:
            beginning, _, _ = await all_rows(connection)
        shown = [Shown(cursor=beginning) for _ in range(this.times)]
        for number in range(2):
            load = Load(athena.port, ledger, dice, STORM_PRODUCERS, f"s{number}-", rest=this.times * REST_PER_CLIENT)
            await together(*(_watch(one, athena.port) for one in shown), _crash(athena, load, this.times, dice))
            athena.start()
        async with Connection(athena.port) as connection:
            status, _ = await connection.ask("POST", TXS, {"tx_id": "the-last", "description": "d"})
            assert status == 201
            cursor, _, rows = await all_rows(connection)
        await together(*(_watch(one, athena.port, cursor) for one in shown))
        for one in shown:
            hold(one.resets == 0, "a client was told to start anew")
            with promised():
                check_fold(one.states, rows)


async def _crash(athena: Athena, load: Load, clients: int, dice: Random) -> None:
    """Kill the server some time after the last client has reconnected."""
    async with load:
        await until(athena, WEBSOCKETS, clients, 4 * PATIENCE)
        await load.answered(dice.randint(5, 20))
        athena.kill()
        await load.stop()


async def _watch(shown: Shown, port: int, until: str | None = None) -> None:
    """Follow until the connection is lost, or to the position `until`."""
    follower = Follower("websocket", port)
    try:
        await follower.connect(shown.cursor)
        while until is None or shown.cursor != until:
            shown.take(await follower.receive())
    except LOST:
        hold(until is None, "the connection was lost though the server runs")
    finally:
        follower.abort()


# ---- all sent home ---------------------------------------------------------------------------------------------------
CLIENTS = 1_000
STOP_PRODUCERS = 20


def stop(this: Round) -> None:
    """SIGTERM under load, `times` times, and once a second SIGTERM while the first one is held up."""
    asyncio.run(_stop(this))


async def _stop(this: Round) -> None:
    ledger, dice = Ledger(), this.dice
    with server(this.directory / "data", faults=this.broken) as athena:
        for number in range(this.times):
            clients = [await Follower("websocket", athena.port).connect("") for _ in range(CLIENTS)]
            load = Load(athena.port, ledger, dice, STOP_PRODUCERS, f"t{number}-", rest=CLIENTS * REST_PER_CLIENT)
            await together(*(follow(one, lambda: 0) for one in clients), _end(athena, load, dice))
            athena.start()
            ledger.check(await read_back(athena.port))
    await asyncio.to_thread(_stop_twice, this.directory / "twice")


async def _end(athena: Athena, load: Load, dice: Random) -> None:
    async with load:
        await load.answered(dice.randint(1, 40))
        await asyncio.sleep(dice.uniform(0, 0.05))  # any moment
        began = time.monotonic()
        with promised():
            await asyncio.to_thread(athena.stop)
        hold(time.monotonic() - began <= LIMIT, f"the stop took more than {LIMIT:g} s")
        await load.stop()


def _stop_twice(data: Path) -> None:
    """A request whose body never arrives delays the first signal for minutes; the second one does not wait."""
    flags = ("--shutdown-timeout", "600", "--body-timeout", "600")
    with server(data, *flags) as athena, socket.create_connection(("127.0.0.1", athena.port), PATIENCE) as sock:
        head = f"POST {TXS} HTTP/1.1\r\nHost: 127.0.0.1:{athena.port}\r\nContent-Type: application/json\r\n"
        sock.sendall(f"{head}Content-Length: 50\r\nExpect: 100-continue\r\n\r\n".encode())
        assert sock.recv(12) == b"HTTP/1.1 100"  # the handler waits for the body
        os.kill(athena.pid, signal.SIGTERM)
        _wait_for_the_listener_to_close(athena.port)  # two signals at once would merge into one
        with promised():
            athena.stop()


def _wait_for_the_listener_to_close(port: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except OSError:
            return
    raise AssertionError("the first SIGTERM does nothing")
