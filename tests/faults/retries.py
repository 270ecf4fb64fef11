"""A retry is safe: the response is lost after the commit, or the server dies; the retried request takes effect once.

Each request has unique texts, so a request that was carried out twice, or not at all, shows in the history. The control
is a producer that sends no Idempotency-Key.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

from tests.e2e.calls import BULK, NOTIFICATIONS, TXS
from tests.e2e.subscribers import CHANGES
from tests.faults.promise import Round, hold
from tests.faults.server import server
from tests.faults.wire import LOST, Connection, all_rows
from tests.support.server import PATIENCE, Athena

AT_ONCE = 12
KILLS = 2
"""Per round, at any moment."""

KINDS = ("notice", "open", "bulk", "edit")


@dataclass
class Wish:
    """One request: the texts that it must leave in the history, once each, and all responses to it."""

    key: str | None
    kind: str
    method: str
    path: str
    body: Any
    texts: tuple[str, ...]
    answers: list[Any] = field(default_factory=list)


def lose(this: Round) -> None:
    """`times` requests whose response is lost, each sent again."""
    asyncio.run(_lose(this))


async def _lose(this: Round) -> None:
    with server(this.directory / "data") as athena:
        producers = Producers(athena, this.dice, this.times, keyed=this.broken is None)
        async with asyncio.timeout(4 * PATIENCE):
            await asyncio.gather(*(producers.work() for _ in range(AT_ONCE)))
        await producers.check()


class Producers:
    """They share the requests; the producer that reaches a number in `kills` also kills the server."""

    def __init__(self, athena: Athena, dice: Random, times: int, keyed: bool) -> None:
        self._athena = athena
        self._dice = dice
        self._wishes = [self._wish(number, keyed) for number in range(times)]
        self._left = list(enumerate(self._wishes))
        self._kills = set(dice.sample(range(times), min(KILLS, times)))
        self._killing = asyncio.Lock()
        self._up = asyncio.Event()
        self._up.set()

    def _wish(self, number: int, keyed: bool) -> Wish:
        key = f"key-{number}" if keyed else None
        text, kind = f"wish {number}", self._dice.choice(KINDS)
        if kind == "notice":
            return Wish(key, kind, "POST", NOTIFICATIONS, {"status": "success", "message": text}, (text,))
        if kind == "open":
            return Wish(key, kind, "POST", TXS, {"description": text}, (text,))
        if kind == "edit":
            edit = {"status": "pending", "athena_msg": text}
            return Wish(key, kind, "PUT", f"{TXS}/tx-{number}", edit, (text,))
        texts = tuple(f"{text}, line {line}" for line in range(3))
        return Wish(key, kind, "POST", BULK, [{"op": "open", "description": text} for text in texts], texts)

    async def work(self) -> None:
        async with Connection(self._athena.port) as connection:
            while self._left:
                number, wish = self._left.pop()
                if wish.kind == "edit":
                    opening = {"tx_id": f"tx-{number}", "description": f"transaction {number}"}
                    await self._insist(connection, "POST", TXS, opening)
                if number in self._kills:
                    await asyncio.gather(self._lose_answer(wish), self._kill())
                else:
                    await self._lose_answer(wish)
                if wish.kind == "edit":  # an edit in between must stay the last one, and exist once
                    between = {"status": "pending", "athena_msg": "between"}
                    await self._insist(connection, "PUT", wish.path, between, f"between-{number}")
                for _ in range(self._dice.choice((1, 1, 2))):
                    wish.answers.append(await self._insist(connection, wish.method, wish.path, wish.body, wish.key))

    async def _kill(self) -> None:
        async with self._killing:
            await asyncio.sleep(self._dice.uniform(0, 0.005))  # any moment
            self._up.clear()
            self._athena.kill()
            await asyncio.to_thread(self._athena.start)
            self._up.set()

    # ---- one request -------------------------------------------------------------------------------------------------
    async def _lose_answer(self, wish: Wish) -> None:
        """Send it, once or on two connections at the same time, and hang up: when other clients see its effect, or at a
        random moment."""
        async with Connection(self._athena.port) as witness:
            cursor = (await self._insist(witness, "GET", f"{NOTIFICATIONS}?limit=1"))["cursor"]
            sending = [asyncio.create_task(self._send(wish)) for _ in range(self._dice.choice((1, 1, 2)))]
            if self._dice.random() < 0.6:
                await self._seen(witness, wish, cursor)
            else:
                await asyncio.sleep(self._dice.uniform(0, 0.01))
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    async def _send(self, wish: Wish) -> None:
        async with Connection(self._athena.port) as connection:
            status, answer = await connection.ask(wish.method, wish.path, wish.body, wish.key)
            assert status in (200, 201), (status, answer)
            wish.answers.append(answer)

    async def _seen(self, witness: Connection, wish: Wish, cursor: str) -> None:
        """Wait until it is pushed, or the server ends."""
        try:
            while True:
                _, found = await witness.ask("GET", f"{CHANGES}?after={quote(cursor)}&wait=30")
                if any(message.get("message", "").endswith(wish.texts[-1]) for message in found["messages"]):
                    return
                cursor = found["cursor"]
        except LOST:
            return

    async def _insist(
        self, connection: Connection, method: str, path: str, body: Any = None, key: str | None = None
    ) -> Any:
        """Send it until there is a response -> that response."""
        while True:
            await self._up.wait()
            try:
                status, answer = await connection.ask(method, path, body, key)
            except LOST:
                continue
            hold(status in (200, 201), f"{method} {path} {body}, sent again: {status} {answer}")
            return answer

    # ---- what became of them -----------------------------------------------------------------------------------------
    async def check(self) -> None:
        """Each text is in the history once, and every response refers to that one."""
        async with Connection(self._athena.port) as connection:
            _, _, rows = await all_rows(connection)
            there = Counter(row["message"] for row in rows)
            id_of = {row["message"]: row["id"] for row in rows}
            for wish in self._wishes:
                if wish.kind == "edit":
                    _, transaction = await connection.ask("GET", wish.path)
                    told = transaction["athena_messages"]
                    hold(sorted(told) == sorted([*wish.texts, "between"]), f"{wish}: its messages are {told}")
                    continue
                for text in wish.texts:
                    hold(there[text] == 1, f"{wish}: {text!r} is in the history {there[text]} times")
                for answer in wish.answers:
                    ids = _ids(answer)
                    expected = [id_of[text] for text in wish.texts]
                    hold(ids == expected, f"{wish}: an answer tells of {ids}; in the history: {expected}")
                hold(all(answer == wish.answers[0] for answer in wish.answers), f"{wish}: its answers differ")
            expected_rows = sum(1 if wish.kind == "edit" else len(wish.texts) for wish in self._wishes)
            hold(len(rows) == expected_rows, f"{len(rows)} rows, expected {expected_rows}")


def _ids(answer: Any) -> list[str]:
    if "results" in answer:
        return [result["tx_id"] for result in answer["results"]]
    return [answer["tx_id"] if "tx_id" in answer else answer["id"]]
