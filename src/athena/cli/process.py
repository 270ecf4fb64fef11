"""Runs a command as if Athena were not there: same terminal, same input, same signals, same output, same exit status.

Only its standard output goes through a pipe, so that `::step` lines can be removed from it.

Signals: SIGINT, SIGTERM and the like are blocked here and accepted one at a time (`sigwaitinfo`), because only then the
kernel reports the sender. A signal from the terminal (Ctrl-C) has already reached the command, which is in the same
process group; a second one would make many programs stop without cleaning up. All others are forwarded.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from athena.cli.steps import Step, StepFilter

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

SI_KERNEL = 0x80
"""`si_code` of a signal sent by the kernel, such as the terminal driver's for Ctrl-C (Linux, sigaction(2))."""

PROMPT_DELAY = 0.1
"""Seconds that an incomplete `:` or `::st` at the start of a line is held back, in case it becomes a step."""

LINGER = 1.0
"""Seconds after the command's end during which output of its background processes still passes."""

STDOUT = 1
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals that are accepted synchronously, and the previous mask, which the command inherits."""

    taken: frozenset[signal.Signals]
    inherited_mask: frozenset[int]

    def arrived(self) -> bool:
        """Consume a pending signal -> whether there was one."""
        return signal.sigtimedwait(self.taken, 0) is not None

    def wait_unless_one_arrives(self, waiting: Callable[[float], bool], timeout: float = math.inf) -> bool:
        """Call `waiting(seconds)` until it returns True -> True; a signal or `timeout` seconds end that -> False."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not self.arrived():
            if waiting(0.05):
                return True
        return False


@contextlib.contextmanager
def blocked_signals() -> Iterator[Signals]:
    """Block the forwarded signals inside. Those that were ignored from the start (nohup) stay ignored."""
    taken = frozenset(number for number in FORWARDED if signal.getsignal(number) is not signal.SIG_IGN)
    # If our parent ignores SIGCHLD, so do we, and the child's exit status would be lost (wait(2), NOTES).
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, taken | {signal.SIGCHLD})
    signals = Signals(taken, frozenset(before))
    try:
        yield signals
    finally:
        while signals.arrived():
            pass  # A Ctrl-C after the command's end must not replace its exit status.
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Command:
    """One running command. Start it inside `blocked_signals()`, before any other thread.

    `on_step` is called from another thread for each step in its output. `output_lost` is the system's message if output
    could not be written, None if merely its reader has gone. Raises `OSError` if the command cannot be started.
    """

    def __init__(self, arguments: Sequence[str], signals: Signals, on_step: Callable[[Step], None]) -> None:
        self.output_lost: str | None = None
        self._signals = signals
        self._on_step = on_step
        self._output, output_of_command = os.pipe()
        self._ended, self._end = os.pipe()
        try:
            # Unlike subprocess, this passes on all inheritable descriptors (make's job server, 3>file, …) and sets the
            # command's signal mask without running code between fork and exec.
            self.pid = os.posix_spawnp(
                arguments[0],
                list(arguments),
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, output_of_command, STDOUT)],
                setsigmask=signals.inherited_mask,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores these; other programs expect the default
            )
        except OSError:
            for descriptor in (self._output, self._ended, self._end):
                os.close(descriptor)
            raise
        finally:
            os.close(output_of_command)
        self._pump = threading.Thread(target=self._pump_output, name="output", daemon=True)
        self._pump.start()

    def wait(self) -> int:
        """Forward signals until the command has ended and its output is written.

        Returns its exit status, or -n if signal n ended it.
        """
        while True:
            received = signal.sigwaitinfo(self._signals.taken | {signal.SIGCHLD})
            if received.si_signo != signal.SIGCHLD:
                if received.si_code != SI_KERNEL:
                    os.kill(self.pid, received.si_signo)
                continue
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
        os.close(self._end)
        self._signals.wait_unless_one_arrives(self._output_is_written)
        return os.waitstatus_to_exitcode(status)

    def _output_is_written(self, seconds: float) -> bool:
        self._pump.join(seconds)
        return not self._pump.is_alive()

    # ---- the output's thread -----------------------------------------------------------------------------------------
    def _pump_output(self) -> None:
        """Copy output until it ends, until `LINGER` seconds after the command's end, or until our reader has gone."""
        steps = StepFilter()
        open_until: float | None = None
        try:
            while open_until is None or time.monotonic() < open_until:
                if not (ready := self._readable(steps, open_until)):
                    write_all(STDOUT, steps.release())
                elif self._output not in ready:
                    open_until = time.monotonic() + LINGER
                elif data := os.read(self._output, CHUNK):
                    passed, found = steps.feed(data)
                    write_all(STDOUT, passed)
                    self._announce(found)
                else:
                    break
            passed, found = steps.end()
            write_all(STDOUT, passed)
            self._announce(found)
        except OSError as error:
            # Closing our end reports this to the command as usual, by SIGPIPE on its next write.
            if error.errno != errno.EPIPE:
                self.output_lost = str(error.strerror)
        finally:
            os.close(self._output)
            os.close(self._ended)

    def _readable(self, steps: StepFilter, open_until: float | None) -> list[int]:
        """Wait for output or for the command's end. Empty when text was held back for long enough, or time is up."""
        timeout = PROMPT_DELAY if steps.holds_beginning else None
        if open_until is None:
            return select.select([self._output, self._ended], [], [], timeout)[0]
        remaining = max(0.0, open_until - time.monotonic())
        return select.select([self._output], [], [], remaining if timeout is None else min(timeout, remaining))[0]

    def _announce(self, found: list[Step]) -> None:
        for step in found:
            self._on_step(step)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, even to a terminal that another process has made non-blocking. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
