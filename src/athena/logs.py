"""Logs that can be trusted: one line an event, as text or JSON, whatever an attacker writes into a name or a path."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\\]")
"""Control characters, line separators, marks that turn text around; and the backslash, so that escapes are ours."""


def escaped(text: str) -> str:
    """`text` on one line, with what could forge or hide something shown as an escape."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class TextFormatter(logging.Formatter):
    """`2026-01-31T14:00:00.000Z INFO athena: message`; a traceback follows indented, so it cannot pass for a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname} {record.name}: {escaped(record.getMessage())}"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join(f"\n    {_CONTROL.sub('?', part)}" for part in trace.split("\n"))
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and the members of `extra={"fields": {…}}`."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= getattr(record, "fields", {})
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told)  # ASCII: everything else, and every control character, is escaped


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def set_up(level: str, format_: str) -> None:
    """Log to standard error. Libraries that log every connection do so only at debug; that of WebSockets never, since
    it tells the headers of handshakes, with the keys and cookies in them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format_ == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for chatty in ("uvicorn", "urllib3"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("websockets").setLevel(logging.WARNING)
