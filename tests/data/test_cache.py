"""Caches that were changed, are foreign, or cannot be written: made again without a word, or told in one sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from organza.data import Size, open_data
from organza.data import cache as caches
from organza.data.batches import Images
from organza.data.former import former_fingerprints
from organza.data.labels import Labelled
from organza.data.pack import Pack
from organza.data.source import Source
from organza.disk import cache_folder
from organza.errors import UserError

from .test_pack import fill, plain

SIZE = Size(16, 12)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        fill(tmp_path / "set" / name, 5)
    return tmp_path / "set"


@pytest.fixture
def opened(tmp_path: Path, classes: Path) -> Callable[[], Pack]:
    return lambda: open_data(classes, size=SIZE, channels=3, cache=tmp_path / "cache")


def changed(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def signed(path: Path, **fields: object) -> None:
    """As one writes it who knows the digest."""
    facts = {k: v for k, v in (json.loads(path.read_text()) | fields).items() if k != "self"}
    path.write_text(json.dumps(caches._signed(facts)))


def names_swapped(pack: Pack) -> None:
    path = pack.directory / "names.json"
    path.write_text(path.read_text().replace("cat/0", "cat/9"))


def linked(pack: Pack) -> None:
    path = pack.directory / "images.npy"
    path.rename(pack.directory / "elsewhere")
    path.symlink_to("elsewhere")


def piped(pack: Pack) -> None:
    (pack.directory / "images.npy").unlink()
    os.mkfifo(pack.directory / "images.npy")


def other_array(pack: Pack) -> None:
    np.save(pack.directory / "images.npy", np.array([{}], object), allow_pickle=True)


CHANGES: dict[str, Callable[[Pack], None]] = {
    "labels": lambda pack: changed(pack.directory / "manifest.json", labels=[1] * 10),
    "classes": lambda pack: changed(pack.directory / "manifest.json", classes=["dog", "cat"]),
    "count": lambda pack: changed(pack.directory / "manifest.json", count=9),
    "fingerprint": lambda pack: changed(pack.directory / "manifest.json", fingerprint="0" * 64),
    "no digest": lambda pack: (pack.directory / "manifest.json").write_text('{"count": 10}'),
    "a list": lambda pack: (pack.directory / "manifest.json").write_text("[]"),
    "deep": lambda pack: (pack.directory / "manifest.json").write_text("[" * 100_000),
    "signed labels": lambda pack: signed(pack.directory / "manifest.json", labels=[7] * 10),
    "signed text": lambda pack: signed(pack.directory / "manifest.json", labels=["a"] * 10),
    "signed count": lambda pack: signed(pack.directory / "manifest.json", count="ten"),
    "signed shape": lambda pack: signed(pack.directory / "manifest.json", shape=None),
    "names": names_swapped,
    "names gone": lambda pack: (pack.directory / "names.json").unlink(),
    "a link": linked,
    "a pipe": piped,
    "objects": other_array,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_pack_that_was_changed_is_made_again(change: str, opened: Callable[[], Pack]):
    first = opened()
    known = list(first.names), first.labels.tolist(), first.classes, first.fingerprint, np.array(first.images)  # type: ignore[union-attr]
    CHANGES[change](first)
    again = opened()
    assert (list(again.names), again.labels.tolist(), again.classes, again.fingerprint) == known[:4]  # type: ignore[union-attr]
    assert np.array_equal(again.images, known[4])
    assert caches.whole(again.directory)


@pytest.mark.parametrize("pack", ["../../outside", "/etc", "..", "", "0" * 23, 5, None])
def test_a_note_leads_to_no_other_place(pack: object, opened: Callable[[], Pack], tmp_path: Path):
    first = opened()
    (note,) = (tmp_path / "cache" / "packs").glob("*.seen")
    shutil.copytree(first.directory, tmp_path / "outside")
    signed(note, pack=pack)
    assert opened().directory == first.directory
    note.write_text(f"{first.directory.name} 1-2")  # as an earlier version wrote it
    assert opened().directory == first.directory
    note.unlink()
    note.symlink_to(tmp_path / "outside" / "manifest.json")
    assert opened().directory == first.directory
    assert not note.is_symlink()


def test_what_cannot_be_used_is_no_part_of_the_fingerprint(opened: Callable[[], Pack], classes: Path):
    first = opened()
    (classes / "cat" / "bad.png").write_bytes(b"")
    (classes / "x.psd").write_bytes(b"8BPS")
    (classes / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    second = opened()
    assert (second.fingerprint, second.directory) == (first.fingerprint, first.directory)
    assert (len(first.broken), len(second.broken), len(second.notes)) == (0, 2, 1)
    assert opened().broken == second.broken  # recalled


def test_former_fingerprints_are_those_of_version_0_1(opened: Callable[[], Pack], classes: Path):
    """Computed by the formula of then, by hand: names and pixels, the files left out with their reasons, and the settings."""
    (classes / "cat" / "bad.png").write_bytes(b"")
    (classes / "old.tga").write_bytes(b"x")
    pack = opened()
    names = caches.sha256_of(name.encode() + b"\0" for name in pack.names)
    content = {"names": names, "pixels": caches.sha256_of([np.array(pack.images).tobytes()])}
    then = [
        ["old.tga", ".tga is not among the formats; convert it to PNG or JPEG"],
        ["cat/bad.png", "the file is empty"],
    ]
    whole = {**content, "broken": then, "format": 2, "size": [16, 12], "channels": 3, "fit": "crop"}
    assert pack.former_fingerprints == (caches.digest(whole | {"broken": []}), caches.digest(whole))
    assert (
        former_fingerprints(content, [], {"size": SIZE, "channels": 3, "fit": "crop"})[0] == pack.former_fingerprints[0]
    )


def test_data_is_the_same_by_its_own_and_its_former_fingerprints(classes: Path):
    for layout in (Images, Labelled):
        data = layout(Source(classes, size="16x12", channels=3))
        assert len(set(data.former_fingerprints)) == 1
        assert data.is_same(data.fingerprint)
        assert data.is_same(data.former_fingerprints[0])
        assert not data.is_same("0" * 64)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_is_read_only_serves_what_it_has(opened: Callable[[], Pack], tmp_path: Path, classes: Path):
    first = opened()
    (tmp_path / "cache" / "packs").chmod(0o555)
    assert opened().fingerprint == first.fingerprint
    plain(99).save(classes / "cat" / "new.png")
    with pytest.raises(UserError, match="ORGANZA_CACHE"):
        opened()


def test_without_a_home_the_cache_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    for name in ("ORGANZA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UserError, match="ORGANZA_CACHE"):
        cache_folder()


def test_a_pack_cut_short_under_a_run_is_an_error_and_no_death(opened: Callable[[], Pack]):
    pack = opened()
    assert pack.images[9].shape == (12, 16, 3)
    os.truncate(pack.directory / "images.npy", 1000)
    with pytest.raises(UserError, match="cut short while it was read; run the same command again"):
        pack.images[9]
    assert np.array_equal(opened().images[9], np.full((12, 16, 3), 40))  # as it says
