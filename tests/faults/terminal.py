"""Two edits and the deadline race for the end of a transaction: exactly one of them makes it."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

from tests.e2e.calls import BULK, TXS
from tests.faults.follower import Follower
from tests.faults.promise import Round, hold
from tests.faults.server import server
from tests.faults.wire import Connection

AT_ONCE = 6
FINAL = ("success", "error")
TIMED_OUT = "this transaction has timed out"
Answers = dict[str, list[str]]


def race(this: Round) -> None:
    """`times` transactions, all at the same time."""
    asyncio.run(_race(this))


async def _race(this: Round) -> None:
    dice = this.dice
    ids = [f"r{number}" for number in range(this.times)]
    with server(this.directory / "data", faults=this.broken) as athena:
        witness = await Follower("websocket", athena.port).connect("")
        async with Connection(athena.port) as connection:
            for start in range(0, len(ids), 1000):
                opens = [
                    {"op": "open", "tx_id": tx_id, "description": "d", "timeout_ms": dice.randint(20, 150)}
                    for tx_id in ids[start : start + 1000]
                ]
                assert (await connection.ask("POST", BULK, opens))[0] == 200
        accepted = await _edit(athena.port, ids, dice)
        ended = await _watch(witness, athena.port, set(ids))
        async with Connection(athena.port) as connection:
            for tx_id in ids:
                status, transaction = await connection.ask("GET", f"{TXS}/{tx_id}")
                assert status == 200, transaction
                ends = [change for change in transaction["changes"] if change["status"] in FINAL]
                hold(len(ends) == 1, f"{tx_id} ended {len(ends)} times: {ends}")
                hold(ended[tx_id] == 1, f"{tx_id}: {ended[tx_id]} ends were pushed")
                said = ends[0]["message"]
                expected = accepted.get(tx_id, [TIMED_OUT])
                hold([said] == expected, f"{tx_id} ended with {said!r}; acknowledged as its end: {expected}")


async def _edit(port: int, ids: list[str], dice: Random) -> Answers:
    """Send both edits of each transaction, in any order, a few at a time -> those that were acknowledged."""
    edits = [(tx_id, status) for tx_id in ids for status in FINAL]
    dice.shuffle(edits)
    accepted: Answers = {}

    async def send() -> None:
        async with Connection(port) as connection:
            while edits:
                sent = [edits.pop() for _ in range(min(len(edits), 4))]
                lines = [
                    {"op": "edit", "tx_id": tx_id, "status": status, "athena_msg": f"by {status}"}
                    for tx_id, status in sent
                ]
                code, answer = await connection.ask("POST", BULK, lines)
                assert code == 200, answer
                for (tx_id, status), result in zip(sent, answer["results"], strict=True):
                    assert result["status"] in (200, 409), result
                    if result["status"] == 200:
                        accepted.setdefault(tx_id, []).append(f"by {status}")

    await asyncio.gather(*(send() for _ in range(AT_ONCE)))
    return accepted


async def _watch(witness: Follower, port: int, left: set[str]) -> Counter[str]:
    """Read until each has ended and all later messages have arrived -> the number of ends pushed for each."""
    ended: Counter[str] = Counter()
    last = None
    while left or last is None:
        message = await witness.receive()
        if message.get("status") in FINAL:
            ended[message["id"]] += 1
            left.discard(message["id"])
        if not left:
            async with Connection(port) as connection:
                last = (await connection.ask("POST", TXS, {"tx_id": "the-last", "description": "d"}))[1]
    while (message := await witness.receive()).get("id") != "the-last":
        ended[message.get("id", "")] += message.get("status") in FINAL
    witness.abort()
    return ended
