"""A store without a disk, for tests: the same guarantees as the others, except for durability."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from athena.clock import HOUR_MS, Anchor
from athena.domain.model import AnyCommand, Change, Notification, Position
from athena.store.base import (
    RECEIPT_MS,
    Answer,
    Changed,
    Deadline,
    KeyedRequest,
    Outcome,
    Page,
    Purged,
    Query,
    Receipt,
    SortKey,
    Written,
)
from athena.store.batch import Batch, replay


class MemoryStore:
    """Keeps everything in dictionaries; queries scan every row."""

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(4)
        self._seq = 0
        self._rows: dict[str, Notification] = {}
        self._changes: dict[str, list[Change]] = {}
        self._receipts: dict[bytes, tuple[Receipt, int]] = {}
        self._anchor = Anchor("", 0, 0)
        self._last = 0  # when the newest step of a transaction was stored
        self._retired = 0  # the highest seq of a retired row

    async def position(self) -> Position:
        return Position(self._epoch, self._seq)

    async def write(self, items: Sequence[AnyCommand | KeyedRequest[list[Outcome]]], now: int) -> Written:
        batch = Batch(self._seq, now, _Decided(self._rows), lambda key: self._receipt(key, now))
        for _ in batch.run(items):
            pass
        self._rows.update(batch.dirty)
        self._receipts.update({key: (receipt, now) for key, receipt in batch.receipts.items()})
        self._seq = batch.seq
        if any(state.type == "webhook_tx" for state in batch.changes):
            self._last = now
        for state in batch.changes:
            if state.type == "webhook_tx" and not state.archived:
                change = Change(now, state.status, state.message, state.on_step, state.total_steps)
                self._changes.setdefault(state.id, []).append(change)
        return Written(batch.outcomes, batch.changes, await self.position(), batch.earlier_deadlines)

    async def purge(self, now: int, request: KeyedRequest[int] | None = None) -> Purged:
        removed = len(self._rows)
        answer: Answer | None = None
        if request is not None:
            before = replay(request.key, self._receipt(request.key.id, now))
            if before is not None:
                return Purged(0, await self.position(), before)
            answer = Answer(request.answer(removed), replayed=False)
            self._receipts[request.key.id] = (Receipt(request.key.request, answer.body), now)
        self._rows.clear()
        self._changes.clear()
        self._last = 0
        self._epoch = secrets.token_hex(4)
        self._seq += 1
        return Purged(removed, await self.position(), answer)

    async def maintain(self, now: int) -> bool:
        self._receipts = {key: kept for key, kept in self._receipts.items() if kept[1] > now - RECEIPT_MS}
        return False

    async def retire(self, before: int, limit: int) -> int:
        finished = [row for row in self._rows.values() if not row.active]
        old = [row for row in finished if row.ts_display < before and (row.ts_completed or 0) < before]
        for row in sorted(old, key=lambda row: (row.ts_display, row.id))[:limit]:
            del self._rows[row.id]
            self._changes.pop(row.id, None)
            self._retired = max(self._retired, row.seq)
        return min(len(old), limit)

    async def postpone(self, before: int, limit: int) -> int:
        return 0

    async def clock(self) -> tuple[Anchor, int]:
        return self._anchor, self._last

    async def set_clock(self, anchor: Anchor, shift: int, now: int) -> None:
        self._anchor = anchor
        for key, row in self._rows.items():
            if row.deadline is not None and row.timeout_ms is not None:
                self._rows[key] = replace(row, deadline=min(row.deadline + shift, now + row.timeout_ms))
        if abs(shift) >= HOUR_MS:
            self._receipts = {key: (receipt, ts + shift) for key, (receipt, ts) in self._receipts.items()}

    async def probe(self) -> None:
        pass

    async def get(self, notification_id: str) -> tuple[Notification, list[Change]] | None:
        state = self._rows.get(notification_id)
        return None if state is None else (state, list(self._changes.get(notification_id, ())))

    async def page(self, query: Query) -> Page:
        rows = sorted((row for row in self._rows.values() if _matches(row, query)), key=_order)
        if query.after is not None:
            place = (query.after.finished, -query.after.ts_display, query.after.id)
            rows = [row for row in rows if _order(row) > place]
        rows = rows[query.skip :]
        transactions = sum(row.type == "webhook_tx" for row in self._rows.values())
        return Page(rows[: query.limit], len(rows) > query.limit, await self.position(), len(self._rows), transactions)

    async def changed_since(self, seq: int, limit: int) -> Changed:
        rows = sorted((row for row in self._rows.values() if row.seq > seq), key=lambda row: row.seq)
        return Changed(rows[:limit], await self.position(), self._retired)

    async def deadlines(self, limit: int) -> list[Deadline]:
        rows = self._rows.values()
        due = [Deadline(row.id, row.deadline, row.deadline) for row in rows if row.deadline is not None]
        return sorted(due, key=lambda one: (one.look_at, one.id))[:limit]

    async def due(self, now: int, limit: int) -> list[str]:
        return [one.id for one in await self.deadlines(limit) if one.deadline <= now]

    async def close(self) -> None:
        pass

    def _receipt(self, key: bytes, now: int) -> Receipt | None:
        receipt, ts = self._receipts.get(key, (None, now))
        return receipt if ts > now - RECEIPT_MS else None


class _Decided(dict[str, Notification]):
    """The states that a batch has decided, on top of the stored ones."""

    def __init__(self, rows: Mapping[str, Notification]) -> None:
        self._rows = rows

    def __missing__(self, key: str) -> Any:
        return self._rows.get(key)


def _order(row: Notification) -> tuple[bool, int, str]:
    key = sort_key(row)
    return key.finished, -key.ts_display, key.id


def sort_key(row: Notification) -> SortKey:
    return SortKey(not row.active, row.ts_display, row.id)


def _matches(row: Notification, query: Query) -> bool:
    searched = (row.text, row.id, row.by, row.component_id or "")
    return (
        (query.archived or not row.archived)
        and query.component_id in (None, row.component_id)
        and (query.status is None or row.status in query.status)
        and (query.type is None or row.type in query.type)
        and query.sub_type in (None, row.sub_type)
        and query.by in (None, row.by)
        and (query.from_ts is None or row.ts_display >= query.from_ts)
        and (query.to_ts is None or row.ts_display <= query.to_ts)
        and (query.search is None or any(_ascii_lower(query.search) in _ascii_lower(text) for text in searched))
    )


def _ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)
