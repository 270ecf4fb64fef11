"""The metrics, read from plain counters at scrape time, so that hot paths count each event once.

docs/operations.md lists them all; a test compares the two. The text format is in exposition.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

import athena
from athena.config import Config
from athena.errors import AthenaError
from athena.histogram import Histogram
from athena.http.admission import Admission
from athena.http.answers import Checks
from athena.http.bodies import UnfinishedBodies
from athena.http.fast_path import EditFastPath
from athena.http.readiness import PATIENCE, Readiness
from athena.http.unread import UnreadAnswers
from athena.journal import Journal
from athena.live.hub import Hub
from athena.service import Service
from athena.store.base import Query, Store
from athena.store.disk import Disk

Name = TypeVar("Name", bound=str)
Samples = Mapping[tuple[str, ...], float]
"""Values by label values."""


class Expiring(Protocol):
    """What is read from the worker that ends silent transactions."""

    expired: int


class Retiring(Protocol):
    """What is read from the worker that deletes old rows."""

    retired: int


class Workers(NamedTuple):
    """The workers that count what they have done."""

    expiry: Expiring
    maintenance: Retiring


class Watched(NamedTuple):
    """The parts of a node that metrics are read from."""

    store: Store
    journal: Journal
    hub: Hub
    admission: Admission
    workers: Workers
    disk: Disk
    readiness: Readiness
    fast_path: EditFastPath
    unread: UnreadAnswers
    bodies: UnfinishedBodies


def watch(
    service: Service,
    hub: Hub,
    admission: Admission,
    config: Config,
    workers: Workers,
    fast_path: EditFastPath,
    unread: UnreadAnswers,
    bodies: UnfinishedBodies,
) -> Watched:
    """The parts of this node that metrics are read from."""
    store, journal, disk = service.store, service.journal, Disk(config.data)
    readiness = Readiness(store, journal, hub, disk, config.min_free_bytes, admission.gate.access)
    return Watched(store, journal, hub, admission, workers, disk, readiness, fast_path, unread, bodies)


class Seen(NamedTuple):
    """The input of one scrape, including what had to be awaited. `rows` is None when the store does not respond."""

    parts: Watched
    checks: Checks
    rows: int | None


class Metric(NamedTuple):
    """One row of the table."""

    name: str
    help: str
    read: Callable[[Seen], Samples]
    labels: tuple[str, ...] = ()


def _one(value: float | None) -> Samples:
    return {} if value is None else {(): value}


def _by_name(values: Mapping[Name, float]) -> Samples:
    return {(name,): value for name, value in values.items()}


COUNTERS = (
    Metric("athena_commits", "Commits to the store.", lambda s: _one(s.parts.journal.commits)),
    Metric("athena_commands", "Opens, edits and the like in those.", lambda s: _one(s.parts.journal.commands)),
    Metric(
        "athena_store_failures",
        "Commits and other work on the store that failed; nothing of it was stored.",
        lambda s: _one(s.parts.journal.failed),
    ),
    Metric(
        "athena_fast_path_edits",
        "Single edits that took the fast path, straight from their bytes to the journal.",
        lambda s: _one(s.parts.fast_path.submitted),
    ),
    Metric("athena_changes", "Position of the newest change.", lambda s: _one(s.parts.hub.tail.end)),
    Metric(
        "athena_expired", "Transactions ended since they went silent.", lambda s: _one(s.parts.workers.expiry.expired)
    ),
    Metric(
        "athena_retired", "Finished rows let go of for their age.", lambda s: _one(s.parts.workers.maintenance.retired)
    ),
    Metric(
        "athena_flushes", "Rounds in which all live clients were written to.", lambda s: _one(s.parts.hub.flush.begun)
    ),
    Metric("athena_encodes", "Buffers joined for sending.", lambda s: _one(s.parts.hub.tail.joins)),
    Metric(
        "athena_store_reads",
        "Pages read for readers behind the tail.",
        lambda s: _one(s.parts.hub.catchup.reads),
    ),
    Metric(
        "athena_resumes",
        "Readers that came with a cursor, by where they were served from first.",
        lambda s: {(at, kind): count for (at, kind), count in s.parts.hub.counts.resumes.items()},
        ("transport", "kind"),
    ),
    Metric(
        "athena_resets",
        "Readers told to fetch the history anew, by why.",
        lambda s: _by_name(s.parts.hub.counts.resets()),
        ("cause",),
    ),
    Metric(
        "athena_ended_clients",
        "Live connections that Athena ended by itself, by why.",
        lambda s: _by_name(s.parts.hub.counts.ended),
        ("cause",),
    ),
    Metric(
        "athena_unread_answers",
        "Connections that were cut off since all together left too much of their answers unread.",
        lambda s: _one(s.parts.unread.ended),
    ),
    Metric(
        "athena_unfinished_bodies",
        "Connections that were cut off because request bodies on their way took too much memory together.",
        lambda s: _one(s.parts.bodies.ended),
    ),
    Metric("athena_errors", "Answers that were an error.", lambda s: _by_name(s.parts.admission.errors), ("code",)),
)

GAUGES = (
    Metric("athena_info", "The running version.", lambda s: {(athena.__version__,): 1}, ("version",)),
    Metric(
        "athena_ready",
        "1 while the check of /readyz is passed.",
        lambda s: {
            ("store",): s.checks.store.ok,
            ("disk",): s.checks.disk.ok,
            ("journal",): s.checks.journal.ok,
            ("access",): s.checks.access.ok,
        },
        ("check",),
    ),
    Metric("athena_journal_waiting", "Submissions that no commit has taken.", lambda s: _one(s.parts.journal.waiting)),
    Metric(
        "athena_journal_lag_seconds",
        "How long the oldest submission without an outcome has waited.",
        lambda s: _one(s.parts.journal.lag),
    ),
    Metric("athena_clients", "Live connections.", lambda s: _by_name(s.parts.hub.connected()), ("transport",)),
    Metric("athena_slow_clients", "WebSocket clients that do not keep up.", lambda s: _one(len(s.parts.hub.slow))),
    Metric("athena_rows", "Rows of the history.", lambda s: _one(s.rows)),
    Metric("athena_store_bytes", "Size of the store's files.", lambda s: _by_name(s.parts.disk.sizes()), ("file",)),
    Metric("athena_disk_free_bytes", "Left on the data's disk.", lambda s: _one(s.checks.disk.free_bytes)),
)

HISTOGRAMS: tuple[tuple[str, str, Callable[[Seen], Histogram]], ...] = (
    ("athena_commit_size", "Commands of each commit.", lambda s: s.parts.journal.sizes),
    (
        "athena_push_latency_seconds",
        "From a commit's oldest edit to the end of the flush that brought it to all who keep up.",
        lambda s: s.parts.hub.counts.latency,
    ),
)


async def look(parts: Watched) -> Seen:
    """Gather what must be awaited, which takes a few seconds at most."""
    return Seen(parts, await parts.readiness.look(), await _rows(parts.store))


async def _rows(store: Store) -> int | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return (await store.page(Query(limit=1))).total
    except (TimeoutError, AthenaError):
        return None
