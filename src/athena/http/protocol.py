"""uvicorn's HTTP protocol, with what it leaves out: a deadline for requests to arrive, and bytes behind an upgrade."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """One connection. A request whose headers take longer than `header_timeout` seconds is cut, and so is one whose
    body does not go on for as long (a peer that sends a byte now and then would hold a connection for ever)."""

    header_timeout: ClassVar[float] = 10.0
    body_timeout: ClassVar[float] = 60.0

    _deadline: asyncio.TimerHandle | None = None
    _in_headers = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm(self.header_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._disarm()
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade as upgrade:
            self._disarm()
            self._upgrade(data[upgrade.args[0] :])

    def _upgrade(self, rest: bytes) -> None:
        """Hand the connection to the WebSocket protocol, with what the peer sent before it had its answer."""
        if not self._should_upgrade():
            self.send_400_response("Expected Upgrade: websocket, got another protocol.")
            return
        self.handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]  # it holds this object, which would live on until the next full garbage collection
        protocol = self.transport.get_protocol()
        if rest and isinstance(protocol, asyncio.Protocol):
            protocol.data_received(rest)

    # ---- parser callbacks --------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        if self._deadline is None:  # not the first request of this connection
            self._arm(self.header_timeout)
        extensions: dict[str, Any] = {"athena.abort": self.transport.abort}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_headers = False
        self._disarm()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
