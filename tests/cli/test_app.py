"""The command line as a whole: help, version, one-line failures, and the cost of a start."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.support.server import Athena, run_athena

import athena

NOBODY = "http://127.0.0.1:1"
COMMANDS = ("serve", "watch", "history", "run", "demo")


def test_version() -> None:
    done = run_athena("--version")
    assert (done.returncode, done.stdout) == (0, f"athena {athena.__version__}\n".encode())


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_names_every_command(arguments: tuple[str, ...]) -> None:
    done = run_athena(*arguments)
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command} ".encode() in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = run_athena(command, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"Usage: athena {command}".encode() in done.stdout


@pytest.mark.parametrize("command", ["watch", "history", "run", "demo"])
def test_the_address_is_an_option_with_its_variable_and_default(command: str) -> None:
    text = " ".join(run_athena(command, "--help").stdout.decode().split())
    assert "--url URL" in text
    assert "[env var: ATHENA_URL; default: http://127.0.0.1:8787]" in text


@pytest.mark.parametrize("command", [("watch",), ("history",), ("history", "some-id"), ("demo",)])
def test_nobody_there_is_one_line_that_says_what_to_do(command: tuple[str, ...]) -> None:
    done = run_athena(*command, variables={"ATHENA_URL": NOBODY})
    assert (done.returncode, done.stdout) == (1, b"")
    expected = f"athena: expected Athena at {NOBODY}, got: connection refused; start it with `athena serve`"
    assert done.stderr.decode().startswith(expected)
    assert done.stderr.count(b"\n") == 1


def test_an_option_goes_before_the_variable(athena: Athena) -> None:
    done = run_athena("history", "--url", athena.url, variables={"ATHENA_URL": NOBODY})
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_locale_without_the_characters_is_no_failure(athena: Athena) -> None:
    athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "a", "description": "späť 🎉"})
    done = run_athena("history", "--url", athena.url, variables={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert b" sp?? ? " in done.stdout


@pytest.mark.parametrize("arguments", [("no-such-command",), ("watch", "--no-such-option"), ("watch", "surplus"), ()])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = run_athena(*arguments)
    assert done.returncode == 2
    assert b"Usage: athena" in done.stderr + done.stdout


def test_the_other_commands_start_without_the_server() -> None:
    program = (
        "import sys, athena.cli.app, athena.cli.run, athena.cli.watch, athena.cli.history, athena.cli.demo;"
        "print(sorted({'athena.node', 'uvicorn', 'starlette', 'apsw', 'msgspec', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.stdout == b"[]\n", done.stderr
