"""`athena doctor`: checks everything that Athena needs, and says how to fix what is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from athena.cli.doctor import machine, server
from athena.cli.doctor.finding import Finding, Level
from athena.cli.text import harmless

STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "red"}
WIDTH = 16


def doctor(url: str, data: Path, thoroughly: bool, as_json: bool) -> int:
    """Run every check, printing findings as they arrive -> the exit status: 1 if anything has failed."""
    worst = Level.OK
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings(url, data, thoroughly):
        worst = max(worst, finding.level)
        if as_json:
            print(json.dumps(finding.as_dict()), flush=True)
        else:
            console.print(_line(finding))
    if not as_json:
        console.print(_verdict(worst))
        sys.stdout.flush()
    return int(worst is Level.FAILURE)


def findings(url: str, data: Path, thoroughly: bool) -> Iterator[Finding]:
    """All findings: the machine first, then the server, if there is one."""
    yield from machine.data_directory(data)
    yield machine.sqlite()
    yield from machine.history(data, thoroughly)
    yield from machine.keys(data)
    yield from machine.disk(data)
    yield machine.open_files()
    yield machine.clock()
    yield from server.checks(url)


def _line(finding: Finding) -> Text:
    line = Text(f"{finding.level.word:8}", STYLES[finding.level])
    line.append(f"{finding.subject:{WIDTH}}{harmless(finding.found)}", "default")
    if finding.advice:
        line.append(f"\n{'':8}{'':{WIDTH}}→ {harmless(finding.advice)}", "bold")
    return line


def _verdict(worst: Level) -> Text:
    said = {
        Level.OK: "All is well.",
        Level.WARNING: "It works, but look at the warnings.",
        Level.FAILURE: "Something is not right: each → says what to do.",
    }
    return Text(said[worst], STYLES[worst])
