"""Folders, zips and arrays to packs: what is found, what is refused, and that the cache can be trusted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from organza.data import Size, distinct, open_data
from organza.data import cache as caches
from organza.data import folder as folders
from organza.data.arrays import Rows
from organza.data.decode import Unreadable
from organza.data.folder import listing
from organza.data.pack import Pack
from organza.errors import UserError

from .corpus import READ, REFUSED, encoded, photo

SIZE = Size(16, 12)


def plain(index: int) -> Image.Image:
    """An image that can be told from the others by its grey."""
    return Image.new("RGB", (20, 15), (index, index, index))


def fill(folder: Path, count: int = 6) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        plain(10 * index).save(folder / f"{index}.png")
    return folder


def snapshot(folder: Path) -> list[tuple[str, int, int, str]]:
    return sorted(
        (str(p), p.stat().st_size, p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in folder.rglob("*")
        if p.is_file()
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def pack(tmp_path: Path, cache: Path):
    def make(source: Path, **options) -> Pack:
        return open_data(source, **{"size": SIZE, "channels": 3, "cache": cache, **options})

    return make


def test_a_folder_becomes_a_pack_in_the_order_of_names(tmp_path: Path, pack):
    folder = fill(tmp_path / "photos", 25)
    before = snapshot(folder)
    told: list[tuple[str, int, int]] = []
    found = pack(folder, progress=lambda *now: told.append(now))
    assert (len(found), found.images.shape, found.images.dtype) == (25, (25, 12, 16, 3), np.uint8)
    assert (found.width, found.height, found.channels) == (16, 12, 3)
    assert list(found.names) == sorted(p.name for p in folder.iterdir())
    assert [int(image[0, 0, 0]) for image in found.images] == [10 * int(name[:-4]) for name in found.names]
    assert isinstance(found.images, Rows)
    assert (found.labels, found.classes, found.broken) == (None, (), ())
    assert told[-1] == ("packing images", 25, 25)
    assert snapshot(folder) == before  # the source is never written


def test_broken_files_are_left_out_with_their_reasons(tmp_path: Path, pack):
    folder = fill(tmp_path / "photos", 3)
    for index, (make, _) in enumerate(REFUSED.values()):
        (folder / f"bad{index:02d}.jpg").write_bytes(make())
    for index, make in enumerate(READ.values()):
        (folder / f"good{index:02d}.bmp").write_bytes(make())  # the name says nothing: the content does
    found = pack(folder)
    assert len(found) == 3 + len(READ)
    assert [name for name, _ in found.broken] == [f"bad{index:02d}.jpg" for index in range(len(REFUSED))]
    assert all(reason for _, reason in found.broken)
    assert found.images[-1].any()  # no gap was left by the broken ones


def test_labels_come_from_the_first_folders(tmp_path: Path, pack):
    for name in ("cat", "dog", "dog/old", "empty"):
        (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
    for index, place in enumerate(("cat/a.png", "dog/b.png", "dog/old/c.png")):
        plain(index).save(tmp_path / "set" / place)
    found = pack(tmp_path / "set")
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.labels.dtype == np.int64
    plain(9).save(tmp_path / "set" / "loose.png")  # of no class
    assert pack(tmp_path / "set").labels is None


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path, pack, monkeypatch: pytest.MonkeyPatch):
    folder = fill(tmp_path / "photos")
    first = pack(folder)
    with monkeypatch.context() as patch:
        patch.setattr("organza.data.pack.decode_pages", lambda *_: pytest.fail("it was decoded again"))
        patch.setattr("organza.data.defaults.glance", lambda *_: pytest.fail("it was looked at again"))
        again = pack(folder)
    assert again.fingerprint == first.fingerprint
    assert np.array_equal(again.images, first.images)


@pytest.mark.parametrize("change", ["more", "fewer", "other", "renamed"])
def test_a_changed_folder_is_packed_again(tmp_path: Path, pack, change: str):
    folder = fill(tmp_path / "photos")
    first = pack(folder)
    if change == "more":
        plain(99).save(folder / "new.png")
    elif change == "fewer":
        (folder / "0.png").unlink()
    elif change == "other":
        plain(200).save(folder / "0.png")
        os.utime(folder / "0.png", ns=(1, 1))
    else:
        (folder / "0.png").rename(folder / "zero.png")
    second = pack(folder)
    assert second.fingerprint != first.fingerprint
    assert len(second) == {"more": 7, "fewer": 5}.get(change, 6)
    assert np.array_equal(first.images[1], np.full((12, 16, 3), 10))  # the old pack still stands


def test_settings_are_part_of_the_key(tmp_path: Path, pack):
    folder = fill(tmp_path / "photos")
    packs = [pack(folder), pack(folder, size=Size(8, 8)), pack(folder, channels=1), pack(folder, fit="pad")]
    assert len({found.fingerprint for found in packs}) == 4
    assert len({found.directory for found in packs}) == 4


def test_the_same_content_elsewhere_is_the_same_pack(tmp_path: Path, pack):
    folder = fill(tmp_path / "photos")
    shutil.copytree(folder, tmp_path / "copy")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    fingerprints = {pack(tmp_path / name).fingerprint for name in ("photos", "copy", "photos.zip")}
    assert len(fingerprints) == 1


def test_workers_do_not_change_the_pack(tmp_path: Path, pack, cache: Path):
    folder = fill(tmp_path / "photos", 100)
    assert pack(folder, workers=1).fingerprint == pack(folder, workers=7, cache=cache / "other").fingerprint


@pytest.mark.parametrize("damage", ["bit", "cut", "manifest", "gone"])
def test_a_damaged_pack_is_made_again(tmp_path: Path, pack, damage: str):
    folder = fill(tmp_path / "photos")
    good = pack(folder)
    pixels = np.array(good.images)
    path = good.directory / "images.npy"
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[-5] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-100])
    elif damage == "manifest":
        (good.directory / "manifest.json").write_text("{")
    else:
        shutil.rmtree(good.directory)
    again = pack(folder)
    assert np.array_equal(again.images, pixels)
    assert caches.whole(again.directory)


def test_the_manifest_says_what_is_in_the_pack(tmp_path: Path, pack):
    folder = fill(tmp_path / "photos")
    found = pack(folder)
    manifest = json.loads((found.directory / "manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(np.array(found.images).tobytes()).hexdigest()
    assert manifest["source"] == str(folder)
    assert manifest["size"] == [16, 12]
    assert sorted(p.name for p in found.directory.iterdir()) == ["images.npy", "manifest.json", "names.json"]


def test_nothing_is_left_of_a_packing_that_fails(tmp_path: Path, pack, cache: Path):
    folder = fill(tmp_path / "photos")

    def interrupt(_what: str, done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(folder, progress=interrupt)
    assert not list((cache / "packs").iterdir())
    assert len(pack(folder)) == 6


def test_two_processes_may_pack_the_same_folder(tmp_path: Path, cache: Path):
    folder = fill(tmp_path / "photos", 60)
    code = (
        "import sys; from organza.data import open_data; print(open_data(sys.argv[1]).fingerprint)"  # no __main__ guard
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            env={**os.environ, "ORGANZA_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = {racer.communicate(timeout=60)[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0]
    assert len(told) == 1
    assert not list((cache / "packs").glob(".*"))


def test_a_pack_placed_by_a_faster_process_is_kept(tmp_path: Path, pack, cache: Path):
    found = pack(fill(tmp_path / "photos"))
    inode = (found.directory / "images.npy").stat().st_ino
    for note in (cache / "packs").glob("*.seen"):
        note.unlink()
    assert (pack(tmp_path / "photos").directory / "images.npy").stat().st_ino == inode


def test_full_disks_are_told(tmp_path: Path, pack, cache: Path, monkeypatch: pytest.MonkeyPatch):
    folder = fill(tmp_path / "photos")
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(UserError, match=r"needs 3,456 bytes in the cache .*cache/packs, and 1,000 are free"):
            pack(folder)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caches.PackFiles, "append", full)
    with pytest.raises(UserError, match=r"cannot be written: No space left on device; the pack needs 3,456 bytes"):
        pack(folder)
    assert not list((cache / "packs").iterdir())


def test_a_cache_that_cannot_be_made(tmp_path: Path, pack):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be created.*ORGANZA_CACHE"):
        pack(fill(tmp_path / "photos"), cache=tmp_path / "file")


def test_sources_that_are_none(tmp_path: Path, pack):
    fill(tmp_path / "photos")
    with pytest.raises(UserError, match=r"There is no .*photo; give .* Did you mean photos?"):
        pack(tmp_path / "photo")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"There are no images in .*empty"):
        pack(tmp_path / "empty")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="neither a folder nor a zip"):
        pack(tmp_path / "notes.txt")
    (tmp_path / "bad").mkdir()
    for index in range(5):
        (tmp_path / "bad" / f"{index}.png").write_bytes(b"no")
    with pytest.raises(UserError, match=r"None of the 5 images .* \(0.png: not a JPEG.*and 2 more\)"):
        pack(tmp_path / "bad")
    with pytest.raises(UserError, match="`channels` is 2"):
        pack(tmp_path / "photos", channels=2)
    with pytest.raises(UserError, match="fit is squeeze"):
        pack(tmp_path / "photos", fit="squeeze")


def test_one_image_or_all_alike_is_not_refused_but_counted(tmp_path: Path, pack):
    assert distinct(pack(fill(tmp_path / "one", 1)), 5) == 1
    same = tmp_path / "same"
    same.mkdir()
    for index in range(4):
        plain(7).save(same / f"{index}.png")
    assert distinct(pack(same), 5) == 1
    assert distinct(pack(fill(tmp_path / "six")), 100) == 6
    assert distinct(pack(tmp_path / "six"), 2) == 2


@pytest.mark.parametrize(
    ("pictures", "shape"),
    [
        ([photo(28, 28, "L")] * 3, (32, 32, 1)),
        ([photo(300, 200)] * 3, (64, 64, 3)),
        ([photo(300, 200, "L"), photo(300, 200)], (64, 64, 3)),
        ([Image.new("RGBA", (100, 100), (9, 9, 9, 9))] * 3, (64, 64, 4)),
        ([Image.new("RGBA", (100, 100), (9, 9, 9, 255))] * 3, (64, 64, 1)),
    ],
)
def test_size_and_channels_are_chosen(tmp_path: Path, cache: Path, pictures: list[Image.Image], shape: tuple[int, ...]):
    (tmp_path / "set").mkdir()
    for index, picture in enumerate(pictures):
        picture.save(tmp_path / "set" / f"{index}.png")
    assert open_data(tmp_path / "set", cache=cache).images.shape[1:] == shape


def test_odd_things_in_a_folder(tmp_path: Path, pack):
    folder = fill(tmp_path / "photos", 2)
    outside = tmp_path / "outside"
    fill(outside, 1)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "dangling.png").symlink_to(folder / "nothing.png")
    (folder / "out.png").symlink_to(outside / "0.png")
    (folder / "outdir").symlink_to(outside, target_is_directory=True)
    (folder / "inside.png").symlink_to(folder / "1.png")
    os.mkfifo(folder / "pipe.png")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket.png"))
    for hidden in (".DS_Store", ".thumb.png", "__MACOSX/a.png", ".git/b.png"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        plain(1).save(folder / hidden, "png")
    (folder / "phone.psd").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    (folder / "folder.png").mkdir()
    found = pack(folder)
    server.close()
    assert tuple(found.names) == ("0.png", "1.png", "inside.png")
    assert dict(found.broken) == {
        "dangling.png": "it is a link that leads nowhere",
        "out.png": "it is a link that leads out of the folder; `follow_links` reads it",
        "outdir": "it is a link that leads out of the folder; `follow_links` reads it",
        "phone.psd": ".psd is not among the formats; convert it to PNG or JPEG",
        "pipe.png": "it is no regular file (a pipe, a socket or a device)",
        "self.png": "it is a link that leads nowhere",
        "socket.png": "it is no regular file (a pipe, a socket or a device)",
    }
    assert not any("txt" in note for note in found.notes)  # a text beside the images is not worth a word
    assert set(pack(folder, follow_links=True).names) == {
        "0.png", "1.png", "inside.png", "out.png", "outdir/0.png",
    }  # fmt: skip


def test_weird_names(tmp_path: Path, pack):
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [
        "-rf.png",
        "two\nlines.png",
        "emoji😀.png",
        "é.png",
        "e\u0301.png",
        "עברית.png",
        "A.PNG",
        "a.png",
        "x" * 251 + ".png",
    ]
    for name in names:
        plain(5).save(folder / name, "png")
    Path(os.fsdecode(os.fsencode(str(folder)) + b"/bad\xff.png")).write_bytes(encoded(plain(5)))
    (folder / "broken\n.png").write_bytes(b"")
    found = pack(folder)
    assert len(found) == len(names) + 1
    assert found.broken == (("broken\\n.png", "the file is empty"),)
    assert tuple(pack(folder).names) == tuple(found.names)
    assert tuple(open_data(folder, size=SIZE, channels=3).names) == tuple(
        found.names
    )  # the fingerprint can be made of them


def test_a_tree_of_great_depth(tmp_path: Path, pack):
    deep = fill(tmp_path / "photos", 1)
    for _ in range(1100):  # deeper than Python recurses, shorter than the system's bound on a path
        deep = deep / "d"
        deep.mkdir()
    plain(3).save(deep / "z.png")
    assert len(pack(tmp_path / "photos")) == 2
    subprocess.run(["rm", "-rf", tmp_path / "photos"], check=True)  # pytest's own way of tidying up would recurse


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_without_permission(tmp_path: Path, pack):
    folder = fill(tmp_path / "photos")
    (folder / "0.png").chmod(0)
    (folder / "locked").mkdir(mode=0)
    assert [name for name, _ in pack(folder).broken] == ["locked", "0.png"]


def test_a_file_that_vanishes_or_cannot_be_read(tmp_path: Path, pack, monkeypatch: pytest.MonkeyPatch):
    folder = fill(tmp_path / "photos")
    read = folders.read_bytes

    def denied(path: str, most: int) -> bytes:
        if path.endswith("2.png"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        if path.endswith("3.png"):
            Path(path).unlink()
        return read(path, most)

    monkeypatch.setattr(folders, "read_bytes", denied)
    found = pack(folder)
    assert tuple(found.names) == ("0.png", "1.png", "4.png", "5.png")
    assert dict(found.broken) == {
        "2.png": "it cannot be read (Permission denied)",
        "3.png": "it cannot be read (No such file or directory)",
    }


def test_a_zip_is_read_in_memory(tmp_path: Path, pack, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    picture = encoded(plain(9))
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (
            "a/cat/1.png",
            "a/dog/2.png",
            "../out.png",
            "/abs.png",
            "C:\\win.png",
            "a\\..\\..\\w.png",
            "__MACOSX/._1.png",
        ):
            archive.writestr(name, picture)
        archive.writestr("a/dog/bad.png", b"no")
        archive.writestr("a/readme.txt", b"no")
    found = pack(tmp_path / "z.zip")
    assert tuple(found.names) == ("a/cat/1.png", "a/dog/2.png")
    assert found.classes == ("cat", "dog")
    reasons = dict(found.broken)
    for name in ("../out.png", "/abs.png", "C:\\win.png", "a\\..\\..\\w.png"):
        assert reasons[name] == "its name leads out of the archive"
    assert "not a JPEG" in reasons["a/dog/bad.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "z.zip"]  # nothing was unpacked


def test_encrypted_truncated_and_lying_zips(tmp_path: Path, pack, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(3):
            archive.writestr(f"{index}.png", encoded(plain(index)))
    content = path.read_bytes()
    locked = bytearray(content)
    place = locked.index(b"PK\x01\x02")  # the flags of the first file, in the directory and before its data
    locked[place + 8] |= 1
    locked[6] |= 1
    path.write_bytes(locked)
    assert pack(path).broken == (("0.png", "it is encrypted"),)
    damaged = bytearray(content)
    damaged[content.index(b"PK\x03\x04", 10) + 50] ^= 255  # the second file's data
    path.write_bytes(damaged)
    assert [name for name, _ in pack(path).broken] == ["1.png"]
    for cut in (len(content) - 10, len(content) // 2, 3, 0):
        path.write_bytes(content[:cut])
        with pytest.raises(UserError, match="cut short or damaged"):
            pack(path)
    monkeypatch.setattr("organza.data.archive.LARGEST", 50)
    path.write_bytes(content)
    with pytest.raises(UserError, match="larger than 256 MB"):
        pack(path)


def test_a_zip_bomb_stops_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", bytes(1_000_000))
    monkeypatch.setattr("organza.data.archive.LARGEST", 10_000)
    monkeypatch.setattr("organza.data.archive._problem", lambda *_: None)  # as if its header lied about the size
    found = listing(path)
    with pytest.raises(Unreadable, match="unpacks to more"):
        found.read(found.entries[0])


def test_arrays(tmp_path: Path, pack, cache: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (11, 12, 16, 3), np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    np.savez(tmp_path / "a.npz", images=pixels)
    for name in ("a.npy", "a.npz"):
        assert np.array_equal(pack(tmp_path / name).images, pixels)
    np.save(tmp_path / "grey.npy", pixels[..., 0])
    assert np.array_equal(open_data(tmp_path / "grey.npy", size=SIZE, cache=cache).images, pixels[..., :1])
    np.save(tmp_path / "alpha.npy", np.concatenate([pixels, np.full((11, 12, 16, 1), 255, np.uint8)], -1))
    assert np.array_equal(pack(tmp_path / "alpha.npy").images, pixels)
    assert pack(tmp_path / "a.npy", size=Size(5, 6), channels=1).images.shape == (11, 6, 5, 1)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4, 4, 2), np.uint8),
        np.zeros((3, 4, 4), np.float32),
        np.zeros((0, 4, 4), np.uint8),
        np.zeros(5, np.uint8),
    ],
)
def test_arrays_of_the_wrong_kind(tmp_path: Path, pack, array: np.ndarray):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match="must be uint8"):
        pack(tmp_path / "a.npy")


def test_no_array_is_unpickled(tmp_path: Path, pack):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match="not a readable array"):
        pack(tmp_path / "a.npy")
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(UserError, match="not a readable array"):
        pack(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(UserError, match="2 arrays"):
        pack(tmp_path / "c.npz")


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux says what is resident")
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path, cache: Path):
    few, many = (memory_of_packing(tmp_path / f"{count}.npy", count, cache) for count in (2_000, 100_000))
    assert many - few < 10e6  # the many are 19 MB


def memory_of_packing(path: Path, count: int, cache: Path) -> int:
    """The most memory that packing so many images of 8x8 takes, and reading them again, in a process of its own."""
    np.save(path, np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8))
    code = (
        "import sys; from pathlib import Path; from organza.data import Size, open_data\n"
        "for _ in range(2): pack = open_data(sys.argv[1], size=Size(8, 8), channels=3)\n"
        "for start in range(0, len(pack), 1000): pack.images[start : start + 1000]\n"
        "print(*(line.split()[1] for line in Path('/proc/self/status').read_text().splitlines() if 'VmHWM' in line))"
    )
    environment = {**os.environ, "ORGANZA_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code, path], env=environment, capture_output=True, text=True, check=True
    )
    return 1024 * int(done.stdout)


def test_a_large_pack_is_read_whole_only_where_its_file_changed(tmp_path: Path, pack, monkeypatch: pytest.MonkeyPatch):
    folder = fill(tmp_path / "photos")
    found = pack(folder)
    path = found.directory / "images.npy"
    monkeypatch.setattr(caches, "SMALL", 0)
    with monkeypatch.context() as patch:
        patch.setattr(caches, "whole", lambda _: pytest.fail("all of it was read"))
        assert pack(folder).fingerprint == found.fingerprint
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert np.array_equal(pack(folder).images[1], np.full((12, 16, 3), 10))
    assert caches.whole(found.directory)
    os.utime(path, ns=(2, 2))  # touched, but whole: read once, and noted
    pack(folder)
    monkeypatch.setattr(caches, "whole", lambda _: pytest.fail("all of it was read"))
    pack(folder)
