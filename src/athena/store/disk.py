"""How much room the files of a store take, and how much is left for them."""

from __future__ import annotations

import os
from pathlib import Path

FILES = {"main": "athena.db", "wal": "athena.db-wal"}
"""The database and the log in front of it, whose size does not tell how much is in it."""


class Disk:
    """The data directory as its file system tells it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def free(self) -> int:
        """Bytes that are left for this user. Raises OSError."""
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize

    def sizes(self) -> dict[str, int]:
        """Bytes of each of `FILES`; 0 for one that is not there."""
        return {name: self._size(file) for name, file in FILES.items()}

    def _size(self, file: str) -> int:
        try:
            return (self._directory / file).stat().st_size
        except FileNotFoundError:
            return 0
