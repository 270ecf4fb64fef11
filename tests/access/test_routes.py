"""Every route of the table, under every prefix, for every role and without a key."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import Guarded, ask, bearer, connection_to, refusal, send, websocket
from tests.e2e.calls import PREFIXES

from athena.auth.roles import ROLES
from athena.auth.secrets import new_key, new_token
from athena.http.routes import ROUTES, Route

KINDS = ("key", "session", "link", "ticket")
REFUSED = {401: "unauthorized", 403: "forbidden"}


def status_of(server: Guarded, method: str, path: str, key: str | None, body: Any = None) -> tuple[int, str]:
    """(status, error code) of a request; a stream's come from its head."""
    connection = connection_to(server)
    try:
        send(connection, method, path, body, bearer(key))
        response = connection.getresponse()
        content = response.read() if response.getheader("content-type") == "application/json" else b""
    finally:
        connection.close()
    return response.status, json.loads(content).get("code", "") if content else ""


def allowed(role: str | None, route: Route) -> int:
    """0 when the table allows it, else the status of the refusal."""
    if route.needs == "open":
        return 0
    if role is None:
        return 401
    return 0 if route.needs in ROLES[role] else 403  # type: ignore[index]


@pytest.mark.parametrize("role", [None, *ROLES])
def test_each_route_for_each_role(guarded: Guarded, role: Any) -> None:
    """Bodies are omitted, so that an allowed request changes nothing, except the purge."""
    key = guarded.keys.get(role)
    seen: Counter[int] = Counter()
    for route in ROUTES:
        for prefix in ("",) if route.root else PREFIXES:
            path = prefix + route.path.replace("{tx_id}", "nobody-knows")
            status, code = status_of(guarded, route.method, path, key)
            refusal = allowed(role, route)
            seen[refusal] += 1
            if refusal:
                assert (status, code) == (refusal, REFUSED[refusal]), (route.method, path)
            else:
                assert status not in (401, 403), (route.method, path, status)
                assert status < 500, (route.method, path, status)
    assert seen[0] > 0
    assert sum(seen.values()) == sum(1 if route.root else len(PREFIXES) for route in ROUTES)


@pytest.mark.parametrize("role", [None, *ROLES])
def test_the_websocket_for_each_role(guarded: Guarded, role: Any) -> None:
    if role is None:
        assert refusal(guarded) == (401, "unauthorized")
    else:
        with websocket(guarded, guarded.keys[role]) as client:
            client.ping().wait()


def test_the_document_says_what_is_enforced(guarded: Guarded) -> None:
    paths = ask(guarded, "GET", "/openapi.json").body["paths"]
    told = {
        (method.upper(), path): operation["x-athena-action"]
        for path, of in paths.items()
        for method, operation in of.items()
    }
    assert told == {
        (route.method, route.path if route.root else f"/api/v3{route.path}"): route.needs for route in ROUTES
    }


def test_head_is_as_get(guarded: Guarded) -> None:
    assert ask(guarded, "HEAD", "/api/v3/notifications").status == 401
    assert ask(guarded, "HEAD", "/api/v3/notifications", key=guarded.keys["viewer"]).status == 200


@pytest.mark.parametrize("secret", [str(new_key()), new_token("ats_"), new_token("atl_"), new_token("att_")], ids=KINDS)
def test_a_secret_in_the_address_is_refused_and_not_logged(start_guarded: StartGuarded, secret: str) -> None:
    server = start_guarded()
    names = {"key", "access_token"}
    names |= {name for route in ROUTES if route.parameters for name in route.parameters.__struct_encode_fields__}
    for route in ROUTES:
        if route.root:
            continue
        for name in sorted(names):
            if name == "ticket" and route.streams and secret.startswith("att_"):
                continue
            path = f"/api/v3{route.path.replace('{tx_id}', 'x')}?{name}={secret}"
            answer = status_of(server, route.method, path, server.keys["manager"], {} if route.body else None)
            assert answer == (400, "credentials_in_url"), (route.method, path)
    for name in sorted(names - {"ticket"}):
        assert refusal(server, server.keys["viewer"], f"?{name}={secret}") == (400, "credentials_in_url")
    for path in (
        f"/healthz?key={secret}",
        f"/?key={secret}",
        f"/sign-in?key={secret}",
        f"/api/v3/webhooks/txs/{secret}",
    ):
        ask(server, "GET", path, key=server.keys["viewer"])
    server.stop()
    assert "GET /api/v3/notifications 400" in server.log()
    assert secret[5:30] not in server.log()
