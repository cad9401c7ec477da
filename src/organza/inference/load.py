"""Inference: after training, the generator alone makes images, and the discriminator scores images.

>>> run = load("runs/faces")                      # doctest: +SKIP
>>> pictures = run.sample(16, seed=7)             # doctest: +SKIP
>>> run.judge(pictures)                           # doctest: +SKIP
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, overload

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from organza.config import Partial, decode
from organza.config.arguments import as_bytes, as_image, as_labels, as_latents, require_path, require_text, room, whole
from organza.data.batches import to_float, to_uint8
from organza.data.labels import Labels
from organza.errors import UserError, lacks_memory, nearest
from organza.export.folder import ExportedFolder
from organza.export.places import folder_at
from organza.inference.device import AUTO, device_of
from organza.latents.law import Law
from organza.latents.truncation import truncated
from organza.latents.walks import require_share
from organza.losses import probability
from organza.media.html import html, picture
from organza.media.images import grid, save_png, to_image
from organza.media.provenance import MADE, Provenance
from organza.media.volumes import render
from organza.memory import require_memory
from organza.networks.layers import Several, Translator, channels_last, main_network
from organza.progress import Progress
from organza.recipe import Recipe
from organza.recipes import modules_of, trusted
from organza.run import checkpoint
from organza.run.checkpoint import Checkpoint, Damaged
from organza.run.folder import RunFolder
from organza.run.forms import natural, require_form
from organza.seeding import MICROBATCH, stream
from organza.untrusted import printable, read_json

if TYPE_CHECKING:
    from organza.export.card import Statement
    from organza.export.release import Exported
    from organza.latents.directions import Direction
    from organza.latents.inverting import Inversion
    from organza.latents.search import Labelled, Search

FACTS = {"images": natural, "neutral": float | None, "checkpoint?": str}
"""Facts in a manifest that sampling and judging need."""
Output = Literal["numpy", "pil", "torch"]
log = logging.getLogger("organza")
SEEDS = 2**64
FARTHEST = 1000
"""Largest value of a code, which was trained on [-1, 1]."""
LARGE = 2**24
"""Values of an image above which it is first tried without memory, since recipe.json may give any
size."""


class Run:
    """A trained run: its generator, its discriminator, and their data.

    Args:
        folder: run folder.
        saved: checkpoint to use.
        notes: notes for the user on the choice of checkpoint.
        own: names of the user's own modules that its networks may be from.
    """

    def __init__(
        self, folder: RunFolder, saved: Checkpoint, notes: tuple[str, ...] = (), own: Collection[str] = frozenset()
    ):
        self.path, self.folder, self.saved, self.notes, self.own = folder.path, folder, saved, notes, own
        self.device = torch.device("cpu")
        self._rooms: dict[str, int] = {}
        self.content = folder.read()
        self.shape = tuple(self.content["data"]["shape"])  # shape of generated items, channels first
        self.channels, (self.height, self.width) = self.shape[0], self.shape[-2:]
        self.labels = Labels.of(self.content["data"]["labels"]) if "labels" in self.content["data"] else None

    @property
    def images(self) -> int:
        """Images seen when these weights were saved."""
        return self.saved.facts["images"]

    def __repr__(self) -> str:
        size = "x".join(map(str, reversed(self.shape[1:])))
        return (
            f"Run({str(self.path)!r}: {printable(self.content['recipe']['name'])}, {size}, {self.channels} "
            f"channel{'s' * (self.channels != 1)}, checkpoint {self.saved.directory.name}, {self.images:,} images seen, on {self.device})"
        )

    def _repr_html_(self) -> str:
        """Return the run for a notebook: its facts, and a grid of its first 16 samples if it generates from noise."""
        if not hasattr(self.generator, "latent"):
            return f"<div>{html(repr(self))}</div>"
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
        self.device = device_of(device)
        for name in ("player", "_judge"):
            if name in self.__dict__:
                self.__dict__[name].to(self.device)
        return self

    def made_by(self, seed: int | None = None, kind: str = MADE) -> Provenance:
        """Return the provenance that files of this run's images state.

        Args:
            seed: random seed of the latents.
            kind: IPTC's term: generated, or made from another image.
        """
        digest = self.saved.digests["generator.safetensors"]
        return Provenance(
            digest,
            self.saved.facts.get("checkpoint", self.saved.directory.name),
            self.content["recipe"]["name"],
            seed,
            kind,
        )

    def export(
        self,
        out: str | Path | None = None,
        *,
        to: Sequence[str] = (),
        parts: Sequence[str] = ("generator", "encoder"),
        precision: str | None = None,
        name: str | None = None,
        statement: Statement | None = None,
        progress: Progress | None = None,
    ) -> Exported:
        """Write the networks in forms that need neither the run nor its data: see `organza.export.release.export`."""
        from organza.export.release import Statement, export

        run = self if self.device.type == "cpu" else Run(self.folder, self.saved, self.notes, self.own)
        return export(
            run, out, to=to, parts=parts, precision=precision, name=name, statement=statement or Statement(), progress=progress
        )  # fmt: skip

    @cached_property
    def generator(self) -> nn.Module:
        """The averaged generator: z [N, z_dim] to data [N, C, ...] in [-1, 1]. If there are several networks, the main one."""
        return main_network(self.player)

    @cached_property
    def encoder(self) -> nn.Module:
        """The averaged encoder: data [N, C, ...] in [-1, 1] to latents [N, z_dim].

        Raises:
            UserError: if the run has none.
        """
        if not (isinstance(self.player, Several) and "encoder" in self.player):
            raise UserError(
                f"{self.path} has no encoder, so it cannot map images to latents; train one with `recipe='aae-light'` or bigan-light."
            )
        return self.player["encoder"]

    @cached_property
    def discriminator(self) -> nn.Module:
        """The discriminator: images [N, C, H, W] in [-1, 1] to logits. If there are several
        networks, the main one.
        """
        return main_network(self._judge)

    @cached_property
    def _judge(self) -> nn.Module:
        return self._network("discriminator")

    @overload
    def sample(
        self, count: int = ..., seed: int = ..., first: int = ..., labels: Mapping[str, str] | None = ...,
        truncate: float = ..., *, output: Literal["numpy"] = ...,
    ) -> np.ndarray: ...  # fmt: skip

    @overload
    def sample(
        self, count: int = ..., seed: int = ..., first: int = ..., labels: Mapping[str, str] | None = ...,
        truncate: float = ..., *, output: Literal["pil"],
    ) -> list[Image]: ...  # fmt: skip

    @overload
    def sample(
        self, count: int = ..., seed: int = ..., first: int = ..., labels: Mapping[str, str] | None = ...,
        truncate: float = ..., *, output: Literal["torch"],
    ) -> Tensor: ...  # fmt: skip

    def sample(
        self,
        count: int = 16,
        seed: int = 0,
        first: int = 0,
        labels: Mapping[str, str] | None = None,
        truncate: float = 1.0,
        *,
        output: Output = "numpy",
    ) -> np.ndarray | list[Image] | Tensor:
        """Generate images, or volumes. Image k of a seed is the same in every batch.

        Args:
            count: number of images.
            seed: random seed of the series.
            first: index of the first image in the series.
            labels: labels for a conditional generator, by field: {"class": "dress"}; others are
                drawn with their frequencies in the data.
            truncate: share of each latent's distance from the centre of its law to keep; below 1,
                images are more usual and less varied.
            output: "numpy" for uint8 [count, H, W, C], "pil" for a list of Pillow images, "torch"
                for floats in [-1, 1], [count, C, H, W].

        Raises:
            UserError: if count is not positive, the run does not generate from noise, or there is
                no such label.

        >>> load("runs/faces").sample(16, seed=7, output="pil")[0].show()    # doctest: +SKIP
        """
        count = whole(count, "count", least=1)
        _require_output(output, self.shape)
        parts = self.sampled(count, seed, first, labels, truncate)
        made = None
        for start in range(0, count, MICROBATCH):
            part = next(parts)
            made = room(count, part.shape[1:]) if made is None else made
            made[start : start + len(part)] = part
        assert made is not None
        if output == "pil":
            return [to_image(image) for image in made]
        return to_float(made).contiguous() if output == "torch" else made

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
        """Generate images and write them as PNG files, with a grid of the first 256 beside them.

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
        place, made_by = Path(folder), self.made_by(seed) if metadata else None
        if len(self.shape) == 4:
            raise UserError(f"{self.path} generates volumes; write them with organza.media.volume_files.write_volumes.")
        if grid_only:  # the images, the grid, and the encoded grid
            require_memory(3 * count * math.prod(self.shape), f"A grid of {count:,} images")
        kept: list[np.ndarray] = []  # a grid beside single files shows the first 256: more would be hard to open
        written: list[Path] = []
        for images in self.sampled(count, seed, labels=labels, truncate=truncate):
            if grid_only or len(kept) < 256:
                kept.extend(images)
            for image in () if grid_only else images:
                written.append(place / f"{len(written):05d}.png")
                save_png(image, written[-1], made_by)
        save_png(grid(np.stack(kept if grid_only else kept[:256])), place / "grid.png", made_by)
        return [*written, place / "grid.png"]

    def sampled(
        self,
        count: int,
        seed: int = 0,
        first: int = 0,
        labels: Mapping[str, str] | None = None,
        truncate: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """Yield the images of `sample` a few at a time, for more than fit into memory."""
        count, first = whole(count, "count", least=1), whole(first, "first", least=0)
        seed, labels = whole(seed, "seed", most=SEEDS), as_labels(labels)
        if labels and self.labels is None:
            raise UserError(f"{self.path} has no labels; train with a conditional recipe, such as cgan-light.")
        if not hasattr(self.generator, "latent"):
            raise UserError(
                f"{self.path} translates images and generates none from noise: use `translate` (organza translate RUN IN OUT)."
            )
        psi = require_share(truncate, "truncate", 2)
        law = Law.of(self.generator.prior)  # type: ignore[arg-type]
        for start in range(first, first + count, MICROBATCH):
            series = range(start, start + MICROBATCH)
            z = torch.stack([self.latent(seed, item) for item in series])
            z = z if psi == 1 else truncated(law, z, psi)
            with self._fitted():
                made = self.generate(z, self.label_rows(series, seed, labels) if self.labels else None)
            if tuple(made.shape[1:]) != self.shape:
                raise UserError(
                    f"{self.folder.recipe} gives {_described(self.shape)}, and the generator makes {_described(tuple(made.shape[1:]))}; "
                    "restore it."
                )
            yield _bytes(made)[: first + count - start]

    def label_rows(self, series: range, seed: int = 0, labels: Mapping[str, str] | None = None) -> Tensor:
        """Return the labels of images of these indices of a series, [N, width]: the given ones, the
        others drawn.

        Raises:
            UserError: if the run has no labels, or no such label.
        """
        if self.labels is None:
            raise UserError(f"{self.path} has no labels; train with a conditional recipe, such as cgan-light.")
        wanted = as_labels(labels)
        return torch.stack([self.labels.draw(stream(seed, "label", item), wanted) for item in series])

    def traversal(self, along: int = 0, steps: int = 10, seed: int = 0, reach: float = 2.0) -> np.ndarray:
        """Generate a latent traversal of an InfoGAN: a row for each category, columns along a
        continuous code.

        Args:
            along: index of the continuous code, from 0.
            steps: number of columns.
            seed: random seed of the noise, which is the same in all cells.
            reach: range of the code, from -reach to reach; it was trained on [-1, 1], so G
                extrapolates beyond that.

        Returns:
            uint8 [rows * steps, H, W, C], row by row.

        Raises:
            UserError: if the run has no codes, or not this one.
        """
        codes = getattr(self.generator, "codes", None)
        if codes is None:
            raise UserError(f"{self.path} has no codes; train a run that has, with `recipe='infogan-light'`.")
        along, steps = whole(along, "along", least=0), whole(steps, "steps", least=1, most=1000)
        if not (isinstance(reach, int | float) and abs(reach) <= FARTHEST):
            raise UserError(
                f"reach is {str(reach)[:40]}; it must be a number from -{FARTHEST} to {FARTHEST}, such as 2."
            )
        table = codes.traversal(self.latent(seed, 0), along, steps, reach)
        return np.concatenate([_bytes(self.generate(z)) for z in table.split(MICROBATCH)])

    def walk(
        self,
        seeds: Sequence[int] = (0,),
        *,
        seconds: float = 8.0,
        fps: int = 30,
        cells: int = 1,
        closed: bool = True,
        truncate: float = 1.0,
        labels: Mapping[str, str] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the frames of a walk through latents, uint8 [cells, H, W, C] each, for `media.clips`.

        Args:
            seeds: seeds of the images to pass through; one gives a circle through its image, at an
                even speed.
            seconds: length of the walk.
            fps: frames a second.
            cells: number of walks side by side; that of cell k passes through image k of each seed.
            closed: True for a loop: the first frame follows the last.
            truncate: share of the distance from the centre to keep: see `sample`.
            labels: labels for a conditional generator, by field, for the whole walk.

        Raises:
            UserError: if the run does not generate from noise, or an argument is out of its range.

        >>> frames = list(load("runs/faces").walk([1, 5, 9], seconds=12))    # doctest: +SKIP
        """
        from organza.latents.walks import walk

        return walk(
            self, seeds, seconds=seconds, fps=fps, cells=cells, closed=closed, truncate=truncate, labels=labels
        )  # fmt: skip

    def mix(
        self,
        coarse: Sequence[int],
        fine: Sequence[int],
        level: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> np.ndarray:
        """Mix the levels of two latents: uint8 [coarse, fine, H, W, C], a row for each coarse seed.

        Args:
            coarse: seeds of the latents for the levels below `level`: layout and shapes.
            fine: seeds of those for the others: in swift's generator, what modulates its layers.
            level: first level of the fine latents, from 1; 1 by default.
            labels: labels for a conditional generator, by field.

        Raises:
            UserError: if z enters the generator at one place only.
        """
        from organza.latents.walks import mixed

        return mixed(self, coarse, fine, level, labels)

    def directions(self, most: int = 6) -> tuple[Direction, ...]:
        """Return the directions that this generator has: those kept in its folder (`keep_directions`,
        `organza directions`) or else the axes of its Jacobian, which take a second.

        Args:
            most: largest number of axes.
        """
        from organza.latents import saved, search

        return saved.load(self) or search.axes(self, most)

    def find_directions(
        self,
        labelled: Labelled | None = None,
        marked: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        *,
        most: int = 6,
        samples: int = 4000,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Search:
        """Find directions and try each on latents that took no part; those that do not hold are
        refused with the reason.

        Args:
            labelled: images with attributes, as `latents.labelled.labelled` reads them from data
                with a table.
            marked: images that have something and images that have not, uint8 [N, H, W, C] each,
                by name: {"smile": (smiling, others)}; generated or real, 8 of each at least.
            most: largest number of axes of the Jacobian.
            samples: number of generated images to learn from.
            seed: random seed of their latents.
            progress: function that takes (task, done, total).

        Returns:
            Search: its `directions` hold, those from marks and labels first; `refused` do not.

        Raises:
            UserError: if the run does not generate from noise, or too few images are marked.
        """
        from organza.latents.search import search

        return search(self, labelled, marked, most=most, samples=samples, seed=seed, progress=progress)

    def keep_directions(self, directions: Sequence[Direction]) -> Path:
        """Write directions into directions.json of the folder, for `directions`, `edit` and
        exports, and return its path.
        """
        from organza.latents import saved

        return saved.save(self, directions)

    def invert(
        self,
        pictures: np.ndarray,
        *,
        starts: int = 4,
        steps: int = 200,
        inner: bool = True,
        labels: Mapping[str, str] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Inversion:
        """Find the latents whose images are nearest to images: `latents.inversion`.

        Args:
            pictures: uint8 [N, H, W, C] of the training size.
            starts: number of starts for each image, the nearest of 256 random latents; E(x) is one
                of them if the run has an encoder.
            steps: steps of the optimiser, twice as many with `inner`.
            inner: True to adapt the generator's levels too, for images that z alone does not reach.
            labels: labels of the images, by field, for a conditional generator.
            seed: random seed of the starts.
            progress: function that takes (task, done, total), in steps.

        Raises:
            UserError: if the run does not generate from noise, or size or channels are different.
        """
        from organza.latents.inverting import invert

        return invert(
            self, pictures, starts=starts, steps=steps, inner=inner, labels=labels, seed=seed, progress=progress
        )

    def edit(
        self,
        what: Inversion | Tensor | int,
        moves: Mapping[str, float],
        directions: Sequence[Direction] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> np.ndarray:
        """Move images along directions: uint8 [N, H, W, C].

        Args:
            what: an inversion, latents [N, z_dim], or the seed of an image.
            moves: deviations by the name of the direction, or the beginning of it: {"hair": 2}.
            directions: directions to choose from; `self.directions()` by default.
            labels: labels for a conditional generator, by field; an inversion has its own.

        Raises:
            UserError: if there is no such direction, or more than one.
        """
        from organza.latents.inverting import edit

        return edit(self, what, moves, self.directions() if directions is None else directions, labels)

    def latent(self, seed: int, index: int) -> Tensor:
        """Return the latent of image `index` of a series, [z_dim].

        Raises:
            UserError: if the run does not generate from noise, or seed or index is invalid.
        """
        if not hasattr(self.generator, "latent"):
            raise UserError(f"{self.path} translates images and generates none from noise.")
        seed, index = whole(seed, "seed", most=SEEDS), whole(index, "index", most=SEEDS)
        return self.generator.latent(stream(seed, "sample", index))  # type: ignore[operator]

    @torch.no_grad()
    def generate(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Compute G(z) or G(z, label) for given latents and label rows, [N, z_dim], [N, width] to
        [N, C, ...] in [-1, 1].

        Raises:
            UserError: if latents or labels have a wrong shape, type or number, are not finite, or
                labels are missing or unexpected.
        """
        if not hasattr(self.generator, "latent"):
            raise UserError(f"{self.path} translates images and generates none from noise.")
        z = as_latents(z, tuple(self.latent(0, 0).shape), self.device, "latents")
        width = getattr(self.generator, "labels", 0)
        if not width:
            if label is not None:
                raise UserError(f"{self.path} has no labels; call generate with latents only.")
            return self.generator(z)
        if label is None:
            raise UserError(
                f"The generator of {self.path} needs a label row for each latent, [N, {width}]: see label_rows."
            )
        rows = as_latents(label, (width,), self.device, "labels")
        if len(rows) != len(z):
            raise UserError(f"generate was given {len(z)} latents and {len(rows)} label rows; it needs equal numbers.")
        return self.generator(z, rows)

    @torch.no_grad()
    def encode(self, pictures: np.ndarray) -> Tensor:
        """Encode images as latents, E(x), which `generate` decodes: [N, z_dim].

        Args:
            pictures: uint8 [N, H, W, C] of the training size.

        Raises:
            UserError: if the run has no encoder, or size or channels are different.
        """
        return self._each(self.encoder, pictures, "encode")

    @torch.no_grad()
    def reconstruct(self, pictures: np.ndarray) -> np.ndarray:
        """Reconstruct images through the latent, G(E(x)): uint8 [N, H, W, C] to the same."""
        encoder, generator = self.encoder, self.generator
        return _bytes(self._each(lambda x: generator(encoder(x)), pictures, "reconstruct"))

    def interpolate(self, first: np.ndarray, last: np.ndarray, steps: int = 8) -> np.ndarray:
        """Interpolate linearly between the latents of two images: uint8 [steps, H, W, C].

        Args:
            first: uint8 [H, W, C]; the result begins with its reconstruction.
            last: uint8 [H, W, C]; the result ends with its reconstruction.
            steps: number of images, at least 2.
        """
        steps = whole(steps, "steps", least=2)
        shape = (*self.shape[1:], self.channels)
        z = self.encode(np.stack([as_image(one, shape, "interpolate") for one in (first, last)]))
        return _bytes(self.generate(torch.lerp(z[:1], z[1:], torch.linspace(0, 1, steps)[:, None])))

    @torch.no_grad()
    def translate(self, pictures: np.ndarray, to: str = "b") -> np.ndarray:
        """Translate images, uint8 [N, H, W, C] to [N, H, W, C'], of any height and width.

        The translation of an image does not depend on the others in the batch: it has the same
        bytes as in the samples of the training.

        Args:
            pictures: images with the channels of the training images.
            to: "b", as trained; "a" for the reverse direction, in runs that learned both.

        Raises:
            UserError: if the run does not translate, or not in this direction, or channels are
                different.
        """
        network = self.translator(to)
        channels = self.source_channels(to)
        pictures = as_bytes(pictures, (None, None, channels), "translate")
        # The last bits of a convolution depend on the batch, so the batch size is constant: for images of the training
        # size, that of the trainer's samples; for others, which may be large, one.
        at_once = MICROBATCH if pictures.shape[1:3] == (self.height, self.width) else 1
        self.require_room(pictures.shape[1], pictures.shape[2], to)
        made = []
        for start in range(0, len(pictures), at_once):
            some = pictures[start : start + at_once]
            padded = np.concatenate([some, np.repeat(some[-1:], at_once - len(some), 0)])
            made.append(_bytes(network.translate(to_float(padded).to(self.device)))[: len(some)])
        return np.concatenate(made)

    def require_room(self, height: int, width: int, to: str = "b") -> None:
        """Check that there is memory to translate an image before allocating any; images up to the
        training size are always allowed.

        Raises:
            UserError: if there is not.
        """
        if height * width > self.height * self.width:
            needed = height * width * self._room_by_pixel(to)
            require_memory(needed, f"{width}x{height} pixels", "translate them smaller, as with `size='512x512'`")

    @torch.no_grad()
    def _room_by_pixel(self, to: str) -> int:
        """Return the bytes that a translation needs for each pixel, at least: those of the largest
        layer with its input and output.
        """
        if to not in self._rooms:
            largest = 0

            def look(_: nn.Module, given: tuple, made: object) -> None:
                nonlocal largest
                largest = max(largest, sum(value.nbytes for value in (*given, made) if isinstance(value, Tensor)))

            network = self.translator(to)
            hooks = [layer.register_forward_hook(look) for layer in network.modules() if not any(layer.children())]
            try:
                x = torch.zeros(1, self.source_channels(to), self.height, self.width, device=self.device)
                ends = x.nbytes + network.translate(x).nbytes
            finally:
                for hook in hooks:
                    hook.remove()
            self._rooms[to] = math.ceil((largest + ends) / (self.height * self.width))
        return self._rooms[to]

    def source_channels(self, to: str = "b") -> int:
        """Return the channels of images to translate to b, or back to a."""
        return self.content["data"].get("source_shape", self.shape)[0] if to == "b" else self.channels

    def translator(self, to: str = "b") -> Translator:
        """Return the network that translates to b, or back to a: see `translate`."""
        player = self.player
        networks = dict(player.items()) if isinstance(player, Several) else {"b": player}
        ways = {name: network for name, network in networks.items() if isinstance(network, Translator)}
        if not ways:
            raise UserError(f"{self.path} generates images from noise and translates none; use `sample`.")
        if not isinstance(to, str) or to not in ways:
            raise UserError(
                f"{self.path} translates to {' and '.join(ways)}, not to {to}; runs of cyclegan recipes learn both directions."
            )
        return ways[to]

    def judge(self, pictures: np.ndarray, labels: Mapping[str, str] | None = None) -> np.ndarray:
        """Return the probability that each image is authentic (1 = real, 0 = fake), float [N].

        sigmoid(D(x) - c), where c is the logit of an even chance: the loss's own, or for losses
        that only compare (relativistic, Wasserstein) the middle between held-out real and generated
        images, measured when the checkpoint was saved. A discriminator of pairs judges (x, E(x));
        one of latents or codes judges E(x), against the prior or the codes of G.

        A conditional discriminator judges whether an image is authentic for its label. If a class
        is not given, each class is tried and the highest probability is returned. As a maximum it
        is biased towards 1; compare it only with others of its kind.

        Args:
            pictures: uint8 [N, H, W, C], or volumes [N, D, H, W, C], of the training size.
            labels: labels of all images, by field: {"class": "dress"}; for conditional
                discriminators.

        Raises:
            UserError: if size or channels are different, labels are unknown, or numbers or tags
                that D needs are missing.
        """
        return self.verdicts(pictures, labels)[0]

    @torch.no_grad()
    def verdicts(self, pictures: np.ndarray, labels: Mapping[str, str] | None = None) -> tuple[np.ndarray, list[str]]:
        """Return the probabilities of `judge`, and for each image the classes with the highest
        probability, "" if they were given.

        Raises:
            UserError: as in `judge`, or if D judges pairs.
        """
        if self.content["players"]["discriminator"].get("condition"):
            raise UserError(
                f"The discriminator of {self.path} judges a translation together with its input, and no image alone; "
                "compare translations with their targets by the l1, psnr and ssim of evaluations.jsonl."
            )
        rows, names = self._fitting(as_labels(labels))
        each = [self._each(partial(self._authentic, row), pictures, "judge") for row in rows]
        chances, chosen = torch.stack(each).max(0)
        return chances.numpy(), [names[choice] for choice in chosen]

    @torch.no_grad()
    def judge_labelled(self, pictures: np.ndarray, rows: np.ndarray | Tensor) -> np.ndarray:
        """Judge images of a conditional run, each with its own label row: uint8 [N, H, W, C],
        [N, width] to float [N].
        """
        pictures = as_bytes(pictures, (*self.shape[1:], self.channels), "judge_labelled")
        width = getattr(self.discriminator, "labels", 0)
        if not width:
            raise UserError(
                f"The discriminator of {self.path} judges images without labels; call judge without labels."
            )
        rows = as_latents(rows, (width,), self.device, "labels")
        if len(rows) != len(pictures):
            raise UserError(
                f"judge_labelled was given {len(pictures)} images and {len(rows)} label rows; it needs equal numbers."
            )
        found = []
        for start in range(0, len(pictures), MICROBATCH):
            some = slice(start, start + MICROBATCH)
            with self._fitted():
                found.append(self._authentic((rows[some],), to_float(pictures[some]).to(self.device)))
        return torch.cat(found).cpu().numpy()

    def _authentic(self, row: tuple[Tensor, ...], x: Tensor) -> Tensor:
        coder = getattr(self.generator, "encoder", None)  # for codes that are not latents
        evidence = self.discriminator.evidence(x, lambda x: (coder or self.encoder)(x))  # type: ignore[operator]
        logits = self.discriminator(evidence, *(part.to(self.device) for part in row))
        return probability(logits, self.saved.facts["neutral"])

    def _each(self, network: Callable[[Tensor], Tensor], pictures: np.ndarray, who: str) -> Tensor:
        """Run a network on images in batches of one size, so that each result does not depend on
        the other images.
        """
        pictures = as_bytes(pictures, (*self.shape[1:], self.channels), who)
        found = []
        for start in range(0, len(pictures), MICROBATCH):
            some = pictures[start : start + MICROBATCH]
            padded = np.concatenate([some, np.repeat(some[-1:], MICROBATCH - len(some), 0)])
            with self._fitted():
                found.append(network(to_float(padded).to(self.device))[: len(some)])
        return torch.cat(found).cpu()

    @contextmanager
    def _fitted(self) -> Iterator[None]:
        """Turn errors of networks that do not match recipe.json, which a stranger may have written,
        into a UserError.
        """
        try:
            yield
        except RuntimeError as error:
            if lacks_memory(error):
                raise
            raise UserError(
                f"{self.folder.recipe} gives {_described(self.shape)}, which do not match the networks of this run; restore it."
            ) from error

    @torch.no_grad()
    def require_judging(self, labels: Mapping[str, str] | None = None) -> None:
        """Check that the discriminator can judge images as recipe.json describes them, before any
        is read.

        Args:
            labels: labels that the images should show.

        Raises:
            UserError: as in `judge`.
        """
        rows, _ = self._fitting(as_labels(labels))
        row = tuple(part[:1] for part in rows[0])
        with self._fitted():
            if math.prod(self.shape) > LARGE:
                outline = _outline(self.discriminator)
                coder = getattr(self.generator, "encoder", None)
                picture = torch.empty(1, *self.shape, device="meta")
                evidence = outline.evidence(picture, lambda x: _outline(coder or self.encoder)(x))  # type: ignore[operator]
                outline(evidence, *(part.to("meta") for part in row))
                return
            self._authentic(row, torch.zeros(1, *self.shape, device=self.device))  # a single image is cheap

    @cached_property
    def player(self) -> nn.Module:
        return self._network("generator")

    def _fitting(self, labels: Mapping[str, str] | None) -> tuple[list[tuple[Tensor, ...]], list[str]]:
        """Return the possible label inputs of the discriminator, and their names."""
        if getattr(self.discriminator, "labels", 0) and self.labels is not None:
            rows, names = self.labels.fitting(labels)
            return [(row.expand(MICROBATCH, -1),) for row in rows], names
        if labels:
            raise UserError(f"The discriminator of {self.path} judges images without labels; leave the labels out.")
        return [()], [""]

    def _network(self, name: str) -> nn.Module:
        part = decode(self.content["players"][name], self.own)
        if not isinstance(part, Partial):
            raise UserError(f"{self.folder.recipe} does not describe the {name}; restore it.")
        if isinstance(self.folder, ExportedFolder):
            self.folder.require(name, self.saved)
        place = str(self.saved.directory / f"{name}.safetensors")
        try:
            if name not in self.saved.tensors:
                raise Damaged(f"{self.saved.directory} has no {name}.safetensors")
            network = checkpoint.fitting_network(part, self.saved.tensors[name], place)
        except Damaged as damage:
            raise UserError(f"{damage}; restore {self.folder.recipe}, or choose another with `which`.") from damage
        return channels_last(network).eval().requires_grad_(False).to(self.device)


def load(
    path: str | Path,
    which: str = "best",
    recipe: Recipe | str | None = None,
    *,
    device: str | torch.device = AUTO,
    modules: Sequence[str] = (),
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

    Raises:
        UserError: if there is no run, no such checkpoint, no intact one, or its networks are from
            modules that are not named here.
    """
    require_path(path, "path")
    require_text(which, "which", "best")
    chosen = device_of(device)
    run = _opened(path, which, modules_of(recipe) | trusted(modules)).to(chosen)
    for note in run.notes:
        log.warning(note)
    return run


def _opened(path: str | Path, which: str, own: Collection[str]) -> Run:
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
    pointer = {"best": folder.best, "latest": folder.latest}.get(which)
    if pointer is None:
        return which
    try:
        return str(read_json(pointer, inside=folder.path)["checkpoint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _bytes(images: Tensor) -> np.ndarray:
    """Return images as uint8 [N, ..., C] on the CPU."""
    return to_uint8(images).cpu().numpy()


def _require_output(output: str, shape: tuple[int, ...]) -> None:
    """Check the kind of images to return. Raises UserError."""
    if output not in (kinds := get_args(Output)):
        raise UserError(
            f"`output` is {str(output)[:40]!r}; it must be {', '.join(kinds)}.{nearest(str(output), kinds)}"
        )
    if output == "pil" and len(shape) == 4:
        raise UserError("Pillow images are flat, and this run makes volumes; use `output='numpy'`.")


def _outline(network: nn.Module) -> nn.Module:
    """Return a copy of a network on torch's meta device, which accepts images of any size without
    memory.
    """
    parts = (*network.parameters(), *network.buffers())
    return copy.deepcopy(network, {id(part): torch.empty_like(part, device="meta") for part in parts})


def _described(shape: tuple[int, ...]) -> str:
    """Return a shape, channels first, in words: 16x16 images of 3 channels."""
    return (
        f"{'x'.join(map(str, reversed(shape[1:])))} {'volumes' if len(shape) == 4 else 'images'} of {shape[0]} channels"
    )
