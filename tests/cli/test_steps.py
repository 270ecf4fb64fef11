"""athena.cli.steps: what passes through and what is a step, however the output is split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.cli.steps import LONGEST_LINE, Step, StepFilter, parse_step


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"::step 2 unpacking", Step(2, None, "unpacking")),
        (b"::step 2/9 unpacking it all ", Step(2, 9, "unpacking it all")),
        (b"::step 0", Step(0)),
        (b"::step 7/9", Step(7, 9)),
        (b"::step   3   spaced", Step(3, None, "spaced")),
        (b"::step 3 from Windows\r", Step(3, None, "from Windows")),
        (b"::step 3\r", Step(3)),
        (b"::step 3 caf\xc3\xa9 \xff", Step(3, None, "café �")),
        (b"::step", None),
        (b"::step ", None),
        (b"::step two", None),
        (b"::step 2x", None),
        (b"::step -1", None),
        (b"::step 1.5", None),
        (b"::step 2/", None),
        (b"::step 1234567890 too large", None),
        (b"::steps 2", None),
        (b" ::step 2", None),
        (b"", None),
    ],
)
def test_parse_step(line: bytes, expected: Step | None) -> None:
    assert parse_step(line) == expected


def fed(*pieces: bytes) -> tuple[bytes, list[Step]]:
    """Everything that passes through, and all steps, when output arrives in these pieces."""
    steps = StepFilter()
    passed, found = b"", []
    for piece in pieces:
        now_passed, now_found = steps.feed(piece)
        passed += now_passed
        found += now_found
    last_passed, last_found = steps.end()
    return passed + last_passed, found + last_found


LINES = st.lists(
    st.one_of(
        st.sampled_from(b"::step 1 a|::step 2/3 b|::step|::step x|:|::||::step 9|:step 1".split(b"|")),
        st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")),
    ),
    max_size=12,
)


@given(lines=LINES, ends_with_newline=st.booleans(), data=st.data())
def test_whole_step_lines_are_taken_out_and_all_other_bytes_pass(
    lines: list[bytes], ends_with_newline: bool, data: st.DataObject
) -> None:
    output = b"\n".join(lines) + (b"\n" if ends_with_newline and lines else b"")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(output)), max_size=8)))
    pieces = [output[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(output)], strict=True)]

    expected_bytes, expected_steps = b"", []
    for line in _lines(output):
        if (step := parse_step(line.removesuffix(b"\n"))) is not None:
            expected_steps.append(step)
        else:
            expected_bytes += line
    assert fed(*pieces) == (expected_bytes, expected_steps)


def _lines(output: bytes) -> list[bytes]:
    # bytes.splitlines() would also split at a carriage return
    *whole, rest = output.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


@pytest.mark.parametrize(
    "text", [b"Password: ", b"progress 10%\r", b"x:", b"\x00\xff", b"a::step 1 no", b":x", b"::stop", b":: step"]
)
def test_what_cannot_become_a_step_passes_at_once(text: bytes) -> None:
    assert StepFilter().feed(text) == (text, [])
    assert StepFilter().feed(b"line\n" + text) == (b"line\n" + text, [])


@pytest.mark.parametrize("text", [b":", b"::", b"::st", b"::step"])
def test_a_beginning_is_held_until_it_is_released(text: bytes) -> None:
    steps = StepFilter()
    assert steps.feed(b"line\n" + text) == (b"line\n", [])
    assert steps.holds_beginning
    assert steps.release() == text
    assert not steps.holds_beginning
    assert steps.feed(b" 1 x\n::step 2 y\n") == (b" 1 x\n", [Step(2, None, "y")])  # the released line is not a step


def test_a_step_without_its_newline_is_held_and_not_taken_for_a_prompt() -> None:
    steps = StepFilter()
    assert steps.feed(b"::step 1 unpack") == (b"", [])
    assert not steps.holds_beginning
    assert steps.feed(b"ing\nnext") == (b"next", [Step(1, None, "unpacking")])


def test_releasing_nothing_changes_nothing() -> None:
    steps = StepFilter()
    assert steps.release() == b""
    assert steps.feed(b"::step 1\n") == (b"", [Step(1)])


def test_a_line_too_long_for_a_step_passes() -> None:
    line = b"::step 1 " + b"x" * LONGEST_LINE
    assert fed(line + b"\n::step 2\n") == (line + b"\n", [Step(2)])
    assert fed(line[:100], line[100:], b"\n") == (line + b"\n", [])


def test_much_output_costs_one_pass() -> None:
    output = b"".join(b"line %d\n" % number for number in range(200_000))
    assert StepFilter().feed(output) == (output, [])
