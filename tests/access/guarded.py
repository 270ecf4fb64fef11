"""A real Athena with access control, keys for each role, and clients that use them."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
from tests.e2e.calls import API, Answer, Deadline
from tests.support.server import PATIENCE, Athena, run_athena
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from athena.auth.local import ensure_key, make_key, read_key
from athena.auth.roles import ROLES, Role
from athena.auth.store import AuthStore, Entry

NOTIFICATIONS = f"{API}/notifications"
SESSIONS = f"{API}/sessions"
CURRENT = f"{SESSIONS}/current"
TICKETS = f"{API}/tickets"
LINKS = f"{API}/sign-in-links"
PURGE = f"{NOTIFICATIONS}/purge"
STREAM = f"{NOTIFICATIONS}/stream"
CHANGES = f"{NOTIFICATIONS}/changes"

T = TypeVar("T")


class Guarded(Athena):
    """`keys` has a key for each role, created before the first start; `context` is for clients when it uses TLS."""

    def __init__(self, data: Path, *flags: str, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        state = data.with_name(f"{data.name}.state")
        super().__init__(data, "--auth", "keys", *flags, port=port, variables={"XDG_STATE_HOME": str(state)})
        self.state = state
        self.context = context
        self.printed: list[str] = []
        self.keys: dict[Role, str] = {}
        with closing(AuthStore(data)) as store:
            ensure_key(store, data)
            for role in ROLES:
                self.keys[role] = str(make_key(store, f"the {role}", role))

    def start(self) -> Self:
        super().start()
        self.printed = [self._next_line() or "" for _ in range(3)]
        return self

    @property
    def link(self) -> str:
        """The secret in this start's sign-in link."""
        assert "/sign-in#atl_" in self.printed[1], self.printed
        return self.printed[1].rpartition("#")[2]

    @property
    def manager(self) -> str:
        """The key that the first start created."""
        return str(read_key(self.data))

    def cli(self, *arguments: str, cwd: Path | None = None) -> str:
        """The output of an `athena` command, which must succeed; it gets the data directory."""
        variables = {"ATHENA_DATA": str(self.data.resolve()), "XDG_STATE_HOME": str(self.state)}
        done = run_athena(*arguments, variables=variables, cwd=cwd)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def revoke(self, key: str) -> None:
        """As another process does it: in the data directory."""
        with closing(AuthStore(self.data)) as store:
            assert store.revoke_key(key.split("_")[1], 1)

    def audit(self) -> list[Entry]:
        """All entries on disk, oldest first, except the one for the key that the first start creates."""
        with closing(AuthStore(self.data)) as store:
            return [entry for entry in store.audit(0, 100_000)[::-1] if entry.who != "the first start"]

    def audited(self, action: str, outcome: str = "ok") -> Entry:
        """The last entry for `action`, once it is written."""
        return eventually(
            lambda: next((e for e in self.audit()[::-1] if (e.action, e.outcome) == (action, outcome)), None)
        )


def eventually(probe: Callable[[], T | None]) -> T:
    """The first result of `probe` that is not None or False."""
    deadline, pause = Deadline(), threading.Event()
    while not (found := probe()):
        assert not deadline.passed, "it did not come"
        pause.wait(0.02)
    return found


def bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def ask(
    server: Athena,
    method: str,
    path: str,
    body: Any = None,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own; the response's header names are in lower case."""
    connection = connection_to(server)
    try:
        send(connection, method, path, body, {**bearer(key), **(headers or {})})
        response = connection.getresponse()
        content = response.read().decode()
    finally:
        connection.close()
    received = {name.lower(): value for name, value in response.getheaders()}
    is_json = received.get("content-type", "").startswith("application/json")
    return Answer(response.status, json.loads(content) if content and is_json else content, received)


def connection_to(server: Athena) -> http.client.HTTPConnection:
    context = getattr(server, "context", None)
    if context is None:
        return http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    return http.client.HTTPSConnection("127.0.0.1", server.port, timeout=PATIENCE, context=context)


def send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    sent = None if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, sent, {**given, **(headers or {})})


def sign_in(server: Athena, key: str, headers: Mapping[str, str] | None = None) -> str:
    """Sign in with a key -> the session's cookie, as a browser would send it."""
    answer = ask(server, "POST", SESSIONS, {"key": key}, headers=headers)
    assert answer.status == 201, answer
    return answer.headers["set-cookie"].partition(";")[0]


def origin_of(server: Athena) -> str:
    return f"{'https' if getattr(server, 'context', None) else 'http'}://127.0.0.1:{server.port}"


def page(server: Athena, cookie: str) -> dict[str, str]:
    """The headers that Athena's own page sends."""
    return {"Cookie": cookie, "Origin": origin_of(server)}


@contextmanager
def websocket(server: Athena, key: str | None = None, query: str = "", **options: Any) -> Iterator[ClientConnection]:
    """A live connection. Raises `websockets.InvalidStatus` when it is refused."""
    headers = {**bearer(key), **options.pop("headers", {})}
    assert getattr(server, "context", None) is None, "it reads and writes by two threads, which OpenSSL does not allow"
    with connect(
        server.ws_url + query, additional_headers=headers, open_timeout=PATIENCE, proxy=None, **options
    ) as client:
        yield client


def refusal(server: Athena, key: str | None = None, query: str = "", **options: Any) -> tuple[int, str]:
    """(status, error code) of a live connection that must be refused."""
    with pytest.raises(InvalidStatus) as refused, websocket(server, key, query, **options):
        pass
    response = refused.value.response
    return response.status_code, json.loads(response.body)["code"]


@contextmanager
def stream(server: Athena, path: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
    """An open Server-Sent Events response whose head has arrived."""
    connection = connection_to(server)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        assert response.status == 200, response.read()
        assert response.readline() == b":\n"
        yield response
    finally:
        connection.close()


def read_to_the_end(response: http.client.HTTPResponse) -> bytes:
    """Everything received until the server ended or cut a stream; fails when it does neither."""
    try:
        return response.read()
    except http.client.IncompleteRead as cut:
        return cut.partial
    except ConnectionError:
        return b""


def _read_on(client: ClientConnection) -> None:
    while True:
        client.recv(timeout=PATIENCE)


def close_code(client: ClientConnection) -> int:
    """Read to the end of a live connection -> the server's close code."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_on(client)
    assert closed.value.rcvd is not None, "cut without a close frame"
    return closed.value.rcvd.code
