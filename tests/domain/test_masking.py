import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.domain.masking import mask_emails

CASES = json.loads(Path(__file__).with_name("addresses.json").read_text())
"""Pairs of a text and what is stored of it. Apollo, which has to compare live rows as Athena does, is tested with the
same ones."""


@pytest.mark.parametrize(("text", "masked"), CASES)
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
