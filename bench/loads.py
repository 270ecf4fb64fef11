"""The load generators: small C programs compiled on the spot, driven over their standard input and output."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.servers import Unavailable, cores, pinned

FOLDER = Path(__file__).parent
SOURCES = ("fanload.c", "httpload.c", "peers/sendloop.c")


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the compiled programs are."""

    folder: Path

    def command(self, name: str, *options: str) -> list[str]:
        return [str(self.folder / name), *options]


def prepare(scratch: Path) -> Tools:
    """Compile the load generators, and the C floor, into `scratch`. Raises `Unavailable` if there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unavailable("no C compiler (gcc or cc): a load that is slower than the server would measure itself")
    for source in SOURCES:
        program = scratch / Path(source).stem
        subprocess.run([compiler, "-O2", "-o", str(program), str(FOLDER / source)], check=True)
    return Tools(scratch)


class Dial(NamedTuple):
    """How clients connect; fanload.c explains each option."""

    path: str = "/"
    say: str = ""
    until: str = ""
    header: str = ""
    paths: Path | None = None
    at_a_time: int = 256
    deaf: int = 0

    def options(self) -> list[str]:
        options = ["-w", str(self.at_a_time), "-d", str(self.deaf)]
        named = {"-s": self.say, "-u": self.until, "-a": self.header, "-p": str(self.paths or "")}
        return options + [part for flag, value in named.items() if value for part in (flag, value)]


PLAIN = Dial()


class Burst(NamedTuple):
    """Messages read by all clients together, and when (time.monotonic()) the first, 99 % and the last of them arrived.

    `each`, if it was requested: when each message had reached the last client, 0 for one that never did; then `frames`
    may be fewer than expected.
    """

    frames: int
    first: float
    p99: float
    last: float
    each: list[float]


class Answers(NamedTuple):
    """Requests answered with 200, the seconds from the first request to the last response, and, for a paced load, when
    it began (time.monotonic())."""

    answers: int
    seconds: float
    begun: float = 0.0


class Program:
    """A running load generator. Raises `Unavailable` with its error message when it gives up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def told(self) -> bool:
        """Whether it has printed something."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

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

    seconds = 0.0
    """How long connecting took."""

    def expect(self, messages: int, *, each: bool = False) -> None:
        """Begin to count: each client will get `messages`."""
        self.tell(f"{messages} each" if each else str(messages))

    def counted(self) -> Burst:
        """Wait until all have arrived."""
        return Burst(**json.loads(self.hear()))


class Producers(Program):
    """Open keep-alive connections with prepared requests."""

    def send_for(self, seconds: float) -> Answers:
        self.tell(str(seconds))
        return self.answered()

    def answered(self) -> Answers:
        """Wait until the requested load is done."""
        return Answers(**json.loads(self.hear()))


@contextmanager
def subscribers(tools: Tools, port: int, clients: int, dial: Dial = PLAIN, *, nice: int = 0) -> Iterator[Subscribers]:
    """`clients` connected WebSocket clients, which are closed when the block ends."""
    command = tools.command("fanload", *dial.options(), str(port), dial.path, str(clients))
    with run(["nice", "-n", str(nice), *command] if nice else command, cores().load) as process:
        program = Subscribers(process)
        program.seconds = float(program.hear().split()[1])
        yield program


@contextmanager
def producers(
    tools: Tools, port: int, connections: int, requests: Sequence[bytes], scratch: Path, *, rate: float = 0
) -> Iterator[Producers]:
    """`connections` connections that send `requests`, whose number is a multiple of `connections`, in turns.

    With `rate`, that many per second, in order, each on any free connection, whether or not responses arrive.
    """
    with tempfile.NamedTemporaryFile(dir=scratch, prefix="requests-") as file:
        file.writelines(b"%d\n%s" % (len(request), request) for request in requests)
        file.flush()
        options = ["-r", str(rate)] if rate else []
        command = tools.command("httpload", *options, str(port), str(connections), file.name)
        with run(command, cores().load) as process:
            program = Producers(process)
            program.hear()
            yield program


@contextmanager
def run(command: list[str], core: int) -> Iterator[subprocess.Popen[str]]:
    """The process, pinned to `core`; killed when the block ends."""
    with pinned(core):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=FOLDER.parent
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
