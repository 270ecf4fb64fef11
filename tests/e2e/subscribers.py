"""Clients for live messages: three npm libraries, Python's `websockets`, Server-Sent Events and long poll.

All are used in the same way: created (which connects them), read one message at a time, closed.
"""

from __future__ import annotations

import http.client
import json
import queue
import subprocess
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.e2e.calls import API, UNREACHABLE, Caller, Deadline, strict_json
from tests.support.server import PATIENCE, Athena
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

LIVE = f"{API}/notifications/live"
STREAM = f"{API}/notifications/stream"
CHANGES = f"{API}/notifications/changes"

CLIENTS = Path(__file__).with_name("clients")

Message = dict[str, Any]


class Closed(Exception):
    """The server closed the connection, or it was lost (`code` None, or 1006 for a WebSocket)."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Subscriber(ABC):
    """One client. `raw` holds the text of every message received, `cursor` the last position received."""

    def __init__(self) -> None:
        self.raw: list[str] = []
        self.cursor: str | None = None

    def receive(self, timeout: float = PATIENCE) -> Message:
        """The next message. Raises `Closed` when there will be none, TimeoutError when none arrives in time."""
        text = self._next(timeout)
        message = strict_json(text)
        assert isinstance(message, dict), f"not an object: {text}"
        assert isinstance(message.get("type"), str), f"a message without a type: {text}"
        self.raw.append(text)
        if "cursor" in message:
            self.cursor = message["cursor"]
        return message

    def receive_until(self, wanted: Callable[[Message], bool], timeout: float = PATIENCE) -> list[Message]:
        """All messages up to the first `wanted` one, that one last."""
        deadline = Deadline(timeout)
        messages = [self.receive(deadline.left)]
        while not wanted(messages[-1]):
            messages.append(self.receive(deadline.left))
        return messages

    def receive_of(self, tx_id: str, timeout: float = PATIENCE) -> Message:
        """The next message about `tx_id`; others are skipped."""
        return self.receive_until(lambda message: message.get("id") == tx_id, timeout)[-1]

    @abstractmethod
    def _next(self, timeout: float) -> str: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def with_after(path: str, after: str | None) -> str:
    return path if after is None else f"{path}?after={quote(after, safe='')}"


class NodeSubscriber(Subscriber):
    """A WebSocket client library from npm, in a node process."""

    def __init__(self, library: str, athena: Athena, after: str | None = None, path: str = LIVE) -> None:
        super().__init__()
        url = f"ws://127.0.0.1:{athena.port}{with_after(path, after)}"
        self._process = subprocess.Popen(
            ["node", "listen.mjs", library, url],
            cwd=CLIENTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            first = strict_json(self._line(PATIENCE))
            if first != {"event": "open"}:
                raise ConnectionError(f"{library}: {first}")
        except BaseException:
            self.close()
            raise

    def send(self, text: str) -> None:
        self._command(f"send {text}")

    def say_goodbye(self) -> None:
        """Start the close from this side, as a browser does; `receive` then raises `Closed`."""
        self._command("close")

    def close(self) -> None:
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _next(self, timeout: float) -> str:
        deadline = Deadline(timeout)
        while (line := self._line(deadline.left)).startswith('{"event":'):
            event = strict_json(line)
            if event["event"] == "close":
                raise Closed(event["code"])
            assert event["event"] == "error", f"unexpected: {line}"
        return line

    def _line(self, timeout: float) -> str:
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError("no message in time") from None
        if line is None:
            raise Closed
        return line

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.removesuffix("\n"))
        self._lines.put(None)

    def _command(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


class PythonSubscriber(Subscriber):
    """Python's `websockets`, without compression."""

    def __init__(self, athena: Athena, after: str | None = None, path: str = LIVE) -> None:
        super().__init__()
        url = f"ws://127.0.0.1:{athena.port}{with_after(path, after)}"
        self._opened = ExitStack()
        try:
            self._connection = self._opened.enter_context(
                connect(url, compression=None, proxy=None, ping_interval=None, open_timeout=PATIENCE)
            )
        except WebSocketException as refused:
            raise ConnectionError(str(refused)) from refused

    def send(self, text: str) -> None:
        self._connection.send(text)

    def say_goodbye(self) -> None:
        self._connection.close()

    def close(self) -> None:
        self._opened.close()

    def _next(self, timeout: float) -> str:
        try:
            text = self._connection.recv(timeout)
        except ConnectionClosed as closed:
            raise Closed(closed.rcvd.code if closed.rcvd else 1006) from None
        assert isinstance(text, str), "expected a text message, got a binary one"
        return text


class SseSubscriber(Subscriber):
    """Server-Sent Events, parsed by https://html.spec.whatwg.org/multipage/server-sent-events.html.

    `ids` holds the last event id of each message.
    """

    def __init__(
        self, athena: Athena, after: str | None = None, path: str = STREAM, last_event_id: str | None = None
    ) -> None:
        super().__init__()
        self.ids: list[str] = []
        self._last_id = ""
        self._connection = http.client.HTTPConnection("127.0.0.1", athena.port, timeout=PATIENCE)
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        self._connection.request("GET", with_after(path, after), headers=headers)
        sock = self._connection.sock
        self.response = self._connection.getresponse()
        self._sock = sock
        if self.response.status != 200:
            self.close()
            raise ConnectionError(f"expected a stream, got {self.response.status}")

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def _next(self, timeout: float) -> str:
        deadline = Deadline(timeout)
        data: list[str] = []
        while True:
            self._sock.settimeout(max(deadline.left, 0.001))
            try:
                line = self.response.readline()
            except TimeoutError:
                raise
            except UNREACHABLE as lost:
                raise Closed from lost
            if not line:
                raise Closed
            text = line.decode().removesuffix("\n").removesuffix("\r")
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if not text and data:
                self.ids.append(self._last_id)
                return "\n".join(data)
            if name == "data":
                data.append(value)
            elif name == "id":
                self._last_id = value
            else:
                # EventSource.onmessage receives only events of the default type.
                assert name in ("", "retry"), f"unexpected line in the stream: {text}"


class LongPollSubscriber(Subscriber):
    """Long poll. Without `after` it is attached only while a request waits."""

    def __init__(self, athena: Athena, after: str | None = None, path: str = CHANGES) -> None:
        super().__init__()
        self.cursor = self._position = after
        self._path = path
        self._waiting: deque[Message] = deque()
        self._caller = Caller(athena)

    def poll(self, wait: float) -> Message:
        """One request from the current position -> its response, after a check of its shape."""
        path = with_after(self._path, self._position)
        try:
            answer = self._caller.call("GET", f"{path}{'&' if '?' in path else '?'}wait={wait:g}")
        except UNREACHABLE as lost:
            raise Closed from lost
        if answer.status == 503:
            raise Closed(503)
        assert answer.status == 200, answer
        assert set(answer.body) == {"messages", "cursor"}, answer.body
        assert isinstance(answer.body["cursor"], str), answer.body
        body: Message = answer.body
        self._position = body["cursor"]
        return body

    def close(self) -> None:
        self._caller.close()

    def _next(self, timeout: float) -> str:
        deadline = Deadline(timeout)
        while not self._waiting:
            answer = self.poll(min(10, max(1, int(deadline.left))))
            self._waiting.extend(answer["messages"])
            if not self._waiting:
                self.cursor = answer["cursor"]
            if deadline.passed and not self._waiting:
                raise TimeoutError("no message in time")
        return json.dumps(self._waiting.popleft(), ensure_ascii=False, separators=(",", ":"))


NODE_LIBRARIES = ("ws", "websocket", "faye-websocket")
WEBSOCKETS = ("python", *NODE_LIBRARIES)
TRANSPORTS = (*WEBSOCKETS, "sse", "longpoll")


def subscribe(transport: str, athena: Athena, after: str | None = None, path: str | None = None) -> Subscriber:
    """A client of `transport`, connected. Raises one of `UNREACHABLE` or `Closed` when there is no server."""
    more = {} if path is None else {"path": path}
    if transport == "python":
        return PythonSubscriber(athena, after, **more)
    if transport == "sse":
        return SseSubscriber(athena, after, **more)
    if transport == "longpoll":
        return LongPollSubscriber(athena, after, **more)
    return NodeSubscriber(transport, athena, after, **more)


@contextmanager
def all_closed(subscribers: list[Subscriber]) -> Iterator[list[Subscriber]]:
    """Close all of them at the end."""
    try:
        yield subscribers
    finally:
        for subscriber in subscribers:
            subscriber.close()
