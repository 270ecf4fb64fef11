"""Loads the named blocks of an .sql file: a line `-- name: x` begins block `x`, a semicolon at a line's end ends it."""

from __future__ import annotations

import re
from importlib.resources import files


def load_blocks(filename: str) -> dict[str, str]:
    """name -> statement, without comments, from `athena/store/<filename>`. Raises ValueError for a name used twice."""
    text = files("athena.store").joinpath(filename).read_text()
    blocks: dict[str, str] = {}
    for part in re.split(r"^-- name: ", text, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        if name in blocks:
            raise ValueError(f"{filename}: block {name!r} is there twice")
        statement = re.sub(r"--.*", "", body).strip()
        blocks[name] = statement.removesuffix(";")
    return blocks
