"""The manifest of shards: their names, sizes, counts and checksums, in OUT/manifest.json.

The shards themselves are tar files in the WebDataset convention: the members of one sample follow each other and share the name before
the first dot, 000000012.png and 000000012.json. Beside each, a file of (offset, length) pairs gives the image of a sample by its number,
so that any position of a run is read without the ones before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import PurePosixPath
from typing import Any

from organza.data.size import Size
from organza.errors import UserError
from organza.untrusted import printable

NAME = "manifest.json"
KIND, VERSION = "organza-shards", 1
LABELS = "labels.npy"
BYTES = 2**26
"""Largest manifest to read."""


@dataclass(frozen=True)
class Shard:
    """One tar file.

    Args:
        file: its name, without folders.
        bytes: its length.
        count: number of samples.
        sha256: its digest, hexadecimal; "" if nobody told it.
        index: digest of its file of offsets; "" if there is none yet.
    """

    file: str
    bytes: int
    count: int
    sha256: str = ""
    index: str = ""

    @property
    def offsets(self) -> str:
        """Name of the file of offsets."""
        return f"{PurePosixPath(self.file).stem}.index"


@dataclass(frozen=True)
class Manifest:
    """All shards of a data set.

    Args:
        shards: shards, in the order of their samples.
        size: size of the images, if all have one.
        channels: their channels; 0 if they differ.
        fields: facts of the labels, as `Labels.facts`; () without labels.
        labels: digest of the file of labels; "" without labels.
    """

    shards: tuple[Shard, ...]
    size: Size | None = None
    channels: int = 0
    fields: tuple[Mapping[str, Any], ...] = ()
    labels: str = ""

    @property
    def count(self) -> int:
        """Number of samples."""
        return sum(shard.count for shard in self.shards)

    @property
    def starts(self) -> list[int]:
        """Number of the first sample of each shard, and the number of all."""
        return [0, *accumulate(shard.count for shard in self.shards)]

    @property
    def fingerprint(self) -> str:
        """Digest of the content: shards, and labels."""
        told = [[shard.sha256 or shard.file, shard.count, shard.bytes] for shard in self.shards]
        return hashlib.sha256(json.dumps([told, self.labels]).encode()).hexdigest()[:32]

    def written(self) -> str:
        """Return the content of manifest.json."""
        facts = asdict(self) | {"size": list(self.size) if self.size else None, "count": self.count}
        return json.dumps({"format": KIND, "version": VERSION, **facts}, indent=1) + "\n"


def read_manifest(content: Any, where: str) -> Manifest:
    """Return a manifest from the content of its file, which is not trusted.

    Args:
        content: parsed JSON.
        where: name of the file, for errors.

    Raises:
        UserError: if it is not a manifest of shards, of a newer version, or contradicts itself.
    """
    if not isinstance(content, dict) or content.get("format") != KIND:
        raise UserError(f"{where} is not a manifest of shards; `organza data pack` writes one.")
    if content.get("version") != VERSION:
        raise UserError(
            f"{where} has version {printable(str(content.get('version')))}; this organza reads version {VERSION}: update it."
        )
    try:
        shards = tuple(_shard(told) for told in content["shards"])
        size = content.get("size")
        manifest = Manifest(
            shards,
            Size(*_whole(size, 2)) if size else None,
            _number(content.get("channels", 0), 4),
            tuple(told for told in content.get("fields", ()) if isinstance(told, dict)),
            _digest(content.get("labels", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{where} is damaged ({printable(str(error))[:80]}); copy or pack the shards again.") from None
    if not manifest.count:
        raise UserError(f"{where} names no samples; pack the shards again.")
    return manifest


def _shard(told: Mapping[str, Any]) -> Shard:
    """Return a shard from its entry in the manifest. Raises ValueError if its name is not plain."""
    file = told["file"]
    if not isinstance(file, str) or file in (".", "..") or set(file) & set('/\\:*?"<>|') or not file.isprintable():
        raise ValueError("a shard has no plain file name")
    return Shard(
        file, _number(told["bytes"]), _number(told["count"]), _digest(told["sha256"]), _digest(told.get("index", ""))
    )


def _number(value: Any, most: int = 2**53) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError("a count or length is not a whole number")
    return value


def _whole(values: Any, count: int) -> list[int]:
    if not isinstance(values, list) or len(values) != count:
        raise ValueError("the size is not a width and a height")
    return [_number(value, 2**16) for value in values]


def _digest(value: Any) -> str:
    if not isinstance(value, str) or (value and (len(value) != 64 or set(value) - set("0123456789abcdef"))):
        raise ValueError("a checksum is not a sha256")
    return value
