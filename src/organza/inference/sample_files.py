"""Sampling to files: thousands of images as PNG, WebP or one shard, in bounded memory; stopped and resumed with the same bytes.

A small file beside the images, the journal, names the series (weights, seed, labels, format) and the number of images that are complete.
The same command resumes there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from organza.config.arguments import whole
from organza.disk import cannot_write, discard, make_folder, open_to_change, rename, write_json
from organza.distributed.world import ALONE, World
from organza.errors import UserError
from organza.inference.sampler import Sampler
from organza.media.images import encoded, grid, save_png, write_aside
from organza.media.provenance import Provenance
from organza.media.shards import ENDINGS, Encoder, Shard, shard
from organza.progress import Progress
from organza.run.forms import natural, require_form
from organza.run.lock import Held, locked
from organza.seeding import MICROBATCH
from organza.untrusted import read_json

Kind = Literal["png", "webp"]
KINDS: tuple[Kind, ...] = ("png", "webp")
SAVED_EVERY = 5.0
"""Seconds between two entries of the journal: the most work that a kill costs."""
SHOWN = 256
"""Images of the grid beside single files: more would be hard to open."""
HEAD = 4096
FORM = {"series": dict, "done": natural, "bytes": natural}


@dataclass(frozen=True)
class Journal:
    """The progress of a series of images on disk.

    Args:
        path: its file.
        series: facts that determine the bytes.
        done: number of complete images.
        size: bytes of a shard that hold them; 0 for single files.
    """

    path: Path
    series: Mapping[str, Any]
    done: int = 0
    size: int = 0

    @staticmethod
    def beside(out: Path) -> Path:
        """Return the path of the journal for an output folder or shard."""
        return out.with_name(f".{out.name}.series.json") if is_shard(out) else out / ".series.json"

    @staticmethod
    def at(out: Path) -> Journal | None:
        """Return the journal of an output; None if there is none, or it cannot be read."""
        path = Journal.beside(out)
        try:
            found = read_json(path, inside=path.parent)
            require_form(found, FORM)
        except (OSError, ValueError):
            return None
        return Journal(path, found["series"], found["done"], found["bytes"])

    def save(self) -> None:
        """Write it. Raises UserError if that fails."""
        write_json(self.path, {"series": dict(self.series), "done": self.done, "bytes": self.size})


@dataclass(frozen=True)
class Sampled:
    """Result of sampling to files.

    Args:
        out: output folder or shard.
        count: number of images there.
        resumed: number of them that were there before.
        first: the first 256, uint8 [N, H, W, C]; for volumes, none.
    """

    out: Path
    count: int
    resumed: int
    first: np.ndarray | None


def is_shard(out: Path) -> bool:
    """Return True if a path names a shard by its extension, not a folder."""
    return out.suffix.lower() in ENDINGS and not out.is_dir()


def sample_files(
    run: Sampler,
    out: str | Path,
    count: int = 64,
    seed: int = 0,
    labels: Mapping[str, str] | None = None,
    *,
    truncate: float = 1.0,
    kind: Kind = "png",
    metadata: bool = True,
    progress: Progress | None = None,
    world: World = ALONE,
) -> Sampled:
    """Generate images and write each when it is made, so that any number fits into memory.

    Args:
        run: trained run.
        out: output folder, or a file that ends in .npy, .zip or .tar. A folder also gets grid.png, of the first 256.
        count: number of images.
        seed: random seed of the series.
        labels: labels for a conditional generator, by field.
        truncate: share of each latent's distance from the centre to keep: see `Run.sample`.
        kind: format of the images in folders, zip and tar files: png, or webp (lossless).
        metadata: True to mark the images as synthetic, with weights and seed; beside an .npy file, in a .json file.
        progress: callback (task, done, total).
        world: ranks that share the work: each generates its part, and rank 0 writes all.

    Raises:
        UserError: if the output exists and is another's, another process writes to it, it cannot be written, or as in `Run.sample`.
    """
    place = Path(out)
    asked = {"seed": seed, "labels": dict(labels or {}), "truncate": truncate}
    if not world.leads:
        for _ in _generated(run, count, asked, None, world):
            pass
        return Sampled(place, count, 0, None)
    _require_kind(run, place, kind)
    count = whole(count, "count", least=1)
    next(run.sampled(1, seed, 0, labels, truncate))  # reports what the run cannot do before anything is written
    if place.is_file() and not is_shard(place):
        raise UserError(f"{place} is a file; `out` needs a folder, or a new file that ends in {', '.join(ENDINGS)}.")
    made_by = run.made_by(seed) if metadata else None
    series = {
        "weights": run.saved.digests["generator.safetensors"], **asked,
        "kind": kind, "metadata": metadata, "engine": "torch" if run.session is None else "onnx",
    }  # fmt: skip
    single = is_shard(place)
    series |= {"count": count} if single else {}
    with _held(place):
        journal = _begun(place, series)
        write = _to_shard if single else _to_folder
        encode = partial(encoded, kind=kind, made_by=made_by)
        kept = write(run, place, count, journal, encode, f".{kind}", progress, world)
        first = None
        if len(run.shape) == 3:
            first = np.stack(kept) if kept else run.sample(min(count, SHOWN), seed, labels=labels, truncate=truncate)
        if first is not None and not single:
            save_png(grid(first), place / "grid.png", made_by)
        if made_by and place.suffix.lower() == ".npy":
            write_json(place.with_name(f"{place.name}.json"), _facts(made_by, series))
    return Sampled(place, count, min(journal.done, count), first)


def _require_kind(run: Sampler, place: Path, kind: Kind) -> None:
    """Check that files of this kind can hold what the run generates.

    Raises:
        UserError: if they cannot.
    """
    if kind not in KINDS:
        raise UserError(f"`format` is {str(kind)[:40]}; it can be png or webp.")
    if len(run.shape) == 4 and place.suffix.lower() != ".npy":
        raise UserError(f"{run.path} generates volumes, which have no {kind} files; name a file that ends in .npy.")


def _facts(made_by: Provenance, series: Mapping[str, Any]) -> dict[str, Any]:
    return {"about": made_by.text, "digital_source_type": made_by.kind, **series}


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Lock an output while this process writes to it."""
    path = Journal.beside(out).with_suffix(".lock")
    try:
        make_folder(path.parent)
        with locked(path):
            try:
                yield
            finally:
                discard(path)
    except Held as held:
        raise UserError(f"{held.owner} writes to {out} already; wait for it, or name another output.") from None
    except OSError as error:
        raise UserError(cannot_write(out, error)) from error


def _begun(out: Path, series: Mapping[str, Any]) -> Journal:
    """Return the journal to resume from, or a new one.

    Raises:
        UserError: if files of another origin are in the way.
    """
    journal = Journal.at(out)
    if is_shard(out):
        if out.exists():
            raise UserError(f"{out} exists already; name another file, or remove it.")
        if journal is not None and journal.series != series:
            raise UserError(
                f"{out} was begun with other weights, seed, labels, format or count; repeat that command, or remove {journal.path}."
            )
        return journal if journal is not None and _part(out).is_file() else Journal(Journal.beside(out), series)
    if journal is not None and journal.series == series:
        return replace(journal, done=_complete(out, f".{series['kind']}", journal.done))
    if journal is None and (foreign := next(filter(_is_foreign, _there(out)), None)):
        raise UserError(
            f"{foreign} was not generated by organza and would be replaced; name another folder with `out`."
        )
    return Journal(Journal.beside(out), series)


def _complete(out: Path, ending: str, done: int) -> int:
    """Return the number of images in a folder before the first that is missing or empty, of `done`."""
    for index in range(done):
        with suppress(OSError):
            if (out / f"{name_of(index)}{ending}").stat().st_size:
                continue
        return index
    return done


def _there(out: Path) -> Iterator[Path]:
    for path in out.glob("[0-9]*") if out.is_dir() else ():
        if path.stem.isdigit() and path.suffix[1:] in KINDS:
            yield path


def _is_foreign(path: Path) -> bool:
    """Return True if an image does not name organza in its metadata."""
    try:
        with path.open("rb") as file:
            return b"organza" not in file.read(HEAD)
    except OSError:
        return True


class Folder:
    """A folder of single files that is being written, with the methods of a `Shard`.

    Args:
        path: folder.
        encode: function from an image to the bytes of a file.
        ending: extension of the names, such as .png.
    """

    def __init__(self, path: Path, encode: Encoder, ending: str):
        self.path, self.encode, self.ending = path, encode, ending

    def add(self, names: Sequence[str], items: np.ndarray) -> None:
        """Write images, each through a temporary file."""
        for name, item in zip(names, items, strict=True):
            write_aside(self.path / f"{name}{self.ending}", self.encode(item))

    def tell(self) -> int:
        """Return 0: single files have no common end."""
        return 0

    def flush(self) -> None:
        """Return at once: each file is complete or absent."""

    def finish(self) -> None:
        """Return at once."""


def name_of(index: int) -> str:
    """Return the file name of an image without its extension."""
    return f"{index:05d}"


def _generated(
    run: Sampler, count: int, asked: Mapping[str, Any], done: int | None, world: World
) -> Iterator[np.ndarray]:
    """Yield the missing images of a series in order, some at a time, each generated by one of the ranks.

    Args:
        run: trained run.
        count: number of images of the series.
        asked: seed, labels and truncate.
        done: number of images that are there; rank 0 knows it.
        world: ranks that share the work.
    """
    done = world.decide(lambda: done) or 0
    seed, labels, truncate = asked["seed"], asked["labels"] or None, asked["truncate"]

    def part(first: int) -> Tensor:  # of equal size, including the last
        return torch.from_numpy(next(run.sampled(MICROBATCH, seed, first, labels, truncate)))

    parts = range(done, count, MICROBATCH)
    for start in range(0, len(parts), world.size):
        some = parts[start : start + world.size]
        for first, items in zip(some, world.map(part, some), strict=True):
            yield items.numpy()[: count - first]


def _written(
    run: Sampler, target: Shard | Folder, count: int, journal: Journal, progress: Progress | None, world: World
) -> list[np.ndarray]:
    """Generate and write what is missing; return the first images if the series was begun here."""
    begun = done = journal.done // MICROBATCH * MICROBATCH if journal.done < count else count
    kept: list[np.ndarray] = []
    asked, saved, end = journal.series, time.monotonic(), target.tell()
    try:
        for items in _generated(run, count, asked, done, world):
            target.add([name_of(index) for index in range(done, done + len(items))], items)
            done, end = done + len(items), target.tell()
            if not begun and len(kept) < SHOWN:
                kept.extend(items)
            if progress:
                progress("generating images", done, count)
            if time.monotonic() - saved > SAVED_EVERY:
                target.flush()
                replace(journal, done=done, size=end).save()
                saved = time.monotonic()
        target.finish()
    finally:  # also after Ctrl-C
        target.flush()
        replace(journal, done=max(done, journal.done), size=end).save()
    return kept[:SHOWN]


def _to_folder(
    run: Sampler,
    out: Path,
    count: int,
    journal: Journal,
    encode: Encoder,
    ending: str,
    progress: Progress | None,
    world: World,
) -> list[np.ndarray]:
    return _written(run, Folder(out, encode, ending), count, journal, progress, world)


def _to_shard(
    run: Sampler,
    out: Path,
    count: int,
    journal: Journal,
    encode: Encoder,
    ending: str,
    progress: Progress | None,
    world: World,
) -> list[np.ndarray]:
    """Write a shard under another name, and rename it when it is complete."""
    part, shape = _part(out), (count, *run.shape[1:], run.channels)
    with open_to_change(part) as file:
        try:
            target = shard(file, out, shape, encode, ending, journal.size)
        except ValueError as error:
            raise UserError(f"{part} cannot be continued: {error}; remove it and {journal.path}.") from None
        kept = _written(run, target, count, journal, progress, world)
    rename(part, out)
    discard(journal.path)
    return kept


def _part(out: Path) -> Path:
    return out.with_name(f".{out.name}.part")
