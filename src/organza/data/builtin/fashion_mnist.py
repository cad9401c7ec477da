"""Fashion-MNIST: 70,000 grey images of garments, 28x28, in ten classes.

Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747, https://github.com/zalandoresearch/fashion-mnist;
MIT licence.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from organza.data.builtin.atomic_folder import whole
from organza.errors import UserError
from organza.progress import Progress

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # location of the files of the package dataset-fashion-mnist
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
ATTRIBUTION = """Fashion-MNIST, Copyright (c) 2017 Zalando SE, MIT licence.
https://github.com/zalandoresearch/fashion-mnist
Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms. arXiv:1708.07747
"""


class Published(NamedTuple):
    """A published file: bytes and md5 from the authors' README, sha256 of its unpacked content from
    Debian's package.
    """

    bytes: int
    md5: str
    content: str


PUBLISHED = {
    "train-images-idx3-ubyte.gz": Published(
        26_421_880,
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte.gz": Published(
        29_515,
        "25c81989df183df01b3e8a0aad5dffbe",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte.gz": Published(
        4_422_102,
        "bef4ecab320f06d8554ea6380940ec79",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte.gz": Published(
        5_148,
        "bb300cfdad3c16e7a12a480ee83cd310",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


def fashion_mnist(
    out: str | Path,
    source: str | Path | None = None,
    split: str = "train",
    download: bool = False,
    progress: Progress | None = None,
    announce: Callable[[str], None] = print,
    address: str = ADDRESS,
) -> Path:
    """Write Fashion-MNIST as PNG files in ten folders, one for each class, like any other folder of
    images.

    The download was tested against a local server with the same files, not against the real
    address.

    Args:
        out: new or empty folder; it appears complete or not at all.
        source: folder with the idx files, gzipped or not; None uses the location of Debian's
            dataset-fashion-mnist.
        split: "train" (60,000) or "test" (10,000).
        download: True to download missing files; sizes and checksums are announced first, and must
            be the published ones.
        progress: callback (task, done, total).
        announce: function that receives a message before each download.
        address: URL of the files.

    Raises:
        UserError: if files are missing or damaged, or the folder holds other files.

    >>> fashion_mnist("fashion", split="test")    # doctest: +SKIP
    PosixPath('fashion')
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; name a new one.")
    if split not in ("train", "test"):
        raise UserError(f"`split` is {split}; it must be train or test.")
    prefix = {"train": "train", "test": "t10k"}[split]
    get = _Source(None if source is None else Path(source), download, announce, address)
    pictures = read_idx(*get.content(f"{prefix}-images-idx3-ubyte.gz"), axes=3)
    labels = read_idx(*get.content(f"{prefix}-labels-idx1-ubyte.gz"), axes=1)
    if len(pictures) != len(labels) or not len(labels) or labels.max() >= len(CLASSES):
        raise UserError(
            f"The idx files do not belong together: {len(pictures)} images, {len(labels)} labels of up to "
            f"{labels.max(initial=0)}, but there are {len(CLASSES)} classes; download them again."
        )
    _write(folder, pictures, labels.tolist(), progress)
    return folder


def read_idx(content: bytes, name: str, axes: int) -> np.ndarray:
    """Parse an idx file of bytes: 0 0 8 axes, the lengths as big-endian 32-bit numbers, then the
    values.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "labels", axes=1).tolist()
    [7, 9]

    Raises:
        UserError: if it begins differently, or its length does not match.
    """
    head = 4 + 4 * axes
    if len(content) < head or content[:4] != bytes([0, 0, 8, axes]):
        begins = content[:4].hex(" ") or "nothing"
        raise UserError(
            f"{name} begins with {begins}, not with 00 00 08 0{axes} as an idx file of bytes does; download it again."
        )
    shape = tuple(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes))
    if len(content) - head != math.prod(shape):
        promised = "x".join(map(str, shape))
        raise UserError(
            f"{name} promises {promised} values and holds {len(content) - head:,}: it is damaged; download it again."
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


class _Source(NamedTuple):
    """Location of idx files."""

    folder: Path | None
    download: bool
    announce: Callable[[str], None]
    address: str

    def content(self, name: str) -> tuple[bytes, str]:
        """Return the unpacked content of a file, and its location."""
        folder = self.folder or DEBIAN
        for path in (folder / name, folder / name.removesuffix(".gz")):
            if path.is_file():
                return unpacked(path.read_bytes(), str(path)), str(path)
        if self.download:
            return self._fetched(name), f"{self.address}/{name}"
        raise UserError(
            f"There is no {name} in {folder}. Name the folder that holds it with `source`, install Debian's package "
            "dataset-fashion-mnist, or allow a download of 31 MB with `download`."
        )

    def _fetched(self, name: str) -> bytes:
        """Download one file and unpack it, if size and checksums are those published."""
        published = PUBLISHED[name]
        self.announce(f"downloading {self.address}/{name}: {published.bytes:,} bytes, md5 {published.md5}")
        try:
            with urllib.request.urlopen(f"{self.address}/{name}", timeout=60) as answer:
                packed = answer.read(published.bytes + 1)
        except OSError as error:  # URLError, timeouts and refused connections
            raise UserError(
                f"{name} could not be downloaded from {self.address} ({error}); download it elsewhere and name its folder with `source`."
            ) from None
        md5 = hashlib.md5(packed, usedforsecurity=False).hexdigest()
        if len(packed) == published.bytes and md5 == published.md5:
            content = unpacked(packed, name)
            if hashlib.sha256(content).hexdigest() == published.content:
                return content
        raise UserError(
            f"{self.address} sent {name} with a different size or checksum than published; it was discarded. Name a folder with `source`."
        )


def unpacked(content: bytes, name: str) -> bytes:
    """Return the content of a gzip file, or uncompressed content unchanged.

    Raises:
        UserError: if it is cut short or damaged.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{name} is cut short or damaged ({error}); download it again.") from None


def _write(folder: Path, pictures: np.ndarray, labels: Sequence[int], progress: Progress | None) -> None:
    """Write a folder of all images, through a temporary folder."""
    with whole(folder) as aside:
        for name in CLASSES:
            (aside / name).mkdir()
        for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            Image.fromarray(picture).save(aside / CLASSES[label] / f"{index:05d}.png")
            if progress:
                progress("writing images", index + 1, len(labels))
        (aside / "ATTRIBUTION.txt").write_text(ATTRIBUTION, encoding="utf-8", newline="\n")
