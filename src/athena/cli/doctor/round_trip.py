"""One real transaction, opened and finished over HTTP, that must arrive over every transport and in the history."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import urllib3

from athena.cli.doctor.finding import Finding, failure, ok, warning
from athena.client import Change, Client, ClientError, LiveStream
from athena.client.errors import Refused
from athena.client.http import API, authorization

PATIENCE = 10.0
"""The longest that a message may take, in seconds."""


class Wait(NamedTuple):
    """What a listener waits for: the end of `tx_id`, reported after `cursor`."""

    url: str
    key: str | None
    cursor: str
    tx_id: str
    until: float
    """The deadline, by `time.monotonic`."""

    def is_over(self, message: dict[str, Any]) -> bool:
        return message.get("id") == self.tx_id and message.get("status") == "success"

    @property
    def left(self) -> float:
        return max(0.05, self.until - time.monotonic())


class NotSeen(Exception):
    """The message did not arrive, and why."""


def round_trip(url: str, key: str | None) -> Iterator[Finding]:
    """Run it -> a finding for the edit, each transport and the history."""
    tx_id = f"doctor-{secrets.token_hex(5)}"
    with Client(url, key=key, timeout=PATIENCE) as client, ThreadPoolExecutor(len(TRANSPORTS)) as pool:
        try:
            wait = Wait(url, key, client.notifications(limit=1)["cursor"], tx_id, time.monotonic() + PATIENCE)
            listening = {name: pool.submit(_timed, listen, wait) for name, listen in TRANSPORTS.items()}
            client.open({"tx_id": tx_id, "description": "athena doctor", "total_steps": 1, "by": "athena doctor"})
            began = time.monotonic()
            client.edit(tx_id, status="success", on_step=1, athena_msg="a round trip")
            committed = time.monotonic()
        except ClientError as error:
            yield failure("edit", str(error), _what_to_do(error))
            return
        yield ok("edit", f"opened, finished and on disk; the last took {(committed - began) * 1000:.1f} ms")
        for name, future in listening.items():
            yield _heard(name, future, began)
        yield _in_history(client, tx_id)
        yield from _tidied(client, tx_id)


def _heard(name: str, future: Future[float], began: float) -> Finding:
    try:
        return ok(name, f"told {max(0.0, future.result() - began) * 1000:.1f} ms after the edit was sent")
    except (NotSeen, ClientError, urllib3.exceptions.HTTPError) as error:
        return failure(
            name, f"the edit did not arrive: {error}", f"is there a proxy that cuts or buffers it? {HINTS[name]}"
        )


def _in_history(client: Client, tx_id: str) -> Finding:
    try:
        told = [change.get("status") for change in client.transaction(tx_id).get("changes", [])]
    except ClientError as error:
        return failure("history", f"the edit is not in it: {error}", _what_to_do(error))
    if told != ["pending", "success"]:
        return failure("history", f"expected the edit in it, got {told}", "please report this")
    return ok("history", "the edit is in it, step by step")


def _tidied(client: Client, tx_id: str) -> Iterator[Finding]:
    """Archive the test transaction, which only a manager may do."""
    try:
        client.request("POST", "/notifications/bulk", body={"notification_ids": [tx_id]})
    except ClientError as error:
        yield warning(
            "history", f"the trial {tx_id} stays in it: {error}", "archive it with a manager's key, or let it be"
        )


def _what_to_do(error: ClientError) -> str:
    if isinstance(error, Refused) and error.http_status in (401, 403):
        return "give a key that may report, by ATHENA_KEY (athena keys create)"
    return "see what the server says in its log"


# ---- transports ------------------------------------------------------------------------------------------------------
def _timed(listen: Callable[[Wait], None], wait: Wait) -> float:
    """-> when the message arrived (`time.monotonic`)."""
    listen(wait)
    return time.monotonic()


def _websocket(wait: Wait) -> None:
    with LiveStream(wait.url, after=wait.cursor, key=wait.key) as stream:
        last = "nothing came"
        while time.monotonic() < wait.until:
            event = stream.receive(wait.left)
            if isinstance(event, Change) and wait.is_over(event.message):
                return
            last = getattr(event, "why", last)
    raise NotSeen(last)


def _event_stream(wait: Wait) -> None:
    answer = _get(wait, "/notifications/stream", {"after": wait.cursor})
    try:
        pending = b""
        while time.monotonic() < wait.until:
            piece = answer.read1(65536)
            if not piece:
                break
            *lines, pending = (pending + piece).split(b"\n")
            if any(line.startswith(b"data:") and wait.is_over(json.loads(line[5:])) for line in lines):
                return
    finally:
        answer.close()
    raise NotSeen("the stream ended or was silent")


def _long_poll(wait: Wait) -> None:
    cursor = wait.cursor
    while time.monotonic() < wait.until:
        answer = _get(wait, "/notifications/changes", {"after": cursor, "wait": "5"})
        told = json.loads(answer.read())
        if any(map(wait.is_over, told["messages"])):
            return
        cursor = told["cursor"]
    raise NotSeen("nothing came")


def _get(wait: Wait, path: str, fields: dict[str, str]) -> urllib3.BaseHTTPResponse:
    headers = {"accept": "*/*", **authorization(wait.key)}
    timeout = urllib3.Timeout(connect=wait.left, read=wait.left)
    answer = urllib3.request(
        "GET",
        f"{wait.url}{API}{path}",
        fields=fields,
        headers=headers,
        timeout=timeout,
        retries=False,
        preload_content=False,
    )
    if answer.status != 200:
        raise NotSeen(f"HTTP status {answer.status}")
    return answer


TRANSPORTS: dict[str, Callable[[Wait], None]] = {
    "WebSocket": _websocket,
    "event stream": _event_stream,
    "long poll": _long_poll,
}
HINTS = {
    "WebSocket": "It has to pass `Upgrade` and `Connection` on.",
    "event stream": "It must not buffer text/event-stream.",
    "long poll": "It has to wait 30 s for an answer.",
}
