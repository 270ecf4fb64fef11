"""One running Athena: assembles the parts, and shuts them down in an order that loses nothing.

The only module that names concrete engines.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from pathlib import Path

import uvicorn

from athena import datadir
from athena.auth.access import Access
from athena.auth.build import build_access, build_gate
from athena.clock import Clock
from athena.config import BY_NAME, Config, unknown_variables
from athena.errors import StoreUnavailable
from athena.http.access_log import AccessLog
from athena.http.admission import Admission
from athena.http.app import Application, build_app
from athena.http.door import FrontDoor
from athena.http.metrics import Workers
from athena.http.protocol import HttpProtocol
from athena.http.server import Server
from athena.journal import Journal
from athena.listening import listen, loopback_peer
from athena.live.client import KeepAlive
from athena.live.hub import Hub
from athena.live.slow import SlowClients
from athena.live.tail import Tail
from athena.live.websocket import WebSocketProtocol
from athena.logs import LAST_SECONDS, Output, set_up
from athena.relay.base import Committed
from athena.relay.local import LocalRelay
from athena.service import Service
from athena.store.disk import Disk
from athena.store.sqlite import SqliteStore
from athena.workers.expiry import Expiry
from athena.workers.maintenance import Maintenance
from athena.workers.timekeeping import Timekeeping

PRELOADED = 2000
"""Changes that are loaded into the tail at startup."""

EVERY_ADDRESS = ("0.0.0.0", "::")

GOODBYE_SECONDS = 1.5
"""How long clients have to answer the close frame when Athena stops."""

SWITCH_SECONDS = 0.0005
"""How long the event loop may keep the interpreter while the commit thread waits for it: a tenth of the default. Each
commit goes to the thread and back, and would wait each time until the loop had finished a slice of a flush."""


FAILED_PART = 70
"""The exit status when Athena ends because one of its parts has failed (EX_SOFTWARE of sysexits.h)."""

log = logging.getLogger("athena")


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT -> the exit status. Raises a `StartupError` that says what to do."""
    output = set_up(config.log_level, config.log_format)
    for name in unknown_variables():
        log.warning("%s is set and no setting of Athena: misspelled?", name)
    try:
        with closing(listen(config)) as listener, asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(config, listener, output))
    finally:
        output.drain(LAST_SECONDS)


async def _serve(config: Config, listener: socket.socket, output: Output) -> int:
    async with AsyncExitStack() as ending:
        store = SqliteStore(config.data)
        ending.push_async_callback(store.close)
        with _usable(config.data):
            tail = Tail(await store.position(), config.tail_bytes)
            await _preload(tail, store)
        keepalive = KeepAlive(config.ping_interval, config.ping_timeout)
        hub = Hub(tail, store, SlowClients(config.slow_timeout), keepalive)
        relay = LocalRelay()
        relay.subscribe(lambda committed: _push(hub, committed))
        clock = Clock()
        journal = Journal(store, relay, clock.now)
        expiry = Expiry(store, journal, clock.now)
        timekeeping = Timekeeping(clock, store, journal, expiry.look_again)
        with _usable(config.data):
            await timekeeping.start()
        await expiry.begin()  # what expired while Athena was down ends before the first request
        access = build_access(config)
        if access is not None:
            ending.push_async_callback(access.close)
        access_log = None
        if config.access_log != "off":
            access_log = AccessLog(config.log_format, config.access_log == "errors", output.write)
        admission = Admission(build_gate(config, access), access_log, loopback_peer(listener))
        maintenance = Maintenance(journal, clock, config.keep_days)
        app = build_app(Service(store, journal), hub, admission, config, Workers(expiry, maintenance))
        workers = [part.run() for part in (expiry, timekeeping, maintenance, access, access_log) if part is not None]
        server = _Server(_uvicorn_config(config, app), journal, hub)
        tasks = [asyncio.create_task(work) for work in (*workers, hub.watch_clients())]
        for task in tasks:
            task.add_done_callback(server.part_ended)
        server.announce = lambda: _announce(config, listener, access)
        _settle_garbage()
        sys.setswitchinterval(SWITCH_SECONDS)
        url = _url(config, listener)
        await server.serve(sockets=[listener])
        datadir.withdraw(config.data, url)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return server.status


@contextmanager
def _usable(directory: Path) -> Iterator[None]:
    """Report a database that cannot be read at the start as `DataDirectoryUnusable`."""
    try:
        yield
    except StoreUnavailable as error:
        raise datadir.unusable(directory, RuntimeError(error.why), "athena.db") from error


async def _preload(tail: Tail, store: SqliteStore) -> None:
    """Load the newest changes: most clients that reconnect after a restart are only a little behind."""
    start = max(0, tail.end - PRELOADED)
    found = await store.changed_since(start, PRELOADED)
    tail.preload(max(start, found.retired), found.rows)


def _url(config: Config, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if config.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _announce(config: Config, listener: socket.socket, access: Access | None) -> None:
    """Print what a person needs to begin: where Athena and its data are, and how to sign in."""
    host, url = listener.getsockname()[0], _url(config, listener)
    kept = f"finished rows for {config.keep_days:g} days" if config.keep_days else "everything, forever"
    lines = [f"Athena is listening on {url}", f"Data is in {config.data.resolve()}"]
    if access is not None and (secret := access.local_link()) is not None:
        minutes = config.link_lifetime / 60
        lines.append(f"Sign in, once and within {minutes:g} minutes: {config.public_url or url}/sign-in#{secret}")
        if not config.public_url and host in EVERY_ADDRESS:
            lines.append("  (from elsewhere by this machine's name instead; --public-url says it)")
    elif access is not None:
        data = "" if config.data == Path(str(BY_NAME["data"].default)) else f" --data {config.data}"
        lines.append(f"Sign in by a key; this makes one: athena keys create --role manager --name <who>{data}")
    lines.append(f"Keeps {kept}")
    with suppress(OSError):
        if (free := Disk(config.data).free()) < config.min_free_bytes:
            log.warning("%s bytes are free, fewer than --min-free-bytes: /readyz answers 503", f"{free:,}")
    datadir.announce(config.data, url)
    print("\n".join(lines), flush=True)


def _settle_garbage() -> None:
    """Freeze all existing objects, and collect less often: an edit leaves no cyclic garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _push(hub: Hub, committed: Committed) -> None:
    if committed.restart is not None:
        hub.restart(committed.restart)
    else:
        hub.publish(committed.messages, committed.since)


class _Server(Server):
    """uvicorn's server with our shutdown: exit status 0, and streams are closed properly before they are cut."""

    announce: Callable[[], None]

    def __init__(self, config: uvicorn.Config, journal: Journal, hub: Hub) -> None:
        super().__init__(config)
        self.status = 0
        """The exit status."""
        self._journal = journal
        self._hub = hub

    def part_ended(self, task: asyncio.Task[None]) -> None:
        """Without one of its parts Athena would only seem healthy: it is better to end and be restarted."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.should_exit:
            log.critical("a part of Athena has failed, so it ends", exc_info=error)
            self.status = FAILED_PART
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self.announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first signal stops in order, the second at once. uvicorn would raise the signal again at the end."""
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
        """Stop accepting, finish commits, flush, close streams, then wait for the last responses."""
        for server in self.servers:
            server.close()
        await self._journal.close()
        await self._hub.shutdown(GOODBYE_SECONDS)
        await super().shutdown(sockets)


def _uvicorn_config(config: Config, app: Application) -> uvicorn.Config:
    HttpProtocol.header_timeout = config.handshake_timeout
    HttpProtocol.body_timeout = config.body_timeout
    HttpProtocol.idle_timeout = config.idle_timeout
    HttpProtocol.max_head = config.max_head_bytes
    headers = [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")]
    if config.tls_cert or config.public_url.startswith("https:"):
        headers.append(("strict-transport-security", "max-age=31536000"))
    return uvicorn.Config(
        app,
        http=FrontDoor,
        ws=WebSocketProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=headers,
        ssl_certfile=config.tls_cert or None,
        ssl_keyfile=config.tls_key or None,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, int(config.shutdown_timeout - GOODBYE_SECONDS)),
        backlog=4096,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop if it is installed, otherwise asyncio's own loop; both are tested."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
