"""Reads and decodes what clients send: bodies, query strings, ids. Whatever is wrong is a 400 that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from athena.domain.model import Id
from athena.errors import AthenaError, BodyTooLarge, InvalidField, InvalidJson, UnsupportedMediaType

T = TypeVar("T")

MAX_BODY = 1024 * 1024
MAX_BULK = 16 * 1024 * 1024

JSON = ("application/json",)
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")

# What msgspec's errors look like: "Expected `int`, got `str` - at `$.on_step`", "Object contains unknown field `x`".
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NAMED = re.compile(r"(?:unknown|required) field `(?P<name>[^`]*)`")


async def read(request: Request, limit: int, types: tuple[str, ...]) -> bytes:
    """The body. Raises `UnsupportedMediaType` and `BodyTooLarge`; a missing Content-Type is taken for the right one."""
    given = request.headers.get("content-type")
    if given is not None and given.partition(";")[0].strip().lower() not in types:
        raise UnsupportedMediaType(given, " or ".join(types))
    length = request.headers.get("content-length")
    if length is not None and int(length) > limit:  # the HTTP parser lets only digits through
        raise BodyTooLarge(limit)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise BodyTooLarge(limit)
    return bytes(body)


async def decode(request: Request, decoder: Callable[[bytes], T]) -> T:
    """The body of an ordinary request, validated while it is decoded."""
    return parse(await read(request, MAX_BODY, JSON), decoder)


def parse(body: bytes, decoder: Callable[[bytes], T]) -> T:
    """Decode JSON, or raise `InvalidField` or `InvalidJson`."""
    try:
        return decoder(body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(f"body: expected JSON, got something else: {error}", field="body") from None
    except RecursionError:
        raise InvalidJson("body: expected JSON of a reasonable depth, got deeper", field="body") from None


def query(request: Request, kind: type[T]) -> T:
    """The query string as `kind`. Parameters it does not know are ignored."""
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from None


def identifier(text: str, field: str = "tx_id") -> str:
    """`text` if it is an id. Raises `InvalidField`."""
    try:
        return msgspec.convert(text, Id)
    except msgspec.ValidationError:
        raise InvalidField(field, f"expected 1 to 128 of A-Z a-z 0-9 . _ -, got {text[:140]!r}") from None


def invalid(error: msgspec.ValidationError) -> AthenaError:
    """The `InvalidField` for what msgspec found wrong."""
    text = str(error)
    place = _PLACE.search(text)
    problem = text[: place.start()] if place else text
    path = place["path"] if place else ""
    named = _NAMED.search(problem)
    field = ".".join(part for part in (path, named["name"] if named else "") if part) or "body"
    return InvalidField(field, problem[:1].lower() + problem[1:])


def answer(value: Any) -> bytes:
    """`value` as JSON."""
    return msgspec.json.encode(value)
