from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from athena.domain.lifecycle import decide
from athena.domain.model import Command, Notification, Open, Position
from athena.domain.wire import Encoded, encode_state, weights
from athena.live.encoding import json_array, websocket_frames
from athena.live.tail import TRIM, UNHEARD, UNKNOWN, Tail


def tail_at(seq: int, max_bytes: int = 10**6) -> Tail:
    return Tail(Position("e", seq), max_bytes)


def seqs(tail: Tail, after: int, max_bytes: int = 10**6) -> list[int]:
    data = tail.read(after, json_array, max_bytes).data
    return [] if not data else [item["n"] for item in json.loads(data)]


def entry(seq: int) -> Encoded:
    return Encoded(seq, b'{"n":%d}' % seq)


def test_reading_gives_what_follows() -> None:
    tail = tail_at(10)
    assert tail.read(10, json_array, 100) == (b"", 10)
    tail.append([entry(11), entry(12)])
    tail.append([entry(13)])
    assert tail.position == Position("e", 13)
    assert seqs(tail, 10) == [11, 12, 13]
    assert seqs(tail, 12) == [13]
    assert seqs(tail, 13) == []
    assert tail.read(12, json_array, 10**6).seq == 13


def test_a_read_ahead_of_the_end_is_nothing() -> None:
    assert tail_at(10).read(15, json_array, 100) == (b"", 15)


def test_a_reader_within_a_message_of_several_changes_gets_it_whole() -> None:
    tail = tail_at(10)
    tail.append([entry(11), Encoded(14, b'{"n":14}')])
    assert seqs(tail, 12) == [14]


def test_behind_a_gap_it_begins_anew() -> None:
    tail = tail_at(10)
    tail.append([entry(11)])
    tail.append([entry(13), entry(14)])
    assert (tail.start, tail.end) == (12, 14)
    assert not tail.covers(11)
    assert seqs(tail, 12) == [13, 14]
    assert len(tail._entries) == 2


def test_a_read_is_at_most_max_bytes_but_at_least_one_message() -> None:
    tail = tail_at(0)
    tail.append([entry(seq) for seq in range(1, 10)])
    size = len(entry(1)[1])
    assert seqs(tail, 0, max_bytes=3 * size) == [1, 2, 3]
    assert seqs(tail, 3, max_bytes=3 * size + 1) == [4, 5, 6]
    assert seqs(tail, 6, max_bytes=1) == [7]


def test_it_is_bounded_and_knows_what_it_no_longer_has() -> None:
    size = len(entry(10**6)[1])
    tail = tail_at(10**6 - 1, max_bytes=100 * size)
    tail.append([entry(10**6 + n) for n in range(5 * TRIM)])
    assert tail.end == 10**6 + 5 * TRIM - 1
    assert tail.start == tail.end - 100
    assert tail.covers(tail.start)
    assert not tail.covers(tail.start - 1)
    assert len(seqs(tail, tail.start)) == 100
    assert len(tail._entries) <= 100 + TRIM


def test_what_is_put_back_at_the_start_is_bounded_too() -> None:
    size = len(entry(10**6)[1])
    tail = Tail(Position("e", 10**6 + 4 * TRIM), 100 * size)
    tail.preload(10**6, [entry(10**6 + n) for n in range(1, 4 * TRIM, 2)])
    assert tail.end == 10**6 + 4 * TRIM
    first = seqs(tail, tail.start)[0]
    assert tail.start in (first - 1, first - 2)
    assert not tail.covers(tail.start - 1)
    assert len(seqs(tail, tail.start)) == 100


def test_what_is_put_back_begins_where_it_is_told_however_much_does_not_fit() -> None:
    """Rows in between may be gone: there is nothing to send for them."""
    tail = Tail(Position("e", 100), 100)
    tail.preload(90, [entry(seq) for seq in range(1, 41)])
    assert (tail.start, tail.covers(89), tail.covers(90)) == (90, False, True)


@pytest.mark.parametrize("at_once", [1, 7, UNHEARD, UNHEARD + 1, 5 * UNHEARD])
def test_what_nobody_hears_is_kept_in_part(at_once: int) -> None:
    tail = tail_at(0)
    tail.append([entry(seq) for seq in range(1, 101)])
    for begin in range(101, 101 + 6 * UNHEARD, at_once):
        tail.append([entry(seq) for seq in range(begin, begin + at_once)], heard=False)
        if tail.end - 100 <= UNHEARD:
            assert tail.start == 0, "as long as it is little, everything is kept"
        else:
            assert (tail.start, tail.covers(tail.start - 1)) == (tail.end - UNHEARD, False)
            assert seqs(tail, tail.start) == [*range(tail.start + 1, tail.end + 1)]
    assert len(tail._entries) <= UNHEARD + TRIM
    end = tail.end
    for seq in range(end + 1, end + 1 + 2 * UNHEARD):
        tail.append([entry(seq)])
    assert tail.start == end - UNHEARD, "what somebody hears stays"
    assert seqs(tail, tail.start)[-1] == tail.end


def test_what_was_kept_unheard_counts_as_soon_as_somebody_is_there() -> None:
    tail = tail_at(0, max_bytes=1_000)
    tail.append([entry(seq) for seq in range(1, 2 * UNHEARD + 1)], heard=False)
    assert tail.start == UNHEARD
    tail.append([entry(2 * UNHEARD + 1)])
    kept = seqs(tail, tail.start)
    assert kept[-1] == tail.end
    assert sum(len(entry(seq).data) for seq in kept) <= 1_000 < sum(len(entry(seq).data) for seq in range(1, UNHEARD))


def test_one_message_larger_than_the_tail_empties_it() -> None:
    tail = tail_at(0, max_bytes=10)
    tail.append([entry(1), Encoded(2, b"x" * 11)])
    assert (tail.start, tail.end) == (2, 2)
    assert not tail.covers(1)
    assert tail.covers(2)


def test_a_restart_sends_everyone_a_reset() -> None:
    tail = tail_at(0)
    tail.append([entry(1), entry(2)])
    tail.restart(Position("f", 3))
    for old in (UNKNOWN, 0, 2):
        assert tail.covers(old)
        chunk = tail.read(old, json_array, 100)
        assert json.loads(chunk.data) == [{"type": "reset", "cursor": "f.3"}]
        assert chunk.seq == 3
    assert tail.read(3, json_array, 100).data == b""
    tail.append([entry(4)])
    assert seqs(tail, 3) == [4]
    assert json.loads(tail.read(0, json_array, 100).data)[0]["cursor"] == "f.4", "a reset leads to the end"


def test_an_unknown_position_is_reset_from_the_start() -> None:
    tail = tail_at(7)
    assert json.loads(tail.read(UNKNOWN, json_array, 100).data) == [{"type": "reset", "cursor": "e.7"}]


def changed(seq: int, *, archived: bool = False) -> Notification:
    opened = decide(Command(f"t{seq}", Open(description="d")), None, 1000, seq)
    assert opened is not None
    return replace(opened, archived=archived)


def test_a_state_is_encoded_when_it_is_first_read_and_never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []

    def encode(state: Notification, epoch: str) -> Encoded:
        encoded.append(state.seq)
        return encode_state(state, epoch)

    monkeypatch.setattr("athena.live.tail.encode_state", encode)
    tail = tail_at(0)
    tail.append([changed(1), changed(2)])
    assert encoded == []
    assert [item["id"] for item in json.loads(tail.read(1, json_array, 10**6).data)] == ["t2"]
    assert encoded == [2]
    tail.append([changed(3)])
    for encoding in (json_array, websocket_frames):
        for seq in (0, 1, 2):
            tail.read(seq, encoding, 10**6)
    assert sorted(encoded) == [1, 2, 3]


def test_it_stays_within_its_bytes_whether_it_was_read_or_not() -> None:
    tail = tail_at(0, max_bytes=100_000)
    for seq in range(1, 2001):
        tail.append([changed(seq)])
        if seq % 3:
            tail.read(max(seq - 5, tail.start), json_array, 10**6)
    held = tail._entries[tail._first :]
    assert sum(weights(held)) == tail._bytes <= 100_000
    assert 100 < len(held) < 2000


def test_archived_neighbours_share_a_message_and_a_reader_among_them_gets_the_rest() -> None:
    tail = tail_at(0)
    tail.append([changed(1), *(changed(seq, archived=True) for seq in range(2, 6)), changed(6)])
    whole = json.loads(tail.read(0, json_array, 10**6).data)
    assert [item.get("ids", item.get("id")) for item in whole] == ["t1", ["t2", "t3", "t4", "t5"], "t6"]
    assert json.loads(tail.read(3, json_array, 10**6).data)[0] == {
        "type": "archived",
        "ids": ["t4", "t5"],
        "cursor": "e.5",
    }


def test_readers_at_the_same_place_share_one_buffer() -> None:
    tail = tail_at(0)
    tail.append([entry(1), entry(2)])
    first = tail.read(0, websocket_frames, 10**6).data
    for _ in range(1000):
        assert tail.read(0, websocket_frames, 10**6).data is first
    assert tail.joins == 1
    tail.read(0, json_array, 10**6)
    assert tail.joins == 2
    tail.append([entry(3)])
    assert tail.read(0, websocket_frames, 10**6).data is not first


@given(
    st.lists(st.lists(st.integers(1, 3), max_size=5), max_size=30),
    st.integers(1, 400),
    st.integers(1, 60),
    st.randoms(use_true_random=False),
)
def test_any_reader_sees_every_message_in_order_or_knows_that_it_cannot(
    appends: list[list[int]], max_bytes: int, read_bytes: int, rng: object
) -> None:
    tail, end, told = tail_at(0, max_bytes), 0, []
    position, got = 0, []
    for number, steps in enumerate(appends):
        for step in steps:
            end += step
            told.append(end)
            tail.append([entry(end)])
        if number % 3 == 0:
            while position < tail.end and tail.covers(position):
                chunk = tail.read(position, json_array, read_bytes)
                got += [item["n"] for item in json.loads(chunk.data)]
                position = chunk.seq
            if not tail.covers(position):
                assert position < tail.start
                position = tail.start
                told = [seq for seq in told if seq > tail.start or seq in got]
    assert got == told[: len(got)]


def test_frames_of_every_length() -> None:
    for length in (0, 125, 126, 65535, 65536):
        frame = websocket_frames("e", [Encoded(1, b"x" * length)])
        assert frame.endswith(b"x" * length)
        assert len(frame) - length == (2 if length < 126 else 4 if length < 65536 else 10)


@pytest.mark.parametrize("after", [0, 5])
def test_a_chunk_is_the_same_whoever_asks_first(after: int) -> None:
    tail = tail_at(0)
    tail.append([entry(seq) for seq in range(1, 10)])
    assert tail.read(after, json_array, 100) == tail.read(after, json_array, 100)


def test_where_nothing_is_left_a_reader_goes_to_the_end() -> None:
    """After a purge and a restart: `start` is far back, and there are no rows."""
    tail = tail_at(7)
    tail.preload(0, [])
    assert tail.covers(3)
    assert tail.read(3, json_array, 10**6) == (b"", 7)
    tail.append([entry(8)])
    assert seqs(tail, 3) == [8]
