"""Fashion-MNIST: 70,000 grey pictures of garments, 28x28, in ten classes.  Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747. MIT licence."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from organza.errors import UserError

Progress = Callable[[str, int, int], None]
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
PLACES = ("/usr/share/dataset-fashion-mnist", "/usr/share/datasets/fashion-mnist")
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
PUBLISHED = {  # file: (bytes, md5), as the authors give them
    "train-images-idx3-ubyte.gz": (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    "train-labels-idx1-ubyte.gz": (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
    "t10k-images-idx3-ubyte.gz": (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
    "t10k-labels-idx1-ubyte.gz": (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
}


def fashion_mnist(
    out: str | Path,
    source: str | Path | None = None,
    split: str = "train",
    download: bool = False,
    progress: Progress | None = None,
    address: str = ADDRESS,
) -> Path:
    """Write Fashion-MNIST as PNG files in ten folders, one for each class, so that it is a folder of images like any other.

    Args:
        out: a new or empty folder.
        source: the folder with the idx files, gzipped or not; None looks where Debian's dataset-fashion-mnist puts them.
        split: "train" (60,000) or "test" (10,000).
        download: fetch the files where none are found; sizes and checksums are those that the authors publish.
        progress: is told (what, done, total).
        address: where to download from.

    Raises:
        UserError: no files, damaged files, or a folder that holds other things.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; name a new one.")
    prefix = {"train": "train", "test": "t10k"}.get(split)
    if prefix is None:
        raise UserError(f"--split {split}: it can be train or test.")
    images, labels = (
        _content(f"{prefix}-{kind}", source, download, address) for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    pictures, classes = read_idx(images, 3), read_idx(labels, 1)
    if len(pictures) != len(classes) or not len(classes) or classes.max() >= len(CLASSES):
        raise UserError(
            f"The Fashion-MNIST files do not belong together: {len(pictures)} images and {len(classes)} labels."
        )
    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index, (picture, label) in enumerate(zip(pictures, classes, strict=True)):
        Image.fromarray(picture).save(folder / CLASSES[label] / f"{index:05d}.png")
        if progress and (index % 500 == 499 or index == len(pictures) - 1):
            progress("writing pictures", index + 1, len(pictures))
    return folder


def read_idx(content: bytes, axes: int) -> np.ndarray:
    """The array of an idx file of bytes: magic 0 0 8 axes, the lengths as big-endian 32-bit numbers, then the values.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1).tolist()
    [7, 9]

    Raises:
        UserError: another magic number, or a length that does not fit.
    """
    if len(content) < 4 + 4 * axes or content[:4] != bytes([0, 0, 8, axes]):
        raise UserError(
            f"This is not an idx file of bytes with {axes} axes: it begins with {content[:4].hex(' ') or 'nothing'}."
        )
    shape = tuple(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes))
    body = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if body.size != int(np.prod(shape, dtype=np.int64)):
        raise UserError(
            f"This idx file promises {'x'.join(map(str, shape))} values and holds {body.size}: it is cut short or damaged."
        )
    return body.reshape(shape)


def _content(name: str, source: str | Path | None, download: bool, address: str) -> bytes:
    for place in [Path(source)] if source is not None else [Path(p) for p in PLACES]:
        for file in (place / f"{name}.gz", place / name):
            if file.is_file():
                return _unzipped(file.read_bytes(), str(file))
    if download:
        return _unzipped(_fetched(f"{name}.gz", address), f"{name}.gz")
    where = source if source is not None else " or ".join(PLACES)
    raise UserError(
        f"{name}.gz is not in {where}. Give the folder that holds it with --source, install Debian's dataset-fashion-mnist, "
        "or allow a download of 31 MB with --download."
    )


def _unzipped(content: bytes, name: str) -> bytes:
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise UserError(f"{name} is cut short or damaged: {error}. Get it again.") from None


def _fetched(name: str, address: str) -> bytes:
    """A published file: announced with its size and checksum, and used only if both are right."""
    size, digest = PUBLISHED[name]
    print(f"downloading {address}/{name} ({size:,} bytes, md5 {digest})")
    kept = Path(tempfile.gettempdir()) / f"organza-{digest}.gz"
    if kept.is_file() and hashlib.md5(kept.read_bytes(), usedforsecurity=False).hexdigest() == digest:
        return kept.read_bytes()
    try:
        with urllib.request.urlopen(f"{address}/{name}", timeout=60) as answer:
            content = answer.read(size + 1)
    except (urllib.error.URLError, OSError) as error:
        raise UserError(
            f"{name} could not be downloaded ({error}); get it elsewhere and name its folder with --source."
        ) from None
    if len(content) != size or hashlib.md5(content, usedforsecurity=False).hexdigest() != digest:
        raise UserError(
            f"What {address} sent as {name} is not the published file (size or checksum differs); it was thrown away."
        )
    return content
