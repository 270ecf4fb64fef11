"""The result of a check."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple


class Level(IntEnum):
    """Severity, in ascending order."""

    OK = 0
    WARNING = 1
    FAILURE = 2

    @property
    def word(self) -> str:
        return self.name.lower()


class Finding(NamedTuple):
    """`found` is what the check saw, `advice` what to do about it; only OK findings may have none."""

    level: Level
    subject: str
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "level": self.level.word}


def ok(subject: str, found: str) -> Finding:
    return Finding(Level.OK, subject, found)


def warning(subject: str, found: str, advice: str) -> Finding:
    return Finding(Level.WARNING, subject, found, advice)


def failure(subject: str, found: str, advice: str) -> Finding:
    return Finding(Level.FAILURE, subject, found, advice)
