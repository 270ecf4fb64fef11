"""Tickets: how a page without a key gets a stream, for a user of its backend."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import (
    CHANGES,
    CURRENT,
    NOTIFICATIONS,
    SESSIONS,
    STREAM,
    TICKETS,
    Guarded,
    ask,
    close_code,
    eventually,
    read_to_the_end,
    refusal,
    sign_in,
    stream,
    websocket,
)
from tests.e2e.calls import TXS
from tests.support.server import Athena
from websockets.typing import Subprotocol

from athena.auth.secrets import new_key


def ticket(server: Guarded, role: str = "viewer", key: str | None = None) -> str:
    answer = ask(server, "POST", TICKETS, {"name": "ann", "role": role}, key=key or server.keys["reporter"])
    assert answer.status == 201, answer
    secret = answer.body["ticket"]
    assert isinstance(secret, str)
    return secret


def exchange(server: Guarded, secret: str, **more: Any) -> Any:
    return ask(server, "POST", SESSIONS, {"ticket": secret, **more})


def test_it_opens_one_stream(guarded: Guarded) -> None:
    secret = ticket(guarded)
    with websocket(guarded, query=f"?ticket={secret}") as client:
        opened = ask(guarded, "POST", TXS, {"description": "seen by ann"}, key=guarded.keys["reporter"])
        assert opened.body["tx_id"] in client.recv(timeout=30)
    assert refusal(guarded, query=f"?ticket={secret}") == (401, "bad_credentials")
    assert exchange(guarded, secret).status == 401


def test_a_ticket_of_a_session_of_a_ticket_comes_to_an_end(guarded: Guarded) -> None:
    key, made = guarded.keys["reporter"], 0
    while (answer := ask(guarded, "POST", TICKETS, {"name": "ann", "role": "reporter"}, key=key)).status == 201:
        key = exchange(guarded, answer.body["ticket"]).body["token"]
        made += 1
        assert made < 10
    assert (answer.status, answer.body["code"], made) == (403, "forbidden", 4)


def test_it_opens_one_of_each_kind(guarded: Guarded) -> None:
    secret = ticket(guarded)
    with stream(guarded, f"{STREAM}?ticket={secret}", {}):
        assert ask(guarded, "GET", f"{STREAM}?ticket={secret}").status == 401
    secret = ticket(guarded)
    assert ask(guarded, "GET", f"{CHANGES}?wait=0&ticket={secret}").status == 200
    assert ask(guarded, "GET", f"{CHANGES}?wait=0&ticket={secret}").status == 401


def test_it_opens_nothing_but_streams(guarded: Guarded) -> None:
    secret = ticket(guarded, "reporter")
    refused = ask(guarded, "GET", f"{NOTIFICATIONS}?ticket={secret}")
    assert (refused.status, refused.body["code"]) == (400, "credentials_in_url")
    for headers in (
        {"Authorization": f"Bearer {secret}"},
        {"Cookie": f"athena_session={secret}", "Sec-Fetch-Site": "same-origin"},
    ):
        for path in (NOTIFICATIONS, STREAM):
            assert ask(guarded, "GET", path, headers=headers).status == 401
    assert ask(guarded, "PUT", f"{TXS}/x", {"status": "pending"}, key=secret).status == 401
    assert exchange(guarded, secret).status == 201  # none of the above has used it up


def test_it_is_soon_too_old(start_guarded: StartGuarded) -> None:
    server = start_guarded("--ticket-lifetime", "0.3")
    answers = [ask(server, "POST", TICKETS, {"name": "ann"}, key=server.keys["reporter"]).body for _ in range(2)]
    eventually(lambda: time.time() * 1000 >= max(answer["expires"] for answer in answers))
    assert refusal(server, query=f"?ticket={answers[0]['ticket']}") == (401, "bad_credentials")
    assert exchange(server, answers[1]["ticket"]).status == 401


def test_it_is_for_one_role(guarded: Guarded) -> None:
    secret = ticket(guarded)
    assert exchange(guarded, secret, role="reporter").status == 401
    assert exchange(guarded, secret, role="viewer").status == 401  # used up by the attempt
    assert exchange(guarded, ticket(guarded), role="viewer").status == 201


def test_nobody_gives_more_than_they_have(guarded: Guarded) -> None:
    for key, role, status in (
        ("viewer", "viewer", 403),
        ("reporter", "manager", 403),
        ("reporter", "reporter", 201),
        ("manager", "manager", 201),
    ):
        answer = ask(guarded, "POST", TICKETS, {"name": "ann", "role": role}, key=guarded.keys[key])  # type: ignore[index]
        assert answer.status == status, (key, role)


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "x" * 129}, {"name": "ann", "role": "owner"}, {"name": "ann", "ttl": 9}, {"name": 1}],
)
def test_wishes_that_are_none(guarded: Guarded, body: Any) -> None:
    assert ask(guarded, "POST", TICKETS, body, key=guarded.keys["reporter"]).status == 400


def test_it_makes_a_token_for_a_page(guarded: Guarded) -> None:
    answer = exchange(guarded, ticket(guarded, "reporter"))
    assert answer.status == 201
    assert "set-cookie" not in answer.headers
    token = answer.body["token"]
    who = ask(guarded, "GET", CURRENT, key=token).body
    assert (who["name"], who["role"], who["by"]) == ("ann", "reporter", "session")
    with websocket(guarded, token) as client:
        assert ask(guarded, "DELETE", CURRENT, key=token).status == 200
        assert close_code(client) == 1008
    assert ask(guarded, "GET", CURRENT, key=token).status == 401


def test_a_name_is_masked(guarded: Guarded) -> None:
    made = ask(guarded, "POST", TICKETS, {"name": "jane.roe@example.com"}, key=guarded.keys["reporter"]).body
    assert exchange(guarded, made["ticket"]).body["name"] == "j******e@example.com"


def test_all_that_came_of_it_ends_with_the_key_that_issued_it(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key = server.keys["reporter"]
    unused, token = ticket(server), exchange(server, ticket(server)).body["token"]
    cookie = sign_in(server, server.keys["manager"])
    with (
        websocket(server, query=f"?ticket={ticket(server)}") as client,
        stream(server, f"{STREAM}?ticket={ticket(server)}", {}) as events,
        websocket(server, token) as by_token,
    ):
        server.revoke(key)
        assert close_code(client) == 1008
        assert close_code(by_token) == 1008
        read_to_the_end(events)
    assert ask(server, "GET", CURRENT, key=token).status == 401
    assert refusal(server, query=f"?ticket={unused}") == (401, "bad_credentials")
    assert ask(server, "GET", CURRENT, headers={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}).status == 200


# ---- a browser's WebSocket has no other place for a token ------------------------------------------------------------
def offered(secret: str) -> dict[str, Any]:
    return {"subprotocols": [Subprotocol("athena"), Subprotocol(f"athena.bearer.{secret}")]}


def test_a_token_among_the_subprotocols(guarded: Guarded) -> None:
    token = exchange(guarded, ticket(guarded)).body["token"]
    for secret in (token, guarded.keys["viewer"]):
        with websocket(guarded, **offered(secret)) as client:
            assert client.subprotocol == "athena"
            assert client.response is not None
            assert client.response.headers.get_all("Sec-WebSocket-Protocol") == ["athena"]
    assert refusal(guarded, **offered(str(new_key()))) == (401, "bad_credentials")


def test_only_a_handshake_has_such_a_place(guarded: Guarded) -> None:
    headers = {"Sec-WebSocket-Protocol": f"athena, athena.bearer.{guarded.keys['viewer']}"}
    assert ask(guarded, "GET", NOTIFICATIONS, headers=headers).status == 401


def test_without_access_control_the_answer_is_the_same(start_athena: Any) -> None:
    server: Athena = start_athena()
    with websocket(server, **offered("whatever")) as client:
        assert client.subprotocol == "athena"
    with websocket(server) as client:
        assert client.subprotocol is None
