"""`athena backup` and `athena restore`."""

from __future__ import annotations

from pathlib import Path

from athena.store.backup import back_up, restore


def backup(data: Path, file: Path) -> None:
    """Make a copy and print what it contains."""
    position = back_up(data, file)
    print(f"{file}: the history up to change {position.seq:,}, {file.stat().st_size:,} bytes")


def put_back(data: Path, file: Path, replace: bool) -> None:
    """Restore a copy and print where the previous history was moved."""
    position, aside = restore(data, file, replace)
    print(f"{data} holds the history up to change {position.seq:,}; clients will start anew")
    if aside is not None:
        print(f"What was there is in {aside}")
