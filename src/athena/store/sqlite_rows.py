"""The parameters that a batch binds to each statement. Pure: batches in, rows of parameters out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from athena.domain.model import Notification
from athena.store.batch import Batch
from athena.store.sqlite_pages import HOUR, MINUTE

Parameters = tuple[Any, ...]


class Rows(NamedTuple):
    """What one block of sqlite.sql is run with: the number of rows, and the parameters of each.

    They are created as they are bound: the garbage collector would scan ten thousand of them if all existed at once.
    """

    block: str
    size: int
    parameters: Iterator[Parameters]


def statements(batch: Batch, now: int) -> Iterator[Rows]:
    """What a batch writes, in the order in which it must be run."""
    dirty, new, rewritten = batch.dirty, batch.new, batch.moved | batch.earlier
    in_place: Collection[Notification] = dirty.values()
    if new or rewritten:
        updates = [dirty[key] for key in rewritten if key not in new]
        yield Rows("insert", len(new), (msgspec.structs.astuple(dirty[key]) for key in new))
        yield Rows("update", len(updates), _updates(updates))
        in_place = [state for key, state in dirty.items() if key not in new and key not in rewritten]
    yield Rows("progress", len(in_place), _progress(in_place))
    yield Rows("insert_change", len(batch.changes), _steps(batch, now))
    if new or batch.moved:
        tally = _tally(batch)
        yield Rows("count_rows", len(tally), iter(tally))
    if batch.receipts:
        yield Rows("keep_receipt", len(batch.receipts), ((key, *kept, now) for key, kept in batch.receipts.items()))


def _progress(states: Iterable[Notification]) -> Iterator[Parameters]:
    """For the block `progress`."""
    return (
        (
            state.seq,
            state.description,
            state.message,
            state.on_step,
            state.total_steps,
            state.timeout_ms,
            state.deadline,
            state.id,
        )
        for state in states
    )


def _updates(states: Iterable[Notification]) -> Iterator[Parameters]:
    """For the block `update`."""
    return (
        (
            state.seq,
            state.status,
            state.description,
            state.message,
            state.ts_completed,
            state.ts_display,
            state.on_step,
            state.total_steps,
            state.timeout_ms,
            state.deadline,
            state.archived,
            state.id,
        )
        for state in states
    )


def _steps(batch: Batch, now: int) -> Iterator[Parameters]:
    """For the block `insert_change`: each change of a transaction, and the seq of the one before it."""
    return (
        (state.seq, before, now, state.status, state.message, state.on_step, state.total_steps, state.archived)
        for state, before in zip(batch.changes, batch.previous, strict=True)
        if state.type == "webhook_tx"
    )


def newly_finished(batch: Batch) -> Iterator[Notification]:
    """The rows that a batch has added to the finished ones, without those that were finished and are now archived."""
    for key in batch.new.keys() | batch.moved:
        state, before = batch.dirty[key], batch.before.get(key)
        if not state.active and (before is None or before.active or before.ts_display != state.ts_display):
            yield state


def _tally(batch: Batch) -> list[Parameters]:
    """For the block `count_rows`: what a batch adds to and takes from each hour and minute."""
    slots: Counter[tuple[bool, int, bool, str]] = Counter()
    for key in batch.new.keys() | batch.moved:
        state, before = batch.dirty[key], batch.before.get(key)
        slots[not state.active, state.ts_display // MINUTE, state.archived, state.type] += 1
        if before is not None:
            slots[not before.active, before.ts_display // MINUTE, before.archived, before.type] -= 1
    rows: list[Parameters] = []
    for (finished, minute, archived, kind), count in slots.items():
        if count:
            rows.append((MINUTE, int(finished), -minute, int(archived), kind, count))
            rows.append((HOUR, int(finished), -(minute * MINUTE // HOUR), int(archived), kind, count))
    return rows
