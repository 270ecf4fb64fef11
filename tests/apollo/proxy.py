"""A small real proxy between a browser and a server, with the faults that a test asks for.

    with Proxy(athena.port) as proxy:
        proxy.refuse_upgrade = True
        page.goto(proxy.url)

Each connection carries one request (the proxy adds `Connection: close`), so that its head identifies the traffic. The
modes may be changed at any time and combined; except for `down`, they apply to new connections.
"""

from __future__ import annotations

import re
import select
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK = 65_536
TICK = 0.2
"""Seconds between two checks of the modes."""

HEAD_END = b"\r\n\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
CONNECTION = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)
EVENT_STREAM = re.compile(rb"\r\ncontent-type: *text/event-stream", re.IGNORECASE)


class Proxy:
    """Forwards to `127.0.0.1:port` from a port of its own, until the context manager exits."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.refuse_upgrade = False
        """A request for an upgrade is answered with 400."""
        self.unavailable: bytes | None = None
        """A request whose head begins with this, such as `b"POST "`, is answered with 503."""
        self.buffer_sse = False
        """Only the head of an event stream passes; the rest is held until the stream ends."""
        self.idle_limit: float | None = None
        """Seconds after which a connection that carries nothing is cut."""
        self._down = False
        self._idle_cuts = threading.Semaphore(0)
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TICK)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def down(self) -> bool:
        """Whether every connection is cut, existing ones too, and no new one gets a response."""
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        self._down = down

    def wait_for_idle_cut(self, patience: float) -> None:
        """Return when one more idle WebSocket or event stream has been cut."""
        assert self._idle_cuts.acquire(timeout=patience), f"no connection was idle for too long within {patience:.0f} s"

    def __enter__(self) -> Self:
        self._spawn(threading.Thread(target=self._accept))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _spawn(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._spawn(threading.Thread(target=self._serve, args=(client,)))

    @property
    def _over(self) -> bool:
        return self._down or self._closing.is_set()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(TICK)
            request = self._read_head(client)
            if request is None:
                return
            upgrades = UPGRADE.search(request) is not None
            if upgrades and self.refuse_upgrade:
                client.sendall(BAD_REQUEST)
                return
            if self.unavailable is not None and request.startswith(self.unavailable):
                client.sendall(UNAVAILABLE)
                return
            if not upgrades:
                request = CONNECTION.sub(b"", request, count=1).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                server.settimeout(TICK)
                _send(server, request)
                answer = self._read_answer(client, server)
                if answer is None:
                    return
                streams = EVENT_STREAM.search(answer) is not None
                if streams and self.buffer_sse:
                    _send(client, answer[: answer.index(HEAD_END) + len(HEAD_END)])
                    self._relay(client, server, hold=True)
                else:
                    _send(client, answer)
                    if self._relay(client, server) and (upgrades or streams):
                        self._idle_cuts.release()

    def _read_head(self, source: socket.socket) -> bytes | None:
        """Everything received until the head is complete; None when it never will be."""
        received = b""
        while HEAD_END not in received:
            if self._over:
                return None
            with suppress(TimeoutError):
                chunk = source.recv(CHUNK)
                if not chunk:
                    return None
                received += chunk
        return received

    def _read_answer(self, client: socket.socket, server: socket.socket) -> bytes | None:
        """Everything the server sent until its head is complete; None when there will be no response. A request body
        that arrives after its head is forwarded meanwhile, otherwise each side would wait for the other.
        """
        received = b""
        while HEAD_END not in received:
            if self._over:
                return None
            for source in select.select([client, server], [], [], TICK)[0]:
                chunk = source.recv(CHUNK)
                if not chunk:
                    return None
                if source is client:
                    _send(server, chunk)
                else:
                    received += chunk
        return received

    def _relay(self, client: socket.socket, server: socket.socket, hold: bool = False) -> bool:
        """Copy both ways until one side ends -> whether it was cut for being idle."""
        idle = 0.0
        while not self._over:
            readable, _, _ = select.select([client, server], [], [], TICK)
            if not readable:
                idle += TICK
                if self.idle_limit is not None and idle >= self.idle_limit:
                    return True
            else:
                idle = 0.0
            for source in readable:
                chunk = source.recv(CHUNK)
                if not chunk:
                    return False
                if source is client:
                    _send(server, chunk)
                elif not hold:
                    _send(client, chunk)
        return False


def _send(sink: socket.socket, data: bytes) -> None:
    """All of it, even to a slow reader. (With a timeout, `sendall` gives up in the middle.)"""
    sink.setblocking(True)
    sink.sendall(data)
    sink.settimeout(TICK)
