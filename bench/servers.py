"""Starts servers as processes of their own, pinned to one core, and stops them by their process id."""

from __future__ import annotations

import os
import re
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent
ATHENA = str(Path(sys.executable).with_name("athena"))

START_SECONDS = 20.0
STOP_SECONDS = 10.0
SPARE_FILES = 200

QUIET_SECONDS = 0.1
QUIET_TRIES = 30

_ANNOUNCEMENT = re.compile(rb"listening on http://127\.0\.0\.1:(\d+)(?: and told what to send on (\d+))?")


class Unavailable(Exception):
    """A peer or a tool that cannot be had here. The message is the reason, for the report."""


class Cores(NamedTuple):
    """Which core serves and which one loads. The same one where there is only one."""

    server: int
    load: int


@cache
def cores() -> Cores:
    """Found out once, before anything is pinned: whoever is, sees one core alone."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[-1])


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Processes started in here run on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    pid: int
    port: int
    control: int = 0
    """Where a peer is told what to send; the same port unless its library serves nothing but WebSockets."""

    def private_bytes(self) -> int:
        """Memory that this process has written. What it has only read, such as its program, is shared with whoever else
        runs the same, and would seem to be its own whenever nobody does."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return 1024 * sum(int(kib) for kib in re.findall(r"^Anonymous:\s+(\d+) kB", rollup, re.MULTILINE))

    def cpu_seconds(self) -> float:
        """Time on its core so far, of all its threads: hardly changes when others want the core too."""
        told = [task.read_text() for task in Path(f"/proc/{self.pid}/task").glob("*/schedstat")]
        return sum(int(line.split()[0]) for line in told) / 1e9


@contextmanager
def athena(data: Path, auth: str = "none") -> Iterator[Server]:
    """Athena with the history in `data`, without access control unless told. It may be killed before the block ends.

    Pings and the access log are put off, so that none falls into a measurement.
    """
    command = [ATHENA, "serve", "--port", "0", "--data", str(data)]
    quiet = ["--log-level", "warning", "--access-log", "off", "--ping-interval", "600"]
    with serve([*command, "--auth", auth, *quiet], data.with_suffix(".log")) as server:
        yield server


def wait_for_quiet() -> None:
    """Until nothing runs on the servers' core: some go on for a while after their turn, into that of the next one."""
    for _ in range(QUIET_TRIES):
        before = _busy_ticks()
        time.sleep(QUIET_SECONDS)
        if _busy_ticks() - before <= 1:
            break


def _busy_ticks() -> int:
    """Hundredths of a second that the servers' core was not idle, since the machine started (proc(5)); 0 in a container
    that does not tell."""
    found = re.search(rf"^cpu{cores().server} (.*)$", Path("/proc/stat").read_text(), re.MULTILINE)
    if found is None:
        return 0
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, found[1].split())
    return user + nice + system + irq + softirq


def make_key(data: Path, role: str) -> str:
    """A key for the Athena in `data`."""
    command = [ATHENA, "keys", "create", "--name", "bench", "--role", role, "--data", str(data)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(), cwd=REPOSITORY)
    return done.stdout.strip()


def room(clients: int) -> int:
    """As many of `clients` as the files that a process may open here allow; both ends of a connection are one each."""
    return min(clients, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)


def environment() -> dict[str, str]:
    """For servers: no settings of Athena's, and Python keeps what it compiles. An installed package is compiled; a
    working tree in which nothing may be written would be compiled at every start."""
    left_out = ("ATHENA_", "PYTHONDONTWRITEBYTECODE")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return variables | {"NODE_ENV": "production"}


@contextmanager
def serve(command: list[str], log: Path) -> Iterator[Server]:
    """Run `command` on the server's core until the block ends. Raises `Unavailable` when it does not come up."""
    with log.open("wb") as errors, pinned(cores().server):
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
                cwd=REPOSITORY,
            )
        except OSError as error:
            raise Unavailable(f"{Path(command[0]).name}: {error.strerror}") from error
    try:
        port, control = _announced_ports(process, log)
        yield Server(process.pid, port, control)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _announced_ports(process: subprocess.Popen[bytes], log: Path) -> tuple[int, int]:
    """The ports for clients and for work that the server says it listens on, a line on its standard output."""
    assert process.stdout is not None
    said, until = b"", time.monotonic() + START_SECONDS
    while time.monotonic() < until and select.select([process.stdout], [], [], until - time.monotonic())[0]:
        piece = os.read(process.stdout.fileno(), 4096)
        if not piece:
            break
        said += piece
        if b"\n" in said and (found := _ANNOUNCEMENT.search(said)):
            return int(found[1]), int(found[2] or found[1])
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    raise Unavailable(f"did not start: {last[0][:200]}")
