"""athena.client.live: the stream against a real server that is killed, restarted and purged meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator

import pytest
import websockets.exceptions
import websockets.sync.server
from hypothesis import given
from hypothesis import strategies as st
from tests.support.server import PATIENCE, Athena

from athena.client import Archived, Backoff, Change, Client, Disconnected, Event, LiveStream, Ready, Reset

IMPATIENT = 0.05
"""Longest pause between attempts in these tests (s)."""


def stream_of(athena: Athena, after: str | None = None, refetch: Callable[[], str] | None = None) -> LiveStream:
    return LiveStream(athena.url, after, refetch=refetch, backoff=Backoff(0.01, IMPATIENT))


def until(stream: LiveStream, wanted: Callable[[Event], bool]) -> list[Event]:
    """All events up to the first that is `wanted`."""
    events: list[Event] = []
    while not events or not wanted(events[-1]):
        event = stream.receive(PATIENCE)
        assert event is not None, f"expected more than {events}"
        events.append(event)
    return events


def is_ready(event: Event) -> bool:
    return isinstance(event, Ready)


def changes(events: list[Event]) -> list[str]:
    """`id status` of each change."""
    return [f"{event.message['id']} {event.message['status']}" for event in events if isinstance(event, Change)]


@pytest.fixture
def client(athena: Athena) -> Iterator[Client]:
    with Client(athena.url) as client:
        yield client


# ---- back-off --------------------------------------------------------------------------------------------------------
@given(first=st.floats(0.01, 5), longest=st.floats(5, 100), draws=st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_each_pause_is_spread_over_a_ceiling_that_doubles_up_to_the_longest(
    first: float, longest: float, draws: list[float]
) -> None:
    source = iter(draws)
    backoff = Backoff(first, longest, uniform=lambda: next(source))
    for attempt, draw in enumerate(draws):
        assert backoff.next() == pytest.approx(draw * min(longest, first * 2**attempt))


def test_after_a_success_pauses_are_short_again() -> None:
    backoff = Backoff(0.5, 30, uniform=lambda: 1.0)
    assert [backoff.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next() == 0.5


# ---- the stream ------------------------------------------------------------------------------------------------------
def test_it_starts_now_and_brings_what_happens(athena: Athena, client: Client) -> None:
    client.open({"tx_id": "before", "description": "x"})
    with stream_of(athena) as stream:
        assert until(stream, is_ready) == [Ready()]
        client.open({"tx_id": "a", "description": "x"})
        client.edit("a", status="success")
        events = until(stream, lambda event: changes([event]) == ["a success"])
    assert changes(events) == ["a pending", "a success"]


def test_after_a_page_of_history_nothing_falls_between(athena: Athena, client: Client) -> None:
    client.open({"tx_id": "a", "description": "x"})
    cursor = client.notifications()["cursor"]
    client.edit("a", status="pending", athena_msg="between")
    with stream_of(athena, cursor) as stream:
        [change, _] = until(stream, is_ready)
    assert isinstance(change, Change)
    assert change.message["message"] == "x: between"


def test_it_resumes_across_a_kill_though_it_never_saw_a_change(athena: Athena, client: Client) -> None:
    with stream_of(athena) as stream:
        until(stream, is_ready)
        athena.kill()
        [lost] = until(stream, lambda event: isinstance(event, Disconnected))
        assert isinstance(lost, Disconnected)
        assert lost.why == "connection lost"
        athena.start()
        client.open({"tx_id": "meanwhile", "description": "x"})
        assert changes(until(stream, is_ready)) == ["meanwhile pending"]


def test_across_kills_nothing_is_missed_and_nothing_comes_twice(athena: Athena, client: Client) -> None:
    seen: list[str] = []
    with stream_of(athena) as stream:
        until(stream, is_ready)
        for attempt in range(3):
            for index in range(20):
                client.open({"tx_id": f"t{attempt}-{index}", "description": "x"})
                if index == 10:
                    athena.kill()
                    athena.start()
            last = f"t{attempt}-19 pending"
            seen += changes(until(stream, lambda event, last=last: changes([event]) == [last]))  # type: ignore[misc]
    assert seen == [f"t{attempt}-{index} pending" for attempt, index in itertools.product(range(3), range(20))]


def test_while_nobody_is_there_it_says_why_and_tries_again(athena: Athena) -> None:
    athena.kill()
    with stream_of(athena) as stream:
        for _ in range(3):
            event = stream.receive(PATIENCE)
            assert isinstance(event, Disconnected)
            assert event.why == "connection refused"
            assert 0 <= event.retry_in <= IMPATIENT
        athena.start()
        until(stream, is_ready)


def test_a_purge_is_a_reset_and_the_stream_goes_on(athena: Athena, client: Client) -> None:
    client.open({"tx_id": "a", "description": "x"})
    with stream_of(athena) as stream:
        until(stream, is_ready)
        athena.request("DELETE", "/api/v3/notifications/purge")
        until(stream, lambda event: event == Reset())
        client.open({"tx_id": "b", "description": "x"})
        until(stream, lambda event: changes([event]) == ["b pending"])


def test_at_an_unknown_position_it_refetches_and_goes_on_from_there(athena: Athena, client: Client) -> None:
    fetched: list[str] = []

    def refetch() -> str:
        page = client.notifications()
        fetched.extend(row["id"] for row in page["notifications"])
        client.open({"tx_id": "b", "description": "after the fetch"})
        return str(page["cursor"])

    client.open({"tx_id": "a", "description": "x"})
    with stream_of(athena, "elsewhere.7", refetch) as stream:
        events = until(stream, lambda event: changes([event]) == ["b pending"])
    assert events[0] == Reset()
    assert fetched == ["a"]


def test_a_refetch_that_fails_is_tried_again(athena: Athena, client: Client) -> None:
    calls: list[str] = []

    def refetch() -> str:
        calls.append("refetch")
        if len(calls) == 1:
            athena.kill()
        return str(client.notifications()["cursor"])

    with stream_of(athena, "elsewhere.7", refetch) as stream:
        until(stream, lambda event: isinstance(event, Disconnected) and event.why == "connection refused")
        athena.start()
        until(stream, is_ready)


def test_archived_ids_are_told(athena: Athena, client: Client) -> None:
    notice = client.notify({"status": "success", "message": "x"})
    with stream_of(athena) as stream:
        until(stream, is_ready)
        client.request("POST", "/notifications/bulk", body={"notification_ids": [notice]})
        assert until(stream, lambda event: True) == [Archived((notice,))]


def test_receive_gives_up_after_its_timeout(athena: Athena) -> None:
    with stream_of(athena) as stream:
        until(stream, is_ready)
        assert stream.receive(0.01) is None


def test_close_while_it_connects_leaves_no_connection() -> None:
    asked, answer, gone = threading.Event(), threading.Event(), threading.Event()

    def wait(connection: websockets.sync.server.ServerConnection, _: object) -> None:
        asked.set()
        answer.wait(PATIENCE)

    def serve(connection: websockets.sync.server.ServerConnection) -> None:
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            connection.recv(PATIENCE)
        gone.set()

    with websockets.sync.server.serve(serve, "127.0.0.1", 0, process_request=wait, compression=None) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        stream = LiveStream(f"http://127.0.0.1:{server.socket.getsockname()[1]}")
        received: list[Event | None] = []
        receiving = threading.Thread(target=lambda: received.append(stream.receive(PATIENCE)))
        receiving.start()
        assert asked.wait(PATIENCE)
        stream.close()
        answer.set()
        receiving.join(PATIENCE)
        assert received == [None]
        assert gone.wait(PATIENCE / 4), "expected the server to see the connection end"
        server.shutdown()
        serving.join(PATIENCE)


def test_close_ends_a_waiting_receive_and_the_iteration(athena: Athena) -> None:
    stream = stream_of(athena)
    events: list[Event] = []
    ready = threading.Event()

    def collect() -> None:
        for event in stream:
            events.append(event)
            ready.set()

    thread = threading.Thread(target=collect)
    thread.start()
    assert ready.wait(PATIENCE)
    stream.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert events == [Ready()]
    assert stream.receive(PATIENCE) is None


# ---- a server of another version -------------------------------------------------------------------------------------
def test_what_it_does_not_know_is_passed_over_but_moves_the_position() -> None:
    messages: list[str | bytes] = [
        json.dumps({"type": "weather", "cursor": "e.1"}),
        json.dumps({"type": ["list"], "cursor": 7}),
        "no json",
        "[]",
        b"\xff\x00",
        '{"type": "archived", "ids": "none"}',
        json.dumps({"type": "webhook_tx", "id": "a", "status": "pending", "new_member": {}, "cursor": "e.2"}),
    ]
    asked: list[str] = []

    def serve(connection: websockets.sync.server.ServerConnection) -> None:
        assert connection.request is not None
        asked.append(connection.request.path)
        for message in messages:
            connection.send(message)

    with websockets.sync.server.serve(serve, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        with LiveStream(url, "e.0", backoff=Backoff(0.01, IMPATIENT)) as stream:
            events = [stream.receive(PATIENCE) for _ in range(3)]
            assert stream.cursor == "e.2"
            assert isinstance(stream.receive(PATIENCE), Archived)  # connected again
        server.shutdown()
        thread.join(PATIENCE)
    assert events[0] == Archived(())
    assert isinstance(events[1], Change)
    assert isinstance(events[2], Disconnected)
    assert asked[:2] == ["/api/v3/notifications/live?after=e.0", "/api/v3/notifications/live?after=e.2"]


def test_what_speaks_no_websocket_is_a_lost_connection(athena: Athena) -> None:
    with LiveStream(f"{athena.url}/nothing/here", backoff=Backoff(0.01, IMPATIENT)) as stream:
        event = stream.receive(PATIENCE)
    assert isinstance(event, Disconnected)
    assert event.refusal is not None
    assert event.refusal.http_status == 404
    assert "nothing/here" in event.why
