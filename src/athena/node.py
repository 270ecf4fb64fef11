"""One running Athena: puts the parts together, and takes them apart in an order that loses nothing.

The only place that names concrete engines.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator

import uvicorn

from athena.config import Config
from athena.errors import AddressUnavailable, NotLoopback
from athena.http.app import build_app
from athena.http.protocol import HttpProtocol
from athena.journal import Journal
from athena.live.client import KeepAlive
from athena.live.hub import Hub
from athena.live.slow import SlowClients
from athena.live.tail import Tail
from athena.live.websocket import WebSocketProtocol
from athena.relay.base import Committed
from athena.relay.local import LocalRelay
from athena.service import Service
from athena.store.sqlite import SqliteStore
from athena.workers.expiry import Expiry

log = logging.getLogger("athena")

GOODBYE_SECONDS = 1.5
"""How long clients have to answer the close frame when Athena stops."""


def now_ms() -> int:
    """UTC Unix milliseconds."""
    return time.time_ns() // 1_000_000


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT -> the exit status. Raises a `StartupError` that says what to do."""
    logging.basicConfig(
        level=config.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if config.log_level != "debug":  # they log every connection
        for chatty in ("websockets", "uvicorn"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
    listener = _listen(config.host, config.port)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(config, listener))
    finally:
        listener.close()
    return 0


async def _serve(config: Config, listener: socket.socket) -> None:
    store = SqliteStore(config.data)
    try:
        position = await store.position()
        keepalive = KeepAlive(config.ping_interval, config.ping_timeout)
        hub = Hub(Tail(position, config.tail_bytes), store, SlowClients(config.slow_timeout), keepalive)
        relay = LocalRelay()
        relay.subscribe(lambda committed: _push(hub, committed))
        journal = Journal(store, relay, now_ms)
        expiry = Expiry(store, journal, now_ms)
        await expiry.sweep()  # what went silent while Athena was down is over before anyone asks
        workers = [asyncio.create_task(expiry.run()), asyncio.create_task(hub.watch_clients())]
        server = _Server(_uvicorn_config(config, Service(store, journal, now_ms), hub), journal, hub)
        host, port = listener.getsockname()[:2]
        server.announce = lambda: print(
            f"Athena is listening on http://{f'[{host}]' if ':' in host else host}:{port}\n"
            f"Data is in {config.data.resolve()}",
            flush=True,
        )
        _settle_garbage()
        await server.serve(sockets=[listener])
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    finally:
        await store.close()


def _settle_garbage() -> None:
    """What is here now stays; look for garbage less often. An edit leaves none that needs looking for."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _push(hub: Hub, committed: Committed) -> None:
    if committed.restart is not None:
        hub.restart(committed.restart)
    else:
        hub.publish(committed.messages)


class _Server(uvicorn.Server):
    """uvicorn's server, with our end: exit status 0, and streams that are told before they are cut."""

    announce: Callable[[], None]

    def __init__(self, config: uvicorn.Config, journal: Journal, hub: Hub) -> None:
        super().__init__(config)
        self._journal = journal
        self._hub = hub

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A first signal stops in order, a second one at once. uvicorn would raise the signal again at the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, finish commits, flush, say goodbye to streams, then wait for the last answers."""
        for server in self.servers:
            server.close()
        await self._journal.close()
        await self._hub.shutdown(GOODBYE_SECONDS)
        await super().shutdown(sockets)


def _uvicorn_config(config: Config, service: Service, hub: Hub) -> uvicorn.Config:
    HttpProtocol.header_timeout = config.handshake_timeout
    return uvicorn.Config(
        build_app(service, hub),
        http=HttpProtocol,
        ws=WebSocketProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, int(config.shutdown_timeout - GOODBYE_SECONDS)),
        backlog=4096,
    )


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address. Raises `NotLoopback` or `AddressUnavailable`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error
    if not ipaddress.ip_address(address[0]).is_loopback:
        raise NotLoopback(host)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where it can be had, asyncio's own loop elsewhere; both are tested."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
