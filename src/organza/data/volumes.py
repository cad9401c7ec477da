"""Volumes: cubes of voxels from array files or meshes, packed once into the cache, and served in
batches like images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from organza.data import meshes
from organza.data.arrays import Failures, Rows, open_array, parse_array
from organza.data.batches import Batches, channels_first, flips, round_robin, to_float
from organza.data.cache import Damage, PackFiles, Recalled, digest, in_use, load, recall, remember, store
from organza.data.decode import Unreadable
from organza.data.folder import ARRAYS, MESHES, VOLUMES, Entry, Listing, listing
from organza.data.listing import LARGEST as LARGEST_FILE
from organza.data.parallel import in_order
from organza.data.size import Size
from organza.data.source import Source
from organza.disk import cache_folder
from organza.errors import UserError, is_bug
from organza.untrusted import printable, read_bytes

FORMAT = 1  # version of packs: increased if the same files give other bytes
USUAL = 32  # voxels a side of voxelised meshes by default
LARGEST = 256  # largest number of voxels a side
ALLOWED = "a volume is an array [D, H, W] of 0 and 1, 0 and 255, or numbers that exceed the middle of their range in solid voxels"


class Volume(NamedTuple):
    """One volume of a source, bool [D, H, W], or the reason why it cannot be used."""

    name: str
    solid: np.ndarray | str


class Volumes(Batches):
    """Cubes of voxels, {"volume"}: uint8 [N, D, H, W, 1], 0 or 255, served as float [-1, 1]
    [N, 1, D, H, W].

    The axes of a volume are depth from front to back, height from top to bottom, width from left to
    right, like a stack of images. The source is a folder or zip with array files (one volume each)
    or meshes (.obj, .stl), or one array file [N, D, H, W]. Meshes are voxelised at the requested
    size, 32 by default; arrays of that size stay unchanged and others are fitted to it.

    Args:
        source: location and settings of the data.
        mirror: True to flip each training volume left to right with probability one half.

    Raises:
        UserError: if there are fewer than two, all are equal, or volumes differ in size and no size
            is given (names two of them).

    >>> data = Volumes(Source("furniture", size=32))      # doctest: +SKIP
    >>> data.at(range(8))["volume"].shape                 # doctest: +SKIP
    torch.Size([8, 1, 32, 32, 32])
    """

    unit = "volumes"

    def __init__(self, source: Source, *, mirror: bool = False):
        self.directory, told = _packed(source)
        try:
            volumes, manifest = load(self.directory)
            self.volumes = in_use(volumes, self.directory)  # read at each access
        except Damage as error:
            raise UserError(
                f"The pack {self.directory} was changed while it was opened; run the same command again."
            ) from error
        super().__init__(len(self.volumes), source.seed)
        if self.count < 2:
            raise UserError(
                f"{source.path} has one usable volume; a GAN needs at least 2, better 500 or more. For images use `recipe='dcgan-r1'`."
            )
        if all(np.array_equal(self.volumes[0], other) for other in self.volumes):
            raise UserError(
                f"The {self.count} volumes in {source.path} are all equal, so there is nothing to learn; check the folder."
            )
        self.mirror, self.names = mirror, manifest["names"]
        self.broken = tuple((name, reason) for name, reason in told["broken"])
        self.notes, self.former_fingerprints = tuple(told["notes"]), tuple(told["former"])
        self.fingerprint, self.shape = manifest["fingerprint"], channels_first(self.volumes)

    def at(self, positions: Sequence[int]) -> dict[str, Tensor]:
        volumes = self.volumes[self.order.at(positions)]
        for row in flips(self.seed, positions) if self.mirror else ():
            volumes[row] = volumes[row, :, :, ::-1].copy()
        return {"volume": to_float(volumes)}

    def referenced(self, positions: Sequence[int]) -> dict[str, Tensor]:
        return {"volume": to_float(self.volumes[round_robin(self.reference, positions)])}

    def real(self) -> np.ndarray:
        return self.volumes[self.reference]


def volumes_in(path: str | Path, side: int | None = None, found: Listing | None = None) -> Iterator[Volume]:
    """Yield every volume of a source, as cubes of this side, or in their own size.

    Args:
        path: folder, zip, array file or mesh.
        side: voxels a side; None keeps arrays unchanged and voxelises meshes at 32.
        found: listing of the folder or zip, if it is known already.

    Raises:
        UserError: if there are no volumes.
    """
    place = Path(path)
    ending = place.suffix.lower() if place.is_file() else ""
    if ending in ARRAYS:
        arrays = _array(place)
        for index in range(len(arrays)):
            made = _told(lambda index=index: fitted(solid(np.asarray(arrays[index])), side))
            yield Volume(f"{index:0{len(str(len(arrays) - 1))}d}", made)
    elif ending in MESHES:
        yield Volume(place.name, _read(lambda _: read_bytes(place, LARGEST_FILE), Entry(place.name, 0, 0), side))
    else:
        found = found or listing(path, VOLUMES)
        yield from (Volume(name, reason) for name, reason in found.problems)
        for entry, solid_or_reason in in_order(lambda entry: _read(found.read, entry, side), found.entries):
            yield Volume(printable(entry.name), solid_or_reason)


def solid(values: np.ndarray) -> np.ndarray:
    """Return the solid voxels, bool [D, H, W], from values of any usual range.

    >>> solid(np.array([[[0, 1]]])).tolist(), solid(np.array([[[-1.0, 0.2]]])).tolist(), solid(np.array([[[90, 200]]])).tolist()
    ([[[False, True]]], [[[False, True]]], [[[False, True]]])

    Raises:
        Unreadable: if the values are not a volume.
    """
    values = values.reshape([side for side in values.shape if side != 1] if values.ndim > 3 else values.shape)
    if values.ndim != 3 or not values.size or max(values.shape) > LARGEST:
        raise Unreadable(f"it holds {values.dtype} {list(values.shape)}; {ALLOWED}, of up to {LARGEST} a side")
    if values.dtype == bool:
        return np.array(values)
    if values.dtype.kind not in "iuf" or not np.isfinite(low := values.min()) or not np.isfinite(high := values.max()):
        raise Unreadable(f"it holds {values.dtype} with values that are not numbers; {ALLOWED}")
    level = 0.0 if low < 0 else 0.5 if high <= 1 else 127.5
    if low < -1 or high > 255 or (values.dtype.kind in "iu" and 1 < high <= level):
        raise Unreadable(f"its values go from {low:g} to {high:g}; {ALLOWED}")
    return np.asarray(values > level)


def fitted(volume: np.ndarray, side: int | None) -> np.ndarray:
    """Fit a volume into a cube of this side: scaled to its longest side, on the floor, centred. A
    volume that fits stays unchanged.

    >>> fitted(np.ones((2, 4, 2), bool), 8)[:, :, 4].any(1).astype(int).tolist()
    [0, 0, 1, 1, 1, 1, 0, 0]
    """
    if side is None or volume.shape == (side,) * 3:
        return volume
    scale = side / max(volume.shape)
    sizes = [min(side, max(1, round(length * scale))) for length in volume.shape]
    if scale > 1:
        chosen = [np.arange(new) * old // new for new, old in zip(sizes, volume.shape, strict=True)]
        small = volume[np.ix_(*chosen)]
    else:  # a voxel is solid if anything in it is, so that thin parts remain
        small = np.zeros(sizes, bool)
        where = np.nonzero(volume)
        small[tuple(i * new // old for i, new, old in zip(where, sizes, volume.shape, strict=True))] = True
    cube = np.zeros((side,) * 3, bool)
    front, left = (side - sizes[0]) // 2, (side - sizes[2]) // 2
    cube[front : front + sizes[0], side - sizes[1] :, left : left + sizes[2]] = small
    return cube


def _packed(source: Source) -> Recalled:
    """Return the pack of a source, from the cache if nothing changed."""
    side = _side(source.wanted)
    place = Path(source.path)
    packs = cache_folder() / "packs"
    found = None
    if place.suffix.lower() in ARRAYS and place.is_file():
        status = place.stat()
        stamp: Any = [place.name, status.st_size, status.st_mtime_ns]
        count = len(_array(place))
    else:
        found = listing(place, VOLUMES, source.follow_links)
        stamp, count = found.stamp, len(found.entries)
    where = os.fsdecode(os.path.realpath(place))
    seen = digest({"volumes": FORMAT, "source": where, "entries": stamp, "side": side})
    if (known := recall(packs, seen)) is not None:
        return known
    volumes = _of_one_size(_counted(volumes_in(place, side, found), count, source), place)
    first = next(volumes, None)
    if first is None or isinstance(first.solid, str):
        raise UserError(
            f"None of the {count} volumes in {place} can be used ({first.name}: {first.solid})."
            if first
            else f"There are no volumes in {place}."
        )
    told: dict[str, Any] = {"notes": found.said if found else []}
    directory = store(packs, (count, *first.solid.shape, 1), _filler(first, volumes, told))
    remember(packs, seen, directory, told)
    return Recalled(directory, told)


def _filler(first: Volume, rest: Iterable[Volume], told: dict[str, Any]) -> Callable[[PackFiles], dict[str, Any]]:
    """Return the function that writes volumes to a pack."""

    def fill(files: PackFiles) -> dict[str, Any]:
        """Write every usable volume, and return the facts about them."""
        broken: list[tuple[str, str]] = []
        for name, one in (first, *rest):
            if isinstance(one, str):
                broken.append((name, one))
                continue
            files.append(name, one[..., None] * np.uint8(255))
        # Not the requested size: a run remembers its size, and requests it when it resumes.
        about = {"volumes": FORMAT, **files.content, "shape": files.item}
        told["broken"] = broken
        told["former"] = [
            digest(about | {"broken": then}) for then in ([], broken)
        ]  # version 0.1 included skipped files
        return {"fingerprint": digest(about)}

    return fill


def _side(size: Size | None) -> int | None:
    """Return the voxels a side of a requested size; None for the size of the data."""
    if size is None:
        return None
    if size.width != size.height or size.width > LARGEST:
        raise UserError(
            f"`size={size!r}` is not a cube of up to {LARGEST} voxels a side; for volumes give one number, such as 32."
        )
    return size.width


def _counted(volumes: Iterable[Volume], count: int, source: Source) -> Iterator[Volume]:
    for done, volume in enumerate(volumes, 1):
        yield volume
        if source.progress:
            source.progress("packing volumes", min(done, count), count)


def _of_one_size(volumes: Iterable[Volume], place: Path) -> Iterator[Volume]:
    """Yield the volumes, a usable one first.

    Raises:
        UserError: if two differ in size, or one is not a cube.
    """
    waiting: list[Volume] = []
    first: tuple[str, tuple[int, ...]] | None = None
    for name, one in volumes:
        if isinstance(one, str):
            if first is None:
                waiting.append(Volume(name, one))
            else:
                yield Volume(name, one)
            continue
        if first is None:
            first = (name, one.shape)
            if len(set(one.shape)) > 1:
                raise UserError(
                    f"{name} in {place} has {_x(one.shape)} voxels, which is not a cube; use `size=32` to fit all into cubes."
                )
            yield Volume(name, one)
            yield from waiting
        elif one.shape != first[1]:
            raise UserError(
                f"The volumes in {place} are of different sizes: {first[0]} has {_x(first[1])} voxels, {name} has {_x(one.shape)}; "
                "use `size=32` to fit all of them."
            )
        else:
            yield Volume(name, one)
    if first is None:
        yield from waiting


def _x(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _read(read: Callable[[Entry], bytes], entry: Entry, side: int | None) -> np.ndarray | str:
    """Return the volume of a file, bool [D, H, W], or the reason why it cannot be used."""
    ending = Path(entry.name).suffix.lower()

    def made() -> np.ndarray:
        """Return the volume of a mesh or an array file."""
        if ending in MESHES:
            return meshes.voxelised(meshes.read_mesh(read(entry), ending), side or USUAL)
        try:
            values = parse_array(read(entry))
        except Failures as error:
            raise Unreadable(f"it is not a readable array file ({error})") from None
        return fitted(solid(values), side)

    return _told(made)


def _told(make: Callable[[], np.ndarray]) -> np.ndarray | str:
    """Return a volume, or the reason if it is empty or cannot be made."""
    try:
        volume = make()
    except Unreadable as reason:
        return str(reason)
    except UserError:
        raise
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    except Exception as error:  # damaged members raise many kinds of errors
        if is_bug(error):
            raise
        return f"it cannot be read ({error})"
    return volume if volume.any() else "nothing in it is solid"


def _array(path: Path) -> Rows | np.ndarray:
    """Return the volumes of one array file, [N, D, H, W]; a single volume becomes a set of one."""
    try:
        found = open_array(path)
    except Failures as error:
        raise UserError(f"{path} is not a readable array file ({error}).") from None
    shape = found.shape
    shape = shape[:-1] if len(shape) == 5 and shape[-1] == 1 else shape
    shape = (shape[0], *shape[2:]) if len(shape) == 5 and shape[1] == 1 else shape
    shape = (1, *shape) if len(shape) == 3 else shape
    if len(shape) != 4 or not found.size or max(shape[1:]) > LARGEST:
        raise UserError(
            f"{path} holds {found.dtype} {list(found.shape)}; it must hold volumes [N, D, H, W], of up to {LARGEST} a side."
        )
    return found.reshaped(*shape) if isinstance(found, Rows) else found.reshape(shape)
