"""One line per request, off the hot path: a request appends a tuple to a list, and a thread formats the lines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from athena.auth.secrets import SHAPE
from athena.domain.masking import mask_emails
from athena.logs import escaped

WRITE_SECONDS = 0.25
MOST_LINES = 20_000
"""Lines that may wait; more are dropped, and their number is logged."""


LONGEST_PATH = 500
"""Characters of a path that are logged."""


class Line(NamedTuple):
    """`at` is Unix seconds, `seconds` how long the request took; `who` never holds a secret, `path` has no query."""

    at: float
    address: str
    who: str
    method: str
    path: str
    status: int
    seconds: float

    def harmless(self) -> Line:
        """Without secrets and e-mail addresses that were put into paths and names by mistake."""
        return self._replace(who=mask_emails(self.who), path=mask_emails(SHAPE.sub("…", self.path)))

    def as_text(self) -> str:
        return (
            f"{_time(self.at)} ACCESS {escaped(self.address) or '-'} {escaped(self.who)} {escaped(self.method)} "
            f"{escaped(self.path)} {self.status} {self.seconds * 1000:.1f}ms"
        )

    def as_json(self) -> str:
        told = self._asdict() | {"at": _time(self.at), "ms": round(self.seconds * 1000, 1)}
        told["time"] = told.pop("at")
        del told["seconds"]
        return json.dumps({"logger": "athena.access", **told})


class AccessLog:
    def __init__(self, format_: str, errors_only: bool, write: Callable[[str], None]) -> None:
        """`errors_only`: log only responses of 400 and above. `write` takes several lines at a time."""
        self._as_line = Line.as_json if format_ == "json" else Line.as_text
        self._errors_only = errors_only
        self._write = write
        self._waiting: list[Line] = []
        self._dropped = 0

    def add(self, address: str, who: str, method: str, path: str, status: int, seconds: float) -> None:
        if self._errors_only and status < 400:
            return
        if len(self._waiting) >= MOST_LINES:
            self._dropped += 1
            return
        self._waiting.append(Line(time.time(), address, who, method[:20], path[:LONGEST_PATH], status, seconds))

    async def run(self) -> None:
        """Write until cancelled, then write what is left."""
        try:
            while True:
                await asyncio.sleep(WRITE_SECONDS)
                if self._waiting:
                    await asyncio.to_thread(self.flush)
        finally:
            self.flush()

    def flush(self) -> None:
        """Write the waiting lines."""
        lines, self._waiting = self._waiting, []
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(Line(time.time(), "", f"{dropped} more requests", "-", "-", 0, 0.0))
        if lines:
            self._write("".join(f"{self._as_line(line.harmless())}\n" for line in lines))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
