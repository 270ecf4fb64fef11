"""The body of a bulk request, and its response: a bad line fails alone, and nearly always there is none."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from athena.domain.masking import mask_emails
from athena.domain.model import ID_PATTERN, BulkEdit, BulkOpen, Notification
from athena.errors import AthenaError, InvalidField, InvalidJson
from athena.http import body
from athena.http.answers import BulkAnswer, BulkResult
from athena.time_slice import TimeSlice

MOST_LINES = 10_000

LINE_BYTES = 64 * 1024
"""Five times what a valid line needs. A longer line is rejected without parsing it."""

MOST_VALUES = 64 * MOST_LINES
"""Strings, brackets and commas in an array that is decoded member by member: twice what valid lines can have."""

VALUES_AT_ONCE = 1024
"""Values counted between two checks of the clock."""

Line = BulkOpen | BulkEdit
Bad = Mapping[int, BulkResult]
"""The result of each line that cannot be decoded, by its index among all lines."""

_lines = msgspec.json.Decoder(list[Line])
_whole = msgspec.json.Decoder(msgspec.Raw)
_array = msgspec.json.Decoder(list[msgspec.Raw])
_line = msgspec.json.Decoder(Line)
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)
_IDS = re.compile(rf"(?:{ID_PATTERN.strip('^').removesuffix(chr(92) + 'Z')}\n)*")


async def read(raw: bytes, content_type: str) -> tuple[Sequence[Line], Bad]:
    """The good lines in order, and the results of the bad ones. Raises `InvalidField` and `InvalidJson`.

    If any line is bad, each is decoded by itself and the bad ones are explained, which may take a second; the event
    loop goes on meanwhile.
    """
    in_array = _is_array(raw, content_type)
    try:
        # Each NDJSON line is freed before the next is made, in the same memory: all of them would not fit the caches.
        lines = _lines.decode(raw) if in_array else [*map(_line.decode, islice(io.BytesIO(raw), MOST_LINES + 1))]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        if len(lines) <= MOST_LINES and _ids_are_good(lines):
            return lines, {}
    time_slice = TimeSlice()
    return await _each(await _members(raw, time_slice) if in_array else _not_blank(raw), time_slice)


def answer(bad: Bad, ids: Sequence[str], outcomes: Sequence[Notification | AthenaError]) -> bytes:
    """The results of all lines, in order; `ids` and `outcomes` are those of the lines that could be decoded."""
    if not bad and {*map(type, outcomes)} == {Notification}:
        return _all_done(ids)
    others = (
        BulkResult(tx_id, 200) if isinstance(outcome, Notification) else _failed(tx_id, outcome)
        for tx_id, outcome in zip(ids, outcomes, strict=True)
    )
    return body.answer(BulkAnswer([bad.get(index) or next(others) for index in range(len(ids) + len(bad))]))


def _all_done(ids: Sequence[str]) -> bytes:
    """The same bytes as an encoded `BulkAnswer`, in a tenth of the time: ids need no escaping."""
    done = '","status":200},{"tx_id":"'.join(ids)
    return f'{{"results":[{{"tx_id":"{done}","status":200}}],"message":"ok"}}'.encode()


def _is_array(raw: bytes, content_type: str) -> bool:
    """Whether the body is one array, rather than one object per line: decided by its media type, and unless that is
    NDJSON, by whether it begins as an array."""
    if content_type.partition(";")[0].strip().lower() not in body.NDJSON and raw.lstrip().startswith(b"["):
        return True
    if not raw or raw.isspace():
        raise InvalidJson("body: expected a JSON array or one JSON object a line, got nothing", field="body")
    return False


def _not_blank(raw: bytes) -> Sequence[bytes]:
    """The lines that are not blank. There may be as many blank ones again."""
    count = raw.count(b"\n")
    if count > 2 * MOST_LINES:
        raise _too_many(count)
    return [line for line in raw.split(b"\n") if line.strip()]


async def _members(raw: bytes, time_slice: TimeSlice) -> Sequence[msgspec.Raw]:
    """The members of an array, counted before they are created: each takes more memory than its byte or two of JSON."""
    body.parse(raw, _whole)  # raises if this is not JSON: then members cannot be told apart
    depth = members = 0
    for values, found in enumerate(_STRUCTURE.finditer(raw)):
        if values % VALUES_AT_ONCE == 0:
            await time_slice.yield_if_due()
        match found[0]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
            case b"," if depth == 1:
                members += 1
        if members >= MOST_LINES:
            raise _too_many(members + 1)
        if values > MOST_VALUES:
            raise InvalidField("body", f"expected lines of a few values each, got more than {MOST_VALUES:,} in all")
    return body.parse(raw, _array)


def _too_many(count: int) -> InvalidField:
    return InvalidField("body", f"expected at most {MOST_LINES:,} lines, got {count:,} or more")


def _ids_are_good(lines: Sequence[Line]) -> bool:
    """Whether all ids are valid: checked in one match, which takes an eighth of the time."""
    ids = [tx_id for line in lines if (tx_id := line.id) is not None]
    joined = "\n".join([*ids, ""])
    return joined.count("\n") == len(ids) and _IDS.fullmatch(joined) is not None


async def _each(pieces: Sequence[bytes | msgspec.Raw], time_slice: TimeSlice) -> tuple[Sequence[Line], Bad]:
    """As `read`, but line by line, since one of them is bad or blank."""
    if len(pieces) > MOST_LINES:
        raise _too_many(len(pieces))
    lines: list[Line] = []
    bad: dict[int, BulkResult] = {}
    for index, piece in enumerate(pieces):
        await time_slice.yield_if_due()
        try:
            if (size := memoryview(piece).nbytes) > LINE_BYTES:
                raise InvalidField("body", f"expected a line of at most {LINE_BYTES:,} bytes, got {size:,}")
            line = body.parse(piece, _line)
            if line.id is not None:
                body.identifier(line.id)
        except AthenaError as error:
            bad[index] = _failed(_id_of(piece), error)
        else:
            lines.append(line)
    return lines, bad


def _id_of(piece: bytes | msgspec.Raw) -> str | None:
    """The id of a line that could not be decoded, if it can be determined."""
    if memoryview(piece).nbytes > LINE_BYTES:
        return None
    try:
        tx_id = msgspec.json.decode(piece)["tx_id"]
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError, RecursionError):
        return None
    return tx_id if isinstance(tx_id, str) and len(tx_id) <= 128 else None


def _failed(tx_id: str | None, error: AthenaError) -> BulkResult:
    """The result of a bad line, masked: the response may be stored for a retry."""
    shown = None if tx_id is None else mask_emails(tx_id)
    return BulkResult(shown, error.status, error.code, mask_emails(str(error)), error.data.get("field"))
