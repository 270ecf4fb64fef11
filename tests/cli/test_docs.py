"""docs/cli.md matches the code: its snippets run, and its options and numbers are correct."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.server import ATHENA, PATIENCE, Athena, environment, run_athena

from athena.cli import process, reporter, run
from athena.cli.demo import LENGTH

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("script", blocks("sh"))
def test_a_shell_snippet_runs(athena: Athena, script: str) -> None:
    path = f"{Path(ATHENA).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-c", script],
        env=environment(ATHENA_URL=athena.url, PATH=path),
        capture_output=True,
        timeout=2 * PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if "install a package" in script:
        assert b"this line is ordinary output, and passes\n" in done.stdout
        assert b"3/3  install a package: done" in done.stdout


@pytest.mark.parametrize("program", blocks("python"))
def test_a_python_snippet_runs(athena: Athena, program: str) -> None:
    program = program.replace("http://127.0.0.1:8787", athena.url)
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Ready()" in done.stdout
    assert b"nightly backup" in done.stdout


@pytest.mark.parametrize("command", ["watch", "history", "run", "demo"])
def test_every_option_is_described(command: str) -> None:
    shown = run_athena(command, "--help").stdout.decode()
    section = PAGE.partition(f"## `athena {command}`")[2].partition("\n## ")[0]
    for flag in set(re.findall(r"(?<![\w-])--[a-z-]+", shown.partition("Options:")[2])) - {"--help"}:
        assert f"`{flag}" in section or (command == "watch" and flag == "--url"), flag


def test_the_numbers_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"repeated every {reporter.HEARTBEAT:.0f} s" in text
    assert f"{reporter.TIMEOUT_MS / 1000:.0f} s after the last one" in text
    assert f"At most {reporter.QUEUE_LENGTH} reports wait" in text
    assert f"shortened to {reporter.MESSAGE_LIMIT:,} characters" in text
    assert f"up to {run.FINAL_GRACE:.0f} s to arrive ({run.UNREACHED_GRACE:.0f} s if" in text
    assert f"for {process.PROMPT_DELAY} s" in text
    assert process.LINGER == 1
    assert "for one more second" in text
    assert round(LENGTH, -1) == 20
    assert "in about 20 seconds" in text
    for number in process.FORWARDED:
        assert number.name in text
