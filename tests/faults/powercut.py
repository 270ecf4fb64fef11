"""The contents of the disk after a power cut, from a trace of all operations of a process on its files.

A sync makes all earlier writes to a file durable; each later write may have reached the disk or not, or in part (by
sectors), in any order. A new or deleted name is durable once its directory was synced.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.faults.disk import HEAD, Op

SECTOR = 512


class Record(NamedTuple):
    """One operation; `end` is where it ends in the trace."""

    op: Op
    file: str
    offset: int
    data: bytes
    end: int


class Kept:
    """One file: its durable contents, and the operations since the last sync."""

    def __init__(self) -> None:
        self.synced = bytearray()
        self.pending: list[Record] = []

    def sync(self) -> None:
        for record in self.pending:
            _do(self.synced, record.op, record.offset, record.data)
        self.pending = []

    def after_cut(self, dice: Random, survives: float) -> bytes:
        content = bytearray(self.synced)
        for record in self.pending:
            if record.op is Op.TRUNCATE or dice.random() < survives:
                if record.op is Op.WRITE and dice.random() >= survives:
                    _tear(content, record, dice)
                elif record.op is Op.WRITE or dice.random() < survives:
                    _do(content, record.op, record.offset, record.data)
        return bytes(content)


def read_trace(path: Path) -> list[Record]:
    """All complete records; the last one may have been cut off by the end of the process."""
    return list(_records(path.read_bytes()))


def _records(raw: bytes) -> Iterator[Record]:
    place = 0
    while place + HEAD.size <= len(raw):
        op, name, offset, size = HEAD.unpack_from(raw, place)
        data = place + HEAD.size + name
        if data + size > len(raw):
            return
        place = data + size
        yield Record(Op(op), raw[data - name : data].decode(), offset, raw[data:place], place)


def cut(trace: list[Record], moment: int, dice: Random, target: Path) -> None:
    """Put into `target` (recreated) what a power cut at `moment` (an offset in the trace) leaves."""
    now: dict[str, Kept] = {}
    sure: dict[str, Kept] = {}
    for record in trace:
        if record.end > moment:
            break
        match record.op:
            case Op.OPEN:
                now.setdefault(record.file, Kept())
            case Op.DELETE:
                now.pop(record.file, None)
                if record.offset:
                    sure = dict(now)
            case Op.SYNC:
                now[record.file].sync()
                if record.offset:
                    sure = dict(now)
            case _:
                now.setdefault(record.file, Kept()).pending.append(record)
    survives = dice.choice((0.0, 0.3, 0.7, 1.0))  # all unsynced data is lost, some of it, or none
    target.mkdir()
    for file in sorted(now.keys() | sure.keys()):
        kept = now.get(file) if dice.random() < survives else sure.get(file)
        if kept is not None:
            (target / file).write_bytes(kept.after_cut(dice, survives))


def _tear(content: bytearray, record: Record, dice: Random) -> None:
    """Some sectors of a write reach the disk."""
    for start in range(0, len(record.data), SECTOR):
        if dice.random() < 0.5:
            _do(content, Op.WRITE, record.offset + start, record.data[start : start + SECTOR])


def _do(content: bytearray, op: Op, offset: int, data: bytes) -> None:
    if op is Op.TRUNCATE:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data
