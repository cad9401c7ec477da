"""Volumes: cubes of voxels from array files or meshes, packed once into the cache, and served in batches like images."""

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
from organza.errors import UserError
from organza.untrusted import printable, read_bytes

FORMAT = 1  # of packs: one higher whenever the same files would give other bytes
USUAL = 32  # voxels a side that meshes get where nobody asks
LARGEST = 256  # voxels a side
ALLOWED = "a volume is an array [D, H, W] of 0 and 1, 0 and 255, or numbers that are above the half of their range where it is solid"


class Volume(NamedTuple):
    """One volume of a source, bool [D, H, W], or the reason why it cannot be used."""

    name: str
    solid: np.ndarray | str


class Volumes(Batches):
    """Cubes of voxels, {"volume"}: uint8 [N, D, H, W, 1], 0 or 255, served as float [-1, 1] [N, 1, D, H, W].

    The axes of a volume: depth from front to back, height from top to bottom, width from left to right, as of a stack of images.
    From a folder or zip with array files (one volume each) or meshes (.obj, .stl), or one array file [N, D, H, W]. Meshes are voxelised
    at the size asked for, 32 if none is; arrays of that size stay as they are and others are fitted to it.

    Args:
        source: where they are.
        mirror: flip each training volume left to right with a chance of one half.

    Raises:
        UserError: where there are fewer than two, all alike, or volumes of different sizes and no size asked for (two of them are named).

    >>> data = Volumes(Source("furniture", size=32))      # doctest: +SKIP
    >>> data.at(range(8))["volume"].shape                 # doctest: +SKIP
    torch.Size([8, 1, 32, 32, 32])
    """

    unit = "volumes"

    def __init__(self, source: Source, *, mirror: bool = False):
        self.directory, told = _packed(source)
        try:
            volumes, manifest = load(self.directory)
            self.volumes = in_use(volumes, self.directory)  # only the asked items are read
        except Damage as error:
            raise UserError(f"The pack {self.directory} was changed while it was opened; do the same again.") from error
        super().__init__(len(self.volumes), source.seed)
        if self.count < 2:
            raise UserError(
                f"{source.path} has one usable volume; a GAN learns from many: 500 is a good beginning. For images use --recipe dcgan-r1."
            )
        if all(np.array_equal(self.volumes[0], other) for other in self.volumes):
            raise UserError(f"The {self.count} volumes in {source.path} are all alike; there is nothing to learn.")
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
    """Every volume of a place, as cubes of this side, or as large as they are: one by one.

    Args:
        path: a folder, a zip, an array file or a mesh.
        side: voxels; None leaves arrays alone and voxelises meshes at 32.
        found: the listing of a folder or zip, where it is known already.

    Raises:
        UserError: where there is nothing of the kind.
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
    """Which voxels are solid: bool [D, H, W] from values of any usual range.

    >>> solid(np.array([[[0, 1]]])).tolist(), solid(np.array([[[-1.0, 0.2]]])).tolist(), solid(np.array([[[90, 200]]])).tolist()
    ([[[False, True]]], [[[False, True]]], [[[False, True]]])

    Raises:
        Unreadable: values that are no volume.
    """
    values = values.reshape([side for side in values.shape if side != 1] if values.ndim > 3 else values.shape)
    if values.ndim != 3 or not values.size or max(values.shape) > LARGEST:
        raise Unreadable(f"it holds {values.dtype} {list(values.shape)}; {ALLOWED}, of up to {LARGEST} a side")
    if values.dtype == bool:
        return np.array(values)
    if values.dtype.kind not in "iuf" or not np.isfinite(low := values.min()) or not np.isfinite(high := values.max()):
        raise Unreadable(f"it holds {values.dtype} with values that are no numbers; {ALLOWED}")
    level = 0.0 if low < 0 else 0.5 if high <= 1 else 127.5
    if low < -1 or high > 255 or (values.dtype.kind in "iu" and 1 < high <= level):
        raise Unreadable(f"its values go from {low:g} to {high:g}; {ALLOWED}")
    return np.asarray(values > level)


def fitted(volume: np.ndarray, side: int | None) -> np.ndarray:
    """A volume as a cube of this side: scaled so that its longest side fits, on the floor, centred. Those that fit stay as they are.

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
    else:  # a voxel is solid where anything in it is, so that thin legs stay
        small = np.zeros(sizes, bool)
        where = np.nonzero(volume)
        small[tuple(i * new // old for i, new, old in zip(where, sizes, volume.shape, strict=True))] = True
    cube = np.zeros((side,) * 3, bool)
    front, left = (side - sizes[0]) // 2, (side - sizes[2]) // 2
    cube[front : front + sizes[0], side - sizes[1] :, left : left + sizes[2]] = small
    return cube


def _packed(source: Source) -> Recalled:
    """The pack of a source, from the cache where nothing changed."""
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
    def fill(files: PackFiles) -> dict[str, Any]:
        """Append every volume that can be used, and say what they are."""
        broken: list[tuple[str, str]] = []
        for name, one in (first, *rest):
            if isinstance(one, str):
                broken.append((name, one))
                continue
            files.append(name, one[..., None] * np.uint8(255))
        # Not the size asked for: a run remembers the one it had, and asks for it when it goes on.
        about = {"volumes": FORMAT, **files.content, "shape": files.item}
        told["broken"] = broken
        told["former"] = [
            digest(about | {"broken": then}) for then in ([], broken)
        ]  # version 0.1 counted those left out
        return {"fingerprint": digest(about)}

    return fill


def _side(size: Size | None) -> int | None:
    if size is None:
        return None
    if size.width != size.height or size.width > LARGEST:
        raise UserError(
            f"--size {size} is no cube of up to {LARGEST} voxels a side; for volumes write one number, such as 32."
        )
    return size.width


def _counted(volumes: Iterable[Volume], count: int, source: Source) -> Iterator[Volume]:
    for done, volume in enumerate(volumes, 1):
        yield volume
        if source.progress:
            source.progress("packing volumes", min(done, count), count)


def _of_one_size(volumes: Iterable[Volume], place: Path) -> Iterator[Volume]:
    """The volumes, a usable one first.

    Raises:
        UserError: where two are of different sizes, or one is no cube.
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
                    f"{name} in {place} is of {_x(one.shape)} voxels, which is no cube; --size 32 fits all into cubes."
                )
            yield Volume(name, one)
            yield from waiting
        elif one.shape != first[1]:
            raise UserError(
                f"The volumes in {place} are of different sizes: {first[0]} is of {_x(first[1])} voxels, {name} of {_x(one.shape)}; "
                "--size 32 fits all of them."
            )
        else:
            yield Volume(name, one)
    if first is None:
        yield from waiting


def _x(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _read(read: Callable[[Entry], bytes], entry: Entry, side: int | None) -> np.ndarray | str:
    ending = Path(entry.name).suffix.lower()

    def made() -> np.ndarray:
        if ending in MESHES:
            return meshes.voxelised(meshes.read_mesh(read(entry), ending), side or USUAL)
        try:
            values = parse_array(read(entry))
        except Failures as error:
            raise Unreadable(f"it is no readable array file ({error})") from None
        return fitted(solid(values), side)

    return _told(made)


def _told(make: Callable[[], np.ndarray]) -> np.ndarray | str:
    """What is made, unless it is empty or cannot be: then the reason."""
    try:
        volume = make()
    except Unreadable as reason:
        return str(reason)
    except UserError:
        raise
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    except Exception as error:  # members of an archive fail in many ways
        return f"it cannot be read ({error})"
    return volume if volume.any() else "nothing in it is solid"


def _array(path: Path) -> Rows | np.ndarray:
    """The volumes of one array file, [N, D, H, W]; a single one stands alone."""
    try:
        found = open_array(path)
    except Failures as error:
        raise UserError(f"{path} cannot be used: it is no readable array file ({error}).") from None
    shape = found.shape
    shape = shape[:-1] if len(shape) == 5 and shape[-1] == 1 else shape
    shape = (shape[0], *shape[2:]) if len(shape) == 5 and shape[1] == 1 else shape
    shape = (1, *shape) if len(shape) == 3 else shape
    if len(shape) != 4 or not found.size or max(shape[1:]) > LARGEST:
        raise UserError(
            f"{path} holds {found.dtype} {list(found.shape)}; volumes are [N, D, H, W], of up to {LARGEST} a side."
        )
    return found.reshaped(*shape) if isinstance(found, Rows) else found.reshape(shape)
