"""A server for protocol conformance suites: `python tests/conformance/echo_server.py PORT`, then point one at
ws://127.0.0.1:PORT/.

It uses the product's own WebSocket and HTTP protocol classes; the only difference is that text and binary messages of
up to 16 MiB are echoed instead of ignored (and, since suites send many, that their number is not limited).
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import ClassVar

import uvicorn
from websockets.frames import Frame, Opcode

from athena.auth.build import build_gate
from athena.clock import Clock
from athena.config import resolve
from athena.domain.model import Position
from athena.http.admission import Admission
from athena.http.app import build_app
from athena.http.door import FrontDoor
from athena.http.metrics import Workers
from athena.http.server import Server
from athena.journal import Journal
from athena.live.client import KeepAlive
from athena.live.encoding import frame_header
from athena.live.hub import Hub
from athena.live.slow import SlowClients
from athena.live.tail import Tail
from athena.live.websocket import WebSocketProtocol
from athena.relay.local import LocalRelay
from athena.service import Service
from athena.store.memory import MemoryStore
from athena.workers.expiry import Expiry
from athena.workers.maintenance import Maintenance


class EchoProtocol(WebSocketProtocol):
    """Echoes each message whole, in one frame of the same kind."""

    max_message: ClassVar[int] = 16 * 1024 * 1024
    max_inbound: ClassVar[int] = 2**62

    __slots__ = ("_kind", "_pieces")

    def message_received(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._kind = frame.opcode
            self._pieces: list[bytes] = []
        self._pieces.append(bytes(frame.data))
        if frame.fin:
            message = b"".join(self._pieces)
            self._pieces = []
            if self._parsing is not None:
                self._transmit(self._parsing.protocol)  # pongs for earlier pings
            self.send(frame_header(0x80 | self._kind, len(message)) + message)


async def main(port: int) -> None:
    store = MemoryStore()
    tail = Tail(Position("echo", 0), 1024)
    hub = Hub(tail, store, SlowClients(60), KeepAlive(interval=3600, timeout=60))
    clock = Clock()
    journal = Journal(store, LocalRelay(), clock.now)
    settings = resolve({"auth": "none"}, {})
    admission = Admission(build_gate(settings, None), None, "127.0.0.1")
    workers = Workers(Expiry(store, journal, clock.now), Maintenance(journal, clock, 0))
    app = build_app(Service(store, journal), hub, admission, settings, workers)
    config = uvicorn.Config(app, http=FrontDoor, ws=EchoProtocol, lifespan="on", log_level="warning")
    print(f"Echoing on ws://127.0.0.1:{port}/", flush=True)
    with socket.create_server(("127.0.0.1", port)) as listener:
        await Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
