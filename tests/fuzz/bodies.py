"""JSON bodies that are nearly valid: a valid one of each route, changed in a few places, then perhaps in its bytes.

All inputs are made by functions of a `random.Random`. A long run gives them an ordinary one with a seed; the tests one
of Hypothesis's, which looks for small inputs that fail.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, NamedTuple

VALID: dict[str, dict[str, Any]] = {
    "open": {
        "tx_id": "fuzz-1",
        "description": "Deploy shop",
        "by": "dshuffma@us.ibm.com",
        "sub_type": "template",
        "on_step": 1,
        "total_steps": 5,
        "athena_msg": "building",
        "timeout_ms": 60_000,
        "component_id": "c1",
    },
    "edit": {
        "status": "pending",
        "athena_msg": "half",
        "on_step": 2,
        "total_steps": 5,
        "description": "Deploy",
        "timeout_ms": 1000,
    },
    "post": {
        "status": "error",
        "message": "disk full",
        "ts_display": 1_700_000_000_000,
        "by": "me",
        "component_id": "c1",
        "component_type": "peer",
        "component_display_name": "Peer 1",
        "api": "POST /x",
        "code": 500,
        "elapsed_ms": 12,
        "action_verb": "created",
    },
    "archive": {"notification_ids": ["fuzz-1", "fuzz-2"]},
}
VALID["bulk open"] = {"op": "open", **VALID["open"]}
VALID["bulk edit"] = {"op": "edit", "tx_id": "fuzz-1", **VALID["edit"]}


class Body(NamedTuple):
    """`kind` is a key of `VALID`."""

    kind: str
    data: bytes


ENCODED = {
    kind: [(name, json.dumps(value).encode()) for name, value in members.items()] for kind, members in VALID.items()
}


ODD_TEXTS = [
    *[
        "",
        "x" * 128,
        "x" * 129,
        "d" * 256,
        "d" * 257,
        "m" * 1025,
        "🚀" * 256,
        "a@b",
        "al@x.org",
        "\0",
        "\r\n",
        "\u2028",
    ],
    *[
        "\x1b[2J",
        "%",
        "' OR 1=1--",
        "../..",
        "pending",
        "undoing",
        "success",
        "error",
        "open",
        "edit",
        "e\u0301",
        "\ufffd",
    ],
]
ODD_NUMBERS = [0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1.5, 1e300, -0.0]
ODD_VALUES: list[Any] = [
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"a": 1},
    [None],
    ["x"] * 300,
    ["fuzz-1"],
    {"status": "error"},
]
RAW_VALUES = [
    *[
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"01",
        b"+1",
        b".5",
        b"0x10",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b"'a'",
    ],
    *[
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\u0000"',
        b'"\\x41"',
        b"[" * 2000 + b"]" * 2000,
        b"9" * 5000,
        b'"a\nb"',
        b"tru",
    ],
]


def text(random: Random, longest: int = 20) -> str:
    """Characters from everywhere, most of them short to write."""
    tops = (0x7F, 0x7F, 0x7FF, 0xD7FF, 0x10FFFF)
    codes = (random.randint(0, random.choice(tops)) for _ in range(random.randint(0, longest)))
    return "".join(chr(code) for code in codes if not 0xD800 <= code <= 0xDFFF)


def odd_text(random: Random) -> str:
    return random.choice(ODD_TEXTS) if random.randint(0, 1) else text(random)


def odd_value(random: Random, depth: int = 0) -> Any:
    """A JSON value of any kind."""
    kind = random.randint(0, 5)
    if kind == 0:
        return random.choice(ODD_NUMBERS)
    if kind == 1:
        return random.choice(ODD_VALUES)
    if kind == 2 and depth < 3:
        return [odd_value(random, depth + 1) for _ in range(random.randint(0, 3))]
    return odd_text(random)


def members(random: Random, kind: str) -> list[tuple[str, bytes]]:
    """The members of a body as (name, JSON), changed in up to three places."""
    rows = list(ENCODED[kind])
    for _ in range(random.randint(0, 3)):
        change = random.choice(("set", "set", "raw", "drop", "add", "twice", "borrow"))
        place = random.randint(0, max(0, len(rows) - 1))
        name = rows[place][0] if rows else "x"
        if change == "drop":
            del rows[place : place + 1]
        elif change == "raw":
            rows[place : place + 1] = [(name, random.choice(RAW_VALUES))]
        elif change == "borrow":  # what another route would take
            rows += ENCODED[random.choice(sorted(ENCODED))][:2]
        else:
            value = json.dumps(odd_value(random)).encode()
            if change == "set":
                rows[place : place + 1] = [(name, value)]
            else:
                rows.append((odd_text(random) if change == "add" else name, value))
    return rows


def body(random: Random, *kinds: str) -> Body:
    """A body for one of `kinds`."""
    kind = random.choice(kinds)
    rows = members(random, kind)
    data = b"{" + b",".join(json.dumps(name).encode() + b":" + value for name, value in rows) + b"}"
    return Body(kind, scrambled(random, data) if random.randint(0, 4) == 0 else data)


def some_bytes(random: Random, longest: int) -> bytes:
    return bytes(random.randint(0, 255) for _ in range(random.randint(0, longest)))


def scrambled(random: Random, data: bytes) -> bytes:
    """`data` with a few bytes lost, added or changed."""
    for _ in range(random.randint(1, 3)):
        place = random.randint(0, len(data))
        end = place + random.randint(0, 3)
        data = data[:place] + some_bytes(random, 3) + data[end:]
    return data
