"""The live messages as Server-Sent Events (docs/live.md): the same messages, order and cursors."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.calls import PREFIXES, PURGE, StartAthena, call, check_error, ok, open_tx, position
from tests.e2e.expect import check_gapless, check_order, fold, tell_everything
from tests.e2e.rawsocket import tcp
from tests.e2e.subscribers import STREAM, Closed, Message, PythonSubscriber, SseSubscriber
from tests.support.server import Athena


def is_ready(message: Message) -> bool:
    return bool(message["type"] == "ready")


def test_every_field_of_every_message(shared: Athena) -> None:
    with SseSubscriber(shared) as subscriber:
        story = tell_everything(shared)
        messages = story.check(subscriber)
    check_gapless(messages)
    assert subscriber.ids[: len(messages)] == [message["cursor"] for message in messages]


def test_the_same_text_as_over_websocket(shared: Athena) -> None:
    with SseSubscriber(shared, after="") as stream, PythonSubscriber(shared, after="") as socket:
        tell_everything(shared)
        end = open_tx(shared)
        for subscriber in (stream, socket):
            subscriber.receive_of(end)
        assert stream.raw == socket.raw


def test_headers(shared: Athena) -> None:
    with SseSubscriber(shared) as subscriber:
        headers = {name.lower(): value for name, value in subscriber.response.getheaders()}
    assert headers["content-type"].split(";")[0] == "text/event-stream"
    assert "no-cache" in headers["cache-control"] or "no-store" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"  # nginx buffers streams unless told otherwise


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_path(prefix: str, shared: Athena) -> None:
    with SseSubscriber(shared, path=f"{prefix}/notifications/stream") as subscriber:
        tx_id = open_tx(shared)
        assert subscriber.receive()["id"] == tx_id


def test_without_after_only_what_happens_from_now_on(shared: Athena) -> None:
    open_tx(shared, description="before")
    with SseSubscriber(shared) as subscriber:
        tx_id = open_tx(shared, description="after")
        assert subscriber.receive()["id"] == tx_id


def test_empty_after_says_where_now_is(shared: Athena) -> None:
    open_tx(shared, description="before")
    now = position(shared)
    with SseSubscriber(shared, after="") as subscriber:
        assert subscriber.receive() == {"type": "ready", "cursor": now}
        assert subscriber.ids == [now]  # what a browser will send back, even if it never receives another message
        tx_id = open_tx(shared)
        assert subscriber.receive()["id"] == tx_id


@pytest.mark.parametrize("by", ["after", "Last-Event-ID"])
def test_resuming_by_either_name(by: str, shared: Athena) -> None:
    now = position(shared)
    story = tell_everything(shared)
    end = position(shared)
    with resumed(shared, by, now) as subscriber:
        *replay, ready = subscriber.receive_until(is_ready)
        assert ready == {"type": "ready", "cursor": end}
        check_order(replay)
        assert fold(replay).keys() == alive(story.expected)
        live = open_tx(shared)
        assert subscriber.receive()["id"] == live


def resumed(athena: Athena, by: str, cursor: str) -> SseSubscriber:
    return SseSubscriber(athena, after=cursor) if by == "after" else SseSubscriber(athena, last_event_id=cursor)


def alive(expected: list[Any]) -> set[str]:
    archived = {gone for one in expected if one.fields["type"] == "archived" for gone in one.fields["ids"]}
    return {one.fields["id"] for one in expected if "id" in one.fields} - archived


def test_a_browser_that_reconnects_goes_by_what_it_saw_last(shared: Athena) -> None:
    """EventSource keeps its first URL; the Last-Event-ID that it adds is the newer of the two cursors."""
    start = position(shared)
    first = open_tx(shared)
    with SseSubscriber(shared, after=start) as subscriber:
        assert subscriber.receive()["id"] == first
        seen = subscriber.ids[-1]
    second = open_tx(shared)
    with SseSubscriber(shared, after=start, last_event_id=seen) as subscriber:
        assert subscriber.receive()["id"] == second


@pytest.mark.parametrize("by", ["after", "Last-Event-ID"])
@pytest.mark.parametrize("cursor", ["garbage", "0", "a.b", "x" * 2000])
def test_an_unknown_cursor_is_a_reset(by: str, cursor: str, shared: Athena) -> None:
    now = position(shared)
    with resumed(shared, by, cursor) as subscriber:
        assert subscriber.receive() == {"type": "reset", "cursor": now}
        assert subscriber.receive() == {"type": "ready", "cursor": now}
        assert subscriber.ids == [now, now]
        tx_id = open_tx(shared)
        assert subscriber.receive()["id"] == tx_id


def test_purge_resets(fresh: Athena) -> None:
    open_tx(fresh)
    with SseSubscriber(fresh) as subscriber:
        ok(fresh, "DELETE", PURGE)
        now = position(fresh)
        assert subscriber.receive() == {"type": "reset", "cursor": now}
        assert subscriber.ids == [now]
        tx_id = open_tx(fresh)
        assert subscriber.receive()["id"] == tx_id


def test_comments_keep_the_stream_alive(start_athena: StartAthena) -> None:
    athena = start_athena("--ping-interval", "0.2")
    with tcp(athena) as sock:
        sock.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while received.count(b"\n:") + received.count(b"\r\n:") < 2:
            data = sock.recv(65536)
            assert data, received
            received += data


def test_sigterm_ends_the_stream_in_order(athena: Athena) -> None:
    with SseSubscriber(athena) as subscriber, tcp(athena) as sock:
        sock.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert sock.recv(12) == b"HTTP/1.1 200"
        tx_id = open_tx(athena)
        athena.stop()
        assert subscriber.receive()["id"] == tx_id
        with pytest.raises(Closed):
            subscriber.receive()
        received = b""
        while data := sock.recv(65536):
            received += data
        assert tx_id.encode() in received
        assert received.endswith(b"0\r\n\r\n")  # the last chunk: complete, not torn


def test_other_methods_are_refused(shared: Athena) -> None:
    check_error(call(shared, "POST", STREAM, {}), 405, "method_not_allowed")
