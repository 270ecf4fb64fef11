"""The servers that Athena is compared with, and how a client of each connects."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import install
from bench.loads import PLAIN, Dial
from bench.servers import Server, serve


@dataclass(frozen=True, slots=True)
class Peer:
    """A WebSocket server that only sends given messages to each client."""

    name: str
    command: Callable[[Path], list[str]]
    """How to run it, given the folder of the compiled programs. Raises `Unavailable`."""

    dial: Dial = PLAIN
    slow: bool = False
    """It gets a smaller burst, to keep the run short: its cost is per message."""

    @contextmanager
    def running(self, scratch: Path) -> Iterator[Server]:
        """Raises `Unavailable` with the reason if it cannot run here."""
        with serve(self.command(scratch), scratch / f"{self.name.replace(' ', '-')}.log") as server:
            yield server


def _compiled(scratch: Path) -> list[str]:
    return [str(scratch / "sendloop")]


def _node(script: str) -> Callable[[Path], list[str]]:
    def command(scratch: Path) -> list[str]:
        install.node_modules()
        node = shutil.which("node")
        assert node, "expected node where its packages were installed"
        return [node, "--expose-gc", str(install.NPM / f"{script}.cjs")]

    return command


def _python(module: str) -> Callable[[Path], list[str]]:
    return lambda scratch: [str(install.python()), "-m", f"bench.peers.{module}"]


SOCKET_IO = Dial(path="/socket.io/?EIO=4&transport=websocket", say="40", until="40{")

FLOOR = Peer("C loop of send()", _compiled, slow=True)
UWEBSOCKETS = Peer("uWebSockets (socketify)", _python("serve_socketify"))
WS = Peer("ws", _node("ws"))
SOCKETIO = Peer("socket.io", _node("socket.io"), SOCKET_IO, slow=True)

PEERS = (
    FLOOR,
    UWEBSOCKETS,
    Peer("picows", _python("serve_picows"), slow=True),
    WS,
    Peer("websockets", _python("serve_websockets"), slow=True),
    Peer("faye-websocket", _node("faye-websocket"), slow=True),
    Peer("websocket", _node("websocket"), slow=True),
    Peer("sockjs", _node("sockjs"), Dial(path="/live/000/bench/websocket", until="o"), slow=True),
    SOCKETIO,
    Peer("Starlette on uvicorn", _python("serve_starlette"), slow=True),
    Peer("python-socketio", _python("serve_socketio"), SOCKET_IO, slow=True),
)


@contextmanager
def bare_asgi(scratch: Path) -> Iterator[Server]:
    """An ASGI application that does nothing, on the HTTP server that Athena uses."""
    with serve([sys.executable, "-m", "bench.peers.bare"], scratch / "bare.log") as server:
        yield server


@contextmanager
def no_op(scratch: Path) -> Iterator[Server]:
    """A Starlette route that does nothing, in Athena's own environment: the stack that Athena is built on."""
    with serve([sys.executable, "-m", "bench.peers.serve_noop"], scratch / "noop.log") as server:
        yield server
