"""`athena backup` and `athena restore`."""

from __future__ import annotations

from pathlib import Path

from athena.store.backup import back_up, restore


def backup(data: Path, file: Path) -> None:
    """Make a copy, and say what it holds."""
    position = back_up(data, file)
    print(f"{file}: the history up to change {position.seq:,}, {file.stat().st_size:,} bytes")


def put_back(data: Path, file: Path, replace: bool) -> None:
    """Restore a copy, and say what became of what was there."""
    position, aside = restore(data, file, replace)
    print(f"{data} holds the history up to change {position.seq:,}; clients will start anew")
    if aside is not None:
        print(f"What was there is in {aside}")
