"""A command in a pseudo-terminal, as a person would run it: its output, its key presses, its final screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from tests.support.server import PATIENCE, environment


class Terminal:
    """Runs `command` as the leader of a session whose controlling terminal this is. Use as a context manager."""

    def __init__(
        self, *command: str, columns: int = 100, lines: int = 30, variables: Mapping[str, str] | None = None
    ) -> None:
        self.output = b""
        self.size = (columns, lines)
        self._command = command
        self._variables = {"TERM": "xterm-256color", **(variables or {})}

    def __enter__(self) -> Self:
        self._master, terminal = pty.openpty()
        columns, lines = self.size
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *self._command],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment(**self._variables),
        )
        os.close(terminal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._master)  # hangs up: SIGHUP to whatever still runs there
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def press(self, keys: bytes) -> None:
        """Type; `b"\\x03"` is Ctrl-C."""
        os.write(self._master, keys)

    def read_until(self, pattern: str | bytes) -> bytes:
        """Read until all output so far matches `pattern` (a regular expression) -> that output."""
        expression = re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.DOTALL)
        deadline = time.monotonic() + PATIENCE
        while not expression.search(self.output):
            if not self._read_more(deadline):
                raise AssertionError(f"expected {pattern!r}, got the end of the output: {self.output!r}")
        return self.output

    def see(self, seen: Callable[[list[str]], bool]) -> list[str]:
        """Read until the screen satisfies `seen` -> the screen."""
        deadline = time.monotonic() + PATIENCE
        while not seen(self.screen):
            assert self._read_more(deadline), f"the end came, with this on the screen: {self.screen}"
        return self.screen

    @property
    def screen(self) -> list[str]:
        """The visible lines, and those that scrolled away, after all output so far."""
        return screen(self.output.decode(errors="ignore"))

    @property
    def shows_keys(self) -> bool:
        """Whether the terminal echoes typed keys."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def wait(self) -> int:
        """Read the rest and wait for the end -> the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read_more(deadline):
            pass
        return self.process.wait(PATIENCE)

    def _read_more(self, deadline: float) -> bool:
        if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise AssertionError(f"nothing more came within {PATIENCE:.0f} s: {self.output!r}")
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: no process has the terminal open any more
            return False
        self.output += data
        return bool(data)


_CONTROL = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def screen(output: str) -> list[str]:
    """What a terminal shows after this output. It supports the sequences that draw lines in place: carriage return,
    line feed, cursor up (CSI n A), erase line (CSI 2 K); colours and the cursor's visibility are ignored.
    """
    lines, row, column = [""], 0, 0
    position = 0
    while found := _CONTROL.match(output, position):
        position = found.end()
        argument, command, move, text = found.groups()
        if text is not None:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        elif move == "\r":
            column = 0
        elif move == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif command == "A":
            row -= int(argument or 1)
        elif command == "K":
            assert argument == "2", f"expected whole lines to be erased, got CSI {argument} K"
            lines[row] = ""
        else:
            assert command in ("m", "h", "l"), f"expected no CSI {argument} {command}"
    assert position >= len(output) - 10, f"expected known sequences, got {output[position : position + 20]!r}"
    return [line.rstrip() for line in lines]
