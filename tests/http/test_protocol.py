"""What a connection leaves behind when it is over."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from athena.http.protocol import HttpProtocol
from athena.http.waiting import Waiting


class Written:
    """A transport that only remembers."""

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


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("error", [None, ConnectionResetError()], ids=["closed", "reset"])
def test_a_connection_that_is_over_waits_for_nothing(error: Exception | None) -> None:
    async def scenario() -> None:
        config = uvicorn.Config(nothing, log_config=None, lifespan="off")
        config.load()
        waiting, transport = Waiting(10), Written()
        protocol = HttpProtocol(config, ServerState(), {"idle": waiting}, asyncio.get_running_loop())
        protocol.connection_made(cast(asyncio.Transport, transport))
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await transport.answered.wait()
        assert waiting.remove(protocol) > 0
        waiting.add(protocol, asyncio.get_running_loop())
        protocol.connection_lost(error)
        assert waiting.remove(protocol) == 0

    asyncio.run(scenario())
