"""Names that every system takes, and files that another program has open, or that may not be changed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organza import disk
from organza.disk import FORBIDDEN, cannot_write, discard, flush_folder, folds_case, remove_tree, rename, safe_name

NAMES = st.one_of(
    st.text(max_size=300),
    st.sampled_from(["", ".", "..", "CON", "nul.txt", "LPT¹.png", "a.", "a ", "\udce9", "a/b", "\x1b[2J"]),
)


@given(NAMES, st.integers(40, 255))
def test_a_safe_name_is_one_on_every_system_and_stays_as_it_is(text: str, longest: int):
    name = safe_name(text, longest)
    assert 0 < len(os.fsencode(name)) <= longest
    assert not set(name) & FORBIDDEN
    assert name.isprintable() or not text.isprintable()
    assert name not in (".", "..")
    assert name == name.rstrip(". ")
    assert name.partition(".")[0].rstrip(" ").casefold() not in disk.DEVICES
    assert safe_name(name, longest) == name


@given(NAMES, NAMES)
def test_two_texts_never_become_one_name(one: str, two: str):
    if disk.unicodedata.normalize("NFC", one) != disk.unicodedata.normalize("NFC", two):
        assert safe_name(one) != safe_name(two)


def test_a_file_that_is_open_elsewhere_is_replaced_once_it_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    genuine, tries = os.replace, []

    def replace(*arguments: str) -> None:
        tries.append(arguments)
        if len(tries) < 4:
            raise PermissionError(errno.EACCES, "being used by another process")
        genuine(*arguments)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(disk, "PAUSES", (0.0,) * 5)
    (tmp_path / "new").write_text("new", encoding="utf-8")
    (tmp_path / "old").write_text("old", encoding="utf-8")
    rename(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text(encoding="utf-8") == "new"
    tries.clear()
    monkeypatch.setattr(disk, "PAUSES", (0.0,))
    with pytest.raises(PermissionError):
        rename(tmp_path / "old", tmp_path / "newer")


def test_a_folder_that_cannot_be_opened_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    flush_folder(tmp_path)
    monkeypatch.setattr(os, "open", refused)
    flush_folder(tmp_path)


def test_read_only_files_are_removed_with_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    genuine = os.unlink

    def unlink(path: str, **options: int) -> None:
        if not os.stat(path, **options).st_mode & 0o200:  # noqa: PTH116
            raise PermissionError(errno.EACCES, "Access is denied", path)
        genuine(path, **options)

    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    (tmp_path / "a" / "b" / "file").chmod(0o400)
    monkeypatch.setattr(os, "unlink", unlink)
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a" / "b" / "file").exists()
    remove_tree(tmp_path / "nothing")
    discard(tmp_path / "nothing" / "at all")


def test_case_counts_where_the_system_says_so(tmp_path: Path):
    (tmp_path / "Aa").mkdir()
    assert folds_case(tmp_path / "Aa" / "not yet") == (tmp_path / "aA").exists()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path):
    (tmp_path / "a.txt").write_text("x")
    for error in (FileExistsError(errno.EEXIST, "File exists"), NotADirectoryError(errno.ENOTDIR, "Not a directory")):
        told = cannot_write(tmp_path / "a.txt" / "grid.png", error)
        assert f"{tmp_path / 'a.txt'} is a file, but a folder is needed" in told
    assert "Permission denied" in cannot_write(
        tmp_path / "new" / "grid.png", PermissionError(errno.EACCES, "Permission denied")
    )


@pytest.mark.skipif(os.name != "posix", reason="other systems open no folders")
def test_a_file_is_on_disk_before_it_gets_its_name_and_its_name_before_the_call_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(*places: str) -> None:
        steps.append("name")
        replace(*places)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    disk.write_whole(tmp_path / "x.json", "{}")
    assert steps == ["file", "name", "folder"]
    steps.clear()
    disk.make_folder(tmp_path / "a" / "b")
    assert steps == ["folder", "folder"]
