from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from athena import datadir
from athena.auth.store import AuthStore
from athena.store.sqlite import SqliteStore
from athena.store.sqlite_file import lock


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[str]]]:
    """Each directory that is synced, with the names in it at that moment."""
    seen: list[tuple[Path, list[str]]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        seen.append((path, sorted(os.listdir(path))))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    return seen


def test_each_new_folder_is_on_disk_before_the_next_is_made_in_it(
    tmp_path: Path, synced: list[tuple[Path, list[str]]]
) -> None:
    datadir.make_directory(tmp_path / "a" / "b" / "data")
    assert synced[1:] == [(tmp_path, ["a"]), (tmp_path / "a", ["b"]), (tmp_path / "a" / "b", ["data"])]
    assert synced[0][0] == tmp_path.parent
    assert stat.S_IMODE((tmp_path / "a" / "b" / "data").stat().st_mode) == 0o700


@pytest.mark.parametrize("opened", [lock, AuthStore, SqliteStore])
def test_whoever_makes_the_data_directory_puts_its_name_on_disk(
    opened: object, tmp_path: Path, synced: list[tuple[Path, list[str]]]
) -> None:
    opened(tmp_path / "data")  # type: ignore[operator]
    assert (tmp_path, ["data"]) in synced


def test_a_directory_whose_maker_was_stopped_before_that_is_put_on_disk(
    tmp_path: Path, synced: list[tuple[Path, list[str]]]
) -> None:
    (tmp_path / "data").mkdir()
    datadir.make_directory(tmp_path / "data")
    assert synced == [(tmp_path, ["data"])]


@pytest.mark.parametrize("number", sorted(datadir.UNSYNCABLE))
def test_a_folder_that_cannot_be_synced_is_no_reason_not_to_start(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    datadir.make_directory(tmp_path / "data")
    assert (tmp_path / "data").is_dir()


def test_a_disk_that_fails_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        datadir.make_directory(tmp_path / "data")
