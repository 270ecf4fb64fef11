"""Tokens, verified with keys that are actually fetched from a provider."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.access.jwks import AUDIENCE, ISSUER, Provider, SigningKey, claims, part, signed, unsigned

from athena.auth import tokens
from athena.auth.identity import Identity
from athena.auth.tokens import TokenRules, TokenVerifier, roles_from
from athena.errors import BadCredentials, Forbidden, StartupError

ROLES = roles_from(["viewer=viewer", "reporter=reporter", "manager=manager", "ops-team=manager"])
FIRST, SECOND = SigningKey("first"), SigningKey("second")
SECRET = b"a shared secret that is long enough for SHA-384, too"


def rules(**others: Any) -> TokenRules:
    told = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ("RS256", "ES256"), "role_claim": "roles"}
    return TokenRules(**{**told, "roles": ROLES, **others})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider(FIRST) as provider:
        yield provider


@pytest.fixture
def verifier(provider: Provider) -> TokenVerifier:
    verifier = TokenVerifier(rules(jwks_url=provider.url))
    verifier.refresh()
    return verifier


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    return str(path)


def confused() -> str:
    """Signed with the public key as if it were a shared secret. Built by hand: PyJWT refuses to."""
    head = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(claims())}"
    return f"{head}.{part(hmac.digest(FIRST.public_pem, head.encode(), hashlib.sha256))}"


def test_a_good_one(verifier: TokenVerifier) -> None:
    told = claims()
    identity = verifier.identify(signed(FIRST, told))
    assert (identity.kind, identity.id, identity.name, identity.role) == ("token", "u-1", "Ann", "reporter")
    assert identity.until == int(told["exp"]) * 1000
    assert verifier.identify(signed(FIRST, told)) is identity  # one object for all uses of the token


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(unsigned(), id="alg none"),
        pytest.param(unsigned(alg="NONE"), id="alg NONE"),
        pytest.param(confused(), id="HS256 with the public key"),
        pytest.param(signed(SECOND), id="unknown kid"),
        pytest.param(signed(SECOND, kid="first"), id="another's signature"),
        pytest.param(signed(FIRST, kid=None), id="no kid"),
        pytest.param(signed(FIRST, claims(iss="https://evil.example")), id="foreign issuer"),
        pytest.param(signed(FIRST, claims(iss=None)), id="no issuer"),
        pytest.param(signed(FIRST, claims(iss=f"{ISSUER}/")), id="nearly the issuer"),
        pytest.param(signed(FIRST, claims(aud="another")), id="wrong audience"),
        pytest.param(signed(FIRST, claims(aud=None)), id="no audience"),
        pytest.param(signed(FIRST, claims(exp=None)), id="no expiry"),
        pytest.param(signed(FIRST, claims(lifetime=-60)), id="expired"),
        pytest.param(signed(FIRST, claims(nbf=claims(lifetime=86_400)["exp"])), id="not yet valid"),
        pytest.param(signed(FIRST, crit=["exp2"], exp2=1), id="an unknown critical header"),
        pytest.param(signed(FIRST)[:-4], id="cut"),
        pytest.param("a.b.c", id="none at all"),
        pytest.param(f"{part(b'[' * 20_000)}.{part(b'[' * 20_000)}.x", id="deep"),
        pytest.param(f"{part({'alg': 'RS256', 'kid': 'z'})}.{part(b'[' * 20_000)}.x", id="deep claims"),
    ],
)
def test_a_bad_one(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(BadCredentials):
        verifier.identify(token)


@pytest.mark.parametrize("header", ["jku", "x5u"])
def test_nothing_in_a_token_decides_where_keys_are_fetched(
    provider: Provider, verifier: TokenVerifier, header: str
) -> None:
    with Provider(SECOND) as evil:
        with pytest.raises(BadCredentials):
            verifier.identify(signed(SECOND, None, **{header: evil.url}))
        assert verifier._wanted.is_set()  # it only triggers a fetch from the URL in the settings
        verifier.refresh()
        with pytest.raises(BadCredentials):
            verifier.identify(signed(SECOND, None, **{header: evil.url}))
        assert evil.asked == 0


def test_a_key_inside_a_token_is_not_used(verifier: TokenVerifier) -> None:
    with pytest.raises(BadCredentials):
        verifier.identify(signed(SECOND, jwk=SECOND.as_jwk()))


def test_an_unknown_key_of_a_foreign_issuer_leads_to_no_fetch(verifier: TokenVerifier) -> None:
    with pytest.raises(BadCredentials):
        verifier.identify(signed(SECOND, claims(iss="https://evil.example")))
    assert not verifier._wanted.is_set()
    with pytest.raises(BadCredentials):
        verifier.identify(signed(SECOND))
    assert verifier._wanted.is_set()


@pytest.mark.parametrize(
    ("given", "role"),
    [
        (["viewer", "manager"], "manager"),
        ("viewer reporter", "reporter"),
        ("ops-team", "manager"),
        (["x", "viewer"], "viewer"),
    ],
)
def test_the_greatest_role_counts(verifier: TokenVerifier, given: Any, role: str) -> None:
    assert verifier.identify(signed(FIRST, claims(roles=given))).role == role


@pytest.mark.parametrize("given", [None, [], "", "Manager", ["x", 1, None, ["manager"]], {"manager": True}, 7, True])
def test_no_role_no_access(verifier: TokenVerifier, given: Any) -> None:
    with pytest.raises(Forbidden):
        verifier.identify(signed(FIRST, claims(roles=given)))


def test_two_subjects_that_look_alike_when_masked_are_two(verifier: TokenVerifier) -> None:
    def scope(**members: Any) -> bytes:
        return verifier.identify(signed(FIRST, claims(**members))).scope

    assert scope(sub="dora@example.com") != scope(sub="dina@example.com")
    assert scope(sub="dora@example.com", jti="1") == scope(sub="dora@example.com", jti="2")
    assert scope(sub=None, jti="1") != scope(sub=None, jti="2")


def test_addresses_in_names_are_masked(verifier: TokenVerifier) -> None:
    identity = verifier.identify(signed(FIRST, claims(sub="jane.roe@example.com", name=None)))
    assert "jane.roe" not in str(identity)


def test_an_expiry_that_no_float_holds(verifier: TokenVerifier) -> None:
    assert not verifier.identify(signed(FIRST, claims(exp=10**400))).ended()


def test_keys_are_followed(provider: Provider, verifier: TokenVerifier) -> None:
    """After the next fetch a new key counts and a withdrawn one does not, even for tokens that were seen before."""
    old, new = signed(FIRST), signed(SECOND)
    verifier.identify(old)
    provider.keys = [FIRST, SECOND]
    verifier.refresh()
    verifier.identify(new)
    verifier.identify(old)
    try:
        provider.keys = [SECOND]
        verifier.refresh()
        with pytest.raises(BadCredentials):
            verifier.identify(old)
        verifier.identify(new)
    finally:
        provider.keys = [FIRST]


def test_what_a_withdrawn_key_let_in_ends_and_nothing_else(provider: Provider, verifier: TokenVerifier) -> None:
    """Live connections and sessions check their identity, not the token."""
    try:
        provider.keys = [FIRST, SECOND]
        verifier.refresh()
        first, second = (verifier.identify(signed(key, claims(sub=key.kid))) for key in (FIRST, SECOND))
        session = Identity("session", "s", "ann", "viewer", parent=first)
        provider.keys = [SECOND]
        verifier.refresh()
        assert first.ended()
        assert session.ended()
        assert not second.ended()
        assert verifier.identify(signed(SECOND, claims(sub="second"))) is not None
    finally:
        provider.keys = [FIRST]


def test_a_key_for_encryption_signs_nothing(provider: Provider) -> None:
    class ForEncryption(SigningKey):
        def as_jwk(self) -> dict[str, Any]:
            return {**super().as_jwk(), "use": "enc"}

    key = ForEncryption("enc")
    with Provider(key) as provider:
        verifier = TokenVerifier(rules(jwks_url=provider.url))
        verifier.refresh()
        with pytest.raises(BadCredentials):
            verifier.identify(signed(key))


async def _follow(verifier: TokenVerifier, token: str) -> None:
    """Use the token until it is accepted, while the verifier runs."""
    running = asyncio.create_task(verifier.run())
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    verifier.identify(token)
                    return
                except BadCredentials:
                    await asyncio.to_thread(lambda: None)
    finally:
        running.cancel()


def test_a_provider_that_is_down_at_first(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tokens, "RETRY_SECONDS", 0.02)
    with Provider(FIRST) as provider:
        port = provider.port
    verifier = TokenVerifier(rules(jwks_url=f"http://127.0.0.1:{port}/jwks"))

    async def down_then_up() -> None:
        running = asyncio.create_task(verifier.run())
        async with asyncio.timeout(30):
            while "the identity provider's keys cannot be had" not in caplog.text:
                await asyncio.to_thread(lambda: None)
        running.cancel()
        with Provider(FIRST, port=port):
            await _follow(verifier, signed(FIRST))

    asyncio.run(down_then_up())


def test_an_unknown_key_is_fetched_while_it_runs(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "RETRY_SECONDS", 0.02)
    verifier = TokenVerifier(rules(jwks_url=provider.url))
    verifier.refresh()
    try:
        provider.keys = [SECOND]
        asyncio.run(_follow(verifier, signed(SECOND)))
    finally:
        provider.keys = [FIRST]


# ---- a shared secret -------------------------------------------------------------------------------------------------
def test_a_shared_secret(secret_file: str) -> None:
    verifier = TokenVerifier(rules(algorithms=("HS256",), secret_file=secret_file))
    assert verifier.identify(jwt.encode(claims(), SECRET, "HS256")).role == "reporter"
    for bad in (
        jwt.encode(claims(), b"x" * 32, "HS256"),
        jwt.encode(claims(), SECRET, "HS384"),
        signed(FIRST),
        unsigned(),
    ):
        with pytest.raises(BadCredentials):
            verifier.identify(bad)


# ---- rules that contradict each other --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"jwks_url": "https://x.example", "algorithms": ("RS256", "HS256")}, "asymmetric"),
        ({"jwks_url": "https://x.example", "algorithms": ("none",)}, "--jwt-algorithms"),
        ({"jwks_url": "https://x.example", "algorithms": ()}, "--jwt-algorithms"),
        ({"jwks_url": "https://x.example", "audience": ""}, "--jwt-audience"),
        ({"jwks_url": "http://x.example"}, "https"),
        ({"jwks_url": "http://127.0.0.1.example"}, "https"),
        ({"jwks_url": "file:///etc/passwd"}, "https"),
        ({}, "--jwks-url or --jwt-secret-file"),
    ],
)
def test_rules_that_are_no_rules(others: dict[str, Any], says: str) -> None:
    with pytest.raises(StartupError, match=says):
        TokenVerifier(rules(**others))


def test_secrets_that_are_none(tmp_path: Path, secret_file: str) -> None:
    (tmp_path / "short").write_bytes(b"x" * 31)
    for others, says in (
        ({"secret_file": str(tmp_path / "short"), "algorithms": ("HS256",)}, "at least 32 bytes"),
        ({"secret_file": str(tmp_path / "none"), "algorithms": ("HS256",)}, "--jwt-secret-file"),
        ({"secret_file": secret_file}, "HS256"),
        ({"secret_file": secret_file, "jwks_url": "https://x.example", "algorithms": ("HS256",)}, "either"),
    ):
        with pytest.raises(StartupError, match=says):
            TokenVerifier(rules(**others))


@pytest.mark.parametrize("pair", ["viewer", "x=owner", "=viewer", "x=", "x=viewer=y"])
def test_roles_that_are_none(pair: str) -> None:
    with pytest.raises(StartupError, match="--jwt-roles"):
        roles_from([pair])
