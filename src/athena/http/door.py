"""The first bytes of a connection: an ordinary WebSocket handshake is accepted at once, anything else goes to HTTP.

After a restart, ten thousand clients reconnect within seconds. Through the HTTP protocol each of them would need a
parser, a request and a scope that are used once: as much time as the decision to accept it takes.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from athena.http.head import LINE, header_lines
from athena.http.protocol import HttpProtocol, close_soon
from athena.http.timeouts import TimeoutQueue
from athena.live.handshake import Header

_HANDSHAKE = re.compile(rb"GET ([!-~]{1,4096}) HTTP/1\.1\r\n((?:%b){4,40})\r\n\Z" % LINE)
"""A complete, ordinary request with nothing after it."""

_OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})


class FrontDoor(asyncio.Protocol):
    """A connection that has sent nothing yet, and must do so within `HttpProtocol.header_timeout` seconds."""

    __slots__ = ("_app_state", "_config", "_loop", "_server_state", "_transport", "_waiting")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._waiting: TimeoutQueue = app_state["handshake_timeouts"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(cast(Any, self))
        self._waiting.add(self, self._loop)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def shutdown(self) -> None:
        """The server is stopping (uvicorn's name for it)."""
        close_soon(self._transport, self._loop)

    def time_is_up(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        until = self._leave()
        handshake = read_handshake(data) if len(data) <= HttpProtocol.max_head else None
        if handshake is None or not self._accept_handshake(*handshake):
            protocol = HttpProtocol(self._config, self._server_state, self._app_state, self._loop)
            self._transport.set_protocol(protocol)
            protocol.take_over(self._transport, data, until - self._loop.time())

    def _accept_handshake(self, target: str, headers: list[Header]) -> bool:
        """Hand the connection to the WebSocket protocol. False when the handshake must go through HTTP."""
        protocol = cast(Any, self._config.ws_protocol_class)(self._config, self._server_state, self._app_state)
        protocol.connection_made(self._transport)
        self._transport.set_protocol(protocol)
        return bool(protocol.accept_handshake(target, headers))

    def _leave(self) -> float:
        """Stop waiting -> the deadline it had (the loop's clock)."""
        self._server_state.connections.discard(cast(Any, self))
        return self._waiting.remove(self)


def read_handshake(data: bytes) -> tuple[str, list[Header]] | None:
    """The target and the headers (names in lower case) of an ordinary WebSocket handshake; None for anything else."""
    found = _HANDSHAKE.match(data)
    if found is None:
        return None
    said = header_lines(found[2])
    if said is None or b"sec-websocket-key" not in said or not _OF_A_BODY.isdisjoint(said):
        return None
    return found[1].decode(), list(said.items())
