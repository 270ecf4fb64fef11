"""athena.cli.text: external text cannot control the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.cli.text import duration, harmless, local_time, shortened, steps, whole_number

OVERRIDES = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@given(st.text(st.characters(), max_size=200))
def test_harmless_text_is_one_line_of_characters_that_only_show(text: str) -> None:
    safe = harmless(text)
    assert len(safe) == len(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in safe)
    assert not any(unicodedata.bidirectional(character) in OVERRIDES for character in safe)
    safe.encode()
    assert harmless(safe) == safe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, späť, 日本, 🎉", "plain, späť, 日本, 🎉"),
        ("two\nlines\tand\r\n", "two lines and  "),
        ("\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        ("\x1b]0;title\x07", "�]0;title�"),
        ("\x9b2J", "�2J"),
        ("[bold]markup[/bold]", "[bold]markup[/bold]"),
        ("\ud800", "�"),
        (None, "None"),
        (7, "7"),
    ],
)
def test_harmless(text: object, expected: str) -> None:
    assert harmless(text) == expected


@given(st.text(max_size=50), st.integers(1, 60))
def test_shortened(text: str, limit: int) -> None:
    short = shortened(text, limit)
    assert len(short) <= limit
    assert short == text or (short.endswith("…") and len(short) == limit and text.startswith(short[:-1]))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, ""),
        ({"on_step": 2}, "2/?"),
        ({"total_steps": 9}, "-/9"),
        ({"on_step": 0, "total_steps": 9}, "0/9"),
        ({"on_step": "2", "total_steps": True}, ""),
    ],
)
def test_steps(row: dict[str, object], expected: str) -> None:
    assert steps(row) == expected


@pytest.mark.parametrize(("value", "expected"), [(1, 1), (0, 0), (True, None), (1.0, None), ("1", None), (None, None)])
def test_whole_number(value: object, expected: int | None) -> None:
    assert whole_number(value) == expected


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (None, ""),
        (-5000, "0 s"),
        (999, "0 s"),
        (7_000, "7 s"),
        (187_000, "3:07"),
        (7_387_000, "2:03:07"),
        (5 * 86_400_000 + 7_387_000, "5 d 2:03:07"),
    ],
)
def test_duration(milliseconds: int | None, expected: str) -> None:
    assert duration(milliseconds) == expected


def test_local_time() -> None:
    assert local_time(None) == ""
    assert local_time(10**30) == ""
    assert local_time(1_700_000_000_000, "%S") == "20"
