"""Logs that can be trusted: one line per event, as text or JSON, whatever an attacker writes into a name or a path.

A log collector that stalls does not hold up the server.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

LAST_SECONDS = 1.0
"""How long Athena waits at its end for the last lines to be written."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\\]")
"""Control, line-separator, zero-width and direction characters; and the backslash, so that every escape is ours."""


def escaped(text: str) -> str:
    """`text` on one line, with characters that could forge or hide something shown as escapes."""
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
    """One JSON object per line: `time`, `level`, `logger`, `message`, and the members of `extra={"fields": {…}}`."""

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


class Output:
    """Writes text to a descriptor on its own thread: a pipe that is not being read would block the writer.

    Text that cannot be written, because the disk is full or too much is waiting, is dropped and reported later.
    """

    MOST_WAITING = 4 * 1024 * 1024
    """Characters; a text that arrives while nothing is waiting is accepted at any length."""

    def __init__(self, descriptor: int | None, tell_missing: Callable[[int], str]) -> None:
        """`tell_missing`: number of missing lines -> the line that reports them. No descriptor: all is dropped."""
        self._descriptor = descriptor
        self._tell_missing = tell_missing
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._size = 0  # characters that are waiting or being written
        self._missing = 0
        self._broken = False  # whether the last line was only partly written
        threading.Thread(target=self._work, name="log", daemon=True).start()

    def write(self, text: str) -> None:
        """Queue `text`, which ends with a newline. Never blocks, never raises."""
        with self._changed:
            if self._descriptor is None or (self._size and self._size + len(text) > self.MOST_WAITING):
                self._missing += text.count("\n")
                return
            self._waiting.append(text)
            self._size += len(text)
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until everything is written, for at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                texts, self._waiting = self._waiting, []
                missing, self._missing = self._missing, 0
            lost = missing if missing and self._put(self._tell_missing(missing)) else 0
            lost += self._put("".join(texts))
            with self._changed:
                self._missing += lost
                self._size = sum(map(len, self._waiting))
                self._changed.notify_all()

    def _put(self, text: str) -> int:
        """Write -> how many lines could not be written. After a partly written line, begins a new one."""
        descriptor, prefix = self._descriptor or 0, b"\n" if self._broken else b""
        data = prefix + text.encode(errors="replace")
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:  # another process that shares it has made it non-blocking
                select.select([], [descriptor], [])
            except OSError:
                written = len(data) - len(left)
                if written:
                    self._broken = data[written - 1 : written] != b"\n"
                return data.count(b"\n", max(written, len(prefix)))
        self._broken = False
        return 0


class OutputHandler(logging.Handler):
    """Hands records to an `Output`. Waits until a critical one is written: the process often ends right after it."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception as error:  # logging must not make the caller fail
            text = f"{_time(record)} ERROR {record.name}: {escaped(f'{record.msg!r} could not be logged: {error!r}')}"
        self._output.write(text + "\n")
        if record.levelno >= logging.CRITICAL:
            self._output.drain(LAST_SECONDS)


def set_up(level: str, format_: str) -> Output:
    """Log to standard error. Libraries that log every connection do so only at debug level; the WebSocket library never
    does, since it logs the headers of handshakes, with the keys and cookies in them."""
    formatter = JsonFormatter() if format_ == "json" else TextFormatter()

    def missing(lines: int) -> str:
        text = f"{lines} lines of this log are missing: they could not be written"
        return formatter.format(logging.LogRecord("athena", logging.WARNING, "", 0, text, None, None)) + "\n"

    output = Output(_standard_error(), missing)
    handler = OutputHandler(output)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for chatty in ("uvicorn", "urllib3"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("websockets").setLevel(logging.WARNING)
    return output


def _standard_error() -> int | None:
    """None if there is none: its number may belong to another file by now."""
    with suppress(AttributeError, OSError, ValueError):
        return sys.stderr.fileno()
    return None
