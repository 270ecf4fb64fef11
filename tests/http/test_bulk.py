"""Bulks are read and answered as a whole, with the same results as line by line."""

from __future__ import annotations

import asyncio
import json
import re
import tracemalloc
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from athena.config import BY_NAME
from athena.domain.lifecycle import decide
from athena.domain.model import ID_PATTERN, Command, Notification, Open
from athena.errors import InvalidField, InvalidJson, UnknownTransaction
from athena.http import bulk
from athena.http.answers import BulkAnswer, BulkResult

IDS = st.from_regex(ID_PATTERN)
OPENED = decide(Command("t", Open(description="d")), None, 1000, 1)
assert OPENED is not None
DONE: Notification = OPENED


BULK_BYTES = int(BY_NAME["max_bulk_bytes"].default)


def read(raw: bytes, content_type: str) -> tuple[Sequence[bulk.Line], bulk.Bad]:
    return asyncio.run(bulk.read(raw, content_type))


def line(tx_id: str | None, **more: str) -> str:
    return json.dumps({"op": "open", "tx_id": tx_id, "description": "d", **more})


@given(st.lists(st.one_of(st.none(), IDS, st.text(max_size=3), st.sampled_from(["a\nb", "", "a" * 129, "a\n", "ä"]))))
def test_bad_ids_are_found_wherever_they_are(ids: list[str | None]) -> None:
    raw = json.dumps([json.loads(line(tx_id)) for tx_id in ids]).encode()
    lines, bad = read(raw, "application/json")
    good = [tx_id is None or bool(re.match(ID_PATTERN, tx_id)) for tx_id in ids]
    assert [found.id for found in lines] == [tx_id for tx_id, is_good in zip(ids, good, strict=True) if is_good]
    assert sorted(bad) == [index for index, is_good in enumerate(good) if not is_good]
    assert {(result.status, result.field) for result in bad.values()} <= {(400, "tx_id")}


@given(st.lists(IDS, min_size=1, max_size=20))
def test_an_answer_that_all_is_well_is_what_encoding_it_gives(ids: list[str]) -> None:
    expected = msgspec.json.encode(BulkAnswer([BulkResult(tx_id, 200) for tx_id in ids]))
    assert bulk.answer({}, ids, [DONE] * len(ids)) == expected


WHITE = st.sampled_from(["", " ", "\n", "\r\n", "\n\n", "\t", "\n \n"])
TORN = line("a").replace(", ", ",\n", 1)
PIECES = st.sampled_from([*(line(tx_id) for tx_id in ("a", "b")), "{", "1", '{"op":"edit"}', TORN])


@given(st.lists(st.tuples(PIECES, WHITE), min_size=1, max_size=6), WHITE)
@example([(line("a"), ""), (line("b"), "\n")], "\n")
@example([(line("a"), ""), (line("b"), "\n\n")], "")
@example([(TORN, "\n"), (line("a"), ""), (line("b"), "\n")], "")
def test_lines_are_what_line_breaks_divide_however_the_rest_is_spaced(parts: list[tuple[str, str]], lead: str) -> None:
    raw = lead + "".join(piece + white for piece, white in parts)
    expected = [_is_good(piece) for piece in raw.split("\n") if piece.strip()]
    lines, bad = read(raw.encode(), "application/x-ndjson")
    assert len(lines) == expected.count(True)
    assert sorted(bad) == [index for index, is_good in enumerate(expected) if not is_good]


def _is_good(piece: str) -> bool:
    try:
        return "op" in json.loads(piece) and "description" in json.loads(piece)
    except (ValueError, TypeError):
        return False


def test_refused_and_bad_lines_are_in_their_places() -> None:
    raw = "\n".join([line("a"), "{", line("b"), line("-/-")]).encode()
    lines, bad = read(raw, "application/x-ndjson")
    answer = json.loads(bulk.answer(bad, [str(found.id) for found in lines], [UnknownTransaction("a"), DONE]))
    told = [(result["tx_id"], result["status"]) for result in answer["results"]]
    assert told == [("a", 404), (None, 400), ("b", 200), ("-/-", 400)]


@pytest.mark.parametrize("raw", [b"", b"\n", b" \r\n\n"])
def test_nothing_at_all_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidJson, match="got nothing"):
        read(raw, "application/x-ndjson")


def test_blank_lines_are_none_and_do_not_count() -> None:
    lines, bad = read(b"\n \r\n".join([line("a").encode()] * 6_000), "application/x-ndjson")
    assert (len(lines), bad) == (6_000, {})


HUGE = {  # beginning, filling, end
    "newlines": (b"", b"\n", b""),
    "zeros": (b"[", b"0,", b"0]"),
    "nesting": (b"[", b"[[]],", b"0]"),
    "quotes": (b'["', b'\\"', b""),
    "a list for a name": (b'{"op":[', b"[],", b"0]}\n"),
    "a list for a text": (b'[{"op":"open","description":[', b"[],", b"0]}]"),
    "an unknown member": (b'{"op":"open","description":"d","x":[', b"0,", b"0]}\n"),
}


@pytest.mark.parametrize(("begin", "fill", "end"), HUGE.values(), ids=HUGE)
def test_what_is_huge_and_bad_is_refused_without_being_made(begin: bytes, fill: bytes, end: bytes) -> None:
    """One byte of it may become an object of fifty."""
    raw = begin + fill * (BULK_BYTES // len(fill)) + end
    tracemalloc.start()
    try:
        lines, bad = read(raw, "application/json")
        assert (len(lines), len(bad)) == (0, 1)
    except (InvalidField, InvalidJson):
        pass
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 3 * BULK_BYTES


def test_what_is_in_texts_does_not_count_as_lines() -> None:
    pieces = [line("a", athena_msg='[{,"\\' * 200)] * 9_999
    lines, bad = read(f"[{','.join([*pieces, 'null'])}]".encode(), "application/json")
    assert (len(lines), len(bad)) == (9_999, 1)


def test_no_lines_are_an_answer_without_results() -> None:
    lines, bad = read(b"[]", "application/json")
    assert json.loads(bulk.answer(bad, [], [])) == {"results": [], "message": "ok"}
    assert not lines


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(InvalidField, match="10,000 lines, got 10,001"):
        read(b"1\n" * 10_001, "application/x-ndjson")


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (
            b"\n".join([b'{"op":"edit","tx_id":"a","status":' + b"[" * 700 + b"]" * 700 + b"}"] * 2_000),
            "application/x-ndjson",
        ),
        (b"[" + b",".join([b'{"op":"edit","tx_id":[' + b"1," * 20 + b"1]}"] * 10_000) + b"]", "application/json"),
    ],
    ids=["lines", "members"],
)
def test_the_event_loop_goes_on_while_bad_lines_are_explained(raw: bytes, content_type: str) -> None:
    async def scenario() -> int:
        turns = 0
        reading = asyncio.ensure_future(bulk.read(raw, content_type))
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        _, bad = reading.result()
        assert len(bad) in (2_000, 10_000)
        return turns

    assert asyncio.run(scenario()) > 5
