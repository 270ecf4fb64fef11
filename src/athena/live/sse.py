"""Server-Sent Events: the tail as an HTTP response that does not end (HTML Living Standard section 9.2)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from athena.domain.model import Position
from athena.domain.wire import encode_ready
from athena.errors import StoreUnavailable
from athena.live.encoding import server_sent_events
from athena.live.hub import Hub
from athena.live.streams import disconnected
from athena.sockets.peer import acknowledged, reset

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back until its buffer is full
]
TRANSPORT = "athena.transport"
"""The ASGI scope extension by which our HTTP protocol exposes its transport: streams abort it when it is stuck."""

PERMIT = "athena.permit"
"""The key of an ASGI scope that holds the stream's permit (`live.gate.Permit`)."""

COMMENT = b":\n\n"
"""Keeps proxies from closing an idle stream, and detects peers that are gone."""


class EventStream:
    """The endpoint, as an ASGI application. The position comes from `Last-Event-ID`, else from `?after=`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        request = Request(scope)
        after = request.headers.get("last-event-id") or request.query_params.get("after")
        # The position is taken before anything is awaited: what is committed from here on will be sent.
        position = self._hub.resume_from(after, "sse")
        stream = asyncio.ensure_future(self._stream(position, after is not None, scope, send))
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            with self._hub.streams.tied(stream, scope[PERMIT], "sse"):
                await asyncio.wait((stream, gone), return_when=asyncio.FIRST_COMPLETED)
            if stream.cancelled():  # its permit has ended; a client that reconnects is told why
                scope["extensions"][TRANSPORT].abort()
        finally:
            gone.cancel()
            stream.cancel()
            with suppress(asyncio.CancelledError):
                await stream

    async def _stream(self, seq: int, wants_ready: bool, scope: Scope, send: Send) -> None:
        hub, transport = self._hub, scope["extensions"][TRANSPORT]
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        data: bytes = COMMENT  # tells the client at once that it is connected
        while True:
            await hub.streams.turn()
            if not await self._written(data, True, transport, send):
                return
            if wants_ready and seq >= hub.tail.end:
                wants_ready = False
                data = server_sent_events(hub.tail.epoch, [encode_ready(Position(hub.tail.epoch, seq))])
                continue
            try:
                chunk = await hub.next(seq, server_sent_events, hub.keepalive.interval)
            except StoreUnavailable:
                chunk = None  # the client reconnects with its last id
            if chunk is None:
                await self._written(b"", False, transport, send)
                return
            seq, data = chunk.seq, chunk.data or COMMENT

    async def _written(self, data: bytes, more: bool, transport: asyncio.Transport, send: Send) -> bool:
        """Write as soon as the peer has read nearly all of what was written before. One that reads nothing is cut off:
        then False.

        uvicorn's send waits for that before it writes anything, so a wait that timed out can simply be repeated."""
        now = acknowledged(transport)
        while True:
            try:
                async with asyncio.timeout(self._hub.slow.timeout):
                    await send({"type": "http.response.body", "body": data, "more_body": more})
                return True
            except TimeoutError:
                before, now = now, acknowledged(transport)
                if now == before:
                    self._hub.counts.ended["slow"] += 1
                    reset(transport)
                    return False
