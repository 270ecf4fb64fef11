"""Keep-alive of the protocol class, with a transport that only records: framing is in tests/conformance, the rest in
tests/e2e."""

from __future__ import annotations

import asyncio

from athena.auth.build import build_gate
from athena.config import resolve
from athena.http.admission import Admission
from athena.live.client import KeepAlive
from athena.live.encoding import PING
from athena.live.hub import Hub
from athena.live.slow import SlowClients
from athena.live.tail import Tail
from athena.live.websocket import WebSocketProtocol
from athena.store.memory import MemoryStore


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True


async def connected() -> tuple[WebSocketProtocol, Wire, float]:
    store = MemoryStore()
    hub = Hub(Tail(await store.position(), 1000), store, SlowClients(60), KeepAlive(interval=25, timeout=60))
    admission = Admission(build_gate(resolve({"auth": "none"}, {}), None), None, "127.0.0.1")
    client, wire = WebSocketProtocol(None, None, {"hub": hub, "admission": admission}), Wire()
    client.connection_made(wire)
    return client, wire, asyncio.get_running_loop().time()


def test_a_peer_that_answers_no_ping_is_gone_and_one_that_says_anything_is_not() -> None:
    async def main() -> None:
        client, wire, start = await connected()
        client.keep_alive(start + 24)
        assert wire.written == []
        client.keep_alive(start + 26)
        assert wire.written == [PING]
        client.keep_alive(start + 80)
        assert not wire.aborted
        client.keep_alive(start + 87)
        assert wire.aborted

    asyncio.run(main())


def test_a_slow_client_is_left_to_the_policy_for_slow_clients() -> None:
    """It cannot answer a ping queued after data that it has not read."""

    async def main() -> None:
        client, wire, start = await connected()
        client.keep_alive(start + 26)
        client.pause_writing()
        for second in range(30, 300, 5):
            client.keep_alive(start + second)
        client.resume_writing()
        client.keep_alive(start + 301)
        client.keep_alive(start + 350)
        assert not wire.aborted
        assert wire.written == [PING, PING, PING], "one before, and again from the moment it drained"
        client.keep_alive(start + 362)
        assert wire.aborted

    asyncio.run(main())
