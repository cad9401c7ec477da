"""The pack: a folder's pictures, decoded once, as one memory-mapped array of bytes in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from organza.data.decode import Facts, Unreadable, decode, facts
from organza.data.folder import ARRAYS, Entry, Listing, listing
from organza.data.size import Size
from organza.errors import UserError

Progress = Callable[[str, int, int], None]
FORMAT = 1
FITS = ("crop", "pad")


@dataclass(frozen=True)
class Pack:
    """Pictures ready for training.

    Args:
        directory: of the files in the cache.
        images: memory-mapped uint8 [N, H, W, C].
        names: the source of each image, relative to its folder.
        labels: class of each image, int64 [N], where the first level of folders names classes; else None.
        classes: their names.
        broken: files that were left out, each with its reason.
        fingerprint: sha256 of content and settings.
    """

    directory: Path
    images: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    broken: tuple[tuple[str, str], ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def height(self) -> int:
        return self.images.shape[1]

    @property
    def width(self) -> int:
        return self.images.shape[2]

    @property
    def channels(self) -> int:
        return self.images.shape[3]


def cache_folder() -> Path:
    """Where packs are kept: $ORGANZA_CACHE, or organza in the user's cache folder."""
    if own := os.environ.get("ORGANZA_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "organza"


def open_data(
    source: str | Path,
    *,
    size: Size | None = None,
    channels: int | None = None,
    fit: str = "crop",
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Pack:
    """The pictures of a folder, a zip or an array file, packed; from the cache where nothing changed.

    Args:
        source: is only read, never written to.
        size: to bring them to; None chooses 32 or 64 by their own sizes.
        channels: 1, 3 or 4; None looks at a few hundred of them.
        fit: "crop" the middle, or "pad" the whole picture.
        cache: the folder for packs.
        workers: threads that decode.
        progress: is told (what, done, total).

    Raises:
        UserError: no such source, no pictures in it, none of them readable, or no room for the pack.
    """
    if channels not in (None, 1, 3, 4):
        raise UserError(f"--channels is {channels}; it can be 1 (grey), 3 (colour) or 4 (colour and opacity).")
    if fit not in FITS:
        raise UserError(f"fit is {fit}; it can be {' or '.join(FITS)}.")
    packs = (cache or cache_folder()) / "packs"
    path = Path(source)
    if path.is_file() and path.suffix in ARRAYS:
        return _from_array(path, size, channels, packs)
    found = listing(path)
    if not found.entries:
        reasons = "".join(f" {name}: {reason}." for name, reason in found.problems[:3])
        raise UserError(f"There are no pictures in {path}: no JPEG, PNG, WebP, BMP, GIF or TIFF file.{reasons}")
    size, channels = _chosen(found.entries, size, channels)
    settings = {"format": FORMAT, "size": list(size), "channels": channels, "fit": fit}
    seen = _digest({"source": str(path.resolve()), "entries": [(e.name, *e.stamp) for e in found.entries], **settings})
    if (known := _known(packs, seen)) is not None:
        return known
    return _packed(found, path, size, channels, fit, packs, seen, settings, workers or os.cpu_count() or 1, progress)


def distinct(pack: Pack, limit: int) -> int:
    """How many different images there are, counting no further than `limit`."""
    seen: set[bytes] = set()
    for image in pack.images:
        seen.add(hashlib.blake2b(image.tobytes(), digest_size=16).digest())
        if len(seen) >= limit:
            break
    return len(seen)


def sampled_facts(entries: Sequence[Entry], most: int = 300) -> list[Facts]:
    """What a few hundred of the pictures are, evenly spread over the list; unreadable ones left out."""
    step = max(1, len(entries) // most)
    found = []
    for entry in entries[::step]:
        try:
            found.append(facts(entry.read()))
        except (Unreadable, OSError):
            continue
    return found


def recommended_size(found: Sequence[Facts]) -> Size:
    """32 where pictures are small, else 64: what two cores can learn in minutes."""
    side = median(min(f.size) for f in found) if found else 64
    return Size(32, 32) if side < 48 else Size(64, 64)


def recommended_channels(found: Sequence[Facts]) -> int:
    """1 where all are grey, 4 where most are transparent somewhere, else 3."""
    if found and all(f.is_grey for f in found):
        return 1
    return 4 if sum(f.has_alpha for f in found) > len(found) / 2 else 3


def _chosen(entries: Sequence[Entry], size: Size | None, channels: int | None) -> tuple[Size, int]:
    if size is not None and channels is not None:
        return size, channels
    found = sampled_facts(entries)
    return size or recommended_size(found), channels or recommended_channels(found)


def _packed(
    found: Listing, source: Path, size: Size, channels: int, fit: str, packs: Path, seen: str, settings: dict, workers: int,
    progress: Progress | None,
) -> Pack:  # fmt: skip
    count, item = len(found.entries), size.height * size.width * channels
    _room(packs, count * item)
    aside = Path(tempfile.mkdtemp(prefix=".packing-", dir=packs))
    try:
        images = np.lib.format.open_memmap(
            aside / "all.npy", mode="w+", dtype=np.uint8, shape=(count, size.height, size.width, channels)
        )
        names, broken, content = [], list(found.problems), hashlib.sha256()
        for entry, (digest, result) in _decoded(found.entries, size, channels, fit, workers, progress):
            if isinstance(result, str):
                broken.append((entry.name, result))
                continue
            images[len(names)] = result
            names.append(entry.name)
            content.update(f"{entry.name}\0{digest}\n".encode())
        if not names:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in broken[:3])
            raise UserError(f"None of the {count} pictures in {source} can be used ({reasons}).")
        images.flush()
        del images
        _shortened(aside / "all.npy", aside / "images.npy", len(names))
        fingerprint = _digest({"content": content.hexdigest(), **settings})
        labels, classes = _classes(names)
        manifest = {
            **settings, "fingerprint": fingerprint, "names": names, "labels": labels, "classes": classes, "broken": broken,
            "source": str(source),
        }  # fmt: skip
        (aside / "manifest.json").write_text(json.dumps(manifest))
        final = packs / fingerprint[:24]
        if final.exists():  # the same content under another name or date, or another process was faster
            shutil.rmtree(aside)
        else:
            aside.replace(final)
        _remember(packs, seen, final.name)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise UserError(
            f"The cache {packs} cannot be written: {error.strerror or error}. Make room, or name another in $ORGANZA_CACHE."
        ) from error
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return _opened(final, tuple(map(tuple, broken)))


def _decoded(
    entries: Sequence[Entry], size: Size, channels: int, fit: str, workers: int, progress: Progress | None
) -> Iterator[tuple[Entry, tuple[str, np.ndarray | str]]]:
    """Each entry with the digest of its bytes and its pixels, or why there are none; in order, a few ahead at a time."""

    def work(entry: Entry) -> tuple[str, np.ndarray | str]:
        try:
            content = entry.read()
            return hashlib.sha256(content).hexdigest(), decode(content, size, channels, fit)
        except Unreadable as reason:
            return "", str(reason)
        except Exception as error:  # an archive member may fail in many ways
            return "", f"it cannot be read ({error})"

    # Threads, since Pillow decodes without holding the interpreter; in blocks, so that memory stays flat for a million images.
    with ThreadPoolExecutor(workers) as pool:
        waiting = iter(entries)
        done = 0
        while block := list(islice(waiting, 64 * workers)):
            for entry, result in zip(block, pool.map(work, block), strict=True):
                yield entry, result
                done += 1
                if progress:
                    progress("packing images", done, len(entries))


def _from_array(path: Path, size: Size | None, channels: int | None, packs: Path) -> Pack:
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            names = loaded.files
            if len(names) != 1:
                raise UserError(
                    f"{path} holds {len(names)} arrays ({', '.join(names[:5])}); it should hold one, uint8 [N, H, W, C]."
                )
            loaded = loaded[names[0]]
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is not a readable array file: {error}.") from None
    images = loaded[..., None] if loaded.ndim == 3 else loaded
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3, 4) or not len(images):
        raise UserError(
            f"{path} holds {loaded.dtype} {list(loaded.shape)}; it should be uint8 [N, H, W] or [N, H, W, C] with C of 1, 3 or 4."
        )
    if (size and (size.height, size.width) != images.shape[1:3]) or (channels and channels != images.shape[3]):
        raise UserError(
            f"{path} holds images of {images.shape[2]}x{images.shape[1]} with {images.shape[3]} channels; arrays are used as they are."
        )
    content = hashlib.sha256(f"{images.shape}".encode())
    for start in range(0, len(images), 4096):
        content.update(np.ascontiguousarray(images[start : start + 4096]).tobytes())
    digest = content.hexdigest()
    packs.mkdir(parents=True, exist_ok=True)
    directory = packs / digest[:24]
    directory.mkdir(exist_ok=True)
    return Pack(directory, images, tuple(str(i) for i in range(len(images))), None, (), (), digest)


def _classes(names: Sequence[str]) -> tuple[list[int] | None, list[str]]:
    tops = [name.split("/")[0] if "/" in name else "" for name in names]
    classes = sorted(Counter(tops))
    if len(classes) < 2 or "" in classes:
        return None, []
    place = {name: index for index, name in enumerate(classes)}
    return [place[top] for top in tops], classes


def _room(packs: Path, needed: int) -> None:
    try:
        packs.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(packs).free
    except OSError as error:
        raise UserError(
            f"The cache {packs} cannot be made: {error.strerror}. Name another in $ORGANZA_CACHE."
        ) from error
    if free < needed:
        raise UserError(
            f"The pack needs {needed / 1e6:,.0f} MB in {packs}, where {free / 1e6:,.0f} MB are free. Make room, or set $ORGANZA_CACHE."
        )


def _shortened(source: Path, target: Path, count: int) -> None:
    """Keep the first rows of an array file: the broken ones left a gap at the end."""
    whole = np.load(source, mmap_mode="r")
    if len(whole) == count:
        source.replace(target)
        return
    kept = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=(count, *whole.shape[1:]))
    for start in range(0, count, 4096):
        kept[start : start + 4096] = whole[start : min(start + 4096, count)]
    kept.flush()
    source.unlink()


def _remember(packs: Path, seen: str, name: str) -> None:
    """Note that an unchanged listing means this pack, so that the files need not be read again."""
    aside = packs / f".{seen[:24]}.{os.getpid()}"
    aside.write_text(name)
    aside.replace(packs / f"{seen[:24]}.seen")


def _known(packs: Path, seen: str) -> Pack | None:
    note = packs / f"{seen[:24]}.seen"
    try:
        return _opened(packs / note.read_text().strip())
    except (OSError, ValueError, KeyError):
        return None


def _opened(directory: Path, broken: Any = None) -> Pack:
    manifest = json.loads((directory / "manifest.json").read_text())
    images = np.load(directory / "images.npy", mmap_mode="r", allow_pickle=False)
    labels = None if manifest["labels"] is None else np.array(manifest["labels"], np.int64)
    left_out = broken if broken is not None else tuple(map(tuple, manifest["broken"]))
    return Pack(
        directory,
        images,
        tuple(manifest["names"]),
        labels,
        tuple(manifest["classes"]),
        left_out,
        manifest["fingerprint"],
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
