"""How the commands format output: sanitized external text, times, steps, and one colour per status."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

STATUS_STYLES = {"pending": "cyan", "undoing": "yellow", "success": "green", "error": "red"}
"""Rich styles. The status is always shown in words too, so nothing depends on colour."""

ACTIVE = ("pending", "undoing")

# C0 and C1 controls (terminals obey them: ESC [ …), line and paragraph separators, bidirectional overrides (they
# reorder the text around them), and lone surrogates (JSON can carry them, UTF-8 cannot).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: object) -> str:
    """`text` on one line, with every character that a terminal would not simply display replaced by `�`.

    White space becomes a space. Rich markup is not escaped: put the result into a `rich.text.Text`, which has none.
    """
    return _UNSAFE.sub(lambda found: " " if found[0] in "\t\n\v\f\r\x85\u2028\u2029" else "\ufffd", str(text))


def complain(text: str) -> None:
    """Print one sanitized line to standard error; it is lost if that cannot be written. Never raises."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(harmless(text), file=sys.stderr, flush=True)


def shortened(text: str, limit: int) -> str:
    """`text`, or its first `limit - 1` characters and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def steps(row: Mapping[str, Any]) -> str:
    """`2/9`, `2/?` while the number of steps is not known, `-/9` before the first one; empty if neither is known."""
    on_step, total_steps = whole_number(row.get("on_step")), whole_number(row.get("total_steps"))
    if on_step is None and total_steps is None:
        return ""
    return f"{'-' if on_step is None else on_step}/{'?' if total_steps is None else total_steps}"


def whole_number(value: object) -> int | None:
    """`value` if it is an integer (a JSON `true` is not), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def duration(milliseconds: int | None) -> str:
    """`7 s`, `3:07` (minutes), `2:03:07` (hours), `5 d 2:03:07`; empty for None, `0 s` for a lagging clock."""
    if milliseconds is None:
        return ""
    minutes, seconds = divmod(max(0, milliseconds) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours}:{minutes:02}:{seconds:02}"
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}" if minutes else f"{seconds} s"


def local_time(milliseconds: int | None, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time in this machine's time zone; empty for None or if it is out of range."""
    if milliseconds is None:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime(pattern)
    except (OverflowError, ValueError, OSError):
        return ""
