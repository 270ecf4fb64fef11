"""Tokens of an identity provider, over the wire. Their verification is tested in tests/auth/test_tokens.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import (
    CURRENT,
    NOTIFICATIONS,
    PURGE,
    TICKETS,
    Guarded,
    ask,
    close_code,
    eventually,
    refusal,
    websocket,
)
from tests.access.jwks import AUDIENCE, ISSUER, Provider, SigningKey, claims, signed, unsigned

KEY, STRANGER = SigningKey("first"), SigningKey("stranger")
SECRET = b"a shared secret that is long enough for SHA-384, too"


def flags(provider: Provider) -> tuple[str, ...]:
    return ("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE, "--jwks-url", provider.url)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider(KEY) as provider:
        yield provider


@pytest.fixture(scope="module")
def server(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("tokens") / "athena-data"
    with Guarded(data, *flags(provider), "--jwt-roles", "staff=viewer,ops=manager") as server:
        eventually(lambda: status(server, signed(KEY, claims(roles=["staff"]))) == 200)
        yield server


def status(server: Guarded, token: str) -> int:
    return ask(server, "GET", NOTIFICATIONS, key=token).status


def test_a_good_one_is_somebody(server: Guarded) -> None:
    told = claims(roles=["staff"])
    who = ask(server, "GET", CURRENT, key=signed(KEY, told)).body
    assert who == {"role": "viewer", "name": "Ann", "by": "token", "expires": int(told["exp"]) * 1000}
    assert ask(server, "DELETE", PURGE, key=signed(KEY, told)).status == 403
    assert ask(server, "DELETE", PURGE, key=signed(KEY, claims(roles="x ops"))).status == 200


@pytest.mark.parametrize(
    ("token", "refused"),
    [
        (unsigned(claims(roles=["ops"])), 401),
        (signed(KEY, claims(roles=["ops"], iss="https://evil.example")), 401),
        (signed(KEY, claims(roles=["ops"], aud="another")), 401),
        (signed(KEY, claims(roles=["ops"], exp=None)), 401),
        (signed(KEY, claims(roles=["ops"], lifetime=-60)), 401),
        (signed(KEY, claims(roles=["ops"], nbf=claims(lifetime=86_400)["exp"])), 401),
        (signed(STRANGER, claims(roles=["ops"])), 401),
        (signed(STRANGER, claims(roles=["ops"]), kid="first"), 401),
        (signed(KEY, claims(roles=["manager"])), 403),
        (signed(KEY, claims(roles=None)), 403),
    ],
    ids=["none", "issuer", "audience", "endless", "expired", "early", "kid", "signature", "role", "no-role"],
)
def test_a_bad_one_is_nobody(server: Guarded, token: str, refused: int) -> None:
    answer = ask(server, "GET", NOTIFICATIONS, key=token)
    assert answer.status == refused, answer
    assert token not in str(answer.body)
    assert refusal(server, token)[0] == refused


def test_one_without_a_role_here_is_in_the_audit_log(server: Guarded) -> None:
    assert status(server, signed(KEY, claims(roles=["cook"]))) == 403
    assert "token without a known role" in server.audited("use a token without a role", "denied").detail


def test_strangers_cause_no_request_to_anybody(server: Guarded, provider: Provider) -> None:
    before = provider.asked
    with Provider(STRANGER) as evil:
        for header in ("jku", "x5u"):
            told = claims(iss=evil.url, roles=["ops"])
            assert status(server, signed(STRANGER, told, **{header: evil.url})) == 401
        assert evil.asked == 0
    assert provider.asked == before


def test_a_stream_ends_with_its_token(server: Guarded) -> None:
    """The tolerance for clock differences (10 s) applies when a token is first seen, not later."""
    token = signed(KEY, claims(roles=["staff"], lifetime=2))
    with websocket(server, token) as client:
        assert close_code(client) == 1008


def test_what_a_token_vouched_for_ends_with_it(start_guarded: StartGuarded, provider: Provider) -> None:
    server = start_guarded(*flags(provider))
    eventually(lambda: status(server, signed(KEY)) == 200)
    token = signed(KEY, claims(lifetime=3))
    made = ask(server, "POST", TICKETS, {"name": "ann"}, key=token).body["ticket"]
    session = ask(server, "POST", "/api/v3/sessions", {"ticket": made}).body
    assert ask(server, "GET", CURRENT, key=session["token"]).status == 200
    server.restart()  # which drops the cached token
    eventually(lambda: ask(server, "GET", CURRENT, key=session["token"]).status == 401)


def test_a_shared_secret(start_guarded: StartGuarded, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    server = start_guarded(
        *("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE),
        *("--jwt-secret-file", str(file), "--jwt-algorithms", "HS256", "--jwt-role-claim", "groups"),
    )
    assert status(server, jwt.encode(claims(groups="viewer"), SECRET, "HS256")) == 200
    assert status(server, jwt.encode(claims(groups="viewer"), SECRET[::-1], "HS256")) == 401
    assert status(server, jwt.encode(claims(), SECRET, "HS256")) == 403


def test_names_that_are_no_text_stop_nothing(start_guarded: StartGuarded, provider: Provider) -> None:
    """JSON can hold half of a surrogate pair; UTF-8, and so a log, the audit log or a hash, cannot."""
    server = start_guarded(*flags(provider), "--access-log", "on")
    viewer, manager = (
        signed(KEY, claims(roles=[role], name=f"Eve\ud800 the {role}", sub=f"sub\ud800{role}"))
        for role in ("viewer", "manager")
    )
    eventually(lambda: status(server, viewer) == 200)
    assert ask(server, "GET", CURRENT, key=viewer).body["name"] == "Eve? the viewer"
    assert ask(server, "DELETE", PURGE, key=viewer).status == 403
    assert ask(server, "DELETE", PURGE, key=manager).status == 200
    entries = server.audit()
    assert any(entry.action == "purge" and "Eve? the manager" in entry.who for entry in entries), entries
    eventually(lambda: any(entry.outcome == "denied" and "Eve? the viewer" in entry.who for entry in server.audit()))
    assert server.running


def test_a_provider_that_is_down_stops_nothing(start_guarded: StartGuarded) -> None:
    with Provider(KEY) as gone:
        pass
    server = start_guarded(*flags(gone))
    assert status(server, server.keys["viewer"]) == 200
    assert status(server, signed(KEY)) == 401
    eventually(lambda: "the identity provider's keys cannot be had" in server.log())
    assert "Traceback" not in server.log()


def test_tokens_are_off_without_an_issuer(guarded: Guarded) -> None:
    answer: Any = ask(guarded, "GET", NOTIFICATIONS, key=signed(KEY))
    assert answer.status == 401
