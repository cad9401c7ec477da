"""The lock of a run: one holder, whose number is told; it dies with its process, and harms no other file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from organza.errors import UserError
from organza.run import lock
from organza.run.folder import RunFolder
from organza.run.lock import Held, locked

HOLDS = (
    "import sys, time; from pathlib import Path; from organza.run.lock import locked\n"
    "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def holder(path: Path, before: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", before + HOLDS, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def unsupported(*_: object, **__: object) -> bool:
    raise OSError(38, "Function not implemented")


@pytest.mark.parametrize("system", ["locks", "none"])
def test_the_owner_is_named_and_its_lock_dies_with_it(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = ""
    if system == "none":  # as on some network file systems
        monkeypatch.setattr(lock, "lock_descriptor", unsupported)
        before = "def none(*_, **__): raise OSError(38, 'no')\nimport organza.run.lock; organza.run.lock.lock_descriptor = none\n"
    process = holder(tmp_path / "lock", before)
    try:
        with pytest.raises(Held) as held, locked(tmp_path / "lock"):
            pass
        assert held.value.owner == f"process {process.pid}"
    finally:
        process.kill()
        process.wait()
    with locked(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text(encoding="utf-8").strip() == str(os.getpid())
        with pytest.raises(Held), locked(tmp_path / "lock"):
            pass
    with locked(tmp_path / "lock"):
        pass


def test_a_lock_that_hides_its_first_byte_still_names_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    genuine = os.read

    def as_windows(descriptor: int, count: int) -> bytes:
        if os.lseek(descriptor, 0, os.SEEK_CUR) == 0:
            raise PermissionError(13, "another process has locked a portion of the file")
        return genuine(descriptor, count)

    process = holder(tmp_path / "lock")
    monkeypatch.setattr(os, "read", as_windows)
    with pytest.raises(Held, match=str(process.pid)), locked(tmp_path / "lock"):
        pass
    process.kill()
    process.wait()


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "pipe", "folder"])
def test_a_lock_that_is_something_else_is_refused_in_words(kind: str, tmp_path: Path):
    precious, run = tmp_path / "precious", RunFolder(tmp_path / "run")
    run.path.mkdir()
    precious.write_text("the only copy", encoding="utf-8")
    lock = run.path / "lock"
    if kind == "link":
        lock.symlink_to(precious)
    elif kind == "dangling link":
        lock.symlink_to(tmp_path / "new")
    elif kind == "second name":
        lock.hardlink_to(precious)
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with pytest.raises(UserError, match="lock cannot be used as a lock"), run.hold():
        pass
    assert precious.read_text(encoding="utf-8") == "the only copy"
    assert not (tmp_path / "new").exists()
