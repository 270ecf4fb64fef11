"""The audit log: sign-ins, denials, key changes, archive, purge. Who, when, from where; append-only."""

from __future__ import annotations

from collections.abc import Callable

from athena.auth.identity import now_ms
from athena.auth.store import Entry

WINDOW_MS = 60_000
"""Equal denials within this time become one entry and one count, so that a flood cannot fill the disk."""

MOST_KINDS = 1_000
"""Distinct denials within a window; any others are counted together."""

Kind = tuple[str, str, str]


class AuditLog:
    """Collects entries until they are taken to be stored (`take`)."""

    def __init__(self, now: Callable[[], float] = now_ms) -> None:
        self._now = now
        self._entries: list[Entry] = []
        self._repeated: dict[Kind, int] = {}
        self._window_ends = 0.0

    def record(self, who: str, address: str, action: str, detail: str = "") -> None:
        """Add an action that succeeded."""
        self._entries.append(Entry(int(self._now()), who, address, action, "ok", detail))

    def deny(self, who: str, address: str, action: str, detail: str = "") -> None:
        """Add an action that was refused. Repetitions within a minute are counted, and reported when it ends."""
        self._close_window()
        kind = (who, address, action)
        if kind not in self._repeated and len(self._repeated) >= MOST_KINDS:
            kind = ("others", "", "many")
        if kind in self._repeated:
            self._repeated[kind] += 1
            return
        self._repeated[kind] = 0
        self._entries.append(Entry(int(self._now()), *kind, "denied", detail))

    def take(self) -> list[Entry]:
        """Remove and return the entries to store now."""
        self._close_window()
        taken, self._entries = self._entries, []
        return taken

    def give_back(self, entries: list[Entry]) -> None:
        """Return entries that could not be stored."""
        self._entries = entries + self._entries

    def close(self) -> None:
        """Report all counts; nothing more will be added."""
        self._window_ends = 0.0
        self._close_window()

    def _close_window(self) -> None:
        now = self._now()
        if now < self._window_ends:
            return
        for kind, count in self._repeated.items():
            if count:
                self._entries.append(Entry(int(now), *kind, "denied", f"{count} more times within a minute"))
        self._repeated.clear()
        self._window_ends = now + WINDOW_MS
