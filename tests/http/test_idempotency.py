from __future__ import annotations

import pytest
from starlette.requests import Request

from athena.auth.identity import NOBODY, Identity
from athena.errors import InvalidField
from athena.http.admission import IDENTITY
from athena.http.idempotency import key_of
from athena.store.base import IdempotencyKey

BODY = b'{"status":"success"}'


def asked(
    *keys: str, who: Identity = NOBODY, method: str = "PUT", path: str = "/api/v3/webhooks/txs/x", body: bytes = BODY
) -> IdempotencyKey | None:
    """The key of a request with these `Idempotency-Key` headers."""
    headers = [(b"host", b"x"), *((b"idempotency-key", key.encode("latin-1")) for key in keys)]
    scope = {"type": "http", "method": method, "path": path, "headers": headers, IDENTITY: who}
    return key_of(Request(scope), body)


def test_without_the_header_there_is_no_key() -> None:
    assert asked() is None


@pytest.mark.parametrize(
    "key", ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "x" * 255]
)
def test_visible_characters_are_a_key_bare_or_as_the_draft_has_it(key: str) -> None:
    bare = asked(key)
    assert bare is not None
    assert (len(bare.id), len(bare.request)) == (16, 16)
    assert asked('"' + key.replace("\\", r"\\") + '"') == bare


def test_a_string_in_quotes_may_hold_spaces_and_quotes() -> None:
    assert asked(r'"the \"first\" one"') is not None


@pytest.mark.parametrize(
    "key",
    [
        "",
        '""',
        "two words",
        "x" * 256,
        '"' + "x" * 256 + '"',
        '"open',
        'shut"',
        '"a"b',
        r'"\n"',
        "é",
        "a\x00b",
        "a\tb",
        "\x7f",
    ],
)
def test_all_else_is_refused_by_name(key: str) -> None:
    with pytest.raises(
        InvalidField, match=r"^Idempotency-Key: expected 1 to 255 visible ASCII characters, got"
    ) as refused:
        asked(key)
    assert refused.value.data["field"] == "Idempotency-Key"
    assert len(str(refused.value)) < 200


def test_two_keys_are_none() -> None:
    with pytest.raises(InvalidField, match="got it twice"):
        asked("a", "b")


def test_the_id_tells_the_key_and_who_asks_the_rest_tells_what_is_asked() -> None:
    first = asked("k")
    assert first is not None
    for other in (asked("k", method="POST"), asked("k", path="/api/v3/webhooks/txs/y"), asked("k", body=BODY + b" ")):
        assert other is not None
        assert other.id == first.id
        assert other.request != first.request
    for path in ("/api/v1/webhooks/txs/x", "/ak/api/v3/webhooks/txs/x"):
        assert asked("k", path=path) == first
    keys = {
        asked("k", who=NOBODY),
        asked("l", who=NOBODY),
        asked("k", who=Identity("key", "a", "one name", "reporter")),
        asked("k", who=Identity("key", "b", "one name", "reporter")),
        asked("k", who=Identity("session", "a", "one name", "reporter")),
    }
    assert len({key.id for key in keys if key is not None}) == 5


def test_what_was_asked_cannot_be_found_by_hashing_guesses_without_the_key() -> None:
    one, other = asked("k"), asked("l")
    assert one is not None
    assert other is not None
    assert one.request != other.request
