import pytest

from athena import database
from athena.database import load_blocks


def test_every_block_has_a_name_a_description_and_one_statement() -> None:
    blocks = load_blocks("athena.store", "sqlite.sql")
    assert {"position", "load", "insert", "update", "advance", "changed_since", "page"} <= blocks.keys()
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
