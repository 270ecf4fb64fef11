"""The audit log: sign-ins, denials, key changes, archive, purge. Who, when, from where; only ever added to."""

from __future__ import annotations

from collections.abc import Callable

from athena.auth.identity import now_ms
from athena.auth.store import Entry

WINDOW_MS = 60_000
"""Equal denials within this time are one entry and one count: a flood must not fill the disk."""

MOST_KINDS = 1_000
"""Different denials that are told apart within a window."""

Kind = tuple[str, str, str]


class AuditLog:
    """Collects entries until somebody writes them down (`take`)."""

    def __init__(self, now: Callable[[], float] = now_ms) -> None:
        self._now = now
        self._entries: list[Entry] = []
        self._repeated: dict[Kind, int] = {}
        self._window_ends = 0.0

    def record(self, who: str, address: str, action: str, detail: str = "") -> None:
        """Something that was done."""
        self._entries.append(Entry(int(self._now()), who, address, action, "ok", detail))

    def deny(self, who: str, address: str, action: str, detail: str = "") -> None:
        """Something that was refused. Repetitions within a minute are counted, and told at its end."""
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
        """What is to be written now."""
        self._close_window()
        taken, self._entries = self._entries, []
        return taken

    def give_back(self, entries: list[Entry]) -> None:
        """They could not be written."""
        self._entries = entries + self._entries

    def close(self) -> None:
        """Tell all counts: this is the end."""
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
