from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from athena.store.disk import Disk


def test_it_tells_the_size_of_each_file_and_nothing_of_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "athena.db").write_bytes(bytes(4096))
    assert Disk(tmp_path).sizes() == {"main": 4096, "wal": 0}
    (tmp_path / "athena.db-wal").write_bytes(bytes(100))
    assert Disk(tmp_path).sizes() == {"main": 4096, "wal": 100}


def test_it_tells_what_is_free(tmp_path: Path) -> None:
    assert 0 < Disk(tmp_path).free() <= shutil.disk_usage(tmp_path).total


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Disk(tmp_path / "nowhere").free()
