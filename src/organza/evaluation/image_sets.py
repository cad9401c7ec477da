"""Image sets to evaluate: generated ones (from a run or folder) and real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from organza.data.defaults import sampled
from organza.data.folder import listing
from organza.data.labels import Field as LabelField
from organza.data.labels import Labels
from organza.data.pack import open_data
from organza.data.shards.place import is_remote
from organza.data.size import Size
from organza.data.vector_files import is_vectors, read_vectors
from organza.export.folder import ExportedFolder
from organza.export.places import is_address
from organza.networks.standard import Columns
from organza.progress import Progress
from organza.run.folder import RunFolder
from organza.shell import quoted

MOST = 10_000
"""Largest number of images from a folder; if there are more, evenly spaced ones are used."""
LARGEST = Size(256, 256)
COMMON = Size(96, 96)


@dataclass(frozen=True)
class ImageSet:
    """One set of images in an evaluation.

    Args:
        name: origin of the images.
        images: uint8 [N, H, W, C], or volumes [N, D, H, W, C], or vectors [N, D] in their own units.
        key: key of their content for caches; None if they were just generated.
        directory: folder for derived data.
        names: names of the images, if they have any.
        labels: label of each image, float [N, width], by `fields`.
        fields: label fields; None if there are no labels.
        split: part of the data that they are from.
        targets: target of each image, uint8 like the images, if there are targets.
        rivals: outputs of simple methods for the same inputs, uint8 like the images, by name.
        groups: group of each image, such as the width of its hole; () for one group.
        border: pixels at the edges that the PSNR of brightness leaves out.
        notes: notes for the user.
        table: names and scale of the columns of vectors.
    """

    name: str
    images: np.ndarray
    key: str | None = None
    directory: Path | None = None
    names: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    fields: Labels | None = None
    split: str = "all"
    targets: np.ndarray | None = None
    rivals: Mapping[str, np.ndarray] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    border: int = 0
    notes: tuple[str, ...] = ()
    table: Columns | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> str:
        """Width x height (x depth) x channels; the columns of vectors."""
        if self.table is not None:
            return f"{len(self.table.names)} columns"
        return "x".join(str(side) for side in (*reversed(self.images.shape[1:-1]), self.images.shape[-1]))

    def classes(self) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        """Return the categorical fields with the index of each image's value: {field: (values, int
        [N])}.
        """
        if self.fields is None or self.labels is None:
            return {}
        where = self.fields.slices()
        return {
            field.name: (field.values, self.labels[:, where[field.name]].argmax(1))
            for field in self.fields.fields
            if field.values and not field.several
        }


def image_set_from_folder(
    path: str | Path,
    size: Size | None = None,
    channels: int | None = None,
    most: int = MOST,
    progress: Progress | None = None,
) -> ImageSet:
    """Load the images of a folder, a zip or an array file.

    Args:
        path: folder, zip or array file.
        size: size of the results, as a run resizes its data. By default images of one size stay
            unchanged (up to 256x256), and images of many sizes are cropped to the middle square, at
            96x96: the extractor scales them to its own resolution.
        channels: channels of the results; by default those of the images.
        most: largest number of images, evenly spaced.
        progress: callback (task, done, total).

    Raises:
        UserError: if the folder does not exist, or holds no readable images.
    """
    if not is_remote(path) and is_vectors(path):
        return _vectors_from_file(path, most)
    if not Path(path).exists():
        listing(path)  # its error suggests similar names
    pack = open_data(path, size=size or _own_size(path), channels=channels, progress=progress)
    which = _spaced(np.arange(len(pack)), most)
    notes = [f"{name} is left out: {reason}" for name, reason in pack.broken[:3]]
    if len(pack.broken) > 3:
        notes.append(
            f"{len(pack.broken) - 3:,} more files of {path} are left out; organza data check {quoted(path)} lists them"
        )
    if len(which) < len(pack):
        notes.append(f"{len(which):,} of the {len(pack):,} images in {path} are used, evenly spaced")
    fields = labels = None
    if pack.labels is not None:
        fields, labels = _folders_as_labels(pack.classes, pack.labels[which])
    return ImageSet(
        str(path),
        pack.images[which],
        f"{pack.fingerprint}-{len(which)}",
        pack.directory.parent,
        tuple(pack.names[int(index)] for index in which),
        labels,
        fields,
        notes=tuple(notes),
    )


def _vectors_from_file(path: str | Path, most: int) -> ImageSet:
    found = read_vectors(path)
    values = found.values[_spaced(np.arange(len(found.values)), most)]
    table = Columns.measured(values, found.names)
    return ImageSet(str(path), values, notes=found.notes, table=table)


def _own_size(path: str | Path) -> Size:
    sizes = {facts.size for facts in sampled(listing(path))}
    one = len(sizes) == 1 and all(side <= most for side, most in zip(*sizes, LARGEST, strict=True))
    return Size(*sizes.pop()) if one else COMMON


def _folders_as_labels(classes: Sequence[str], labels: np.ndarray) -> tuple[Labels, np.ndarray]:
    return Labels((LabelField("class", tuple(classes), (0.0,) * len(classes)),)), np.eye(len(classes))[labels]


def _spaced(items: np.ndarray, most: int) -> np.ndarray:
    return items if len(items) <= most else items[np.linspace(0, len(items) - 1, most).round().astype(int)]


def is_run(path: str | Path) -> bool:
    """Return True if a run has begun in this folder, it was exported, or it is the address of an exported one."""
    return is_address(path) or RunFolder(path).exists or ExportedFolder.is_at(path)
