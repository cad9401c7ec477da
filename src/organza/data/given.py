"""Data given in Python: arrays, tensors, Pillow images and datasets, written once to the cache, where a run finds it again.

From there on it is data like any other: it has a place, a fingerprint and held-out items, and a
killed run resumes with it. Equal content has the same place.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from organza.config.arguments import require_path
from organza.data.shards.place import is_remote
from organza.data.vector_files import save
from organza.disk import cache_folder, make_folder, remove_tree, rename
from organza.errors import UserError

Data = str | os.PathLike[str] | np.ndarray | Tensor | Sequence[Image.Image] | Dataset[Any]
"""Data to train on: a path, uint8 or float images or vectors as an array or a tensor, Pillow images, or a dataset."""
CHANNELS = (1, 3, 4)
FIRST = 256
"""Items whose values decide the range of a dataset of floats: 0 to 1, or -1 to 1."""
KINDS = "the path of a folder, zip or array file, a numpy array, a torch tensor, a list of Pillow images, or a torch Dataset"


def is_path(data: object) -> TypeGuard[str | os.PathLike[str]]:
    """Return True if data is given by its path."""
    return isinstance(data, str | os.PathLike)


def place_of(data: Data) -> str | Path:
    """Return the path of data: its own, or that of its copy in the cache.

    Args:
        data: path; or vectors as an array or tensor [N, D]; or images as an array or tensor, [N, H, W] or [N, H, W, C], in torch's layout
            [N, C, H, W] as well, of bytes, or of floats from 0 to 1 or from -1 to 1; or Pillow
            images; or a dataset of these, whose labels become the classes.

    Raises:
        UserError: if it is of another kind, or its values or layout are not those of images.
    """
    if is_path(data):
        require_path(data, "data")
        return str(data) if is_remote(data) else Path(data)
    if isinstance(data, np.ndarray | Tensor):
        if data.ndim == 2 and len(data):
            return _table(data)
        if data.ndim not in (3, 4) or not len(data):
            raise UserError(
                f"data is an array of shape {list(data.shape)}; give images [N, H, W] or [N, H, W, C], or vectors [N, D]."
            )
        if data.ndim == 3 and data.shape[2] <= 4 < min(data.shape[:2]):
            raise UserError(
                f"data is an array of shape {list(data.shape)}, which looks like one image [H, W, C]; give images [N, H, W] or "
                "[N, H, W, C]: data[None] for one."
            )
        return _kept("array", iter(data), len(data), ())
    if isinstance(data, Dataset):
        return _of_dataset(data)
    if isinstance(data, Sequence) and data and all(isinstance(one, Image.Image) for one in data):
        return _kept("images", iter(data), len(data), ())
    raise UserError(f"data is {_shown(data)}; it must be {KINDS}.")


def _table(data: np.ndarray | Tensor) -> Path:
    """Return the place of vectors [N, D]: an array file of float64 named after its content."""
    values = np.asarray(data.detach().cpu().double() if isinstance(data, Tensor) else data)
    if values.dtype.kind not in "biuf":
        raise UserError(f"data is an array of {values.dtype} {list(values.shape)}; vectors [N, D] are numbers.")
    values = np.ascontiguousarray(values, np.float64)
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    key = hashlib.sha256(content.getvalue()).hexdigest()[:16]
    place = cache_folder() / "given" / key / f"vectors-{key[:8]}.npy"
    if not place.is_file():
        save(place, content.getvalue())
    return place


def _of_dataset(data: Dataset[Any]) -> Path:
    """Return the place of a map-style dataset of images, or of (image, label) pairs."""
    name = type(data).__name__
    try:
        items: Any = data  # a Dataset need not have a length
        count = len(items)
    except TypeError:
        raise UserError(f"The dataset {name} has no length; give one with __len__ and __getitem__.") from None
    if not count:
        raise UserError(f"The dataset {name} is empty.")
    labels: list[str] = []

    def images() -> Iterator[Any]:
        """Yield the images of a torch Dataset, and note their labels."""
        for index in range(count):
            item = data[index]
            if isinstance(item, tuple | list) and item:
                labels.extend(str(getattr(label, "item", lambda label=label: label)()) for label in item[1:2])
                item = item[0]
            yield item

    return _kept(name, images(), count, labels)


def _kept(name: str, images: Iterator[Any], count: int, labels: Sequence[str]) -> Path:
    """Write images and labels below a temporary name, and rename the folder to that of its content.

    Args:
        name: kind of data, the first part of the file's name.
        images: images of one kind; read once.
        count: number of images.
        labels: labels of the images, complete when all images were read; empty for none.
    """
    given = cache_folder() / "given"
    aside = given / f".{os.getpid()}-{os.urandom(4).hex()}"
    make_folder(aside)
    digest = hashlib.sha256()
    try:
        first = next(images)
        everything = chain([first], images)
        if isinstance(first, Image.Image):
            names, file = _pictures(everything, count, aside / "images.zip", digest), "images.zip"
        else:
            names, file = _arrays(everything, count, aside / "images.npy", digest), "images.npy"
        if labels:
            if len(labels) != count:
                raise UserError(f"data has {len(labels)} labels for {count} images; give each image one.")
            table = io.StringIO(newline="")
            csv.writer(table).writerows([("file", "class"), *zip(names, labels, strict=True)])
            (aside / "labels.csv").write_text(table.getvalue(), encoding="utf-8", newline="")
            digest.update(table.getvalue().encode())
        key = digest.hexdigest()[:16]
        final = given / key
        shown = f"{''.join(c for c in name if c.isalnum())}-{key[:8]}{Path(file).suffix}"
        (aside / file).rename(aside / shown)
        if not (final / shown).is_file():
            if final.exists():
                remove_tree(final)
            rename(aside, final)
        return final / shown
    finally:
        if aside.exists():
            remove_tree(aside)


def _pictures(images: Iterable[Any], count: int, path: Path, digest: Any) -> list[str]:
    """Write Pillow images as PNG into a zip, unchanged in size and mode; return their names."""
    names = []
    with zipfile.ZipFile(path, "w") as archive:
        for index, image in enumerate(images):
            if not isinstance(image, Image.Image):
                raise UserError(f"data has a {type(image).__name__} at {index} among Pillow images; give one kind.")
            content = io.BytesIO()
            (image if image.mode in ("L", "LA", "RGB", "RGBA", "P", "1", "I;16") else image.convert("RGB")).save(
                content, "png", compress_level=1
            )
            names.append(f"{index:0{len(str(count - 1))}d}.png")
            archive.writestr(zipfile.ZipInfo(names[-1]), content.getvalue())
            digest.update(content.getvalue())
    return names


def _arrays(images: Iterator[Any], count: int, path: Path, digest: Any) -> list[str]:
    """Write arrays or tensors as one uint8 array file [N, H, W, C]; return the names of its rows."""
    head = [_channels_last(image, index) for index, image in enumerate(islice(images, FIRST))]
    scale = _Scale.of(head)
    shape = head[0].shape
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *shape))
    digest.update(repr((count, *shape)).encode())
    rest = (_channels_last(image, index) for index, image in enumerate(images, len(head)))
    for index, image in enumerate(chain(head, rest)):
        if image.shape != shape:
            raise UserError(
                f"data has an image of shape {list(image.shape)} at {index} and others of {list(shape)}; "
                "give Pillow images, or images of one size."
            )
        values[index] = scale.bytes_of(image, index)
        digest.update(values[index].data)
    values.flush()
    return [f"{index:0{len(str(count - 1))}d}" for index in range(count)]


def _channels_last(image: Any, index: int) -> np.ndarray:
    """Return one image as [H, W, C]: torch's tensors have channels first, arrays if only that is possible."""
    if isinstance(image, Tensor):
        array = image.detach().cpu().to(torch.float32 if image.dtype == torch.bfloat16 else image.dtype).numpy()
    elif isinstance(image, np.ndarray):
        array = image
    else:
        raise UserError(f"data has {_shown(image)} at {index}; it must be an array, a tensor or a Pillow image.")
    if array.ndim == 2:
        return array[..., None]
    first, last = array.ndim == 3 and array.shape[0] in CHANNELS, array.ndim == 3 and array.shape[-1] in CHANNELS
    if first and (isinstance(image, Tensor) or not last):
        return np.moveaxis(array, 0, -1)
    if last:
        return array
    raise UserError(
        f"data has an image of shape {list(array.shape)} at {index}; it must be [H, W], [H, W, C] or, as tensors are, "
        "[C, H, W], with C of 1, 3 or 4."
    )


class _Scale:
    """Range of the values of images, and their conversion to bytes.

    Args:
        low, high: values of black and of white.
    """

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high

    @classmethod
    def of(cls, images: Sequence[np.ndarray]) -> _Scale:
        """Return the range of images by their type and values."""
        if images[0].dtype == bool:
            return cls(0, 1)
        if images[0].dtype.kind in "iu":
            return cls(0, 255)
        low, high = min(float(one.min()) for one in images), max(float(one.max()) for one in images)
        return cls(0, 255) if high > 1.01 else cls(-1 if low < 0 else 0, 1)

    def bytes_of(self, image: np.ndarray, index: int) -> np.ndarray:
        """Return an image as uint8.

        Raises:
            UserError: if a value is outside of the range.
        """
        if image.dtype == np.uint8:
            return image
        values = image.astype(np.float64)
        slack = 0.01 * (self.high - self.low)
        if not (values.min() >= self.low - slack and values.max() <= self.high + slack):
            raise UserError(
                f"data has values from {values.min():g} to {values.max():g} at {index}, and others suggest {self.low:g} for black and "
                f"{self.high:g} for white; give bytes (uint8), or floats from 0 to 1 or from -1 to 1."
            )
        return ((values - self.low) * (255 / (self.high - self.low))).clip(0, 255).round().astype(np.uint8)


def _shown(value: object) -> str:
    return "an empty list" if isinstance(value, Sequence) and not value else f"a {type(value).__name__}"
