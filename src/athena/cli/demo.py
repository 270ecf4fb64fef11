"""`athena demo`: a few realistic transactions at the same time, to see what Athena shows.

Each scenario is a list of (seconds from its start, edit); `timeline` merges them into one.
"""

from __future__ import annotations

import heapq
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from athena.cli.credentials import find_key
from athena.client import Client, ClientError, Refused
from athena.config import BY_NAME


@dataclass(frozen=True, slots=True)
class Scenario:
    """One transaction: how it is opened, and its edits as (seconds after the opening, members of the edit).

    Without edits it is a generic notice: an event rather than a process.
    """

    name: str
    begins_at: float
    opening: dict[str, Any]
    edits: tuple[tuple[float, dict[str, Any]], ...]


def _deployment() -> Scenario:
    messages = (
        "building the image",
        "pushing the image",
        "draining nodes",
        "rolling out",
        "warming up",
        "switching traffic",
    )
    steps = tuple(
        (3.2 * index, {"status": "pending", "on_step": index + 1, "athena_msg": message})
        for index, message in enumerate(messages)
    )
    end = (3.2 * len(messages), {"status": "success", "on_step": 6, "athena_msg": "version 4.2.0 is live"})
    opening = {"description": "Deploy shop to production", "by": "dana@example.com", "total_steps": 6}
    return Scenario("deploy", 0.0, opening, (*steps, end))


def _import() -> Scenario:
    percents = tuple(
        (0.5 * index, {"status": "pending", "on_step": percent, "athena_msg": f"{percent * 480:,} of 48,000 rows"})
        for index, percent in enumerate(range(4, 100, 4), 1)
    )
    end = (13.0, {"status": "success", "on_step": 100, "athena_msg": "48,000 rows, 3 duplicates left out"})
    return Scenario(
        "import", 1.5, {"description": "Import customers.csv", "by": "lee", "total_steps": 100}, (*percents, end)
    )


def _provisioning() -> Scenario:
    forward = ("reserving addresses", "creating 3 machines", "installing packages", "joining the cluster")
    back = ((3, "removing packages"), (2, "deleting machines"), (1, "releasing addresses"))
    steps = tuple(
        (2.5 * index, {"status": "pending", "on_step": index + 1, "athena_msg": message})
        for index, message in enumerate(forward)
    )
    failure = (10.0, {"status": "undoing", "on_step": 4, "athena_msg": "node 3 does not answer; undoing"})
    undo = tuple(
        (10.0 + 2.0 * index, {"status": "undoing", "on_step": step, "athena_msg": message})
        for index, (step, message) in enumerate(back, 1)
    )
    end = (18.0, {"status": "error", "on_step": 0, "athena_msg": "node 3 did not answer; nothing was left behind"})
    opening = {"description": "Provision a test cluster", "by": "-", "total_steps": 7, "sub_type": "template"}
    return Scenario("provision", 3.0, opening, (*steps, failure, *undo, end))


def _report() -> Scenario:
    edits = (
        (2.0, {"status": "pending", "athena_msg": "collecting"}),
        (9.0, {"status": "pending", "athena_msg": "drawing charts"}),
        (14.0, {"status": "success", "athena_msg": "sent to 12 people"}),
    )
    return Scenario("report", 5.0, {"description": "Weekly report", "by": "kim"}, edits)


def _renewal() -> Scenario:
    notice = {"status": "success", "message": "The certificate of shop.example.com was renewed", "by": "-"}
    return Scenario("renewal", 7.0, notice, ())


SCENARIOS = (_deployment(), _import(), _provisioning(), _report(), _renewal())

LENGTH = max(scenario.begins_at + seconds for scenario in SCENARIOS for seconds, _ in scenario.edits)
"""The duration of the demo in seconds."""


def timeline(scenarios: tuple[Scenario, ...]) -> Iterator[tuple[float, Scenario, dict[str, Any] | None]]:
    """(seconds from the beginning, scenario, edit or None for its opening), in order of time."""

    def moments(scenario: Scenario) -> Iterator[tuple[float, Scenario, dict[str, Any] | None]]:
        yield scenario.begins_at, scenario, None
        for seconds, edit in scenario.edits:
            yield scenario.begins_at + seconds, scenario, edit

    return heapq.merge(*map(moments, scenarios), key=lambda moment: moment[0])


def demo(url: str, speed: float, say: Callable[[str], None] = print) -> None:
    """Report the scenarios to the Athena at `url`, at `speed` times their own pace. Raises `ClientError`.

    If interrupted, it finishes the open transactions as errors.
    """
    run = uuid.uuid4().hex[:8]
    where = "" if url == BY_NAME["url"].default else f" --url {url}"
    with Client(url, key=find_key(url)) as client:
        client.notifications(limit=1)  # fail early if Athena is not running
        say(f"Four transactions and a notice, about {LENGTH / speed:.0f} s. See them live with: athena watch{where}")
        unfinished: set[str] = set()
        try:
            _perform(client, f"demo-{run}", speed, unfinished, say)
        except KeyboardInterrupt:
            _interrupt(client, unfinished)
            raise
    say(f"Done. They are in the history: athena history --search {run}{where}")


def _perform(client: Client, prefix: str, speed: float, unfinished: set[str], say: Callable[[str], None]) -> None:
    started = time.monotonic()
    for seconds, scenario, edit in timeline(SCENARIOS):
        time.sleep(max(0.0, started + seconds / speed - time.monotonic()))
        tx_id = f"{prefix}-{scenario.name}"
        if not scenario.edits:
            client.notify(scenario.opening)
            say(f"  {scenario.opening['message']} (a notice)")
        elif edit is None:
            unfinished.add(tx_id)  # before the request: an interrupt may arrive before the response
            client.open({"tx_id": tx_id, **scenario.opening})
            say(f"  {scenario.opening['description']}: started ({tx_id})")
        else:
            client.edit(tx_id, **edit)
            if edit["status"] in ("success", "error"):
                unfinished.remove(tx_id)
                say(f"  {scenario.opening['description']}: {edit['status']}, {edit['athena_msg']}")


def _interrupt(client: Client, unfinished: set[str]) -> None:
    for tx_id in unfinished:
        try:
            client.edit(tx_id, status="error", athena_msg="the demo was interrupted")
        except Refused:
            continue  # not opened yet, or already finished
        except ClientError:
            return  # they will time out by themselves
