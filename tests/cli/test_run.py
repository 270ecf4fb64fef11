"""`athena run`, as a process: it must not affect the command, and Athena must receive the outcome."""

from __future__ import annotations

import os
import random
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import ATHENA, PATIENCE, Athena, environment, run_athena
from tests.support.terminal import Terminal

NOBODY = "http://127.0.0.1:1"
"""An address without an Athena."""


def run(
    url: str, *command: str, options: tuple[str, ...] = (), stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return run_athena("run", "--url", url, "--description", "job", *options, "--", *command, stdin=stdin)


def only_row(athena: Athena) -> dict[str, Any]:
    [row] = athena.request("GET", "/api/v3/notifications")[1]["notifications"]
    assert isinstance(row, dict)
    return row


def changes(athena: Athena) -> list[tuple[Any, ...]]:
    _, found = athena.request("GET", f"/api/v3/webhooks/txs/{only_row(athena)['id']}")
    return [
        (change["status"], change.get("on_step"), change.get("total_steps"), change.get("message"))
        for change in found["changes"]
    ]


@contextmanager
def running(url: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """`athena run` with pipes, while it runs."""
    arguments = [ATHENA, "run", "--url", url, "--description", "job", "--", *command]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), bufsize=0
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read(process: subprocess.Popen[bytes], expected: bytes) -> None:
    """Read exactly what is expected, and not a byte more: output that is held back makes this fail."""
    assert process.stdout is not None
    got = b""
    while len(got) < len(expected):
        assert select.select([process.stdout], [], [], PATIENCE)[0], f"expected {expected!r}, got no more than {got!r}"
        piece = process.stdout.read(len(expected) - len(got))
        assert piece, f"expected {expected!r}, got the end after {got!r}"
        got += piece
    assert got == expected


def write(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)


PYTHON = sys.executable


# ---- what Athena learns ----------------------------------------------------------------------------------------------
def test_its_steps_are_the_transactions(athena: Athena) -> None:
    script = "echo start; echo '::step 1 unpack'; echo half; echo '::step 2/3 configure'; echo '::step 3'; echo end"
    done = run(athena.url, "sh", "-c", script, options=("--steps", "3"))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"start\nhalf\nend\n", b"")
    assert changes(athena) == [
        ("pending", None, 3, None),
        ("pending", 1, 3, "unpack"),
        ("pending", 2, 3, "configure"),
        ("pending", 3, 3, "configure"),
        ("success", 3, 3, "done"),
    ]


def test_who_and_what_for_are_reported(athena: Athena) -> None:
    run(athena.url, "true", options=("--by", "dolores@us.ibm.com", "--component-id", "shop"))
    row = only_row(athena)
    assert row["by"] == "d*****s@us.ibm.com"
    assert row["component_id"] == "shop"
    assert row["timeout_ms"] == 45_000
    assert row["message"] == "job: done"


def test_a_message_that_is_too_long_is_shortened(athena: Athena) -> None:
    run(athena.url, "sh", "-c", f"echo '::step 1 {'é' * 3000}'; exit 1")
    message = changes(athena)[1][3]
    assert message == "é" * 1023 + "…"


@pytest.mark.parametrize("status", [1, 127, 255])
def test_an_exit_status_is_passed_on_and_is_an_error(athena: Athena, status: int) -> None:
    done = run(athena.url, "sh", "-c", f"exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")
    assert only_row(athena)["status"] == "error"
    assert only_row(athena)["message"] == f"job: exit status {status}"


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV"])
def test_a_signal_is_an_error_that_names_it(athena: Athena, name: str) -> None:
    number = signal.Signals[name]
    done = run(athena.url, "sh", "-c", f"kill -{number.value} $$")
    assert done.returncode == 128 + number
    assert only_row(athena)["message"] == f"job: ended by {name}"


def test_a_command_that_does_not_exist(athena: Athena) -> None:
    done = run(athena.url, "no-such-command", "x")
    assert (done.returncode, done.stderr) == (127, b"athena run: command not found: no-such-command\n")
    assert only_row(athena)["message"] == "job: command not found: no-such-command"


def test_a_command_that_cannot_be_executed(athena: Athena, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    done = run(athena.url, str(tmp_path / "text"))
    assert done.returncode == 126
    assert b"Permission denied" in done.stderr
    assert only_row(athena)["status"] == "error"


# ---- what the command notices: nothing -------------------------------------------------------------------------------
def test_output_passes_byte_for_byte(athena: Athena, tmp_path: Path) -> None:
    content = (
        random.Random(1).randbytes(3_000_000)
        + b"\n::steps\n:\n::step x\n::\x00\xff\r\n:: no newline at the end ::step 1"
    )
    (tmp_path / "content").write_bytes(content)
    assert run(athena.url, "cat", str(tmp_path / "content")).stdout == content


def test_standard_input_and_error_are_its_own(athena: Athena) -> None:
    done = run(athena.url, "sh", "-c", "cat; echo '::step 1 on stderr is no step' >&2", stdin=b"\x00in\xff")
    assert (done.stdout, done.stderr) == (b"\x00in\xff", b"::step 1 on stderr is no step\n")
    assert len(changes(athena)) == 2


@pytest.mark.parametrize("prompt", ["Password: ", ":"])
def test_a_prompt_without_a_newline_is_seen_before_it_is_answered(athena: Athena, prompt: str) -> None:
    with running(athena.url, "sh", "-c", f"printf '{prompt}'; read answer; echo got $answer") as process:
        read(process, prompt.encode())
        write(process, b"yes\n")
        read(process, b"got yes\n")
        assert process.wait(PATIENCE) == 0


def test_a_step_is_reported_while_the_command_goes_on(athena: Athena) -> None:
    with running(athena.url, "sh", "-c", "echo '::step 1/2 waiting'; read line") as process:
        row = athena.wait_for(lambda row: row.get("on_step") == 1)
        assert (row["status"], row["message"]) == ("pending", "job: waiting")
        write(process, b"\n")
        assert process.wait(PATIENCE) == 0


def test_its_arguments_are_not_taken_for_options(athena: Athena) -> None:
    assert run(athena.url, "echo", "--steps", "--help", "--").stdout == b"--steps --help --\n"
    assert run_athena("run", "--url", athena.url, "-d", "job", "echo", "-n", "--url").stdout == b"--url"


def test_inherited_files_stay_open(athena: Athena, tmp_path: Path) -> None:
    target = tmp_path / "three"
    command = shlex.join([ATHENA, "run", "--url", athena.url, "-d", "job", "--", "sh", "-c", "echo to three >&3"])
    assert subprocess.run(["sh", "-c", f"{command} 3>{target}"], timeout=PATIENCE).returncode == 0
    assert target.read_text() == "to three\n"


def test_without_standard_files_it_runs_too(athena: Athena) -> None:
    command = shlex.join([ATHENA, "run", "--url", athena.url, "-d", "job", "--", "sh", "-c", "echo x; exit 4"])
    done = subprocess.run(["sh", "-c", f"{command} <&- >&- 2>&-"], timeout=PATIENCE)
    assert done.returncode == 4


def test_when_nobody_reads_its_output_it_learns_so(athena: Athena) -> None:
    with running(athena.url, "yes") as process:
        assert process.stdout is not None
        read(process, b"y\n")
        process.stdout.close()
        assert process.wait(PATIENCE) == 128 + signal.SIGPIPE
    assert only_row(athena)["message"] == "job: ended by SIGPIPE"


def test_output_that_cannot_be_written_is_an_error(athena: Athena) -> None:
    command = shlex.join([ATHENA, "run", "--url", athena.url, "-d", "job", "--", "echo", "x"])
    done = subprocess.run(["sh", "-c", f"{command} > /dev/full"], stderr=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert only_row(athena)["message"] == "job: its output could not be written: No space left on device"


def test_a_process_that_it_leaves_behind_is_not_waited_for(athena: Athena) -> None:
    with running(athena.url, "sh", "-c", "sleep 1000 & echo $!") as process:
        assert process.stdout is not None
        left_behind = int(process.stdout.readline())
        try:
            assert process.wait(PATIENCE) == 0
        finally:
            os.kill(left_behind, signal.SIGKILL)


def test_output_of_a_process_that_it_leaves_behind_still_passes(athena: Athena) -> None:
    assert run(athena.url, "sh", "-c", "(sleep 0.1; echo late) & echo early").stdout == b"early\nlate\n"


# ---- signals ---------------------------------------------------------------------------------------------------------
TELLS_SIGNALS = """
import signal, sys
wanted = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
output = getattr(sys, sys.argv[1])
print("ready", file=output, flush=True)
while True:
    got = signal.Signals(signal.sigwaitinfo(wanted).si_signo)
    print(f"got {got.name}", file=output, flush=True)
    if got == signal.SIGTERM:
        sys.exit(9)
"""


def test_signals_are_passed_on(athena: Athena) -> None:
    with running(athena.url, PYTHON, "-c", TELLS_SIGNALS, "stdout") as process:
        read(process, b"ready\n")
        for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGTERM"):
            process.send_signal(signal.Signals[name])
            read(process, f"got {name}\n".encode())
        assert process.wait(PATIENCE) == 9
    assert only_row(athena)["message"] == "job: exit status 9"


def test_ctrl_c_reaches_the_command_once(athena: Athena) -> None:
    command = (PYTHON, "-c", TELLS_SIGNALS, "stderr")
    with Terminal(ATHENA, "run", "--url", athena.url, "-d", "job", "--", *command) as terminal:
        terminal.read_until("ready\r\n")
        # Two pending SIGINTs merge into one, so the command must receive its own before another could be passed on.
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.press(b"\x03")
        terminal.read_until("got SIGINT\r\n")
        terminal.process.send_signal(signal.SIGTERM)
        terminal.process.send_signal(signal.SIGCONT)
        assert terminal.wait() == 9
    assert re.findall(rb"got (\w+)", terminal.output) == [b"SIGINT", b"SIGTERM"]
    assert only_row(athena)["message"] == "job: exit status 9"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_command_that_a_signal_ends_is_an_error(athena: Athena, name: str) -> None:
    with running(athena.url, "sh", "-c", "echo ready; exec sleep 1000") as process:
        read(process, b"ready\n")
        process.send_signal(signal.Signals[name])
        assert process.wait(PATIENCE) == 128 + signal.Signals[name]
    assert only_row(athena)["message"] == f"job: ended by {name}"


def test_a_signal_that_was_ignored_stays_ignored(athena: Athena) -> None:
    script = "kill -INT $$; kill -INT $PPID; echo alive"
    command = shlex.join([ATHENA, "run", "--url", athena.url, "-d", "job", "--", "sh", "-c", script])
    done = subprocess.run(["sh", "-c", f"trap '' INT; {command}; exit $?"], capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, b"alive\n")


def test_no_signal_is_blocked_or_ignored_that_is_not_without_athena(athena: Athena) -> None:
    show = ("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status")
    direct = subprocess.run(show, capture_output=True, timeout=PATIENCE).stdout
    # Above the 31 standard signals are two that the C library reserves and its posix_spawn ignores.
    assert _standard_signals(run(athena.url, *show).stdout) == _standard_signals(direct)


def _standard_signals(status: bytes) -> list[int]:
    masks = [int(line.split()[1], 16) & 0x7FFFFFFF for line in status.splitlines()]
    assert len(masks) == 2
    return masks


# ---- Athena down, slow, or refusing ----------------------------------------------------------------------------------
def test_without_athena_everything_else_is_the_same() -> None:
    done = run(NOBODY, "sh", "-c", "echo out; echo '::step 1 x'; echo err >&2; exit 3")
    assert (done.returncode, done.stdout) == (3, b"out\n")
    own, warning = done.stderr.splitlines()
    assert own == b"err"
    assert re.fullmatch(rb"athena run: the result was not reported: .*connection refused.*", warning)


def test_athena_comes_up_while_the_command_runs(athena: Athena) -> None:
    athena.stop()
    with running(
        athena.url, "sh", "-c", "echo '::step 1/2 first'; echo '::step 2/2 second'; echo ready; read x"
    ) as process:
        read(process, b"ready\n")
        athena.start()
        athena.wait_for(lambda row: row.get("on_step") == 2)
        write(process, b"\n")
        assert process.wait(PATIENCE) == 0
    assert only_row(athena)["status"] == "success"


def test_athena_is_killed_and_restarted_while_the_command_runs(athena: Athena) -> None:
    with running(
        athena.url, "sh", "-c", "echo '::step 1/2 first'; read x; echo '::step 2/2 second'; read x"
    ) as process:
        athena.wait_for(lambda row: row.get("on_step") == 1)
        athena.kill()
        write(process, b"\n")
        athena.start()
        athena.wait_for(lambda row: row.get("on_step") == 2)
        write(process, b"\n")
        assert process.wait(PATIENCE) == 0
    assert [change[:2] for change in changes(athena)] == [
        ("pending", None),
        ("pending", 1),
        ("pending", 2),
        ("success", 2),
    ]


def test_an_athena_that_hangs_delays_nothing(athena: Athena) -> None:
    with running(athena.url, "sh", "-c", "read x; echo '::step 1 x'; echo out; read x; exit 5") as process:
        athena.wait_for(lambda row: row["status"] == "pending")
        os.kill(athena.pid, signal.SIGSTOP)
        try:
            write(process, b"\n")
            read(process, b"out\n")
            write(process, b"\n")
            assert process.wait(PATIENCE) == 5
        finally:
            os.kill(athena.pid, signal.SIGCONT)
        assert process.stderr is not None
        assert b"the result was not reported" in process.stderr.read()


def test_what_athena_refuses_breaks_nothing(athena: Athena) -> None:
    done = run(athena.url + "/api/v3/nothing", "echo", "out")
    assert (done.returncode, done.stdout) == (0, b"out\n")
    assert b"the result was not reported" in done.stderr


# ---- usage -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        ("--description", "x" * 257),
        ("--description", ""),
        (),
        ("--description", "x", "--steps", "0"),
        ("--description", "x", "--steps", "two"),
        ("--description", "x", "--by", "x" * 257),
        ("--description", "x", "--component-id", "x" * 257),
        ("--description", "x", "--url", "nowhere"),
    ],
)
def test_wrong_usage_is_said_before_anything_runs(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run_athena("run", *options, "--", "touch", str(tmp_path / "ran"))
    assert done.returncode == 2
    assert b"Error: " in done.stderr
    assert not (tmp_path / "ran").exists()


def test_without_a_command_there_is_nothing_to_run() -> None:
    assert run_athena("run", "--description", "x").returncode == 2


def test_the_address_is_taken_from_the_environment(athena: Athena) -> None:
    run_athena("run", "-d", "job", "true", variables={"ATHENA_URL": athena.url})
    assert only_row(athena)["status"] == "success"
