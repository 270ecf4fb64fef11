"""Pages of other origins: what a browser would send for them, and the responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import (
    CHANGES,
    CURRENT,
    NOTIFICATIONS,
    PURGE,
    SESSIONS,
    STREAM,
    TICKETS,
    Guarded,
    ask,
    bearer,
    origin_of,
    refusal,
    sign_in,
    stream,
    websocket,
)
from tests.e2e.calls import API
from tests.support.server import Athena

LISTED = "https://console.example"
PUBLIC = "https://athena.example"
FOREIGN = (
    "https://evil.example",
    "null",
    "https://athena.example.evil.example",
    "https://other.athena.example",
    "https://example",
    "http://athena.example",
    "https://athena.example:8443",
    "https://console.example.",
    "http://console.example",
    "https://evil.example/https://athena.example",
    "http://127.0.0.1",
    "http://localhost",
)
EDIT = f"{API}/webhooks/txs/x"
GETS = (NOTIFICATIONS, f"{CHANGES}?wait=0", STREAM, f"{API}/webhooks", CURRENT, EDIT)
CHANGING = (("PUT", EDIT), ("POST", f"{API}/webhooks/txs"), ("DELETE", PURGE), ("POST", TICKETS), ("DELETE", CURRENT))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("origins") / "athena-data"
    with Guarded(data, "--allow-origin", LISTED, "--public-url", PUBLIC) as server:
        yield server


@pytest.fixture(scope="module")
def cookie(server: Guarded) -> str:
    return sign_in(server, server.keys["manager"])


def code(answer: Any) -> tuple[int, str]:
    return answer.status, answer.body["code"]


@pytest.mark.parametrize("origin", [*FOREIGN, "http://127.0.0.1:OTHER"])
def test_a_foreign_page_gets_nothing_with_cookie_or_key(server: Guarded, cookie: str, origin: str) -> None:
    origin = origin.replace("OTHER", str(server.port + 1))
    for credentials in ({"Cookie": cookie}, bearer(server.keys["manager"]), {}):
        headers = {"Origin": origin, **credentials}
        for path in GETS:
            answer = ask(server, "GET", path, headers=headers)
            assert code(answer) == (403, "origin_not_allowed"), path
            assert not [name for name in answer.headers if name.startswith("access-control")]
        for method, path in CHANGING:
            assert code(ask(server, method, path, {}, headers=headers)) == (403, "origin_not_allowed"), path
        assert refusal(server, headers=headers) == (403, "origin_not_allowed")
        preflight = ask(server, "OPTIONS", NOTIFICATIONS, headers={**headers, "Access-Control-Request-Method": "PUT"})
        assert preflight.status == 403
        assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_without_origin_a_cookie_does_not_count_and_a_key_does(server: Guarded, cookie: str) -> None:
    for path in GETS:
        for site in ({}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "none"}):
            assert ask(server, "GET", path, headers={"Cookie": cookie, **site}).status == 403, path
    for method, path in CHANGING:
        headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        assert ask(server, method, path, {}, headers=headers).status == 403, path
    # A handshake always has an Origin: fetch metadata does not replace it.
    for headers in ({"Cookie": cookie}, {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}):
        assert refusal(server, headers=headers) == (403, "origin_not_allowed")
    key = server.keys["manager"]
    assert ask(server, "GET", NOTIFICATIONS, key=key).status == 200
    assert ask(server, "PUT", EDIT, {"status": "pending"}, key=key).status == 404
    with websocket(server, key):
        pass


def test_the_own_page(server: Guarded, cookie: str) -> None:
    """By the request's address, by the public one, and in a GET without Origin."""
    for headers in ({"Origin": origin_of(server)}, {"Origin": PUBLIC}, {"Sec-Fetch-Site": "same-origin"}):
        answer = ask(server, "GET", NOTIFICATIONS, headers={"Cookie": cookie, **headers})
        assert answer.status == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]
        with stream(server, STREAM, {"Cookie": cookie, **headers}):
            pass
    for origin in (origin_of(server), PUBLIC):
        assert (
            ask(server, "PUT", EDIT, {"status": "pending"}, headers={"Cookie": cookie, "Origin": origin}).status == 404
        )
        with websocket(server, headers={"Cookie": cookie, "Origin": origin}):
            pass


def test_a_listed_page_is_told_that_it_may_read(server: Guarded, cookie: str) -> None:
    for credentials in ({"Cookie": cookie}, bearer(server.keys["manager"])):
        for path, status in ((NOTIFICATIONS, 200), (EDIT, 404), (f"{CHANGES}?wait=0", 200)):
            answer = ask(server, "GET", path, headers={"Origin": LISTED, **credentials})
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == LISTED
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert answer.headers["access-control-expose-headers"] == "Retry-After, Idempotency-Replayed"
            assert "Origin" in answer.headers["vary"]
        with stream(server, STREAM, {"Origin": LISTED, **credentials}) as events:
            assert events.getheader("access-control-allow-origin") == LISTED
        with websocket(server, headers={"Origin": LISTED, **credentials}):
            pass
    refused = ask(server, "GET", NOTIFICATIONS, headers={"Origin": LISTED})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, LISTED)


def test_preflight(server: Guarded) -> None:
    asked = {
        "Origin": LISTED,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = ask(server, "OPTIONS", EDIT, headers=asked)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == LISTED
    assert {"PUT", "DELETE", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "*" not in "".join(value for name, value in answer.headers.items() if name.startswith("access-control"))
    own = ask(server, "OPTIONS", EDIT, headers={**asked, "Origin": origin_of(server)})
    assert own.status == 405


# ---- without access control ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", "[::ffff:10.0.0.1]"])
def test_a_name_that_is_made_to_lead_here_is_refused(start_athena: Callable[..., Athena], host: str) -> None:
    """DNS rebinding: such a page would count as our own."""
    server = start_athena()
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
        for method, path in (("GET", NOTIFICATIONS), ("DELETE", PURGE), ("GET", STREAM)):
            assert ask(server, method, path, headers=headers).status == (400 if host == "[" else 403)
    assert ask(server, "DELETE", PURGE, headers={"Origin": "https://evil.example"}).status == 403
    assert refusal(server, headers={"Origin": "https://evil.example"}) == (403, "origin_not_allowed")
    for good in ("localhost", f"127.0.0.1:{server.port}", "[::1]:8787", "apollo.localhost:1"):
        assert ask(server, "GET", NOTIFICATIONS, headers={"Host": good}).status == 200
    assert "Traceback" not in server.log()


def test_with_access_control_any_name_will_do(guarded: Guarded) -> None:
    """For example a proxy's name. The browser binds cookies to a host name, and keys are secret."""
    answer = ask(guarded, "GET", NOTIFICATIONS, key=guarded.keys["viewer"], headers={"Host": "athena.internal"})
    assert answer.status == 200


def test_a_sign_in_from_a_listed_page_works(start_guarded: StartGuarded) -> None:
    server = start_guarded("--allow-origin", LISTED)
    answer = ask(server, "POST", SESSIONS, {"key": server.manager}, headers={"Origin": LISTED})
    assert answer.status == 201
    assert answer.headers["access-control-allow-origin"] == LISTED
