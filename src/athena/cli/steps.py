"""The `::step` lines in a command's output: `::step 2 unpacking`, `::step 2/9 unpacking`, `::step 2`.

`StepFilter` removes them from a stream of bytes and passes everything else on, at once and unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = b"::step "
LONGEST_LINE = 64 * 1024
"""A line longer than this (bytes) is not a step."""

_STEP = re.compile(rb"::step +(\d{1,9})(?:/(\d{1,9}))?(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """The contents of one `::step` line."""

    on_step: int
    total_steps: int | None = None
    message: str | None = None


def parse_step(line: bytes) -> Step | None:
    """The step that `line` (without its newline) sets, or None if it is not a step line."""
    found = _STEP.fullmatch(line)
    if found is None:
        return None
    on_step, total_steps, message = found.groups()
    return Step(
        on_step=int(on_step),
        total_steps=int(total_steps) if total_steps else None,
        message=(message or b"").decode("utf-8", "replace").strip() or None,
    )


class StepFilter:
    """Separates output into steps and all other bytes, independent of how it is split into chunks.

    Only the beginning of a line that may still become a step is held back: until it cannot, until its newline arrives,
    or until the caller has waited long enough and calls `release()`. Except for complete step lines, all bytes come
    out as they went in, in order.
    """

    def __init__(self) -> None:
        self._held = b""
        self._at_line_start = True

    @property
    def holds_beginning(self) -> bool:
        """Whether less than `::step ` is held back: it may be a prompt such as `:`."""
        return 0 < len(self._held) < len(PREFIX)

    def feed(self, data: bytes) -> tuple[bytes, list[Step]]:
        """The bytes that pass now, and the steps completed by `data`, in order."""
        passed: list[bytes] = []
        found: list[Step] = []
        data = self._held + data
        self._held = b""
        position = 0
        while position < len(data):
            if not self._at_line_start:
                position = self._pass_to_candidate(data, position, passed)
                continue
            end = data.find(b"\n", position)
            if self._may_be_step(data, position, end):
                if end < 0:
                    self._held = data[position:]
                    break
                if (step := parse_step(data[position:end])) is not None:
                    found.append(step)
                    position = end + 1
                    continue
            self._at_line_start = False
        return b"".join(passed), found

    def release(self) -> bytes:
        """Return the held bytes: they are ordinary output after all."""
        held, self._held = self._held, b""
        self._at_line_start = self._at_line_start and not held
        return held

    def end(self) -> tuple[bytes, list[Step]]:
        """The output has ended. Its last step needs no newline."""
        step = parse_step(self._held)
        if step is None:
            return self.release(), []
        self._held = b""
        return b"", [step]

    def _may_be_step(self, data: bytes, position: int, end: int) -> bool:
        length = (len(data) if end < 0 else end) - position
        return length <= LONGEST_LINE and PREFIX.startswith(data[position : position + min(length, len(PREFIX))])

    def _pass_to_candidate(self, data: bytes, position: int, passed: list[bytes]) -> int:
        """Pass everything up to the next line that begins with a colon; returns its position."""
        newline = data.find(b"\n:", position)
        stop = len(data) if newline < 0 else newline + 1
        passed.append(data[position:stop])
        self._at_line_start = data.endswith(b"\n", position, stop)
        return stop
