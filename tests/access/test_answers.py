"""The headers for browsers that every response carries."""

from __future__ import annotations

from html.parser import HTMLParser

import apsw
import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import NOTIFICATIONS, PURGE, SESSIONS, STREAM, Guarded, ask, bearer, refusal, sign_in, stream
from tests.e2e.calls import TXS
from tests.e2e.rawsocket import tcp

from athena.http.static import APOLLO, SIGN_IN

PAGES = ("/", "/sign-in", "/docs")


def policy(server: Guarded, path: str, cookie: str = "") -> dict[str, str]:
    """Directive -> what it allows."""
    answer = ask(server, "GET", path, headers={"Cookie": cookie})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    directives = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in directives}


@pytest.fixture(scope="module")
def cookie(guarded: Guarded) -> str:
    return sign_in(guarded, guarded.keys["viewer"])


class Inline(HTMLParser):
    """Collects what a strict policy forbids: inline scripts and styles, and event handlers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attributes}
        if (tag == "script" and "src" not in names) or tag == "style" or "style" in names:
            self.found.append(tag)
        self.found += [name for name in names if name.startswith("on")]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_a_strict_policy_and_keeps_to_it(guarded: Guarded, cookie: str, path: str) -> None:
    told = policy(guarded, path, cookie)
    assert told["default-src"] == "'none'"
    assert told["frame-ancestors"] == told["base-uri"] == told["form-action"] == "'none'"
    assert not [value for value in told.values() if "unsafe" in value or "*" in value]
    inline = Inline(ask(guarded, "GET", path, headers={"Cookie": cookie}).body).found
    assert inline == (["style"] if path == "/docs" else [])  # whose hash is in its policy
    assert ("sha256-" in told["style-src"]) == (path == "/docs")


def test_who_may_show_it_in_a_frame_is_a_setting(start_guarded: StartGuarded) -> None:
    server = start_guarded("--frame-ancestors", "https://console.example")
    cookie = sign_in(server, server.manager)
    for path in PAGES:
        assert policy(server, path, cookie)["frame-ancestors"] == "https://console.example"


def test_every_answer_is_taken_for_what_it_says(guarded: Guarded, cookie: str) -> None:
    key = guarded.keys["manager"]
    answers = [ask(guarded, "GET", path, headers={"Cookie": cookie}) for path in (*APOLLO, *SIGN_IN, *PAGES)]
    answers += [ask(guarded, "GET", path, key=key) for path in (NOTIFICATIONS, "/healthz", "/metrics", "/nowhere")]
    answers += [
        ask(guarded, "GET", NOTIFICATIONS),
        ask(guarded, "PUT", f"{TXS}/x", {}, key=key),
        ask(guarded, "GET", "/"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers
    with stream(guarded, STREAM, bearer(key)) as events:
        assert events.getheader("x-content-type-options") == "nosniff"
    with tcp(guarded) as sock:
        sock.sendall(b"no request\r\n\r\n")
        assert b"\r\nx-content-type-options: nosniff\r\n" in sock.recv(65536)


def test_data_is_kept_nowhere(guarded: Guarded) -> None:
    key = guarded.keys["manager"]
    made = ask(guarded, "POST", TXS, {"description": "x"}, key=key)
    for answer in (
        made,
        ask(guarded, "GET", NOTIFICATIONS, key=key),
        ask(guarded, "GET", f"{TXS}/{made.body['tx_id']}", key=key),
        ask(guarded, "GET", NOTIFICATIONS),
        ask(guarded, "POST", SESSIONS, {"key": key}),
        ask(guarded, "DELETE", PURGE, key=key),
        ask(guarded, "GET", "/"),  # which redirects to the sign-in page
    ):
        assert answer.headers["cache-control"] == "no-store"
    with stream(guarded, STREAM, bearer(key)) as events:
        assert events.getheader("cache-control") == "no-store"


def test_a_page_without_a_session_leads_to_sign_in(guarded: Guarded, cookie: str) -> None:
    answer = ask(guarded, "GET", "/")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in")
    assert ask(guarded, "GET", "/", headers={"Cookie": "athena_session=ats_x"}).status == 303
    assert ask(guarded, "GET", "/", headers={"Cookie": cookie}).status == 200


def test_what_fails_inside_says_nothing_of_the_inside(start_guarded: StartGuarded) -> None:
    """The file is damaged while the server runs: a table is missing."""
    server = start_guarded()
    apsw.Connection(str(server.data / "auth.db")).execute("DROP TABLE session")
    answer = ask(server, "POST", SESSIONS, {"key": server.manager})
    assert answer.status in (500, 503)
    assert "set-cookie" not in answer.headers
    said = str(answer.body) + str(answer.headers)
    for trace in ("Traceback", ".py", "line ", "apsw"):
        assert trace not in said
    assert ask(server, "GET", NOTIFICATIONS, key=server.manager).status == 200


def test_a_refused_handshake_has_the_shape_of_errors(guarded: Guarded) -> None:
    assert refusal(guarded) == (401, "unauthorized")
