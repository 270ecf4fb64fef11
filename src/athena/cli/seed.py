"""`athena seed`: a generated history in an empty data directory."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from athena.store.seed import seed as fill


def seed(directory: Path, rows: int, days: int) -> None:
    """Write the rows, with a progress bar in a terminal, and print how fast that was."""
    began = time.monotonic()
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("rows", total=rows)
        fill(directory, rows, days, time.time_ns() // 1_000_000, lambda done: progress.update(task, completed=done))
    took = time.monotonic() - began
    print(f"{rows:,} rows over {days} days in {directory}: {took:.1f} s, {rows / took:,.0f} a second")
