"""What a batch binds to which statement. Pure: batches in, rows of parameters out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from athena.domain.model import Notification
from athena.store.batch import Batch
from athena.store.sqlite_pages import HOUR, MINUTE

Parameters = tuple[Any, ...]


class Rows(NamedTuple):
    """What one block of sqlite.sql is run for, and what makes the parameters of each.

    They are made when they are bound: ten thousand rows of them at once would be looked through for garbage.
    """

    block: str
    items: Sequence[Any]
    parameters: Callable[[Any], Parameters]


def bound(batch: Batch, now: int) -> tuple[Rows, ...]:
    """What a batch writes, in the order in which it has to be run."""
    placed_anew = batch.new.keys() | batch.moved
    updates = [batch.dirty[key] for key in batch.moved if key not in batch.new]
    progress = [state for key, state in batch.dirty.items() if key not in placed_anew]
    steps = [step for step in zip(batch.changes, batch.previous, strict=True) if step[0].type == "webhook_tx"]

    def change(step: tuple[Notification, int | None]) -> Parameters:
        state, before = step
        return state.seq, before, now, state.status, state.message, state.on_step, state.total_steps, state.archived

    return (
        Rows("insert", [batch.dirty[key] for key in batch.new], msgspec.structs.astuple),
        Rows("update", updates, _update_parameters),
        Rows("progress", progress, _progress_parameters),
        Rows("insert_change", steps, change),
        Rows("count_rows", _tally(batch) if batch.new or batch.moved else [], tuple),
        Rows("keep_receipt", list(batch.receipts), lambda key: (key, *batch.receipts[key], now)),
    )


def _progress_parameters(state: Notification) -> Parameters:
    """For the block `progress`."""
    return (
        state.seq,
        state.description,
        state.message,
        state.on_step,
        state.total_steps,
        state.timeout_ms,
        state.deadline,
        state.id,
    )


def _update_parameters(state: Notification) -> Parameters:
    """For the block `update`."""
    return (
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


def placed(batch: Batch) -> Iterator[Notification]:
    """The finished rows that a batch has put into the order."""
    return (batch.dirty[key] for key in batch.new.keys() | batch.moved if not batch.dirty[key].active)


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
