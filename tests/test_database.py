from importlib.resources import files

import pytest

from athena import database
from athena.database import load_blocks

FILES = [
    (package, file.name)
    for package in ("athena.store", "athena.auth")
    for file in files(package).iterdir()
    if file.name.endswith(".sql")
]


@pytest.mark.parametrize(("package", "filename"), FILES)
def test_every_block_has_a_name_and_one_statement(package: str, filename: str) -> None:
    blocks = load_blocks(package, filename)
    assert blocks
    for name, statement in blocks.items():
        assert statement, name
        assert ";" not in statement, name
        assert "--" not in statement, name


def test_a_name_used_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    class Twice:
        def joinpath(self, name: str) -> "Twice":
            return self

        def read_text(self) -> str:
            return "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n"

    monkeypatch.setattr(database, "files", lambda package: Twice())
    with pytest.raises(ValueError, match="'a'"):
        load_blocks("any", "any.sql")
