"""Starts servers as separate processes, pinned to one core, and stops them by their process id."""

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
    """A peer or a tool is not available here. The message is the reason, for the report."""


class Cores(NamedTuple):
    """The cores of the server and of the load generator; the same one if there is only one."""

    server: int
    load: int


@cache
def cores() -> Cores:
    """Determined once, before anything is pinned: a pinned process sees only its own core."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[-1])


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Processes started in this block run only on these cores."""
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
    """The port that takes a peer's messages to send; the same one unless its library serves only WebSockets."""

    def private_bytes(self) -> int:
        """Memory that this process has written. Memory that it has only read, such as its program, is shared with other
        processes that run the same, and would count as private whenever there are none."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return 1024 * sum(int(kib) for kib in re.findall(r"^Anonymous:\s+(\d+) kB", rollup, re.MULTILINE))

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far: hardly affected by other load on the core."""
        told = [task.read_text() for task in Path(f"/proc/{self.pid}/task").glob("*/schedstat")]
        return sum(int(line.split()[0]) for line in told) / 1e9


@contextmanager
def athena(data: Path, auth: str = "none") -> Iterator[Server]:
    """Athena with the history in `data`, by default without access control. It may be killed before the block ends.

    Pings are rare and the access log is off, so that neither affects a measurement.
    """
    command = [ATHENA, "serve", "--port", "0", "--data", str(data)]
    quiet = ["--log-level", "warning", "--access-log", "off", "--ping-interval", "600"]
    with serve([*command, "--auth", auth, *quiet], data.with_suffix(".log")) as server:
        yield server


def wait_for_quiet() -> None:
    """Wait until the servers' core is idle: some servers keep working after their turn, into that of the next one."""
    for _ in range(QUIET_TRIES):
        before = _busy_ticks()
        time.sleep(QUIET_SECONDS)
        if _busy_ticks() - before <= 1:
            break


def _busy_ticks() -> int:
    """Hundredths of a second that the servers' core has been busy since boot (proc(5)); 0 in a container that does not
    report it."""
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
    """`clients`, or as many as the limit of open files per process allows; each end of a connection is one file."""
    return min(clients, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)


def environment() -> dict[str, str]:
    """The environment of servers: without Athena's settings, and with Python's bytecode cache. An installed package is
    compiled already; a working tree without the cache would be compiled at every start."""
    left_out = ("ATHENA_", "PYTHONDONTWRITEBYTECODE")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return variables | {"NODE_ENV": "production"}


@contextmanager
def serve(command: list[str], log: Path) -> Iterator[Server]:
    """Run `command` on the server's core until the block ends. Raises `Unavailable` if it does not start."""
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
    """The ports for clients and for messages to send, which the server announces on its standard output."""
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
