import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.domain.masking import mask_emails


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("dshuffma@us.ibm.com", "d******a@us.ibm.com"),
        ("anna@x.org", "a**a@x.org"),
        ("bob@x.org", "b**@x.org"),
        ("al@x.org", "**@x.org"),
        ("a@x.org", "*@x.org"),
        ("Dora S. <dora@x.org>", "Dora S. <d**a@x.org>"),
        ("anna@x.org, bob@y.org", "a**a@x.org, b**@y.org"),
        ("first.last+tag@x.org", "f************g@x.org"),
        ("ünïcödé@x.org", "ü*****é@x.org"),
        ('"john doe"@x.org', '"********"@x.org'),
        ('"by" "john doe"@x.org', '"by" "********"@x.org'),
        ('"y"@x.org', '"*"@x.org'),
        ('"anna@home"@x.org', '"*********"@x.org'),
        ("anna@[192.0.2.1]", "a**a@[192.0.2.1]"),
        ('"quoted" bob@x.org', '"quoted" b**@x.org'),
        ("dshuffma", "dshuffma"),
        ("@x.org", "@x.org"),
        ("a @ b", "a @ b"),
        ("", ""),
    ],
)
def test_masks_the_local_part(text: str, masked: str) -> None:
    assert mask_emails(text) == masked


@given(st.text(max_size=80) | st.text('"@[].a ', max_size=40))
def test_keeps_the_length_and_is_idempotent(text: str) -> None:
    once = mask_emails(text)
    assert len(once) == len(text)
    assert mask_emails(once) == once


@given(st.from_regex(r"\A[a-z0-9.]{4,20}\Z"))
def test_no_inner_letter_of_an_address_survives(local: str) -> None:
    masked = mask_emails(f"{local}@x.org")
    assert masked == local[0] + "*" * (len(local) - 2) + local[-1] + "@x.org"
