"""Inference: after training, the generator alone makes images, and the discriminator scores images.

>>> run = load("runs/faces")                      # doctest: +SKIP
>>> pictures = run.sample(16, seed=7)             # doctest: +SKIP
>>> run.judge(pictures)                           # doctest: +SKIP
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from organza.config.arguments import require_path, require_text
from organza.errors import UserError, nearest
from organza.export.folder import ExportedFolder
from organza.export.places import folder_at
from organza.inference.device import AUTO, device_of
from organza.inference.encoding import Encoding
from organza.inference.engine import Engine, Session, require_engine, session_of
from organza.inference.judging import Judging
from organza.inference.latent_space import LatentSpace
from organza.inference.sample_files import name_of, sample_files
from organza.inference.translation import Translation
from organza.media.html import html, picture
from organza.media.images import grid, save_png
from organza.media.scatter import panels
from organza.media.volumes import render
from organza.memory import require_memory
from organza.progress import Progress
from organza.recipe import Recipe
from organza.recipes import modules_of, trusted
from organza.run import checkpoint
from organza.run.checkpoint import Checkpoint, Damaged
from organza.run.folder import RunFolder
from organza.run.forms import natural, require_form
from organza.seeding import MICROBATCH
from organza.untrusted import printable, read_json

if TYPE_CHECKING:
    from organza.export.card import Statement
    from organza.export.release import Exported

FACTS = {"images": natural, "neutral": float | None, "checkpoint?": str}
"""Facts in a manifest that sampling and judging need."""
log = logging.getLogger("organza")


class Run(LatentSpace, Encoding, Translation, Judging):
    """A trained run: its generator, its discriminator, and their data.

    Args:
        folder: run folder.
        saved: checkpoint to use.
        notes: notes for the user on the choice of checkpoint.
        own: names of the user's own modules that its networks may be from.
    """

    def __repr__(self) -> str:
        size = "x".join(map(str, reversed(self.shape[1:])))
        made = (
            f"{size}, {self.channels} channel{'s' * (self.channels != 1)}"
            if size
            else f"vectors of {self.channels} columns"
        )
        return (
            f"Run({str(self.path)!r}: {printable(self.content['recipe']['name'])}, {made}, checkpoint {self.saved.directory.name}, "
            f"{self.images:,} {'images' if size else 'vectors'} seen, on {self.device})"
        )

    def _repr_html_(self) -> str:
        """Return the run for a notebook: its facts, and a grid of its first 16 samples if it generates from noise."""
        if not hasattr(self.generator, "latent"):
            return f"<div>{html(repr(self))}</div>"
        if self.table is not None:
            points = self.sample(500)
            return f"<div>{html(repr(self))}</div>{picture(panels(points, points, self.table.printable))}"
        made = self.sample(16)
        return f"<div>{html(repr(self))}</div>{picture(made if made.ndim == 4 else render(made))}"

    def to(self, device: str | torch.device) -> Run:
        """Move the networks to a device, where all inference then runs, and return this run.

        Args:
            device: auto, cpu, cuda, cuda:1 or mps.

        Raises:
            UserError: if there is no such device.

        >>> load("runs/faces").to("cuda").sample(16)    # doctest: +SKIP
        """
        self.device, self.session = device_of(device), None
        for name in ("player", "_judge"):
            if name in self.__dict__:
                self.__dict__[name].to(self.device)
        return self

    def with_engine(self, engine: Engine) -> Run:
        """Choose the engine of `sample` and return this run. If onnxruntime cannot be used, torch is, and
        `notes` give the reason.

        Args:
            engine: "torch", or "onnx" for onnxruntime on the CPU; its bytes differ by one level of 255 at most.

        Raises:
            UserError: if there is no such engine.

        >>> load("runs/faces").with_engine("onnx").sample(16)    # doctest: +SKIP
        """
        require_engine(engine)
        self.session = None
        if engine == "torch" or not hasattr(self.generator, "latent"):
            return self
        if self.device.type != "cpu":
            found: Session | str = f"this run computes on {self.device}, and onnxruntime on the CPU"
        else:
            series = range(MICROBATCH)
            z = torch.stack([self.latent(0, item) for item in series])
            rows = self.label_rows(series) if self.labels else None
            found = session_of(self, self.finished(self.generate(z, rows)), z, rows)
        if isinstance(found, str):
            self.notes = (*self.notes, f"torch generates the images: {found}")
        else:
            self.session = found
        return self

    def export(
        self,
        out: str | Path | None = None,
        *,
        to: Sequence[str] = (),
        parts: Sequence[str] = ("generator", "encoder"),
        precision: str | None = None,
        name: str | None = None,
        statement: Statement | None = None,
        size: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Exported:
        """Write the networks in forms that need neither the run nor its data: see `organza.export.release.export`."""
        from organza.export.release import Statement, export

        run = self if self.device.type == "cpu" else Run(self.folder, self.saved, self.notes, self.own)
        return export(
            run, out, to=to, parts=parts, precision=precision, name=name, statement=statement or Statement(), size=size,
            progress=progress,
        )  # fmt: skip

    def save_images(
        self,
        folder: str | Path,
        count: int = 64,
        seed: int = 0,
        labels: Mapping[str, str] | None = None,
        truncate: float = 1.0,
        *,
        grid_only: bool = False,
        metadata: bool = True,
    ) -> list[Path]:
        """Generate images and write them as PNG files, with a grid of the first 256 beside them; for other
        formats and shards, see `inference.sample_files`.

        Args:
            folder: output folder; created if it does not exist.
            count: number of images.
            seed: random seed of the series.
            labels: labels for a conditional generator, by field.
            truncate: see `sample`.
            grid_only: True to write one grid of all images instead of single files.
            metadata: True to mark each file as synthetic, with its weights and seed.

        Returns:
            The files, the grid last.

        Raises:
            UserError: as in `sample`; also if the run makes volumes, or a file cannot be written.

        >>> load("runs/faces").save_images("out", 64, seed=7)[-1]    # doctest: +SKIP
        PosixPath('out/grid.png')
        """
        require_path(folder, "folder")
        place = Path(folder)
        if self.table is not None:
            raise UserError(
                f"{self.path} generates vectors; write them with organza.inference.sample_vectors.sample_vectors."
            )
        if len(self.shape) == 4:
            raise UserError(f"{self.path} generates volumes; write them with organza.media.volume_files.write_volumes.")
        if grid_only:  # the images, the grid, and the encoded grid
            require_memory(3 * count * math.prod(self.shape), f"A grid of {count:,} images")
            images = self.sample(count, seed, labels=labels, truncate=truncate)
            save_png(grid(images), place / "grid.png", self.made_by(seed) if metadata else None)
            return [place / "grid.png"]
        sample_files(self, place, count, seed, labels, truncate=truncate, metadata=metadata)
        return [*(place / f"{name_of(index)}.png" for index in range(count)), place / "grid.png"]


def load(
    path: str | Path,
    which: str = "best",
    recipe: Recipe | str | None = None,
    *,
    device: str | torch.device = AUTO,
    modules: Sequence[str] = (),
    engine: Engine = "torch",
) -> Run:
    """Load a trained run.

    Loading runs no code that its files name: networks are organza's own, or from the modules of
    `recipe`.

    Args:
        path: run folder; or an exported folder, builtin:faces for the generator in this package, or hf://USER/NAME@REVISION for one on
            the hub, which is downloaded and announced with its size and sha256.
        which: "best" (by the distance to held-out images), "latest", or the name of a checkpoint
            such as 00012000.
        recipe: recipe of your own that it was trained with, as a value or as my_module:my_recipe;
            its modules are trusted.
        device: auto (CUDA if there is any, else MPS, else the CPU), cpu, cuda, cuda:1 or mps.
        modules: names of further modules of your own that its networks are from; they are imported.
        engine: engine of `sample`: torch, or onnx for onnxruntime on the CPU, whose bytes differ by one level of 255 at most; if it
            cannot be used, torch is, and the run's notes give the reason.

    Raises:
        UserError: if there is no run, no such checkpoint, or no intact one; when its networks are first
            used, also if they are from modules that are not named here.
    """
    require_path(path, "path")
    require_text(which, "which", "best")
    require_engine(engine)
    chosen = device_of("cpu" if engine == "onnx" and device == AUTO else device)
    run = _opened(path, which, modules_of(recipe) | trusted(modules)).to(chosen).with_engine(engine)
    for note in run.notes:
        log.warning(note)
    return run


def _opened(path: str | Path, which: str, own: Collection[str]) -> Run:
    """Return the run of a folder: its checkpoint of this name, or the newest good one in its place."""
    if (exported := folder_at(path)) is not None:
        return _exported(exported, which, own)
    folder = RunFolder(path)
    folder.read()
    names = [directory.name for directory in checkpoint.existing(folder.checkpoints)]
    if not names:
        raise UserError(f"{path} has no checkpoint yet; train it until its first evaluation.")
    if which not in ("best", "latest", *names):
        raise UserError(
            f"{path} has no checkpoint {which}; choose from best, latest, {', '.join(names)}.{nearest(which, names)}"
        )
    wanted = _named(folder, which)
    files = {"generator", "discriminator"}
    troubles = []
    if wanted in names:
        try:
            return Run(folder, _checked(checkpoint.load(folder.checkpoints / wanted, files)), own=own)
        except Damaged as damage:
            if which not in ("best", "latest"):
                raise UserError(f"{damage}; choose another with `which`: {', '.join(names)}.") from None
            troubles.append(str(damage))
    saved, wrong = checkpoint.newest_good(folder.checkpoints, files, _checked)
    troubles += [text for text in wrong if text not in troubles]
    if saved is None:
        raise UserError(f"All checkpoints of {path} are damaged: {'; '.join(troubles)}.")
    return Run(folder, saved, tuple(f"{text}; using {saved.directory.name} instead" for text in troubles), own)


def _exported(folder: ExportedFolder, which: str, own: Collection[str]) -> Run:
    """Open a folder that `organza export` wrote, which holds one checkpoint."""
    if which not in ("best", "latest"):
        raise UserError(f"{folder.path} was exported and holds one checkpoint; leave {which} out.")
    saved = folder.opened()
    try:
        require_form(saved.facts, FACTS)
    except ValueError as error:
        raise UserError(f"{folder.path} is no export of organza: its manifest is of another form, {error}.") from None
    return Run(folder, saved, own=own)


def _checked(saved: Checkpoint) -> Checkpoint:
    """Return a checkpoint after a check of the facts that sampling and judging need. Raises
    Damaged.
    """
    try:
        require_form(saved.facts, FACTS)
    except ValueError as error:
        raise Damaged(f"{saved.directory / checkpoint.MANIFEST} is not a manifest of a run: {error}") from None
    if missing := {"generator", "discriminator"} - saved.tensors.keys():
        raise Damaged(f"{saved.directory} has no {min(missing)}.safetensors")
    return saved


def _named(folder: RunFolder, which: str) -> str:
    """Return the checkpoint that best or latest points to; "" if the pointer cannot be read."""
    pointer = {"best": folder.best, "latest": folder.latest}.get(which)
    if pointer is None:
        return which
    try:
        return str(read_json(pointer, inside=folder.path)["checkpoint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
