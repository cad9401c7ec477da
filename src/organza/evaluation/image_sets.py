"""The two sides of an evaluation: pictures that a run makes or a folder holds, and the real ones that they are held against."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from organza.data.batches import Batches, Split, to_uint8
from organza.data.defaults import sampled
from organza.data.difference import difference
from organza.data.folder import listing
from organza.data.labels import Field, Labels
from organza.data.location import asked_of, is_own, locate, places, remember
from organza.data.pack import open_data
from organza.data.size import Size
from organza.data.source import Source
from organza.errors import UserError, told_but_memory
from organza.export.folder import ExportedFolder
from organza.game import Batch, Game
from organza.inference.load import load
from organza.networks.layers import channels_last
from organza.progress import Progress
from organza.recipe import Recipe, recorded
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.run.folder import RunFolder
from organza.seeding import MICROBATCH, stream
from organza.shell import quoted
from organza.untrusted import printable

MOST = 10_000
"""Pictures of a folder; of more, evenly spaced ones are taken."""
MOST_TRAINING = 20_000
"""Training images that samples are searched for."""
FIRST = 1_000_000
"""Number of the first latent that is measured: those of the sample grids stay out, and training measures the same ones."""
LARGEST = Size(256, 256)
COMMON = Size(96, 96)


@dataclass(frozen=True)
class Side:
    """Pictures on one side of a comparison.

    Args:
        name: where they are from.
        images: uint8 [N, H, W, C], or volumes [N, D, H, W, C].
        key: stands for their content; None where they were just made.
        directory: for what is derived from them.
        names: of the pictures, where they have any.
        labels: what is known of each, float [N, width], by `fields`.
        fields: None where nothing is known.
        split: which part of the data they are.
        targets: what each should be, uint8 like the images, where it has a target of its own.
        notes: what the user should know.
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
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> str:
        """Width x height (x depth) x channels."""
        return "x".join(str(side) for side in (*reversed(self.images.shape[1:-1]), self.images.shape[-1]))

    def classes(self) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        """The categorical fields, and the index of each picture's value: {field: (values, int [N])}."""
        if self.fields is None or self.labels is None:
            return {}
        where = self.fields.slices()
        return {
            field.name: (field.values, self.labels[:, where[field.name]].argmax(1))
            for field in self.fields.fields
            if field.values and not field.several
        }


def folder_side(
    path: str | Path,
    size: Size | None = None,
    channels: int | None = None,
    most: int = MOST,
    progress: Progress | None = None,
) -> Side:
    """The pictures of a folder, a zip or an array file.

    Args:
        path: where they are.
        size, channels: to bring them to, as a run brings its own. By default pictures of one size stay as they are (up to 256x256), and of
            pictures of many sizes the middle square is taken, at 96x96: the extractor scales them to its own resolution.
        most: how many at the most, evenly spaced.
        progress: is told (what, done, total).

    Raises:
        UserError: no such folder, no pictures in it, none of them readable.
    """
    if not Path(path).exists():
        listing(path)  # tells what is near
    pack = open_data(path, size=size or _own_size(path), channels=channels, progress=progress)
    which = _spaced(np.arange(len(pack)), most)
    notes = [f"{name} is left out: {reason}" for name, reason in pack.broken[:3]]
    if len(pack.broken) > 3:
        notes.append(
            f"{len(pack.broken) - 3:,} more files of {path} are left out; organza data check {quoted(path)} lists them"
        )
    if len(which) < len(pack):
        notes.append(f"{len(which):,} of the {len(pack):,} pictures in {path} are used, evenly spaced")
    fields = labels = None
    if pack.labels is not None:
        fields, labels = _folders_as_labels(pack.classes, pack.labels[which])
    return Side(
        str(path),
        pack.images[which],
        f"{pack.fingerprint}-{len(which)}",
        pack.directory.parent,
        tuple(pack.names[int(index)] for index in which),
        labels,
        fields,
        notes=tuple(notes),
    )


def _own_size(path: str | Path) -> Size:
    sizes = {facts.size for facts in sampled(listing(path))}
    one = len(sizes) == 1 and all(side <= most for side, most in zip(*sizes, LARGEST, strict=True))
    return Size(*sizes.pop()) if one else COMMON


def _folders_as_labels(classes: Sequence[str], labels: np.ndarray) -> tuple[Labels, np.ndarray]:
    return Labels((Field("class", tuple(classes), (0.0,) * len(classes)),)), np.eye(len(classes))[labels]


def _spaced(items: np.ndarray, most: int) -> np.ndarray:
    return items if len(items) <= most else items[np.linspace(0, len(items) - 1, most).round().astype(int)]


class Trained:
    """A run and its data, as far as it is still there.

    Args:
        path: the run's folder.
        which: best, latest, or a checkpoint's name.
        progress: is told (what, done, total).
        recipe: recipe of your own that the run was trained with: see `infer.load`.
        at: place of the data, where it was moved; it is written down for the next time.
    """

    def __init__(
        self,
        path: str | Path,
        which: str = "best",
        progress: Progress | None = None,
        recipe: Recipe | str | None = None,
        at: str | Path | None = None,
    ):
        self.run, self.progress, self.at = load(path, which, recipe), progress, at

    @property
    def name(self) -> str:
        return f"{self.run.path} at {self.run.images:,} images"

    @cached_property
    def recipe(self) -> Recipe:
        """Raises UserError: it was written by another version, or changed."""
        try:
            return recorded(self.run.content["recipe"], self.run.own)
        except UserError as error:
            raise UserError(f"{self.run.folder.recipe} cannot be used: {error}") from None

    @cached_property
    def data(self) -> Batches:
        """The data that it was trained on, laid out as it was.

        Raises:
            UserError: it is not there, changed since, or cannot be laid out by this version.
        """
        content, path, exported = self.run.content, self.run.path, isinstance(self.run.folder, ExportedFolder)
        if exported and self.at is None:
            raise UserError(f"{path} was exported without its data; name the data's place with --data.")
        if self.at is not None:
            data = self._opened(Path(self.at))
            if not exported:  # it may be sent on, and is to tell nobody where data is kept
                with suppress(UserError):  # of a run that cannot be written to, it is named again the next time
                    remember(path, self.at)
            return data
        first: UserError | None = None
        for place in [locate(content, path), *places(content, path)[1:]]:
            try:
                return self._opened(place)
            except UserError as error:
                first = first or (error if is_own(content, path) else self._untold(place))
        assert first is not None
        raise first from None

    def _untold(self, place: Path) -> UserError:
        """The sentence for data that a stranger's run led to: nothing of it is told, since a page with it may be sent on."""
        return UserError(
            f"{printable(str(place))} is not what {self.run.path} was trained on, or cannot be read as it was then; "
            "name the place of its data with --data."
        )

    def _opened(self, place: Path) -> Batches:
        """The data at a place. Raises UserError where it is none, or another than the run was trained on."""
        known: Mapping[str, Any] = self.run.content["data"]
        asked = self.run.content.get("asked")
        if asked is None:
            raise UserError(
                f"{self.run.path} was begun by another version, which did not write down how its data was read."
            )
        wishes = asked_of(self.run.content, self.run.path, place)
        data = self.recipe.data(Source.remembered(place, wishes, self.progress))
        if not data.is_same(known["fingerprint"]):
            raise UserError(
                f"{place} is not what {self.run.path} was trained on, or changed since: {difference(known, data)}. "
                "Put back what it was, or name its place with --data."
            )
        facts = data.facts()
        for name in ("shape", "source_shape", "labels"):
            if _widths(known.get(name)) != _widths(facts.get(name)):
                raise UserError(f"{self.run.folder.recipe} was changed: its {name} is not that of {place}; restore it.")
        return data

    def missing(self) -> str:
        """Why its data cannot be used, in words; nothing where it can."""
        try:
            _ = self.data
        except UserError as reason:
            return str(reason)
        return ""

    def real(self) -> Side:
        """Its held-out images; those that it was trained on where none were held out."""
        split = "held-out" if len(self.data.parts.held_out) else "training"
        return Side(
            printable(str(self.run.content["data"]["source"])),
            self.data.real(),
            self.data.reference_key,  # as the referee's: its features are used again
            self.data.directory.parent,
            labels=self._labels(self.data),
            fields=self.run.labels,
            split=split,
        )

    def training(self, most: int = MOST_TRAINING) -> Side:
        """The images that it was trained on; of more than `most`, evenly spaced ones."""
        which = _spaced(self.data.parts.train, most)
        as_reference = copy.copy(self.data)  # `real` of a layout knows how its items look; it is asked for others
        as_reference.parts = Split(self.data.parts.train, which)
        names = getattr(getattr(self.data, "pack", None), "names", ())
        note = f"samples are looked for in {len(which):,} of {len(self.data.parts.train):,} training images"
        return Side(
            printable(str(self.run.content["data"]["source"])),
            as_reference.real(),
            f"{self.data.fingerprint}-training-{len(which)}",
            self.data.directory.parent,
            tuple(names[index] for index in which) if names else (),
            self._labels(as_reference),
            self.run.labels,
            "training",
            notes=(note,) if len(which) < len(self.data.parts.train) else (),
        )

    @torch.no_grad()
    def made(self, count: int, seed: int) -> Side:
        """What the averaged generator makes: of latents of a series, of the labels and inputs of the held-out items.

        Where there is no randomness in it, each input is translated once.

        Args:
            count: how many pictures.
            seed: of the series.
        """
        with told_but_memory(
            f"{self.run.folder.recipe} tells of a game that its networks and data cannot play; restore it"
        ):
            return self._made(count, seed)

    def _made(self, count: int, seed: int) -> Side:
        game = self._game()
        images, labels, targets, seen = [], [], [], set()
        for some in _chunks(count, FIRST):
            batch = self.data.referenced(some)
            latents = game.latents([stream(seed, "sample", position) for position in some])
            keep = list(range(len(some))) if latents else _new(batch, game.output, seen)
            made = to_uint8(game.make(batch | latents)).numpy()
            images.append(made[keep])
            if self._labelled:
                labels.append(batch["label"].numpy()[keep])
            if game.paired:
                targets.append(to_uint8(batch[game.output]).numpy()[keep])
            if not keep:
                break
            if self.progress:
                self.progress("making pictures", min(some.stop - FIRST, count), count)
        return Side(
            self.name,
            np.concatenate(images)[:count],
            labels=np.concatenate(labels)[:count] if labels else None,
            fields=self.run.labels,
            targets=np.concatenate(targets)[:count] if targets else None,
            notes=self.run.notes,
        )

    def sampled(self, count: int, seed: int) -> Side:
        """What the generator makes of latents alone, for a run whose data is gone."""
        images = self.run.sample(count, seed, FIRST)
        return Side(self.name, images, notes=self.run.notes)

    @property
    def _labelled(self) -> bool:
        return self.run.labels is not None

    def _labels(self, data: Batches) -> np.ndarray | None:
        """What is known of each reference item, [N, width]; None where the run knows no labels."""
        count = len(data.reference)
        if not self._labelled:
            return None
        return np.concatenate([data.referenced(some)["label"].numpy() for some in _chunks(count)])[:count]

    def _game(self) -> Game:
        saved, parts = self.run.saved, self.recipe.players(self.data)
        try:  # memory is taken only for what the checkpoint has, whatever recipe.json tells of
            G, D = (
                checkpoint.fitting_network(part, saved.tensors[name], str(saved.directory / f"{name}.safetensors"))
                for name, part in zip(("generator", "discriminator"), parts, strict=True)
            )
        except Damaged as damage:
            raise UserError(f"{damage}; choose another with --checkpoint.") from None
        return channels_last(self.recipe.played_by(G, D)).eval().requires_grad_(False)


def _chunks(count: int, first: int = 0) -> list[range]:
    return [range(start, start + MICROBATCH) for start in range(first, first + count, MICROBATCH)]


def _new(batch: Batch, output: str, seen: set[bytes]) -> list[int]:
    """The rows whose input has not come before; the numbers of reference items go round."""
    inputs = [value.flatten(1) for name, value in batch.items() if name != output]
    rows = torch.cat(inputs, 1).numpy() if inputs else np.empty((0, 0))
    keep = []
    for row, values in enumerate(rows):
        mark = values.tobytes()
        if mark not in seen:
            seen.add(mark)
            keep.append(row)
    return keep


def _widths(fact: Any) -> Any:
    """Return a shape, or of labels the number of values of each: what later arithmetic takes for granted."""
    if isinstance(fact, list | tuple):
        return [len(one.get("values", ())) if isinstance(one, Mapping) else one for one in fact]
    return fact


def is_run(path: str | Path) -> bool:
    """Has a run begun in this folder?"""
    return RunFolder(path).exists or ExportedFolder.is_at(path)
