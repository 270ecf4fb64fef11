"""Browser sessions: a cookie that only Athena's own pages can use."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import (
    CURRENT,
    LINKS,
    NOTIFICATIONS,
    SESSIONS,
    STREAM,
    TICKETS,
    Guarded,
    ask,
    bearer,
    close_code,
    eventually,
    origin_of,
    page,
    read_to_the_end,
    refusal,
    sign_in,
    stream,
    websocket,
)
from tests.support.server import run_athena

from athena.auth.secrets import new_key, new_token


def flags(set_cookie: str) -> set[str]:
    return {part.strip() for part in set_cookie.split(";")[1:]}


def status(server: Guarded, cookie: str) -> int:
    return ask(server, "GET", NOTIFICATIONS, headers=page(server, cookie)).status


def test_the_cookie_is_out_of_reach(guarded: Guarded) -> None:
    answer = ask(guarded, "POST", SESSIONS, {"key": guarded.keys["reporter"]})
    assert answer.status == 201
    set_cookie = answer.headers["set-cookie"]
    assert set_cookie.startswith("athena_session=ats_")
    assert flags(set_cookie) == {"Path=/", "HttpOnly", "SameSite=Lax"}
    assert "token" not in answer.body
    cookie = set_cookie.partition(";")[0]
    who = ask(guarded, "GET", CURRENT, headers=page(guarded, cookie)).body
    assert (who["role"], who["name"], who["by"]) == ("reporter", "the reporter", "session")
    assert who["expires"] > time.time() * 1000


def test_signed_out_while_the_file_is_away_is_signed_out_for_good(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    cookie = sign_in(server, server.keys["viewer"])
    aside = server.data / "aside.db"
    (server.data / "auth.db").rename(aside)
    assert ask(server, "DELETE", CURRENT, headers=page(server, cookie)).status == 503
    eventually(lambda: ask(server, "GET", NOTIFICATIONS, key=server.manager).status == 503)
    link = {"link": server.link}
    assert ask(server, "POST", SESSIONS, link).status == 503
    made = run_athena("keys", "create", "--name", "x", "--role", "viewer", "--data", str(server.data))
    assert "auth.db is gone" in made.stderr.decode(), (
        "or it would have put an empty one there, and the log would be lost"
    )
    aside.rename(server.data / "auth.db")
    eventually(lambda: status(server, cookie) == 401)
    assert ask(server, "POST", SESSIONS, link).status == 201, "it was used up in vain"
    eventually(lambda: ask(server, "GET", "/readyz").status == 200)
    server.restart()
    assert status(server, cookie) == 401


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        (("--public-url", "https://athena.example"), {}),
        (("--behind-proxy", "127.0.0.1"), {"X-Forwarded-Proto": "https"}),
    ],
)
def test_where_browsers_come_by_https_it_is_bound_to_that(
    start_guarded: StartGuarded, settings: tuple[str, ...], headers: dict[str, str]
) -> None:
    server = start_guarded(*settings)
    answer = ask(server, "POST", SESSIONS, {"key": server.manager}, headers=headers)
    set_cookie = answer.headers["set-cookie"]
    assert set_cookie.startswith("__Host-athena_session=ats_")
    assert flags(set_cookie) == {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}
    cookie = {"Cookie": set_cookie.partition(";")[0], "Sec-Fetch-Site": "same-origin"}
    assert ask(server, "GET", NOTIFICATIONS, headers=cookie).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"key": str(new_key())}, 401),
        ({"key": "' OR 1=1--"}, 401),
        ({"key": new_token("ats_")}, 401),
        ({"link": new_token("atl_")}, 401),
        ({"link": new_token("att_")}, 401),
        ({"ticket": new_token("att_")}, 401),
        ({}, 400),
        ({"key": ""}, 400),
        ({"key": 7}, 400),
        ({"key": "x" * 257}, 400),
        ({"key": "x", "link": "y"}, 400),
        ({"key": "x", "role": "viewer"}, 400),
        ({"ticket": "x", "role": "owner"}, 400),
        ({"key": "x", "next": "/"}, 400),
        ({"link": "\ud800"}, 400),
        (["key"], 400),
    ],
    ids=range(16),
)
def test_what_signs_nobody_in(guarded: Guarded, body: Any, status: int) -> None:
    answer = ask(guarded, "POST", SESSIONS, body)
    assert answer.status == status, answer
    assert "set-cookie" not in answer.headers


def test_a_form_of_another_page_cannot_sign_anybody_in(guarded: Guarded) -> None:
    good = {"key": guarded.keys["viewer"]}
    assert ask(guarded, "POST", SESSIONS, good, headers={"Content-Type": "text/plain"}).status == 415
    assert ask(guarded, "POST", SESSIONS, good, headers={"Origin": "https://evil.example"}).status == 403


def test_it_survives_a_restart_and_its_key_does_not_survive_it(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    cookie, other = sign_in(server, server.keys["viewer"]), sign_in(server, server.keys["reporter"])
    server.restart()
    assert status(server, cookie) == 200
    with websocket(server, headers=page(server, cookie)) as client:
        server.revoke(server.keys["viewer"])
        assert close_code(client) == 1008
    assert status(server, cookie) == 401
    assert status(server, other) == 200
    server.restart()
    assert status(server, cookie) == 401
    assert status(server, other) == 200


def test_behind_a_proxy_with_tls_only_its_own_host_sets_the_cookie(start_guarded: StartGuarded) -> None:
    server = start_guarded("--behind-proxy", "127.0.0.1")
    secure = {"X-Forwarded-Proto": "https"}
    answer = ask(server, "POST", SESSIONS, {"key": server.keys["viewer"]}, headers=secure)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("__Host-athena_session=")
    said = {**secure, "Sec-Fetch-Site": "same-origin"}
    assert ask(server, "GET", NOTIFICATIONS, headers={**said, "Cookie": cookie}).status == 200
    planted = cookie.removeprefix("__Host-")
    assert ask(server, "GET", NOTIFICATIONS, headers={**said, "Cookie": planted}).status == 401


def test_without_requests_it_ends(start_guarded: StartGuarded) -> None:
    """An open stream is not a request: a user who only leaves a page open counts as away."""
    server = start_guarded("--session-idle", "1")
    cookie = sign_in(server, server.keys["viewer"])
    with (
        websocket(server, headers=page(server, cookie)) as client,
        stream(server, STREAM, page(server, cookie)) as events,
    ):
        assert close_code(client) == 1008
        read_to_the_end(events)
    answer = ask(server, "GET", NOTIFICATIONS, headers=page(server, cookie))
    assert (answer.status, answer.body["code"]) == (401, "bad_credentials")
    assert refusal(server, headers=page(server, cookie)) == (401, "bad_credentials")


def test_with_requests_it_ends_all_the_same(start_guarded: StartGuarded) -> None:
    server = start_guarded("--session-lifetime", "2")
    answer = ask(server, "POST", SESSIONS, {"key": server.keys["viewer"]})
    cookie = answer.headers["set-cookie"].partition(";")[0]
    with websocket(server, headers=page(server, cookie)) as client:
        eventually(lambda: status(server, cookie) == 401)
        assert time.time() * 1000 >= answer.body["expires"]
        assert close_code(client) == 1008


def test_signing_out_ends_it_wherever_it_is_in_use(guarded: Guarded) -> None:
    cookie, other = sign_in(guarded, guarded.keys["viewer"]), sign_in(guarded, guarded.keys["viewer"])
    with (
        websocket(guarded, headers=page(guarded, cookie)) as client,
        websocket(guarded, headers=page(guarded, other)) as stays,
    ):
        answer = ask(guarded, "DELETE", CURRENT, headers=page(guarded, cookie))
        assert answer.status == 200
        assert answer.headers["set-cookie"].startswith("athena_session=;")
        assert "Max-Age=0" in flags(answer.headers["set-cookie"])
        assert close_code(client) == 1008
        assert status(guarded, cookie) == 401
        assert stays.ping().wait(30)
    assert status(guarded, other) == 200


def test_another_page_cannot_sign_anybody_out(guarded: Guarded) -> None:
    cookie = sign_in(guarded, guarded.keys["viewer"])
    for headers in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "https://evil.example"}):
        assert ask(guarded, "DELETE", CURRENT, headers={"Cookie": cookie, **headers}).status == 403
    assert status(guarded, cookie) == 200


def test_a_key_is_not_ended_by_signing_out(guarded: Guarded) -> None:
    key = guarded.keys["viewer"]
    assert ask(guarded, "DELETE", CURRENT, key=key).status == 200
    assert ask(guarded, "GET", NOTIFICATIONS, key=key).status == 200


def test_a_session_may_no_more_than_its_key(guarded: Guarded) -> None:
    cookie = sign_in(guarded, guarded.keys["viewer"])
    for path in (TICKETS, LINKS):
        assert ask(guarded, "POST", path, {"name": "x"}, headers=page(guarded, cookie)).status == 403


def test_without_access_control_nobody_needs_to_sign_in(start_athena: Any) -> None:
    server = start_athena()
    assert ask(server, "POST", SESSIONS, {"key": "x"}).status == 404
    who = ask(server, "GET", CURRENT, headers={"Origin": origin_of(server)}).body
    assert (who["by"], who["role"]) == ("nobody", "manager")
    assert ask(server, "GET", NOTIFICATIONS, headers=bearer("whatever")).status == 200
