"""Our connections against real TCP peers, on both event loops: they keep asyncio's contract for transports."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import socket
import struct
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvloop

from athena.sockets import connections as module
from athena.sockets.broadcast import SHARED_BY, SHARED_BYTES, Broadcast, Group
from athena.sockets.connections import HIGH_WATER, LOW_WATER, MOST_AT_ONCE, Connection, Connections

PATIENCE = 20.0
MUCH = os.urandom(1 << 20) * 12
"""More than the kernel buffers for a peer that does not read."""

World = Coroutine[Any, Any, None]


class Heard(asyncio.Protocol):
    """Records its callbacks."""

    def __init__(self, keeps_open: bool = False) -> None:
        self.transport: asyncio.Transport
        self.data = bytearray()
        self.told: list[str] = []
        self.error: Exception | None = None
        self.over = asyncio.Event()
        self.changed = asyncio.Condition()
        self._keeps_open = keeps_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Connection)
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self._keeps_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")
        self.error = exc
        self.over.set()


class Other:
    """A transport of another kind."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.got.append(data)

    def abort(self) -> None:
        self.aborted = True


class Served:
    """Connections, and the protocols that were created for them."""

    def __init__(self, make: Callable[[], asyncio.Protocol] = Heard) -> None:
        self.protocols: list[Any] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._make = make
        self.connections = Connections(self.listener, self._new, 100)

    def _new(self) -> asyncio.Protocol:
        self.protocols.append(self._make())
        return self.protocols[-1]  # type: ignore[no-any-return]

    async def peer(self) -> socket.socket:
        """A blocking socket at the other end, once its connection has been accepted."""
        before = len(self.protocols)
        peer = socket.create_connection(self.listener.getsockname(), timeout=PATIENCE)
        await until(lambda: len(self.protocols) > before)
        return peer


@contextlib.asynccontextmanager
async def serving(make: Callable[[], asyncio.Protocol] = Heard) -> AsyncIterator[Served]:
    served = Served(make)
    try:
        yield served
    finally:
        served.connections.close()
        served.listener.close()
        for protocol in served.protocols:
            protocol.transport.abort()
        await asyncio.sleep(0)


async def until(true: Callable[[], object]) -> None:
    """Let the loop run until `true()` is true."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 — there is no notification to wait for
            await asyncio.sleep(0.001)


async def read(peer: socket.socket, size: int) -> bytes:
    """`size` bytes from the other end, read outside the loop."""

    def all_of_it() -> bytes:
        got = bytearray()
        while len(got) < size and (piece := peer.recv(1 << 16)):
            got += piece
        return bytes(got)

    return await asyncio.to_thread(all_of_it)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[World], None]:
    """Run a coroutine on either loop, without any unhandled error in the loop."""

    def runs(world: World) -> None:
        wrong: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.get_loop().set_exception_handler(lambda _loop, context: wrong.append(context))
            runner.run(world)
        assert not wrong

    return runs


Run = Callable[[World], None]


# ---- what is said and heard ------------------------------------------------------------------------------------------
def test_both_sides_hear_each_other(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                peer.sendall(b"hello")
                await until(lambda: heard.data == b"hello")
                heard.transport.write(b"good ")
                heard.transport.write(bytearray(b"morning"))
                assert await read(peer, 12) == b"good morning"
                assert heard.told == ["made"]

    run(world())


def test_the_address_of_a_peer_is_known(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            peer = await served.peer()
            transport = served.protocols[0].transport
            assert transport.get_extra_info("sslcontext") is None
            assert transport.get_extra_info("cipher", "none") == "none"
            peer.close()
            await served.protocols[0].over.wait()
            assert transport.get_extra_info("peername") == ("127.0.0.1",)  # also for a peer that is gone

    run(world())


def test_more_connections_than_are_served_in_one_turn(run: Run) -> None:
    count = MOST_AT_ONCE * 3 + 1

    async def world() -> None:
        async with serving() as served:
            with contextlib.ExitStack() as stack:
                peers = [stack.enter_context(await served.peer()) for _ in range(count)]
                for number, peer in enumerate(peers):
                    peer.sendall(b"%d" % number)
                await until(lambda: all(protocol.data for protocol in served.protocols))
                for protocol in served.protocols:
                    protocol.transport.write(protocol.data)
                assert [await read(peer, len(b"%d" % n)) for n, peer in enumerate(peers)] == [
                    b"%d" % number for number in range(count)
                ]

    run(world())


def test_another_protocol_takes_over(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                first, second = served.protocols[0], Heard()
                first.transport.set_protocol(second)
                assert first.transport.get_protocol() is second
                peer.sendall(b"for the second")
                await until(lambda: second.data)
                assert not first.data
                first.transport.abort()
                await second.over.wait()
                assert first.told == ["made"]

    run(world())


def test_nothing_is_read_while_reading_is_paused(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                heard.transport.pause_reading()
                assert not heard.transport.is_reading()
                peer.sendall(b"later")
                with await served.peer() as other:  # data sent after it is received
                    other.sendall(b"now")
                    await until(lambda: served.protocols[1].data)
                assert not heard.data
                heard.transport.resume_reading()
                await until(lambda: heard.data == b"later")

    run(world())


# ---- a peer that does not take what it gets --------------------------------------------------------------------------
def test_what_the_kernel_does_not_take_comes_later_and_in_order(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                pieces = [MUCH, b"and ", b"", *(b"%d " % number for number in range(2000)), b"the end"]
                for piece in pieces:
                    heard.transport.write(piece)
                assert heard.told == ["made", "pause"]  # once
                assert heard.transport.get_write_buffer_size() > HIGH_WATER
                everything = b"".join(pieces)
                assert await read(peer, len(everything)) == everything
                await until(lambda: heard.told[-1] == "resume")
                assert heard.told == ["made", "pause", "resume"]
                assert heard.transport.get_write_buffer_size() == 0
                heard.transport.write(b"more")
                assert await read(peer, 4) == b"more"

    run(world())


def test_a_protocol_resumes_before_everything_is_taken(run: Run) -> None:
    sizes: list[int] = []

    class Watching(Heard):
        def resume_writing(self) -> None:
            super().resume_writing()
            sizes.append(self.transport.get_write_buffer_size())

    async def world() -> None:
        async with serving(Watching) as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                heard.transport.write(MUCH)
                assert await read(peer, len(MUCH)) == MUCH
                await until(lambda: sizes)
                assert sizes[0] <= LOW_WATER

    run(world())


def test_bytes_that_change_after_they_were_written_are_not_sent(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                data = bytearray(MUCH)
                heard.transport.write(data)
                data[:] = bytes(len(data))
                more = bytearray(b"more")
                heard.transport.write(more)
                more[:] = b"less"
                assert await read(peer, len(MUCH) + 4) == MUCH + b"more"

    run(world())


def test_those_that_read_do_not_wait_for_those_that_do_not(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer(), await served.peer() as peer:
                deaf, heard = served.protocols
                deaf.transport.write(MUCH)
                peer.sendall(b"hello")
                await until(lambda: heard.data)
                heard.transport.write(b"good morning")
                assert await read(peer, 12) == b"good morning"

    run(world())


# ---- the same bytes for many -----------------------------------------------------------------------------------------
def group(*transports: asyncio.Transport) -> Group:
    made = Group()
    for transport in transports:
        made.add(SimpleNamespace(transport=transport))
    return made


@pytest.mark.parametrize("more", [0, SHARED_BY], ids=["a copy each", "shared"])
def test_the_same_bytes_for_all_whatever_each_is_like(run: Run, more: int) -> None:
    """One that reads, one that does not and gets more later, one whose peer was reset, one that has been closed, one
    that closes as soon as everything is sent, one that is another kind of transport, and `more` that read late."""

    async def world() -> None:
        async with serving() as served:
            peers = [await served.peer() for _ in range(5 + more)]
            transports = [heard.transport for heard in served.protocols]
            reads, deaf, reset, closed, closing, *others = transports
            reset.pause_reading()
            peers[2].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peers[2].close()
            closed.abort()
            closing.write(MUCH)
            closing.close()
            other = Other()
            everyone = group(deaf, reset, closed, closing, cast(asyncio.Transport, other), *others, reads)
            broadcast = Broadcast()
            broadcast.write(everyone, MUCH)
            assert await read(peers[0], len(MUCH)) == MUCH
            broadcast.write(everyone, b"the end")
            assert await read(peers[0], 7) == b"the end"
            assert await read(peers[1], len(MUCH) + 7) == MUCH + b"the end"
            assert served.protocols[1].told[:3] == ["made", "pause", "resume"]
            assert reset.is_closing()
            assert await read(peers[4], 2 * len(MUCH) + 7) == 2 * MUCH + b"the end"
            await served.protocols[4].over.wait()
            assert other.got == [MUCH, b"the end"]
            for peer in peers[5:]:
                assert await read(peer, len(MUCH) + 7) == MUCH + b"the end"
            for peer in peers:
                peer.close()

    run(world())


def test_what_happens_to_one_in_a_group_counts_for_the_next_write(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that have something unsent, or have ended, are written to by their own `write`."""

    async def world() -> None:
        async with serving() as served:
            with contextlib.ExitStack() as stack:
                peers = [stack.enter_context(await served.peer()) for _ in range(6)]
                reads, ended, closed, aborted, left, late = (heard.transport for heard in served.protocols)
                everyone = group(reads, ended, closed, aborted, late)
                gone = SimpleNamespace(transport=left)
                everyone.add(gone)
                assert len(everyone) == 6
                late.write(MUCH)
                ended.write_eof()
                closed.close()
                aborted.abort()
                everyone.discard(gone)
                everyone.discard(gone)
                broadcast = Broadcast()
                broadcast.write(everyone, b"first")
                assert await read(peers[5], len(MUCH) + 5) == MUCH + b"first"
                await until(lambda: not late.get_write_buffer_size())
                calls: list[Connection] = []
                monkeypatch.setattr(Connection, "write", lambda self, _data: calls.append(self))
                broadcast.write(everyone, b"last")
                assert {*calls} == {ended, closed, aborted}
                assert await read(peers[5], 4) == b"last"
                assert await read(peers[0], 9) == b"firstlast"
                for peer in peers[1:4]:
                    assert await read(peer, 1) == b""
                assert left.get_write_buffer_size() == 0
                left.close()
                assert await read(peers[4], 1) == b""

    run(world())


def test_one_that_fails_to_write_is_cut_off_and_the_others_get_theirs(run: Run) -> None:
    class Defect(Other):
        def write(self, data: bytes) -> None:
            raise RuntimeError("a defect")

    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                defect = Defect()
                Broadcast().write(group(cast(asyncio.Transport, defect), served.protocols[0].transport), b"hello")
                assert defect.aborted
                assert await read(peer, 5) == b"hello"

    run(world())


def test_what_nobody_takes_is_kept_once_for_all(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with contextlib.ExitStack() as stack:
                for _ in range(20):
                    stack.enter_context(await served.peer())
                transports = [heard.transport for heard in served.protocols]
                broadcast = Broadcast()
                everyone = group(*transports)
                broadcast.write(everyone, MUCH)  # fills the kernel's buffers
                data = os.urandom(1 << 20)
                tracemalloc.start()
                try:
                    broadcast.write(everyone, data)
                    kept = tracemalloc.get_traced_memory()[0]
                finally:
                    tracemalloc.stop()
                    broadcast.forget()
                assert kept < len(data), "not even once more"
                assert all(transport.get_write_buffer_size() > len(data) for transport in transports)

    run(world())


# ---- pages that many share -------------------------------------------------------------------------------------------
def shared_files() -> int:
    links = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    return sum("memfd:push" in link for link in links)


def test_what_is_large_is_one_file_for_all_that_get_it(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with contextlib.ExitStack() as stack:
                peers = [stack.enter_context(await served.peer()) for _ in range(2 * SHARED_BY)]
                transports = [heard.transport for heard in served.protocols]
                broadcast = Broadcast()
                for data, files in [
                    (os.urandom(SHARED_BYTES - 1), 0),
                    (os.urandom(SHARED_BYTES), 1),
                    (os.urandom(5 * SHARED_BYTES), 1),
                ]:
                    for some in (group(*transports[:SHARED_BY]), group(*transports[SHARED_BY:])):
                        broadcast.write(some, data)
                        assert shared_files() == files
                    assert [await read(peer, len(data)) for peer in peers] == [data] * len(peers)
                broadcast.forget()
                assert shared_files() == 0
                broadcast.write(group(*transports[1:SHARED_BY]), data)
                assert shared_files() == 0, "for so few it is not worth it"

    run(world())


def test_what_comes_later_does_not_change_what_is_on_its_way(run: Run) -> None:
    """The kernel sends the shared pages themselves: a slow reader reads them late."""

    async def world() -> None:
        async with serving() as served:
            with contextlib.ExitStack() as stack:
                peers = [stack.enter_context(await served.peer()) for _ in range(SHARED_BY)]
                transports = [heard.transport for heard in served.protocols]
                everything = [os.urandom(SHARED_BYTES + number) for number in range(40)]
                everyone, broadcast = group(*transports), Broadcast()
                for data in everything:
                    broadcast.write(everyone, data)
                broadcast.forget()
                expected = b"".join(everything)
                for peer in peers:
                    assert await read(peer, len(expected)) == expected

    run(world())


def test_without_a_descriptor_left_each_gets_a_copy(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with contextlib.ExitStack() as stack:
                peers = [stack.enter_context(await served.peer()) for _ in range(SHARED_BY)]
                transports = [heard.transport for heard in served.protocols]
                data = os.urandom(SHARED_BYTES)
                before = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
                try:
                    Broadcast().write(group(*transports), data)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, before)
                for peer in peers:
                    assert await read(peer, len(data)) == data

    run(world())


# ---- ends ------------------------------------------------------------------------------------------------------------
def test_closing_sends_what_is_left(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                heard.transport.write(MUCH)
                heard.transport.close()
                heard.transport.close()
                assert heard.transport.is_closing()
                assert not heard.transport.is_reading()
                heard.transport.write(b"this too")
                assert await read(peer, len(MUCH) + 9) == MUCH + b"this too"  # and the end
                await heard.over.wait()
                assert heard.error is None

    run(world())


def test_a_half_close_sends_what_is_left_and_reads_on(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                assert heard.transport.can_write_eof()
                heard.transport.write(MUCH)
                heard.transport.write_eof()
                heard.transport.write(b"not this")
                assert not heard.transport.is_closing()
                assert await read(peer, len(MUCH) + 1) == MUCH  # and the end
                peer.sendall(b"still there")
                await until(lambda: heard.data == b"still there")
            await heard.over.wait()
            assert heard.told[-2:] == ["eof", "lost"]

    run(world())


def test_an_abort_drops_what_is_left(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                heard.transport.write(MUCH)
                heard.transport.abort()
                assert "lost" not in heard.told  # the protocol is never called back from within its own call
                await heard.over.wait()
                heard.transport.abort()
                heard.transport.close()
                heard.transport.write_eof()
                heard.transport.resume_reading()
                assert len(await read(peer, len(MUCH))) < len(MUCH)
                assert heard.told == ["made", "pause", "lost"]

    run(world())


def test_a_peer_that_ends_is_heard_of_and_let_go(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            peer = await served.peer()
            peer.sendall(b"bye")
            peer.close()
            (heard,) = served.protocols
            await heard.over.wait()
            assert (bytes(heard.data), heard.told) == (b"bye", ["made", "eof", "lost"])

    run(world())


def test_a_protocol_may_go_on_writing_to_a_peer_that_has_ended(run: Run) -> None:
    async def world() -> None:
        async with serving(lambda: Heard(keeps_open=True)) as served:
            with await served.peer() as peer:
                peer.shutdown(socket.SHUT_WR)
                (heard,) = served.protocols
                await until(lambda: "eof" in heard.told)
                heard.transport.write(b"still here")
                assert await read(peer, 10) == b"still here"
                assert heard.told == ["made", "eof"]
                heard.transport.close()
                await heard.over.wait()

    run(world())


@pytest.mark.parametrize("unsent", [b"", MUCH], ids=["nothing to send", "more to send"])
def test_a_reset_is_heard_of(run: Run, unsent: bytes) -> None:
    async def world() -> None:
        async with serving() as served:
            peer = await served.peer()
            (heard,) = served.protocols
            heard.transport.write(unsent)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            await heard.over.wait()
            assert isinstance(heard.error, ConnectionResetError)
            heard.transport.write(b"to nobody")

    run(world())


def test_a_write_to_a_peer_that_was_reset_ends_it(run: Run) -> None:
    async def world() -> None:
        async with serving() as served:
            peer = await served.peer()
            (heard,) = served.protocols
            heard.transport.pause_reading()  # so that only a write can detect it
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            heard.transport.write(b"to nobody")
            assert heard.transport.is_closing()
            await heard.over.wait()
            assert isinstance(heard.error, OSError)

    run(world())


def test_one_that_is_ended_by_another_hears_nothing_more(run: Run) -> None:
    """Both have data when they are polled; whichever is first ends the other. The descriptor must not be reused by a
    third one meanwhile."""

    class Killer(Heard):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            for other in others:
                if other is not self:
                    other.transport.abort()

    others: list[Any] = []

    async def world() -> None:
        async with serving(Killer) as served:
            with await served.peer() as one, await served.peer() as two:
                others.extend(served.protocols)
                one.sendall(b"x")
                two.sendall(b"x")
                await until(lambda: any(protocol.over.is_set() for protocol in served.protocols))
                assert sorted(bytes(protocol.data) for protocol in served.protocols) == [b"", b"x"]

    run(world())


# ---- failures --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_protocol_that_fails_ends_alone(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    wrong: list[dict[str, Any]] = []

    class Failing(Heard):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if data == b"fail":
                raise ZeroDivisionError

    async def world() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: wrong.append(context))
        async with serving(Failing) as served:
            with await served.peer() as one, await served.peer() as two:
                one.sendall(b"fail")
                two.sendall(b"well")
                failed, well = served.protocols
                await failed.over.wait()
                await until(lambda: well.data)
                assert not well.over.is_set()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(world())
    assert [type(context["exception"]) for context in wrong] == [ZeroDivisionError]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_protocol_that_fails_to_begin_ends_alone(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    wrong: list[dict[str, Any]] = []

    class Failing(Heard):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            if not wrong:
                raise ZeroDivisionError

    async def world() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: wrong.append(context))
        async with serving(Failing) as served:
            with await served.peer() as one, await served.peer() as two:
                failed, well = served.protocols
                await failed.over.wait()
                assert await read(one, 1) == b""
                two.sendall(b"well")
                await until(lambda: well.data)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(world())
    assert [type(context["exception"]) for context in wrong] == [ZeroDivisionError]


def test_a_slow_peer_that_says_it_is_done_is_still_slow(run: Run) -> None:
    """Its protocol keeps writing, and must be told to pause."""

    async def world() -> None:
        async with serving() as served:
            with await served.peer() as peer:
                (heard,) = served.protocols
                heard.transport.write(MUCH[: HIGH_WATER // 2])
                while not (size := heard.transport.get_write_buffer_size()):
                    heard.transport.write(MUCH[: HIGH_WATER // 2])
                assert size <= HIGH_WATER
                peer.shutdown(socket.SHUT_WR)
                await until(lambda: heard.transport.is_closing())
                heard.transport.write(MUCH)
                assert heard.told == ["made", "eof", "pause"]

    run(world())


def test_without_a_descriptor_left_it_accepts_later(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)

    async def world() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with serving() as served:
            with await served.peer() as first, socket.socket() as second, socket.socket() as third:
                second.settimeout(PATIENCE)
                filled: list[int] = []
                resource.setrlimit(resource.RLIMIT_NOFILE, (third.fileno() + 10, hard))
                try:
                    with contextlib.suppress(OSError):
                        while True:
                            filled.append(os.dup(first.fileno()))
                    second.connect(served.listener.getsockname())
                    third.connect(served.listener.getsockname())
                    await until(lambda: "no connection can be accepted" in caplog.text)
                    first.sendall(b"those that are here")
                    await until(lambda: served.protocols[0].data)
                    assert len(served.protocols) == 1
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                    for descriptor in filled:
                        os.close(descriptor)
                await until(lambda: len(served.protocols) == 3)

    run(world())


def test_room_is_used_as_soon_as_there_is_some(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 3600.0)

    async def world() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with serving() as served:
            with await served.peer() as first, socket.socket() as second:
                second.settimeout(PATIENCE)
                filled: list[int] = []
                resource.setrlimit(resource.RLIMIT_NOFILE, (second.fileno() + 10, hard))
                try:
                    with contextlib.suppress(OSError):
                        while True:
                            filled.append(os.dup(second.fileno()))
                    second.connect(served.listener.getsockname())
                    await until(lambda: "no connection can be accepted" in caplog.text)
                    assert len(served.protocols) == 1
                    first.close()
                    await until(lambda: len(served.protocols) == 2)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                    for descriptor in filled:
                        os.close(descriptor)

    run(world())


def test_after_close_nobody_comes_and_nothing_is_left_behind(run: Run) -> None:
    async def world() -> None:
        before = set(os.listdir("/proc/self/fd"))
        served = Served()
        peer = await served.peer()
        (heard,) = served.protocols
        address = served.listener.getsockname()
        served.connections.close()
        served.connections.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=PATIENCE)
        heard.transport.write(b"you may stay")
        assert await read(peer, 12) == b"you may stay"
        peer.close()
        await heard.over.wait()
        await until(lambda: set(os.listdir("/proc/self/fd")) == before)

    run(world())


def test_a_connection_is_gone_with_its_end_without_the_garbage_collector(run: Run) -> None:
    class Weak(Heard):
        pass

    async def world() -> None:
        gc.disable()
        try:
            async with serving(Weak) as served:
                peer = await served.peer()
                heard = served.protocols.pop()
                gone = weakref.ref(heard)
                peer.close()
                await heard.over.wait()
                del heard
                await until(lambda: gone() is None)
        finally:
            gc.enable()

    run(world())
