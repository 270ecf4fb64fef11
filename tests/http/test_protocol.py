"""What remains of a request, and of a connection, after its end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from athena.http.answers import JsonResponse
from athena.http.protocol import HttpProtocol
from athena.http.timeouts import TimeoutQueue
from athena.http.unread import UnreadAnswers


class Written:
    """A transport that only records."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.answered.set()

    def abort(self) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        pass


class NoneOrdinary:
    """A fast path that accepts nothing."""

    def try_submit(self, data: bytes, connection: Any) -> None:
        pass


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def at_once(scope: Any, receive: Any, send: Any) -> None:
    await JsonResponse({})(scope, receive, send)


@pytest.mark.parametrize("app", [nothing, at_once])
def test_a_request_that_is_answered_is_gone_without_the_garbage_collector(app: Any) -> None:
    """At 2,000 edits a second the collector would have 30,000 objects a second to find, stalling all clients."""

    async def scenario() -> None:
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        config.load()
        transport = Written()
        protocol = HttpProtocol(
            config,
            ServerState(),
            {"idle_timeouts": TimeoutQueue(10), "unread": UnreadAnswers(), "fast_path": NoneOrdinary()},
            asyncio.get_running_loop(),
        )
        protocol.connection_made(cast(asyncio.Transport, transport))
        cycles: list[weakref.ref[Any]] = []
        for _ in range(5):
            transport.answered.clear()
            protocol.data_received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            cycles.append(weakref.ref(protocol.cycle))
            await transport.answered.wait()
            await asyncio.sleep(0)
        assert [cycle() is None for cycle in cycles] == [True, True, True, True, False], "the last one is kept"
        protocol.connection_lost(None)

    gc.collect()
    gc.disable()
    try:
        asyncio.run(scenario())
    finally:
        gc.enable()


@pytest.mark.parametrize("error", [None, ConnectionResetError()], ids=["closed", "reset"])
def test_a_connection_that_is_over_waits_for_nothing(error: Exception | None) -> None:
    async def scenario() -> None:
        config = uvicorn.Config(nothing, log_config=None, lifespan="off")
        config.load()
        waiting, transport = TimeoutQueue(10), Written()
        protocol = HttpProtocol(
            config,
            ServerState(),
            {"idle_timeouts": waiting, "unread": UnreadAnswers(), "fast_path": NoneOrdinary()},
            asyncio.get_running_loop(),
        )
        protocol.connection_made(cast(asyncio.Transport, transport))
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await transport.answered.wait()
        assert waiting.remove(protocol) > 0
        waiting.add(protocol, asyncio.get_running_loop())
        protocol.connection_lost(error)
        assert waiting.remove(protocol) == 0

    asyncio.run(scenario())
