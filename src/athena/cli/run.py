"""`athena run`: any command as a transaction, with the output, input, signals and exit status it has without Athena."""

from __future__ import annotations

import errno
import os
import signal
import uuid
from collections.abc import Sequence
from typing import Any

from athena.cli.credentials import find_key
from athena.cli.process import Command, Signals, blocked_signals
from athena.cli.reporter import TIMEOUT_MS, Progress, Reporter
from athena.cli.text import complain, harmless
from athena.client import Client

REQUEST_TIMEOUT = 3.0
"""Seconds for one attempt to report."""

FINAL_GRACE = 5.0
"""Seconds that the result may take to reach Athena after the command's end."""

UNREACHED_GRACE = 2.0
"""The same, if Athena was never reached."""

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""The exit statuses of shells (POSIX, 2.8.2 Exit Status for Commands)."""


def run(
    url: str,
    command: Sequence[str],
    *,
    description: str,
    steps: int | None = None,
    by: str | None = None,
    component_id: str | None = None,
) -> int:
    """Run `command`, report it to the Athena at `url`, and return the exit status: the command's own, 128+n if signal
    n ended it, 127 if it was not found, 126 if it cannot be executed, 1 if it succeeded but its output could not be
    written (a full disk).
    """
    _occupy_closed_descriptors()
    progress = Progress(steps)
    with Client(url, key=find_key(url), timeout=REQUEST_TIMEOUT) as client, blocked_signals() as signals:
        opening = _opening(description, steps, by, component_id)
        reporter = Reporter(client, opening, find_key=lambda: find_key(url))
        try:
            running = Command(command, signals, on_step=lambda step: reporter.report(progress.step(step)))
        except OSError as error:
            status, failure = _not_started(command[0], error)
            reporter.start()
        else:
            reporter.start()
            status, failure = _result(running.wait(), running.output_lost)
        reporter.report(progress.finish(failure))
        _await_delivery(reporter, signals)
    return status


def _opening(description: str, steps: int | None, by: str | None, component_id: str | None) -> dict[str, Any]:
    members = {
        # Generated here, so that opening again after a lost response is idempotent.
        "tx_id": f"run-{uuid.uuid4().hex[:16]}",
        "description": harmless(description),
        "by": by and harmless(by),
        "total_steps": steps,
        "component_id": component_id and harmless(component_id),
        "timeout_ms": TIMEOUT_MS,
    }
    return {name: value for name, value in members.items() if value is not None}


def _result(ended: int, output_lost: str | None) -> tuple[int, str | None]:
    """(exit status, error message or None) for an exit status, or for -n if signal n ended the command."""
    if ended == 0 and output_lost is not None:
        complain(f"athena run: the command's output could not be written: {output_lost}")
        return 1, f"its output could not be written: {output_lost}"
    if ended >= 0:
        return ended, f"exit status {ended}" if ended else None
    try:
        name = signal.Signals(-ended).name
    except ValueError:
        name = f"signal {-ended}"  # a real-time signal
    return 128 - ended, f"ended by {name}"


def _not_started(name: str, error: OSError) -> tuple[int, str | None]:
    if error.errno == errno.ENOENT:
        status, failure = NOT_FOUND, f"command not found: {name}"
    else:
        status, failure = NOT_EXECUTABLE, f"command cannot be executed: {name}: {error.strerror}"
    complain(f"athena run: {failure}")
    return status, failure


def _await_delivery(reporter: Reporter, signals: Signals) -> None:
    """Wait a few seconds for the result to be delivered. A signal (Ctrl-C) ends the wait."""
    signals.wait_unless_one_arrives(reporter.ended.wait, FINAL_GRACE if reporter.opened else UNREACHED_GRACE)
    if reporter.problem is not None or not reporter.ended.is_set():
        reporter.stop()
        why = reporter.problem or "no answer in time"
        complain(f"athena run: the result was not reported: {why}")


def _occupy_closed_descriptors() -> None:
    """Open closed standard descriptors (`>&-`) on /dev/null, so that none of our pipes gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
