"""The place of the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from organza.disk import cache_folder
from organza.errors import UserError


def test_the_cache_is_where_the_user_says_else_where_the_system_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("ORGANZA_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("ORGANZA_CACHE")
    assert cache_folder() == tmp_path / "b" / "organza"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "c")
    assert cache_folder() == tmp_path / "c" / ".cache" / "organza"


def test_a_user_without_a_home_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch):
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ORGANZA_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UserError, match="ORGANZA_CACHE"):
        cache_folder()
