"""Decisions that need no connection, made by an Access on a real store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.auth.access import Access
from athena.auth.build import build_access, build_gate
from athena.auth.gate import COOKIE, MOST_SEARCHES, Caller, Gate, relevant
from athena.auth.identity import Identity
from athena.auth.local import ensure_key, make_key
from athena.auth.roles import ROLES
from athena.auth.secrets import ApiKey, new_key, new_token
from athena.auth.store import AuthStore
from athena.config import resolve
from athena.errors import BadCredentials, CredentialsInUrl, Forbidden, OriginNotAllowed, TooManyRequests, Unauthorized

BuildGate = Callable[..., Gate]
KINDS = ("key", "session", "ticket", "link")
ORIGIN = "http://athena.example"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, ApiKey]:
    with closing(AuthStore(tmp_path)) as store:
        ensure_key(store, tmp_path)
        return {role: make_key(store, role, role) for role in ROLES}


@pytest.fixture
def build(tmp_path: Path, keys: dict[str, ApiKey], request: pytest.FixtureRequest) -> BuildGate:
    def build(**settings: Any) -> Gate:
        config = resolve({"data": str(tmp_path), **settings}, {})
        access = build_access(config)
        if access is not None:
            request.addfinalizer(access._store.close)
            request.addfinalizer(access._thread.shutdown)
        return build_gate(config, access)

    return build


@pytest.fixture
def gate(build: BuildGate) -> Gate:
    return build()


def asked(method: str = "GET", query: str = "", peer: str = "203.0.113.9", **headers: str) -> Caller:
    said = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Caller(method, query, relevant([(b"host", b"athena.example"), *said]), lambda: peer, "http")


def session_of(gate: Gate, role: Any = "viewer") -> str:
    assert isinstance(gate.access, Access)
    return gate.access._sessions.create("ann", role, None)[0]


def test_nobody_is_not_let_in(gate: Gate) -> None:
    with pytest.raises(Unauthorized):
        gate.admit(asked(), "view")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_the_table_says(gate: Gate, keys: dict[str, ApiKey], role: Any) -> None:
    who = asked(authorization=f"Bearer {keys[role]}")
    for action in ("view", "report", "manage"):
        if action in ROLES[role]:
            assert gate.admit(who, action).role == role
        else:
            with pytest.raises(Forbidden):
                gate.admit(who, action)


def test_no_header_breaks_the_decision(gate: Gate) -> None:
    @given(
        st.text(st.characters(max_codepoint=255)),
        st.sampled_from(["", "Bearer ", "Basic ", "bearer ath_", "Bearer ats_", "Bearer a.b."]),
    )
    def decide(text: str, scheme: str) -> None:
        with pytest.raises((BadCredentials, TooManyRequests, Unauthorized)):
            gate.admit(asked(authorization=scheme + text), "view")

    decide()


@pytest.mark.parametrize("name", ["key", "token", "access_token", "x", "ticket", "ticket2", ""])
@pytest.mark.parametrize("secret", [str(new_key()), new_token("ats_"), new_token("att_"), new_token("atl_")], ids=KINDS)
def test_secrets_in_an_address_are_refused(gate: Gate, name: str, secret: str) -> None:
    with pytest.raises(CredentialsInUrl):
        gate.admit(asked(query=f"limit=1&{name}={secret}"), "view")
    if not (name == "ticket" and secret.startswith("att_")):
        with pytest.raises(CredentialsInUrl):
            gate.admit(asked(query=f"{name}={secret}"), "view", streams=True)


@pytest.mark.parametrize("form", ["{}", "{}=", "a=%61{tail}", "a=+{}", "a=Bearer%20{}", "a=1&b=x{}"])
def test_however_they_are_written(gate: Gate, form: str) -> None:
    secret = str(new_key())
    with pytest.raises(CredentialsInUrl) as caught:
        gate.admit(asked(query=form.format(secret, tail=secret[1:])), "view")
    assert secret[10:20] not in str(caught.value)


@pytest.mark.parametrize("query", ["search=path_to_success", "search=my_math_homework", "search=%61bc", "after=abc.12"])
def test_ordinary_queries_are_not_secrets(gate: Gate, keys: dict[str, ApiKey], query: str) -> None:
    gate.admit(asked(query=query, authorization=f"Bearer {keys['viewer']}"), "view")


# ---- cookies ---------------------------------------------------------------------------------------------------------
def test_a_cookie_counts_only_with_the_page_named(gate: Gate) -> None:
    cookie = f"a=b; {COOKIE}={session_of(gate)}; c=d"
    gate.admit(asked(cookie=cookie, origin=ORIGIN), "view")
    gate.admit(asked(cookie=cookie, sec_fetch_site="same-origin"), "view")
    for method, site in (
        ("GET", ""),
        ("GET", "same-site"),
        ("GET", "cross-site"),
        ("GET", "none"),
        ("PUT", "same-origin"),
    ):
        with pytest.raises(OriginNotAllowed):
            gate.admit(asked(method, cookie=cookie, sec_fetch_site=site), "view")


def test_the_cookie_of_this_very_host_goes_first(gate: Gate) -> None:
    """A page of a sibling domain can set a cookie without `__Host-`, and make a browser act in another user's name."""
    mine, theirs = session_of(gate, "manager"), session_of(gate)
    for cookie in (f"{COOKIE}={theirs}; __Host-{COOKIE}={mine}", f"__Host-{COOKIE}={mine}; {COOKIE}={theirs}"):
        assert gate.admit(asked(cookie=cookie, origin=ORIGIN), "view").role == "manager"


@pytest.mark.parametrize("name", ["xathena_session", "athena_session2", "__Secure-athena_session"])
def test_other_cookies_are_none(gate: Gate, name: str) -> None:
    with pytest.raises(Unauthorized):
        gate.admit(asked(cookie=f"{name}={session_of(gate)}", origin=ORIGIN), "view")


def test_a_bearer_goes_before_a_cookie(gate: Gate, keys: dict[str, ApiKey]) -> None:
    who = asked("PUT", cookie=f"{COOKIE}={session_of(gate)}", authorization=f"Bearer {keys['manager']}")
    assert gate.admit(who, "manage").kind == "key"


# ---- limits ----------------------------------------------------------------------------------------------------------
def test_bad_credentials_are_limited_by_address_and_good_ones_are_not(
    build: BuildGate, keys: dict[str, ApiKey]
) -> None:
    gate = build(bad_credentials=3)
    bad = asked(authorization=f"Bearer {new_key()}")
    for _ in range(3):
        with pytest.raises(BadCredentials):
            gate.admit(bad, "view")
    with pytest.raises(TooManyRequests) as caught:
        gate.admit(bad, "view")
    assert 1 <= caught.value.data["retry_after"] <= 20
    gate.admit(asked(authorization=f"Bearer {keys['viewer']}"), "view")
    with pytest.raises(BadCredentials):
        gate.admit(asked(authorization=f"Bearer {new_key()}", peer="203.0.113.10"), "view")


@pytest.mark.parametrize("rate", [0.5, 0.001])
def test_requests_of_a_viewer_are_limited(build: BuildGate, keys: dict[str, ApiKey], rate: float) -> None:
    gate = build(viewer_rate=rate)
    who = asked(authorization=f"Bearer {keys['viewer']}")
    for _ in range(max(1, int(rate * 10))):
        gate.count(gate.admit(who, "view"))
    with pytest.raises(TooManyRequests):
        gate.count(gate.admit(who, "view"))
    gate.count(gate.admit(asked(authorization=f"Bearer {keys['reporter']}"), "view"))


def test_places_are_given_back(build: BuildGate, keys: dict[str, ApiKey]) -> None:
    gate = build(connections_per_address=2, connections_per_identity=3)
    who = asked(authorization=f"Bearer {keys['viewer']}")
    identity = gate.admit(who, "view")
    places = [gate.connect(identity, who) for _ in range(2)]
    with pytest.raises(TooManyRequests, match="from this address"):
        gate.connect(identity, who)
    places.append(gate.connect(identity, asked(peer="203.0.113.10")))
    with pytest.raises(TooManyRequests, match="with this key"):
        gate.connect(identity, asked(peer="203.0.113.11"))
    for place in places:
        place.release()
    assert (identity.connections, gate._open) == (0, {})


def test_a_new_ipv6_address_of_the_same_subnet_is_no_new_address(build: BuildGate, keys: dict[str, ApiKey]) -> None:
    gate = build(connections_per_address=2)
    who = asked(authorization=f"Bearer {keys['viewer']}")
    identity = gate.admit(who, "view")
    places = [gate.connect(identity, asked(peer=f"2001:db8::{number}")) for number in (1, 2)]
    with pytest.raises(TooManyRequests, match="from this address"):
        gate.connect(identity, asked(peer="2001:db8::3"))
    places.append(gate.connect(identity, asked(peer="2001:db8:0:1::3")))
    for place in places:
        place.release()
    assert gate._open == {}


def test_this_machine_is_not_counted_by_address(build: BuildGate, keys: dict[str, ApiKey]) -> None:
    gate = build(connections_per_address=1)
    who = asked(peer="127.0.0.1", authorization=f"Bearer {keys['viewer']}")
    identity = gate.admit(who, "view")
    for _ in range(3):
        gate.connect(identity, who)
    assert identity.connections == 3


def test_without_access_control_all_are_nobody(build: BuildGate) -> None:
    gate = build(auth="none")
    assert gate.admit(asked(), "manage").kind == "nobody"
    with pytest.raises(OriginNotAllowed):
        gate.listed_origin(asked())  # with the host name athena.example
    with pytest.raises(CredentialsInUrl):
        gate.admit(asked(query=f"key={new_key()}"), "view")


def test_searches_of_one_key_are_limited_with_those_of_its_sessions(gate: Gate) -> None:
    key = Identity("key", "k", "team", "viewer")
    ann, bob = (Identity("session", name, name, "viewer", parent=key) for name in ("ann", "bob"))
    with ExitStack() as going_on:
        for number in range(MOST_SEARCHES):
            going_on.enter_context(gate.searching((key, ann, bob)[number % 3]))
        with pytest.raises(TooManyRequests, match="searches"), gate.searching(bob):
            pass
        with gate.searching(Identity("key", "other", "other", "viewer")):
            pass
    with gate.searching(ann):
        pass
    assert not gate._searches
