"""The cache on disk: packs, each complete or absent, and notes that record which listing became
which pack.

packs/<fingerprint>/images.npy, names.json, manifest.json    written to a temporary folder and renamed; never changed afterwards
packs/<listing>.seen                  the name of a pack, its file's size and date when it was last verified, and the notes on the
                                      listing; an unchanged folder is not read again

Names are not trusted: the manifest holds a digest of itself and of the other two files, and so does
a note. Damaged files are made again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from organza.data.arrays import Rows, open_array
from organza.disk import discard, remove_tree, rename, write
from organza.errors import UserError
from organza.untrusted import is_trusted, open_regular, parse_json, read_bytes, read_json

DAY = 86_400
READ = 2**22  # bytes at a time
SMALL = 2**30  # bytes that can be read in about a second
JSON = 2**31  # largest manifest or names file in bytes: those of ten million images have a tenth of it
Damage = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    ArithmeticError,
    AttributeError,
)  # errors that a truncated or altered pack can raise


def digest(value: Any) -> str:
    """Return the sha256 of a value made of dicts, lists, strings and numbers."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def require_room(packs: Path, needed: int) -> None:
    """Create the folder for packs, and check its free space.

    Raises:
        UserError: if it cannot be created, or fewer than `needed` bytes are free.
    """
    try:
        packs.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(packs).free
    except OSError as error:
        raise UserError(
            f"The cache {packs} cannot be created: {error.strerror}. Name another folder in $ORGANZA_CACHE."
        ) from error
    if free < needed:
        raise UserError(
            f"The pack needs {needed:,} bytes in the cache {packs}, and {free:,} are free. "
            "Free disk space, choose a smaller `size`, or name another folder in $ORGANZA_CACHE."
        )


def store(packs: Path, shape: tuple[int, ...], fill: Callable[[PackFiles], dict[str, Any]]) -> Path:
    """Write a new pack and return its folder.

    Args:
        packs: folder for packs.
        shape: [N, H, W, C]; fewer than N images may be written.
        fill: function that writes the images and their names and returns the manifest, with a
            fingerprint; and with a "pack" name, if packs of the same images differ in the files
            that were left out.

    Raises:
        UserError: if the disk is full or cannot be written.
    """
    needed = int(np.prod(shape, dtype=np.int64))
    require_room(packs, needed)
    _sweep(packs)
    aside = None
    try:
        aside = Path(tempfile.mkdtemp(prefix=".packing-", dir=packs))
        with PackFiles(aside, shape) as files:
            manifest = fill(files)
        names = sha256_of(_blocks(aside / "names.json"))
        whole = manifest | {"count": files.count, "shape": list(files.item), "sha256": files.sha256, "names": names}
        write(aside / "manifest.json", json.dumps(_signed(whole)).encode())
        return _placed(aside, packs / manifest["fingerprint"][:24])
    except OSError as error:
        raise UserError(
            f"The cache {packs} cannot be written: {error.strerror or error}; the pack needs {needed:,} bytes, "
            f"{shutil.disk_usage(packs).free:,} are free. Free disk space, or name another folder in $ORGANZA_CACHE."
        ) from error
    finally:
        if aside is not None:
            remove_tree(aside)


class PackFiles:
    """The images and the names of a new pack, written one after the other, so that a million take
    no memory.

    Uses plain writes instead of a memory map: a full disk then raises an error, while a map kills
    the process, and broken images leave no gaps. The header is written again at the end, with the
    true count; numpy reserves space for that.

    Args:
        directory: folder of the files.
        shape: largest shape of the images, [N, H, W, C]; fewer than N may follow.
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
        """Digest of the pixels, without the header."""
        return self._pixels.hexdigest()

    @property
    def content(self) -> dict[str, str]:
        """Digests of the names and of the pixels."""
        return {"names": self._content.hexdigest(), "pixels": self.sha256}

    def _head(self, count: int) -> None:
        head = {"descr": "|u1", "fortran_order": False, "shape": (count, *self.item)}
        np.lib.format.write_array_header_1_0(self._images, head)


class Names(Sequence[str]):
    """The names of a pack's images, read at first access: training needs none of them, and a
    million take 100 MB.

    Args:
        path: file of the names.
        count: number of names.
        sha256: digest of the file.
    """

    def __init__(self, path: Path, count: int, sha256: str):
        self._path, self._count, self._sha256 = path, count, sha256

    @cached_property
    def _names(self) -> list[str]:
        """Return the names of all images, read from disk and verified."""
        try:
            content = read_bytes(self._path, JSON)
        except OSError:
            content = b""
        if sha256_of([content]) != self._sha256:
            raise UserError(
                f"The pack {self._path.parent} was changed; remove that folder and run the same command again."
            )
        try:
            names = parse_json(content)
        except ValueError:
            names = None
        if not isinstance(names, list) or len(names) != self._count or not all(isinstance(name, str) for name in names):
            raise UserError(
                f"The names in {self._path} are not those of its images; remove that folder and run the same command again."
            )
        return names

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return self._names[index]


def load(directory: Path) -> tuple[Rows, dict[str, Any]]:
    """Return the images of a pack, read at each access, and its manifest with their `Names`. Raises
    one of `Damage` if it is damaged.
    """
    packs = directory.parent
    if directory.is_symlink() or (directory / "images.npy").is_symlink():
        raise ValueError("it is a link")
    manifest = _checked(read_json(directory / "manifest.json", packs, JSON))
    count, labels, classes = manifest["count"], manifest.get("labels"), manifest.get("classes", [])
    if not re.fullmatch(r"[0-9a-f]{64}", manifest["fingerprint"]) or type(count) is not int:
        raise ValueError("its manifest is not that of a pack")
    if labels is not None and (len(labels) != count or not all(0 <= label < len(classes) for label in labels)):
        raise ValueError("its labels are not those of its images")
    images = open_array(directory / "images.npy")
    if not isinstance(images, Rows) or images.shape != (count, *manifest["shape"]) or images.dtype != np.uint8:
        raise ValueError("its number of images is not the one that was written")
    if not count <= (directory / "names.json").stat().st_size <= JSON:
        raise ValueError("its names are missing or malformed")
    return images, manifest | {"names": Names(directory / "names.json", count, manifest["names"])}


def in_use(images: Rows, directory: Path) -> Rows:
    """Return the images of a pack that a run reads, with an error message in case the file is
    removed or truncated meanwhile.
    """
    images.lost = f"The pack {directory} was removed or cut short while it was read; run the same command again."
    return images


def whole(directory: Path) -> bool:
    """Return True if a pack is exactly as it was written. Reads all of it: about a second for a
    gigabyte.
    """
    try:
        images, manifest = load(directory)
        names = _checked(read_json(directory / "manifest.json", directory.parent, JSON))["names"]
        step = max(1, READ // max(1, images.nbytes // len(images)))
        blocks = (images[place : place + step].data for place in range(0, len(images), step))
        return sha256_of(blocks) == manifest["sha256"] and sha256_of(_blocks(directory / "names.json")) == names
    except Damage:
        return False


def _blocks(path: Path) -> Iterator[bytes]:
    with open(open_regular(path), "rb", buffering=0) as file:  # noqa: PTH123
        while block := file.read(READ):
            yield block


def _signed(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts with their own digest."""
    return facts | {"self": digest(facts)}


def _checked(facts: Any) -> dict[str, Any]:
    """Return the facts without their digest. Raises one of `Damage` if the digest does not match."""
    rest = {name: value for name, value in facts.items() if name != "self"} if isinstance(facts, dict) else {}
    if not rest or not hmac.compare_digest(str(facts.get("self")), digest(rest)):
        raise ValueError("it was changed")
    return rest


def sha256_of(parts: Iterable[Any]) -> str:
    """Return the sha256 of bytes that come in parts."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()


class Recalled(NamedTuple):
    """The pack that a listing became before, and the notes on the listing, which are not part of
    the pack.
    """

    directory: Path
    told: dict[str, Any]


def remember(packs: Path, seen: str, directory: Path, told: dict[str, Any]) -> None:
    """Record that a listing became this pack. If this fails, it only costs time later."""
    aside = packs / f".{seen[:24]}.{os.getpid()}"
    try:
        note = {"pack": directory.name, "stamp": _stamp(directory), "told": told}
        write(aside, json.dumps(_signed(note)).encode())
        rename(aside, packs / f"{seen[:24]}.seen")
    except OSError:
        discard(aside)


def recall(packs: Path, seen: str) -> Recalled | None:
    """Return the pack that a listing became, if it still exists and is intact.

    A small pack is read at each start, so that a flipped bit is noticed. A large one is read only
    if its file's size or date differ from the last reading: a second for each gigabyte at each
    start would only detect bits that the disk itself flipped, in images that can be packed again.
    """
    try:
        if not is_trusted(packs / f"{seen[:24]}.seen", packs):  # another user's note could lead to any images
            return None
        note = _checked(read_json(packs / f"{seen[:24]}.seen", packs, JSON))
        if not re.fullmatch(r"[0-9a-f]{24}", note["pack"]):
            return None
        recalled = Recalled(packs / note["pack"], dict(note["told"]))
        images, _ = load(recalled.directory)
        if not all(is_trusted(place, packs) for place in (recalled.directory, *recalled.directory.iterdir())):
            return None
        now = _stamp(recalled.directory)
        if images.nbytes > SMALL and note["stamp"] == now:
            return recalled
        if not whole(recalled.directory):
            return None
        if note["stamp"] != now:
            remember(packs, seen, *recalled)
        return recalled
    except Damage:
        return None


def _stamp(directory: Path) -> str:
    """Return a size and date of the images of a pack, which change if the file does."""
    status = (directory / "images.npy").stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def _placed(aside: Path, final: Path) -> Path:
    """Rename a finished pack into place, unless another process was faster or the same content was
    packed before.
    """
    if final.exists():
        if whole(final) and _says(final) == _says(aside):  # another user may have written it
            return final
        rename(final, aside.with_name(aside.name + "-damaged"))  # removed after a day: a run may still read it
    try:
        rename(aside, final)
    except OSError:
        if not whole(final) or _says(final) != _says(aside):
            raise
    return final


def _says(directory: Path) -> list[Any]:
    """Return the content facts in the manifest of an intact pack."""
    facts = read_json(directory / "manifest.json", directory.parent, JSON)
    return [
        facts.get(name) for name in ("sha256", "names", "labels", "classes", "shape", "count", "scale", "fingerprint")
    ]


def _sweep(packs: Path) -> None:
    """Remove temporary files that killed processes left more than a day ago."""
    for left in packs.glob(".packing-*"):
        try:
            if time.time() - left.stat().st_mtime > DAY:
                remove_tree(left)
        except OSError:  # another process was faster
            continue
