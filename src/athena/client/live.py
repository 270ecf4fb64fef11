"""Athena's live messages over a WebSocket, across lost connections and server restarts."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

import websockets.exceptions
import websockets.sync.client

from athena.client.errors import ClientError, Refused, Unreachable
from athena.client.http import API, JsonObject, authorization, base_url, json_object, why


class Backoff:
    """Delays between attempts, exponential with full jitter: each is uniform between 0 and a ceiling that doubles from
    `first` to `longest` (seconds), so that clients that lost the same server do not all reconnect at once.
    """

    def __init__(self, first: float = 0.5, longest: float = 30.0, uniform: Callable[[], float] = random.random) -> None:
        self._first = first
        self._longest = longest
        self._uniform = uniform
        self._ceiling = first

    def next(self) -> float:
        """Seconds until the next attempt."""
        delay = self._uniform() * self._ceiling
        self._ceiling = min(self._longest, self._ceiling * 2)
        return delay

    def reset(self) -> None:
        """An attempt succeeded; the next failure starts from `first` again."""
        self._ceiling = self._first


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction or notice changed; `message` is its whole state."""

    message: JsonObject


@dataclass(frozen=True, slots=True)
class Archived:
    """These notifications were removed from the history's default view."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """The server does not know our cursor: what was shown may be gone, and changes may have been missed."""


@dataclass(frozen=True, slots=True)
class Ready:
    """All missed messages have been delivered; later ones are live."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection was lost or could not be made. The stream retries by itself in `retry_in` seconds."""

    why: str
    retry_in: float
    refusal: Refused | None = None
    """Athena's error response, if there was one; 401 and 403 are permanent for the same key."""


Event = Change | Archived | Reset | Ready | Disconnected


class LiveStream:
    """Athena's live messages over a WebSocket, in order, without gaps, across lost connections and restarts.

    It starts at the cursor `after`, or now if there is none, and resumes at the last cursor it saw. `refetch` is called
    by the next `receive()` after a `Reset`: it fetches the history again and returns the cursor to continue from; if it
    raises a `ClientError`, that counts as a failed connection and is retried. Without it, the stream just continues.

    One thread at a time may receive; any thread may `close()`.
    """

    def __init__(
        self,
        url: str,
        after: str | None = None,
        *,
        key: str | None = None,
        refetch: Callable[[], str] | None = None,
        backoff: Backoff | None = None,
        timeout: float = 10.0,
    ) -> None:
        http_url = base_url(url)
        self.cursor = after
        self._live_url = f"ws{http_url.removeprefix('http')}{API}/notifications/live"
        self._headers = authorization(key)
        self._refetch = refetch
        self._refetch_due = False
        self._backoff = backoff or Backoff()
        self._timeout = timeout
        self._retry_at = time.monotonic()
        self._closed = threading.Event()
        self._connection: websockets.sync.client.ClientConnection | None = None
        self._cleanup = contextlib.ExitStack()  # of the connection
        self._swapping = threading.Lock()  # guards these two, which any thread may close

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Events until `close()`."""
        while not self._closed.is_set():
            if (event := self.receive(3600.0)) is not None:
                yield event

    def close(self) -> None:
        """End the stream. A waiting `receive()` returns None."""
        self._closed.set()
        self._disconnect()

    def receive(self, timeout: float) -> Event | None:
        """The next event, or None after `timeout` seconds (plus the time for connecting) or once closed.

        Connects and reconnects as needed. Raises only what `refetch` raises, except `ClientError`.
        """
        deadline = time.monotonic() + timeout
        while not self._closed.is_set():
            remaining = deadline - time.monotonic()
            connection = self._connection
            if connection is None:
                pause = self._retry_at - time.monotonic()
                if pause > 0:
                    if remaining <= 0:
                        return None
                    self._closed.wait(min(pause, remaining))
                elif (failure := self._connect()) is not None:
                    return failure
                continue
            try:
                text = connection.recv(max(0.0, remaining))
            except TimeoutError:
                return None
            except websockets.exceptions.ConnectionClosed as error:
                return None if self._closed.is_set() else self._lost(_close_reason(error))
            if (event := self._understood(text)) is not None:
                return event
        return None

    def _connect(self) -> Disconnected | None:
        try:
            if self._refetch is not None and self._refetch_due:
                self.cursor = self._refetch()
                self._refetch_due = False
            # An empty `?after=` starts now; the `ready` that follows carries the cursor.
            connection = websockets.sync.client.connect(
                f"{self._live_url}?after={quote(self.cursor or '', safe='')}",
                additional_headers=self._headers,
                compression=None,
                proxy=None,
                open_timeout=self._timeout,
                close_timeout=1.0,
                max_size=16 * 1024 * 1024,
            )
            with self._swapping:
                self._connection = self._cleanup.enter_context(connection)
            if self._closed.is_set():  # closed meanwhile, by a thread that found no connection to close
                self._disconnect()
        except Unreachable as error:
            return self._lost(error.why)
        except Refused as refused:
            return self._lost(str(refused), refused)
        except websockets.exceptions.InvalidStatus as error:
            answer = json_object(bytes(error.response.body or b"")) or {}
            refusal = Refused(error.response.status_code, answer)
            return self._lost(str(refusal), refusal)
        except (ClientError, OSError, websockets.exceptions.WebSocketException) as error:
            return self._lost(why(error))
        return None

    def _lost(self, why: str, refusal: Refused | None = None) -> Disconnected:
        self._disconnect()
        delay = self._backoff.next()
        self._retry_at = time.monotonic() + delay
        return Disconnected(why, delay, refusal)

    def _disconnect(self) -> None:
        with self._swapping:
            cleanup, self._cleanup, self._connection = self._cleanup, contextlib.ExitStack(), None
        cleanup.close()

    def _understood(self, text: str | bytes) -> Event | None:
        """The event of one message; None for a type that this client does not know."""
        message = json_object(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text) or {}
        if isinstance(cursor := message.get("cursor"), str):
            self.cursor = cursor
        kind = message.get("type")
        if kind == "reset":
            return self._on_reset()
        # Only after a message: a server that accepts and closes at once must not be retried without delay.
        self._backoff.reset()
        if kind in ("webhook_tx", "notification"):
            return Change(message)
        if kind == "archived":
            ids = message.get("ids")
            return Archived(tuple(map(str, ids)) if isinstance(ids, list) else ())
        return Ready() if kind == "ready" else None

    def _on_reset(self) -> Reset:
        if self._refetch is not None:
            # Reconnect at the refetched cursor: messages of this connection may be older than the fetched state.
            self._refetch_due = True
            self._lost("reset")
        return Reset()


def _close_reason(error: websockets.exceptions.ConnectionClosed) -> str:
    if error.rcvd is None:
        return "connection lost"
    return error.rcvd.reason or f"closed with code {error.rcvd.code}"
