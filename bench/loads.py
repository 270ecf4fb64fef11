"""The load generators: small C programs compiled on the spot, driven over their standard input and output."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.servers import Unavailable, cores, pinned

PROGRAMS = ("fanload", "httpload")
FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Tools:
    """How to run each load generator, and what the report has to say about them."""

    commands: dict[str, list[str]]
    note: str


def prepare(scratch: Path) -> Tools:
    """Compile the load generators into `scratch`; where there is no compiler, take the slower ones in Python."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        commands = {name: [sys.executable, "-m", f"bench.fallback.{name}"] for name in PROGRAMS}
        return Tools(commands, "no C compiler: the load comes from Python and is the bottleneck; trust no figure")
    for name in PROGRAMS:
        source = FOLDER / f"{name}.c"
        subprocess.run([compiler, "-O2", "-o", str(scratch / name), str(source)], check=True)
    return Tools({name: [str(scratch / name)] for name in PROGRAMS}, "")


class Burst(NamedTuple):
    """Messages read by all clients together, and when (time.monotonic()) the first and the last came."""

    frames: int
    first: float
    last: float


class Answers(NamedTuple):
    """Requests answered with 200, and the seconds from the first request to the last answer."""

    answers: int
    seconds: float


class Program:
    """A running load generator. Raises `Unavailable` with what it said when it gives up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable(self._process.stderr.read().strip()[:300] or "the load generator ended")
        return line


class Subscribers(Program):
    """Connected WebSocket clients that count."""

    def expect(self, messages: int) -> None:
        """Begin to count: each client will get so many."""
        self.tell(str(messages))

    def counted(self) -> Burst:
        """Wait until all have come."""
        return Burst(**json.loads(self.hear()))


class Producers(Program):
    """Open keep-alive connections with prepared requests."""

    def send_for(self, seconds: float) -> Answers:
        self.tell(str(seconds))
        return Answers(**json.loads(self.hear()))


@contextmanager
def subscribers(tools: Tools, port: int, clients: int) -> Iterator[Subscribers]:
    """`clients` WebSocket clients, connected; gone when the block ends."""
    with _run([*tools.commands["fanload"], str(port), "/", str(clients)]) as process:
        program = Subscribers(process)
        program.hear()
        yield program


@contextmanager
def producers(
    tools: Tools, port: int, connections: int, requests: Sequence[bytes], scratch: Path
) -> Iterator[Producers]:
    """`connections` connections that send `requests` in turns; a multiple of `connections` of them."""
    file = scratch / "requests"
    file.write_bytes(b"".join(b"%d\n%s" % (len(request), request) for request in requests))
    with _run([*tools.commands["httpload"], str(port), str(connections), str(file)]) as process:
        program = Producers(process)
        program.hear()
        yield program


@contextmanager
def _run(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with pinned(cores().load):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=FOLDER.parent
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
