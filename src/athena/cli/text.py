"""How the commands write things: text from elsewhere made harmless, times, steps, and one colour per status."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

STATUS_STYLES = {"pending": "cyan", "undoing": "yellow", "success": "green", "error": "red"}
"""Rich styles. The word is always shown too, so nothing depends on seeing colours."""

ACTIVE = ("pending", "undoing")

# C0 and C1 controls (a terminal obeys them: ESC [ …), line and paragraph separators, bidirectional overrides (they
# reorder what stands around them), and lone surrogates (JSON can carry them, UTF-8 cannot).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: object) -> str:
    """`text` on one line, with everything replaced by `�` that would do more to a terminal than show a character.

    White space becomes a space. The result is not Rich markup either: put it into a `rich.text.Text`, which has none.
    """
    return _UNSAFE.sub(lambda found: " " if found[0] in "\t\n\v\f\r\x85\u2028\u2029" else "\ufffd", str(text))


def complain(text: str) -> None:
    """One line on standard error, made harmless; lost if nobody reads there. Never raises."""
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
    """`value` if it is an integer (as JSON has them: `true` is none), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def duration(milliseconds: int | None) -> str:
    """`7 s`, `3:07` (minutes), `2:03:07` (hours), `5 d 2:03:07`; empty for None, 0 for a clock that runs behind."""
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
    """A moment in this machine's time zone; empty for None or for what no calendar holds."""
    if milliseconds is None:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime(pattern)
    except (OverflowError, ValueError, OSError):
        return ""
