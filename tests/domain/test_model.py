import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.domain.model import Position, parse_cursor


@given(st.from_regex(r"\A[0-9a-f]{8}\Z"), st.integers(0, 10**17))
def test_a_position_survives_the_way_to_a_client_and_back(epoch: str, seq: int) -> None:
    assert parse_cursor(str(Position(epoch, seq))) == Position(epoch, seq)


@pytest.mark.parametrize("text", ["", ".", "x", "x.", ".5", "x.-1", "x.1.2", "x.٣", "x.1e3", "x." + "9" * 19, "x. 1"])
def test_anything_else_is_no_position(text: str) -> None:
    assert parse_cursor(text) is None


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    parse_cursor(text)
