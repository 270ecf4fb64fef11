"""The parameters of every measurement."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.loads import Tools
from bench.report import Figure


@dataclass(frozen=True, slots=True)
class Context:
    """How long to measure, with what, and where servers may keep their data."""

    rounds: int
    quick: bool
    scratch: Path
    tools: Tools
    rows: int = 1_000_000
    """The length of the history that pages are read from."""

    def fresh(self, name: str) -> Path:
        """A new, empty folder for a data directory."""
        number = len(list(self.scratch.glob(f"{name}-*")))
        path = self.scratch / f"{name}-{number}"
        path.mkdir()
        return path


Measure = Callable[[Context], list[Figure]]


def percentile(samples: Sequence[float], percent: int) -> float:
    return statistics.quantiles(samples, n=100)[percent - 1]
