"""What a batch binds to which statement. Pure: batches in, rows of parameters out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from athena.domain.model import Notification
from athena.store.batch import Batch
from athena.store.sqlite_pages import HOUR, MINUTE

Rows = list[tuple[Any, ...]]


def bound(batch: Batch, now: int) -> tuple[tuple[str, Rows], ...]:
    """(block of sqlite.sql, its rows of parameters), in the order in which they have to be run."""
    inserts: Rows = []
    updates: Rows = []
    progress: Rows = []
    for state in batch.dirty.values():
        if state.id in batch.new:
            inserts.append(msgspec.structs.astuple(state))
        elif state.id in batch.moved:
            updates.append(_update_parameters(state))
        else:
            progress.append(_progress_parameters(state))
    changes: Rows = [
        (state.seq, previous, now, state.status, state.message, state.on_step, state.total_steps, state.archived)
        for state, previous in zip(batch.changes, batch.previous, strict=True)
        if state.type == "webhook_tx"
    ]
    tally = _tally(batch) if batch.new or batch.moved else []
    receipts: Rows = [(key, receipt.request, receipt.answer, now) for key, receipt in batch.receipts.items()]
    return (
        ("insert", inserts),
        ("update", updates),
        ("progress", progress),
        ("insert_change", changes),
        ("count_rows", tally),
        ("keep_receipt", receipts),
    )


def _progress_parameters(state: Notification) -> tuple[Any, ...]:
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


def _update_parameters(state: Notification) -> tuple[Any, ...]:
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


def _tally(batch: Batch) -> Rows:
    """For the block `count_rows`: what a batch adds to and takes from each hour and minute."""
    slots: Counter[tuple[bool, int, bool, str]] = Counter()
    for key in batch.new.keys() | batch.moved:
        state, before = batch.dirty[key], batch.before.get(key)
        slots[not state.active, state.ts_display // MINUTE, state.archived, state.type] += 1
        if before is not None:
            slots[not before.active, before.ts_display // MINUTE, before.archived, before.type] -= 1
    rows: Rows = []
    for (finished, minute, archived, kind), count in slots.items():
        if count:
            rows.append((MINUTE, int(finished), -minute, int(archived), kind, count))
            rows.append((HOUR, int(finished), -(minute * MINUTE // HOUR), int(archived), kind, count))
    return rows
