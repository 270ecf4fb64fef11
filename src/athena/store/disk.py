"""How much space the files of a store take, and how much is left for them."""

from __future__ import annotations

import os
from pathlib import Path

FILES = {"main": "athena.db", "wal": "athena.db-wal"}
"""The database and its WAL, whose size does not tell how much is in it."""


class Disk:
    """The data directory as its file system reports it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def free(self) -> int:
        """Bytes available to this user. Raises OSError."""
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize

    def sizes(self) -> dict[str, int]:
        """Bytes of each of `FILES`; 0 for one that does not exist."""
        return {name: self._size(file) for name, file in FILES.items()}

    def _size(self, file: str) -> int:
        try:
            return (self._directory / file).stat().st_size
        except FileNotFoundError:
            return 0
