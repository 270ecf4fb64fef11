"""athena.client.http, against a real server and against peers that are not one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

import pytest
from tests.support.server import Athena

from athena.client import Client, InvalidUrl, NotAthena, Refused, Unreachable
from athena.client.http import LARGEST_PAGE, base_url


@pytest.fixture
def client(athena: Athena) -> Iterator[Client]:
    with Client(athena.url) as client:
        yield client


def test_a_transaction_from_its_opening_to_its_end(client: Client) -> None:
    opened = client.open({"tx_id": "backup-7", "description": "nightly backup", "total_steps": 2})
    assert opened["tx_id"] == "backup-7"
    assert client.edit("backup-7", status="pending", on_step=1, athena_msg="dumping")["message"] == "ok"
    client.edit("backup-7", status="success", on_step=2)

    found = client.transaction("backup-7")
    assert found["status"] == "success"
    assert [change["status"] for change in found["changes"]] == ["pending", "pending", "success"]


def test_opening_twice_is_the_same_transaction(client: Client) -> None:
    opening = {"tx_id": "a", "description": "x"}
    assert client.open(opening) == client.open(opening)
    assert client.notifications()["total"] == 1


def test_a_notice_is_in_the_history(client: Client) -> None:
    notice = client.notify({"status": "error", "message": "disk full"})
    [row] = client.notifications(type="notification")["notifications"]
    assert (row["id"], row["message"]) == (notice, "disk full")


def test_parameters_are_encoded_and_none_is_left_out(client: Client) -> None:
    client.open({"tx_id": "a", "description": "50 % & more?", "by": "lee"})
    client.open({"tx_id": "b", "description": "other"})
    assert [row["id"] for row in client.notifications(search="% & m", status=None)["notifications"]] == ["a"]
    assert client.notifications(from_=0, to=1)["returning"] == 0
    assert client.notifications(archived=True)["returning"] == 2


def test_refused_holds_what_athena_answered(client: Client) -> None:
    with pytest.raises(Refused) as refused:
        client.transaction("no/such thing")
    assert refused.value.http_status == 400  # its id would be percent-encoded, and is invalid

    with pytest.raises(Refused) as refused:
        client.edit("unknown", status="success")
    assert (refused.value.http_status, refused.value.error_code) == (404, "unknown_transaction")
    assert "'unknown'" in str(refused.value)
    assert refused.value.answer["tx_id"] == "unknown"
    assert not refused.value.worth_repeating


@pytest.mark.parametrize(
    ("status", "worth_repeating"), [(400, False), (409, False), (429, True), (500, True), (503, True)]
)
def test_what_may_succeed_later_is_worth_repeating(status: int, worth_repeating: bool) -> None:
    assert Refused(status, {}).worth_repeating is worth_repeating
    assert str(status) in str(Refused(status, {}))


def test_the_history_is_paged_without_shifting(athena: Athena, client: Client) -> None:
    count = 2 * LARGEST_PAGE + 300
    lines = [{"op": "open", "tx_id": f"t{index}", "description": "x"} for index in range(count)]
    assert athena.request("POST", "/api/v3/webhooks/txs/bulk", lines)[0] == 200

    rows = client.history(count + 5)
    seen = [next(rows)["id"]]
    client.open({"tx_id": "newer", "description": "x"})  # comes before all pages
    seen += [row["id"] for row in rows]
    assert sorted(seen) == sorted(line["tx_id"] for line in lines)

    assert len(list(client.history(LARGEST_PAGE + 1))) == LARGEST_PAGE + 1
    assert list(client.history(5, search="no such thing")) == []


def test_a_kept_alive_connection_that_was_closed_is_replaced(athena: Athena, client: Client) -> None:
    client.open({"tx_id": "a", "description": "x"})
    athena.kill()
    athena.start()
    client.edit("a", status="success")
    assert client.transaction("a")["status"] == "success"


class Dropping:
    """A proxy that loses the first response: the request arrives and is carried out, but the client gets no answer."""

    def __init__(self, athena: Athena) -> None:
        self._athena = athena
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        lost = False
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self._athena.port)) as server:
                server.sendall(_message(client))
                answer = _message(server)
                if lost:
                    client.sendall(answer)
                lost = True


def _message(sender: socket.socket) -> bytes:
    """One HTTP message with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sender.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
    while len(body) < length:
        body += sender.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.mark.parametrize("kind", ["notify", "open"])
def test_what_would_double_is_repeated_with_a_key(athena: Athena, client: Client, kind: str) -> None:
    with Dropping(athena) as way, Client(way.url) as unlucky:
        if kind == "notify":
            made = unlucky.notify({"status": "error", "message": "disk full"})
        else:
            made = unlucky.open({"description": "nightly backup"})["tx_id"]
    assert [row["id"] for row in client.notifications()["notifications"]] == [made]


def test_a_call_without_a_key_is_not_repeated_and_with_the_same_one_it_is_the_same(
    athena: Athena, client: Client
) -> None:
    notice = {"status": "error", "message": "disk full"}
    with Dropping(athena) as way, Client(way.url) as unlucky, pytest.raises(Unreachable):
        unlucky.request("POST", "/notifications", body=notice)
    assert client.notifications()["total"] == 1
    assert client.notify(notice, key="mine") == client.notify(notice, key="mine")
    assert client.notifications()["total"] == 2


def test_nobody_there_is_unreachable(athena: Athena, client: Client) -> None:
    athena.kill()
    with pytest.raises(Unreachable) as unreachable:
        client.notifications()
    assert unreachable.value.why == "connection refused"
    assert athena.url in str(unreachable.value)
    assert "athena serve" in str(unreachable.value)


def test_no_answer_in_time_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts; there is never a response
        with (
            Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2) as client,
            pytest.raises(Unreachable) as unreachable,
        ):
            client.notifications()
        assert unreachable.value.why == "no answer in time"


@pytest.fixture
def impostor() -> Iterator[Callable[[bytes], str]]:
    """Starts a server that sends these bytes on one connection, whatever the request -> its address."""
    with ExitStack() as cleanup:

        def start(answer: bytes) -> str:
            listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=_answer_once, args=(listener, answer))
            thread.start()
            cleanup.callback(thread.join)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start


def _answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)


def _answer(status: str, content: bytes, kind: str = "text/html") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + content


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (_answer("200 OK", b"<html>It works!</html>"), NotAthena),
        (_answer("200 OK", b"[]"), NotAthena),
        (_answer("200 OK", b'{"hello": "world"}'), NotAthena),
        (_answer("200 OK", b'{"notifications": [1], "cursor": "e.1"}'), NotAthena),
        (_answer("200 OK", b'{"notifications": []}'), NotAthena),
        (_answer("200 OK", b"[" * 100_000), NotAthena),
        (_answer("302 Found", b""), NotAthena),
        (_answer("404 Not Found", b"<html>nothing</html>"), NotAthena),
        (_answer("502 Bad Gateway", b"<html>try later</html>"), Unreachable),
        (_answer("404 Not Found", b'{"detail": "Not Found"}'), Refused),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Unreachable),
    ],
)
def test_what_is_not_athena_is_told_apart(
    impostor: Callable[[bytes], str], answer: bytes, expected: type[Exception]
) -> None:
    with Client(impostor(answer), timeout=5) as client, pytest.raises(expected) as error:
        client.notifications()
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
        ("https://athena.example.com/ak/", "https://athena.example.com/ak"),
        ("http://[::1]:8787", "http://[::1]:8787"),
    ],
)
def test_base_url(url: str, expected: str) -> None:
    assert base_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8787",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://x:99999",
        "http://x?y",
        "http://u:p@x",
        "http://[::1",
        "http://a..b",
        "http://two words",
        f"http://{'a' * 64}.example.com",
    ],
)
def test_no_url(url: str) -> None:
    with pytest.raises(InvalidUrl, match="http://127"):
        base_url(url)
