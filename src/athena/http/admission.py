"""Passes requests and handshakes to the gate, and logs each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.types import Scope

from athena.auth.gate import OF_HANDSHAKES, SUBPROTOCOL, Caller, Gate, Headers, relevant
from athena.auth.identity import Identity
from athena.errors import AthenaError
from athena.http.access_log import AccessLog
from athena.http.answers import error_codes
from athena.live.gate import Admitted
from athena.live.sse import TRANSPORT

IDENTITY = "athena.identity"
"""The key of an ASGI scope that holds the caller's identity."""


class Admission:
    """Admits requests for the application, and handshakes for the WebSocket protocol (as its `HandshakeGate`)."""

    def __init__(self, gate: Gate, log: AccessLog | None, peer: str | None) -> None:
        """`peer`: the peer's address where it is known without looking it up, as on loopback."""
        self.gate = gate
        self.errors = dict.fromkeys(error_codes(), 0)
        """How many error responses were sent, by error code."""
        self._log = log
        self._known_peer = peer

    def caller(self, scope: Scope) -> Caller:
        """What a request says about its caller."""
        transport = scope.get("extensions", {}).get(TRANSPORT)
        query = scope["query_string"].decode("latin-1")
        return self.caller_from(scope["method"], query, relevant(scope["headers"]), transport, scope["scheme"])

    def caller_from(self, method: str, query: str, headers: Headers, transport: Any, scheme: str) -> Caller:
        """The same for a request without an ASGI scope."""
        return Caller(method, query, headers, lambda: self._peer(transport), scheme)

    @property
    def logs(self) -> bool:
        """Whether requests are logged."""
        return self._log is not None

    def log(self, caller: Caller, who: str, path: str, status: int, seconds: float) -> None:
        if self._log is not None:
            self._log.add(caller.source(self.gate.proxies)[0], who, caller.method, path, status, seconds)

    # ---- live.gate.HandshakeGate -------------------------------------------------------------------------------------
    def admit(self, target: str, headers: Iterable[tuple[bytes, bytes]], transport: asyncio.Transport) -> Admitted:
        caller = self._handshake(target, headers, transport)
        self.gate.listed_origin(caller)
        identity: Identity = self.gate.admit(caller, "view", streams=True)
        permit = self.gate.connect(identity, caller)
        if self._log is not None:
            self.log(caller, str(identity), target.partition("?")[0], 101, 0.0)
        offered = caller.header(b"sec-websocket-protocol")
        ours = offered and SUBPROTOCOL in [part.strip() for part in offered.split(",")]
        return Admitted(permit, SUBPROTOCOL if ours else None)

    def refused(
        self, target: str, headers: Iterable[tuple[bytes, bytes]], transport: asyncio.Transport, error: AthenaError
    ) -> None:
        self.errors[error.code] += 1
        caller = self._handshake(target, headers, transport)
        self.log(caller, "-", target.partition("?")[0], error.status, 0.0)

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _handshake(self, target: str, headers: Iterable[tuple[bytes, bytes]], transport: asyncio.Transport) -> Caller:
        scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        query = target.partition("#")[0].partition("?")[2]
        return self.caller_from("GET", query, relevant(headers, OF_HANDSHAKES), transport, scheme)

    def _peer(self, transport: Any) -> str:
        """The peer's address. Looking it up takes time, and over TLS creates an object that lives as long as the
        connection, so it is looked up only where it can matter."""
        if self._known_peer is not None:
            return self._known_peer
        peer = transport.get_extra_info("peername") if transport is not None else None
        return str(peer[0]) if peer else ""
