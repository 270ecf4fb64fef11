import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.auth.secrets import PREFIXES, SHAPE, fingerprint, matches, new_key, new_token, parse_key


def test_a_key_is_what_it_says() -> None:
    key = new_key()
    assert re.fullmatch(r"ath_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", str(key))
    assert parse_key(str(key)) == key


def test_no_two_are_equal() -> None:
    assert len({new_key().id for _ in range(1_000)}) == 1_000
    assert len({new_key().secret for _ in range(1_000)}) == 1_000


@given(st.text())
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize("change", [str.upper, lambda key: f"{key}\n", lambda key: key[:-1], lambda key: f" {key}"])
def test_a_key_is_taken_to_the_letter(change: object) -> None:
    assert callable(change)
    assert parse_key(change(str(new_key()))) is None


def test_only_the_secret_itself_matches() -> None:
    secret = new_token("ats_")
    stored = fingerprint(secret)
    assert len(stored) == 32
    assert secret.encode() not in stored
    assert matches(secret, stored)
    assert not matches(secret[:-1], stored)
    assert not matches("", stored)


@pytest.mark.parametrize("prefix", PREFIXES[1:])
def test_every_secret_of_ours_is_recognised_wherever_it_stands(prefix: str) -> None:
    for secret in (new_token(prefix), str(new_key())):
        assert SHAPE.sub("…", f"/x/{secret}/y") == "/x/…/y"
    assert SHAPE.search("/webhooks/txs/path_to_success") is None
