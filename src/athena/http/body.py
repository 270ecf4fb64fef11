"""Reads and decodes what clients send: bodies, query strings, ids. Invalid content is a 400 that names the field."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec.json import Decoder
from starlette.requests import Request

from athena.domain.model import ID_PATTERN
from athena.errors import AthenaError, BadRequest, BodyTooLarge, InvalidField, InvalidJson, UnsupportedMediaType
from athena.http.bodies import UnfinishedBodies
from athena.live.sse import TRANSPORT

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

JSON = ("application/json",)
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")

# What msgspec's errors look like: "Expected `int`, got `str` - at `$.on_step`", "Object contains unknown field `x`".
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
LENIENT_BYTES = 64 * 1024
"""Up to this size an error quotes the invalid value, for which the whole body is decoded again."""
_ID = re.compile(ID_PATTERN)
_DIGITS = re.compile(r"-?[0-9]{1,19}\Z")
_NAMED = re.compile(r"(?:unknown|required) field `(?P<name>[^`]*)`")


async def read(request: Request, limit: int, types: tuple[str, ...]) -> bytes:
    """The body. Raises `UnsupportedMediaType` and `BodyTooLarge`; a missing Content-Type is accepted."""
    for name, value in request.scope["headers"]:
        if name == b"content-type" and not is_of(value, types):
            raise UnsupportedMediaType(value.decode("latin-1"), " or ".join(types))
        if name == b"content-length" and int(value) > limit:  # the HTTP parser lets only digits through
            raise BodyTooLarge(limit)
    first, more = await _piece(request)
    if len(first) > limit:
        raise BodyTooLarge(limit)
    return await _rest(request, first, limit) if more else first  # nearly all come in one piece


async def _rest(request: Request, first: bytes, limit: int) -> bytes:
    """The whole body of which `first` is here."""
    bodies: UnfinishedBodies = request.scope["state"]["bodies"]
    transport = request.scope["extensions"][TRANSPORT]
    pieces, size, more = [first], len(first), True
    try:
        while more:
            bodies.grow(transport, len(pieces[-1]))
            piece, more = await _piece(request)
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(limit)
    finally:
        bodies.remove(transport)
    return b"".join(pieces)


async def _piece(request: Request) -> tuple[bytes, bool]:
    """-> the next piece of the body, and whether more follows."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise BadRequest("expected the whole body, got the end of the connection")
    return message["body"], message["more_body"]


def is_of(value: bytes | None, types: tuple[str, ...]) -> bool:
    """Whether a Content-Type header names one of `types`, whatever its parameters. True for a missing one."""
    return value is None or value.partition(b";")[0].strip().lower().decode("latin-1") in types


async def decode(request: Request, decoder: Decoder[T], limit: int) -> T:
    """The body of an ordinary request, validated while it is decoded. `limit` is in bytes."""
    return parse(await read(request, limit, JSON), decoder)


def parse(body: bytes | msgspec.Raw, decoder: Decoder[T]) -> T:
    """Decode JSON, or raise `InvalidField` or `InvalidJson`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        source = _leniently(body) if memoryview(body).nbytes <= LENIENT_BYTES else None
        raise invalid(error, source, decoder.type) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(f"body: expected JSON, got something else: {error}", field="body") from None
    except RecursionError:
        raise InvalidJson("body: expected JSON of a reasonable depth, got deeper", field="body") from None


def _leniently(body: bytes | msgspec.Raw) -> Any:
    """The body decoded without validation, to find the invalid value; None when it is malformed further on."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def query(request: Request, kind: type[S]) -> S:
    """The query string as `kind`. Unknown parameters are ignored."""
    given = dict(request.query_params)
    for name in _whole_numbers(kind) & given.keys():
        if not _DIGITS.match(given[name]):  # msgspec would accept 1e3
            raise InvalidField(name, f"expected a whole number, got {_shown(given, name)}")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, given, kind) from None


@cache
def _whole_numbers(kind: Any) -> set[str]:
    """The parameters of `kind` that are integers, required or optional."""
    properties = msgspec.json.schema_components([kind])[1][kind.__name__]["properties"]
    return {
        name
        for name, schema in properties.items()
        if any(option.get("type") == "integer" for option in schema.get("anyOf", [schema]))
    }


def identifier(text: str, field: str = "tx_id") -> str:
    """`text` if it is an id. Raises `InvalidField`."""
    if _ID.match(text) is None:
        raise InvalidField(field, f"expected 1 to 128 of A-Z a-z 0-9 . _ -, got {text[:140]!r}")
    return text


def invalid(error: msgspec.ValidationError, source: Any, kind: Any) -> AthenaError:
    """The `InvalidField` for an error that msgspec found in `source` when decoding a `kind`; quotes the bad value."""
    text = str(error)
    place = _PLACE.search(text)
    problem = text[: place.start()] if place else text
    path = place["path"] if place else ""
    named = _NAMED.search(problem)
    field = ".".join(part for part in (path, named["name"] if named else "") if part) or "body"
    choices = _choices(kind).get(field.rpartition(".")[2])
    if choices is not None and ("enum value" in problem or field == "op"):
        problem = f"expected {choices}"
        if named is not None:
            problem += ", got nothing"
    problem = problem.replace(r"\\Z'", "$'")
    if named is None and ", got" not in problem and source is not None:
        problem += f", got {_shown(source, path)}"
    return InvalidField(field, problem[:1].lower() + problem[1:])


@cache
def _choices(kind: Any) -> dict[str, str]:
    """The allowed values of the enumerated members of `kind`, listed for people: "a, b or c"."""
    _, components = msgspec.json.schema_components([kind])
    values: dict[str, dict[str, None]] = {}  # each once, in order
    for component in components.values():
        for name, described in component.get("properties", {}).items():
            for option in (described, *described.get("anyOf", ())):
                values.setdefault(name, {}).update(dict.fromkeys(v for v in option.get("enum", ()) if v is not None))
    return {name: " or ".join(", ".join(some).rsplit(", ", 1)) for name, some in values.items() if some}


def _shown(source: Any, path: str) -> str:
    """The value at a path such as `notification_ids[3]`, short enough for a sentence."""
    value = source
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        try:
            value = value[key] if key else value[int(index)]
        except (KeyError, IndexError, TypeError):  # msgspec writes [...] where it does not give the index
            break
    text = repr(value)
    if isinstance(value, str) and len(value) > 40:
        return f"{len(value):,} characters beginning {value[:40]!r}"
    return text if len(text) <= 80 else f"{text[:80]}…"


def answer(value: Any) -> bytes:
    """`value` as JSON."""
    return msgspec.json.encode(value)
