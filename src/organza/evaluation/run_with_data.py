"""A run together with the data that it was trained on: its real images, and those that it generates."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from organza.config import Partial
from organza.config.outline import TooLarge, outlined
from organza.data.batches import Batches, Split
from organza.data.difference import difference
from organza.data.location import asked_of, is_own, locate, places, remember
from organza.data.shards.place import is_remote
from organza.data.source import Source
from organza.distributed.world import ALONE, World
from organza.errors import UserError, told_but_memory
from organza.evaluation.image_sets import ImageSet
from organza.export.folder import ExportedFolder
from organza.game import Batch, Game
from organza.inference.device import AUTO
from organza.inference.load import Run, load
from organza.networks.layers import channels_last
from organza.progress import Progress
from organza.recipe import Recipe, recorded
from organza.run.checkpoint import Damaged
from organza.run.weights import fitting_network
from organza.seeding import MICROBATCH, stream
from organza.untrusted import printable

MOST_TRAINING = 20_000
"""Largest number of training images to search for copies."""
FIRST = 1_000_000
"""Index of the first latent for evaluations, beyond those of the sample grids; training uses the
same latents."""


class RunWithData:
    """A run with its data, if that is available.

    Args:
        path: run folder; or a loaded run, whose checkpoint and device are used.
        which: best, latest, or a checkpoint's name.
        progress: callback (task, done, total).
        recipe: recipe of your own that the run was trained with: see `load`.
        at: new location of the data, if it was moved; remembered for next time.
        labels: columns or table of the labels, if the run was exported and they lay outside its data.
        world: ranks that share the generation of images.
        device: device of the networks: see `load`. Several ranks stay on the CPU.
        modules: names of further modules of your own that its networks are from.
    """

    def __init__(
        self,
        path: str | Path | Run,
        which: str = "best",
        progress: Progress | None = None,
        recipe: Recipe | str | None = None,
        at: str | Path | None = None,
        labels: str | None = None,
        world: World = ALONE,
        device: str | torch.device = AUTO,
        modules: Sequence[str] = (),
    ):
        place = device if world.size == 1 else "cpu"
        self.run = path if isinstance(path, Run) else load(path, which, recipe, device=place, modules=modules)
        self.world, self.progress, self.at, self.labels = world, progress, at, labels

    @property
    def name(self) -> str:
        return f"{self.run.path} at {self.run.images:,} images"

    @cached_property
    def recipe(self) -> Recipe:
        """Recipe of the run. Raises UserError if it was written by another version, or changed."""
        try:
            return recorded(self.run.content["recipe"], self.run.own)
        except UserError as error:
            raise UserError(f"{self.run.folder.recipe} cannot be used: {error}") from None

    @cached_property
    def data(self) -> Batches:
        """Data that the run was trained on, in the same layout.

        Raises:
            UserError: if it is missing, changed, or cannot be laid out by this version.
        """
        content, path, exported = self.run.content, self.run.path, isinstance(self.run.folder, ExportedFolder)
        if exported and self.at is None:
            raise UserError(f"{path} was exported without its data; name the data's place with `data`.")
        if self.at is not None:
            data = self._opened(self.at if is_remote(self.at) else Path(self.at))
            if not exported:  # an exported folder may be sent on, and must not tell where data is
                with suppress(UserError):  # a run that cannot be written to needs the location again next time
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

    def _untold(self, place: Path | str) -> UserError:
        """Return the error for data that a stranger's run names: it reveals nothing of the data, as
        a page with it may be shared.
        """
        return UserError(
            f"{printable(str(place))} is not the data that {self.run.path} was trained on, or cannot be read as it was then; "
            "give the location of its data with `data`."
        )

    def _opened(self, place: Path | str) -> Batches:
        """Open the data at a place. Raises UserError if there is none, or it is not the data of the
        run.
        """
        known: Mapping[str, Any] = self.run.content["data"]
        asked = self.run.content.get("asked")
        if asked is None:
            raise UserError(
                f"{self.run.path} was begun by another version, which did not record how its data was read."
            )
        wishes = asked_of(self.run.content, self.run.path, place) | ({"labels": self.labels} if self.labels else {})
        data = self.recipe.opened(Source.remembered(place, wishes, self.progress))
        if not data.is_same(known["fingerprint"]):
            raise UserError(
                f"{place} is not the data that {self.run.path} was trained on, or it has changed: {difference(known, data)}. "
                "Restore it, or give the location of the data with `data`."
            )
        facts = data.facts()
        for name in ("shape", "source_shape", "labels"):
            if _widths(known.get(name)) != _widths(facts.get(name)):
                raise UserError(f"{self.run.folder.recipe} was changed: its {name} is not that of {place}; restore it.")
        return data

    def missing(self) -> str:
        """Return the reason why the data cannot be used, or "" if it can."""
        try:
            _ = self.data
        except UserError as reason:
            return str(reason)
        return ""

    def real(self) -> ImageSet:
        """Return the held-out images, or the training images if none were held out."""
        split = "held-out" if len(self.data.parts.held_out) else "training"
        return ImageSet(
            printable(str(self.run.content["data"]["source"])),
            self.data.real(),
            self.data.reference_key,  # equal to the evaluator's, to reuse its features
            self.data.directory.parent,
            labels=self._labels(self.data),
            fields=self.run.labels,
            split=split,
            table=self.data.table,
        )

    def training(self, most: int = MOST_TRAINING) -> ImageSet:
        """Return the training images; if there are more than `most`, evenly spaced ones."""
        which = self.data.spaced(most)
        as_reference = copy.copy(self.data)  # the layout's `real` returns reference items; the copy has others
        as_reference.parts = Split(self.data.parts.train, which)
        names = getattr(getattr(self.data, "pack", None), "names", ())
        note = f"copies are searched in {len(which):,} of {len(self.data.parts.train):,} training images"
        return ImageSet(
            printable(str(self.run.content["data"]["source"])),
            as_reference.real(),
            f"{self.data.fingerprint}-training-{len(which)}",
            self.data.directory.parent,
            tuple(names[index] for index in which) if names else (),
            self._labels(as_reference),
            self.run.labels,
            "training",
            notes=(note,) if len(which) < len(self.data.parts.train) else (),
            table=self.data.table,
        )

    @torch.no_grad()
    def made(self, count: int, seed: int) -> ImageSet:
        """Generate images with the averaged generator, from latents of a series and the labels and
        inputs of the held-out items.

        If the generator uses no random numbers, each input is translated once: each held-out pair, or each
        input that differs from the others if inputs have no targets.

        Args:
            count: number of images.
            seed: random seed of the series.
        """
        with told_but_memory(
            f"{self.run.folder.recipe} describes a game that its networks and data do not support; restore it"
        ):
            return self._made(count, seed)

    def _made(self, count: int, seed: int) -> ImageSet:
        """Generate images: see `made`."""
        game, device = self._game(), self.run.device
        images, labels, targets, seen = [], [], [], set()
        rivals: dict[str, list[np.ndarray]] = {}
        groups: list[str] = []

        @lru_cache(self.world.size)
        def input_of(some: range) -> tuple[Batch, Batch]:
            return self.data.referenced(some), game.latents([stream(seed, "sample", position) for position in some])

        def output_of(some: range) -> Tensor:
            batch, latents = input_of(some)
            return self.data.finished(game.make({name: x.to(device) for name, x in (batch | latents).items()})).cpu()

        for some, made in self._shared(output_of, _chunks(count, FIRST)):
            batch, latents = input_of(some)
            if latents:
                keep = list(range(len(some)))
            elif game.paired:  # two held-out items may look the same
                keep = [row for row, k in enumerate(some) if k - FIRST < len(self.data.reference)]
            else:
                keep = _new(batch, game.output, seen)
            images.append(made.numpy()[keep])
            if self._labelled:
                labels.append(batch["label"].numpy()[keep])
            if game.paired:
                targets.append(self.data.finished(batch[game.output]).numpy()[keep])
            for name, simple in self.data.simply(some).items():
                rivals.setdefault(name, []).append(simple[keep])
            groups += [group for row, group in enumerate(self.data.groups(some)) if row in keep]
            if not keep:
                break
            if self.progress:
                self.progress("generating images", min(some.stop - FIRST, count), count)
        return ImageSet(
            self.name,
            np.concatenate(images)[:count],
            labels=np.concatenate(labels)[:count] if labels else None,
            fields=self.run.labels,
            targets=np.concatenate(targets)[:count] if targets else None,
            rivals={name: np.concatenate(parts)[:count] for name, parts in rivals.items()},
            groups=tuple(groups[:count]),
            border=self.data.border,
            notes=self.run.notes,
            table=self.data.table,
        )

    def sampled(self, count: int, seed: int) -> ImageSet:
        """Generate images from latents only, for a run without its data."""

        def output_of(some: range) -> Tensor:
            return torch.from_numpy(next(self.run.sampled(len(some), seed, some.start)))

        parts = [made.numpy() for _, made in self._shared(output_of, _chunks(count, FIRST))]
        return ImageSet(self.name, np.concatenate(parts)[:count], notes=self.run.notes, table=self.run.table)

    def _shared(self, work: Callable[[range], Tensor], parts: Sequence[range]) -> Iterator[tuple[range, Tensor]]:
        """Yield the parts with their results, each computed by one of the ranks."""
        for start in range(0, len(parts), self.world.size):
            some = parts[start : start + self.world.size]
            yield from zip(some, self.world.map(work, some), strict=True)

    @property
    def _labelled(self) -> bool:
        return self.run.labels is not None

    def _labels(self, data: Batches) -> np.ndarray | None:
        """Return the label of each reference item, [N, width]; None if the run has no labels."""
        count = len(data.reference)
        if not self._labelled:
            return None
        return np.concatenate([data.referenced(some)["label"].numpy() for some in _chunks(count)])[:count]

    def _game(self) -> Game:
        """Build the game of the checkpoint, with the averaged generator, on the run's device."""
        saved, parts = self.run.saved, self.recipe.players(self.data)
        alone = isinstance(self.run.folder, ExportedFolder) and "discriminator" not in saved.tensors

        def network(name: str, part: Partial) -> nn.Module:
            """Build one player from its partial and the tensors of the checkpoint."""
            if name == "discriminator" and alone:  # nothing is judged: its outline suffices
                with outlined():
                    return part()
            place = str(saved.directory / f"{name}.safetensors")
            return fitting_network(part, saved.tensors[name], place).to(self.run.device)

        try:  # memory is allocated only for what the checkpoint holds, whatever recipe.json describes
            G, D = (network(name, part) for name, part in zip(("generator", "discriminator"), parts, strict=True))
        except (Damaged, TooLarge) as damage:
            raise UserError(f"{damage}; choose another with `checkpoint`.") from None
        return channels_last(self.recipe.played_by(G, D)).eval().requires_grad_(False)


def _chunks(count: int, first: int = 0) -> list[range]:
    return [range(start, start + MICROBATCH) for start in range(first, first + count, MICROBATCH)]


def _new(batch: Batch, output: str, seen: set[bytes]) -> list[int]:
    """Return the rows whose input has not come before; indices of reference items repeat after the
    last.
    """
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
    """Return a shape, or for labels the number of values of each: the facts that later arithmetic
    relies on.
    """
    if isinstance(fact, list | tuple):
        return [len(one.get("values", ())) if isinstance(one, Mapping) else one for one in fact]
    return fact
