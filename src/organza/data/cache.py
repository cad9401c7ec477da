"""The cache on disk: packs, each complete or absent, and notes that say which listing became which pack.

packs/<fingerprint>/images.npy, names.json, manifest.json    written aside and renamed into place; never changed afterwards
packs/<listing>.seen                  the name of a pack, and its file's size and date when it was last found whole; an unchanged
                                      folder is not read again
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from organza.disk import discard, remove_tree, rename
from organza.errors import UserError

DAY = 86_400
READ = 2**22  # bytes at a time
SMALL = 2**30  # bytes that are read in a second
Damage = (OSError, ValueError, KeyError, TypeError)  # what a cut or altered pack can raise


def digest(value: Any) -> str:
    """The sha256 of a value made of dicts, lists, strings and numbers."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def require_room(packs: Path, needed: int) -> None:
    """Make the folder for packs.

    Raises:
        UserError: where that cannot be, or fewer than `needed` bytes are free.
    """
    try:
        packs.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(packs).free
    except OSError as error:
        raise UserError(
            f"The cache {packs} cannot be made: {error.strerror}. Name another folder in $ORGANZA_CACHE."
        ) from error
    if free < needed:
        raise UserError(
            f"The pack needs {needed:,} bytes in the cache {packs}, where {free:,} are free. "
            "Make room, ask for a smaller --size, or name another folder in $ORGANZA_CACHE."
        )


def store(packs: Path, shape: tuple[int, ...], fill: Callable[[PackFiles], dict[str, Any]]) -> Path:
    """A new pack, from whatever `fill` writes and the manifest that it returns, with its fingerprint.

    Args:
        packs: the folder for packs.
        shape: [N, H, W, C]; fewer than N images may be written.
        fill: writes the images and their names, returns the manifest, with a fingerprint; where packs of the same images differ in the
            files that were left out, with the name of the "pack", too.

    Raises:
        UserError: where the disk is full or cannot be written.
    """
    require_room(packs, int(np.prod(shape, dtype=np.int64)))
    _sweep(packs)
    aside = Path(tempfile.mkdtemp(prefix=".packing-", dir=packs))
    try:
        with PackFiles(aside, shape) as files:
            manifest = fill(files)
        (aside / "manifest.json").write_text(
            json.dumps(manifest | {"count": files.count, "sha256": files.sha256}), encoding="utf-8", newline="\n"
        )
        return _placed(aside, packs / manifest.get("pack", manifest["fingerprint"])[:24])
    except OSError as error:
        needed, free = int(np.prod(shape, dtype=np.int64)), shutil.disk_usage(packs).free
        raise UserError(
            f"The cache {packs} cannot be written: {error.strerror or error}; the pack needs {needed:,} bytes, {free:,} are free. "
            "Make room, or name another folder in $ORGANZA_CACHE."
        ) from error
    finally:
        remove_tree(aside)


class PackFiles:
    """The images and the names of a new pack, written one after the other: a million take no memory.

    Plain writes rather than a memory map: a full disk is then an error that can be told, where a map kills the process, and broken
    pictures leave no gaps. The header is written again at the end, with the true count; numpy leaves room for that.

    Args:
        directory: of the files.
        shape: of the images, [N, H, W, C]; fewer than N may come.
    """

    def __init__(self, directory: Path, shape: tuple[int, ...]):
        self.item, self.count = shape[1:], 0
        self._images, self._names = (
            (directory / "images.npy").open("wb"),
            (directory / "names.json").open("w", encoding="utf-8", newline="\n"),
        )
        self._head(shape[0])
        self._pixels, self._content = hashlib.sha256(), hashlib.sha256()

    def __enter__(self) -> PackFiles:
        return self

    def __exit__(self, *_: object) -> None:
        with self._images, self._names:
            self._names.write("\n]" if self.count else "[]")
            self._images.seek(0)
            self._head(self.count)
            self._images.flush()
            os.fsync(self._images.fileno())

    def append(self, name: str, image: np.ndarray) -> None:
        """Write one image, uint8 [H, W, C], and its name."""
        row = np.ascontiguousarray(image)
        self._images.write(row.data)
        self._pixels.update(row.data)
        self._names.write((",\n" if self.count else "[\n") + json.dumps(name))
        self._content.update(os.fsencode(name) + b"\0")
        self.count += 1

    @property
    def sha256(self) -> str:
        """Of the pixels, without the header."""
        return self._pixels.hexdigest()

    @property
    def content(self) -> dict[str, str]:
        """What was written, in two sums."""
        return {"names": self._content.hexdigest(), "pixels": self.sha256}

    def _head(self, count: int) -> None:
        head = {"descr": "|u1", "fortran_order": False, "shape": (count, *self.item)}
        np.lib.format.write_array_header_1_0(self._images, head)


class Names(Sequence[str]):
    """The names of a pack's images, read when one is asked for: training needs none of them, and a million take 100 MB."""

    def __init__(self, path: Path, count: int):
        self._path, self._count = path, count

    @cached_property
    def _names(self) -> list[str]:
        return json.loads(self._path.read_text(encoding="utf-8"))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return self._names[index]


def load(directory: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The memory-mapped images of a pack, and its manifest with their `Names`. Raises one of `Damage` where it is not whole."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    images = np.load(directory / "images.npy", mmap_mode="r", allow_pickle=False)
    if len(images) != manifest["count"] or not (directory / "names.json").exists():
        raise ValueError("another number of images than was written, or their names are gone")
    return images, manifest | {"names": Names(directory / "names.json", manifest["count"])}


def taken(images: np.ndarray, which: Any) -> np.ndarray:
    """A copy of these images, after which a memory-mapped file lets go of its pages.

    They stay in the system's cache, but no longer count as this process's memory: a run on a million images would otherwise seem to
    grow by all of them. It costs microseconds.
    """
    copy = np.array(images[which])
    base: Any = images
    while isinstance(base, np.ndarray):
        base = base.base
    if sys.platform != "win32" and isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
    return copy


def whole(directory: Path) -> bool:
    """Whether every bit of a pack is as it was written. Reads all of it: about a second for a gigabyte."""
    try:
        images, manifest = load(directory)
        with (directory / "images.npy").open("rb") as file:
            file.seek(-images.nbytes, os.SEEK_END)  # behind the header
            return sha256_of(iter(lambda: file.read(READ), b"")) == manifest["sha256"]
    except Damage:
        return False


def sha256_of(parts: Iterable[Any]) -> str:
    """The sha256 of bytes that come in parts."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()


def remember(packs: Path, seen: str, directory: Path) -> None:
    """Note that a listing became this pack. A note that cannot be written only costs time, the next time."""
    aside = packs / f".{seen[:24]}.{os.getpid()}"
    try:
        aside.write_text(f"{directory.name} {_stamp(directory)}", encoding="utf-8", newline="\n")
        rename(aside, packs / f"{seen[:24]}.seen")
    except OSError:
        discard(aside)


def recall(packs: Path, seen: str) -> Path | None:
    """The pack that a listing became, if it is still there and whole.

    A small pack is read at each start, so that a flipped bit is noticed. A large one is read when its file's size or date are not those
    of the last reading: a second for each gigabyte, at each start, would buy no more than the notice of a bit that the disk flipped by
    itself, in pictures that can be packed again.
    """
    try:
        name, *noted = (packs / f"{seen[:24]}.seen").read_text(encoding="utf-8").split()
        directory = packs / name
        images, _ = load(directory)
        now = _stamp(directory)
    except Damage:
        return None
    if images.nbytes > SMALL and noted == [now]:
        return directory
    if not whole(directory):
        return None
    if noted != [now]:
        remember(packs, seen, directory)
    return directory


def _stamp(directory: Path) -> str:
    """What tells from outside whether the images of a pack were changed."""
    status = (directory / "images.npy").stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def _placed(aside: Path, final: Path) -> Path:
    """Rename a finished pack into place, unless another process was faster or the same content was packed before."""
    if final.exists():
        if whole(final):
            return final
        rename(final, aside.with_name(aside.name + "-damaged"))  # swept away after a day: a run may still read it
    try:
        rename(aside, final)
    except OSError:
        if not whole(final):
            raise
    return final


def _sweep(packs: Path) -> None:
    """Remove what killed processes left more than a day ago."""
    for left in packs.glob(".packing-*"):
        try:
            if time.time() - left.stat().st_mtime > DAY:
                remove_tree(left)
        except OSError:  # another process was faster
            continue
