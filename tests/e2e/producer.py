"""Producers that keep reporting, whatever happens to the server."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.e2e.calls import ARCHIVE, TXS, Answer, Caller, Deadline
from tests.support.server import PATIENCE, Athena


class Count:
    """The number of changes acknowledged to all producers together; other threads can wait for it to grow."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def up(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait_for_more(self, more: int) -> None:
        """Wait until `more` changes have been acknowledged from now on."""
        with self._changed:
            goal = self._count + more
            grown = self._changed.wait_for(lambda: self._count >= goal, PATIENCE)
        assert grown, f"expected {more} more changes to be acknowledged"

    @property
    def value(self) -> int:
        with self._changed:
            return self._count


class Reported(NamedTuple):
    """The state of a transaction by its last 2xx response."""

    status: str
    on_step: int
    message: str | None


class Producer:
    """Opens transactions and takes each through its steps to an end, one request after the other.

    A request without a response is repeated until it gets one: all requests may be repeated. `acknowledged` is what the
    responses promise. Stops between two requests once `stop` is set, or after `transactions`.
    """

    def __init__(
        self,
        athena: Athena,
        name: str,
        seed: int,
        *,
        stop: threading.Event | None = None,
        count: Count | None = None,
        transactions: int = 1_000_000,
        archives: bool = False,
    ) -> None:
        self.acknowledged: dict[str, Reported] = {}
        self.archived: set[str] = set()
        self.failure: BaseException | None = None
        self._athena = athena
        self._name = name
        self._dice = random.Random(seed)
        self._stop = stop or threading.Event()
        self._count = count or Count()
        self._transactions = transactions
        self._archives = archives
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for the end. Raises the exception that ended it early."""
        self._thread.join(4 * PATIENCE)
        assert not self._thread.is_alive(), f"{self._name} does not end"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            with Caller(self._athena) as caller:
                for number in range(self._transactions):
                    for method, path, body, reported in self._life(f"{self._name}-{number}"):
                        if self._stop.is_set():
                            return
                        answer = self._ask(caller, method, path, body)
                        assert answer.status in (200, 201), f"{method} {path} {body}: {answer}"
                        if reported is not None:
                            self.acknowledged[path.rpartition("/")[2] if method == "PUT" else body["tx_id"]] = reported
                        self._count.up()
                    self._archive(caller)
        except BaseException as failure:  # raised by `join`
            self.failure = failure

    def _ask(self, caller: Caller, method: str, path: str, body: Any) -> Answer:
        return caller.insist(method, path, body, Deadline())

    def _life(self, tx_id: str) -> Iterator[tuple[str, str, Any, Reported | None]]:
        """The requests that take one transaction from its beginning to its end."""
        steps = self._dice.randint(1, 6)
        opening = {
            "tx_id": tx_id,
            "description": f"job {tx_id}",
            "total_steps": steps,
            "on_step": 0,
            "timeout_ms": 600_000,
        }
        yield "POST", TXS, opening, Reported("pending", 0, None)
        path = f"{TXS}/{tx_id}"
        for step in range(1, steps + 1):
            said = f"step {step} " + "x" * self._dice.choice((0, 0, 100))
            edit = {"status": "pending", "on_step": step, "athena_msg": said}
            yield "PUT", path, edit, Reported("pending", step, said)
            if self._dice.random() < 0.1:
                yield "PUT", path, edit, None  # a heartbeat: changes nothing, consumes no position
        end = self._dice.choice(("success", "success", "error", "undo", "open"))
        if end == "undo":
            for step in range(steps - 1, -1, -1):
                said = f"undoing {step}"
                edit = {"status": "undoing", "on_step": step, "athena_msg": said}
                yield "PUT", path, edit, Reported("undoing", step, said)
            yield "PUT", path, {"status": "error", "athena_msg": "undone"}, Reported("error", 0, "undone")
        elif end != "open":
            yield "PUT", path, {"status": end, "athena_msg": "over"}, Reported(end, steps, "over")

    def _archive(self, caller: Caller) -> None:
        """Sometimes archive a few of the finished ones."""
        if not self._archives or self._dice.random() > 0.2:
            return
        over = [
            i for i, it in self.acknowledged.items() if it.status in ("success", "error") and i not in self.archived
        ]
        chosen = self._dice.sample(over, min(3, len(over)))
        if chosen:
            answer = self._ask(caller, "POST", ARCHIVE, {"notification_ids": chosen})
            assert answer.status == 200, answer
            self.archived.update(chosen)


class Reckless(Producer):
    """A producer that stops at the first request that does not get a 2xx. `join` raises the reason.

    So its last request may or may not have been carried out; all others were.
    """

    def _ask(self, caller: Caller, method: str, path: str, body: Any) -> Answer:
        return caller.call(method, path, body)


def reckless(athena: Athena, dice: random.Random, number: int, name: str) -> tuple[list[Reckless], Count]:
    """`number` running reckless producers, until the server goes away."""
    count = Count()
    producers = [Reckless(athena, f"{name}-{i}", dice.getrandbits(32), count=count) for i in range(number)]
    for producer in producers:
        producer.start()
    return producers, count


@contextmanager
def producing(
    athena: Athena, dice: random.Random, number: int, **options: Any
) -> Iterator[tuple[list[Producer], Count]]:
    """`number` running producers; at the end they stop between two requests."""
    stop, count = threading.Event(), Count()
    producers = [
        Producer(athena, f"p{i}", dice.getrandbits(32), stop=stop, count=count, **options) for i in range(number)
    ]
    for producer in producers:
        producer.start()
    try:
        yield producers, count
    finally:
        stop.set()
        for producer in producers:
            producer.join()


def check_kept(producers: Iterable[Producer], rows: list[dict[str, Any]]) -> None:
    """Everything acknowledged is in the history, or was superseded by the request in flight when the connection was
    cut."""
    by_id = {row["id"]: row for row in rows}
    order = {"pending": 0, "undoing": 1, "success": 2, "error": 2}
    for producer in producers:
        for tx_id, said in producer.acknowledged.items():
            row = by_id[tx_id]
            assert order[row["status"]] >= order[said.status], (row, said)
            if row["status"] != said.status:
                continue
            steps_on = row["on_step"] - said.on_step
            assert steps_on in ((0, -1) if said.status == "undoing" else (0, 1)), (row, said)
            if steps_on == 0 and said.message is not None:
                assert row["message"].endswith(f": {said.message}"), (row, said)
