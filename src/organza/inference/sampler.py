"""Sampling: images from latents of a series, or from given ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from organza.config.arguments import as_labels, as_latents, room, whole
from organza.data.batches import to_float, to_uint8
from organza.errors import UserError, nearest
from organza.inference.engine import Session
from organza.inference.networks import Networks, described
from organza.latents.law import Law
from organza.latents.truncation import truncated
from organza.latents.walks import require_share
from organza.media.images import to_image
from organza.seeding import MICROBATCH, stream

Output = Literal["numpy", "pil", "torch"]
Items = NDArray[np.uint8 | np.float64]
"""Images or volumes as bytes, or vectors in their own units."""
SEEDS = 2**64
FARTHEST = 1000
"""Largest value of a code, which was trained on [-1, 1]."""


class Sampler(Networks):
    """A trained run that generates images from noise."""

    session: Session | None = None
    """Engine of `sample`: onnxruntime; None for torch."""

    @overload
    def sample(
        self, count: int = ..., seed: int = ..., first: int = ..., labels: Mapping[str, str] | None = ...,
        truncate: float = ..., *, output: Literal["numpy"] = ...,
    ) -> Items: ...  # fmt: skip

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
    ) -> Items | list[Image] | Tensor:
        """Generate images, volumes or vectors. Image k of a seed is the same in every batch.

        Args:
            count: number of images.
            seed: random seed of the series.
            first: index of the first image in the series.
            labels: labels for a conditional generator, by field: {"class": "dress"}; others are
                drawn with their frequencies in the data.
            truncate: share of each latent's distance from the centre of its law to keep; below 1,
                images are more usual and less varied.
            output: "numpy" for uint8 [count, H, W, C], "pil" for a list of Pillow images, "torch"
                for floats in [-1, 1], [count, C, H, W]. Vectors are float64 [count, D] in the units of the
                data, as an array or a tensor.

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
            made = room(count, part.shape[1:], part.dtype) if made is None else made
            made[start : start + len(part)] = part
        assert made is not None
        if output == "pil":
            return [to_image(image) for image in made]
        if output == "torch":
            return to_float(made).contiguous() if self.table is None else torch.from_numpy(made)
        return made

    def sampled(
        self,
        count: int,
        seed: int = 0,
        first: int = 0,
        labels: Mapping[str, str] | None = None,
        truncate: float = 1.0,
    ) -> Iterator[Items]:
        """Yield the images of `sample` a few at a time, for more than fit into memory."""
        count, first = whole(count, "count", least=1), whole(first, "first", least=0)
        seed, labels = whole(seed, "seed", most=SEEDS), as_labels(labels)
        if labels and self.labels is None:
            raise UserError(f"{self.path} has no labels; train with a conditional recipe, such as cgan.")
        if not hasattr(self.generator, "latent"):
            raise UserError(
                f"{self.path} translates images and generates none from noise; use `translate` (organza translate RUN INPUT OUTPUT)."
            )
        psi = require_share(truncate, "truncate", 2)
        generator: Any = self.generator
        law = Law.of(generator.prior)
        for start in range(first, first + count, MICROBATCH):
            series = range(start, start + MICROBATCH)
            z = torch.stack([self.latent(seed, item) for item in series])
            z = z if psi == 1 else truncated(law, z, psi)
            rows = self.label_rows(series, seed, labels) if self.labels else None
            if self.session is not None:
                yield self.session(z, rows)[: first + count - start]
                continue
            with self._fitted():
                made = self.generate(z, rows)
            if tuple(made.shape[1:]) != self.shape:
                raise UserError(
                    f"{self.folder.recipe} gives {described(self.shape)}, and the generator makes {described(tuple(made.shape[1:]))}; "
                    "restore it."
                )
            yield self.finished(made)[: first + count - start]

    def label_rows(self, series: range, seed: int = 0, labels: Mapping[str, str] | None = None) -> Tensor:
        """Return the labels of images of these indices of a series, [N, width]: the given ones, the
        others drawn.

        Raises:
            UserError: if the run has no labels, or no such label.
        """
        if self.labels is None:
            raise UserError(f"{self.path} has no labels; train with a conditional recipe, such as cgan.")
        wanted = as_labels(labels)
        return torch.stack([self.labels.draw(stream(seed, "label", item), wanted) for item in series])

    def traversal(self, along: int = 0, steps: int = 10, seed: int = 0, reach: float = 2.0) -> NDArray[np.uint8]:
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
            raise UserError(f"{self.path} has no codes; train a run that has, with `recipe='infogan'`.")
        along, steps = whole(along, "along", least=0), whole(steps, "steps", least=1, most=1000)
        if not (isinstance(reach, int | float) and abs(reach) <= FARTHEST):
            raise UserError(
                f"reach is {str(reach)[:40]}; it must be a number from -{FARTHEST} to {FARTHEST}, such as 2."
            )
        table = codes.traversal(self.latent(seed, 0), along, steps, reach)
        return np.concatenate([bytes_of(self.generate(z)) for z in table.split(MICROBATCH)])

    def latent(self, seed: int, index: int) -> Tensor:
        """Return the latent of image `index` of a series, [z_dim].

        Raises:
            UserError: if the run does not generate from noise, or seed or index is invalid.
        """
        if not hasattr(self.generator, "latent"):
            raise UserError(f"{self.path} translates images and generates none from noise.")
        seed, index = whole(seed, "seed", most=SEEDS), whole(index, "index", most=SEEDS)
        generator: Any = self.generator
        return generator.latent(stream(seed, "sample", index))

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


def _require_output(output: str, shape: tuple[int, ...]) -> None:
    """Check the kind of images to return. Raises UserError."""
    if output not in (kinds := get_args(Output)):
        raise UserError(
            f"`output` is {str(output)[:40]!r}; it must be {', '.join(kinds)}.{nearest(str(output), kinds)}"
        )
    if output == "pil" and len(shape) != 3:
        made = "vectors" if len(shape) == 1 else "volumes"
        raise UserError(f"Pillow images are flat, and this run makes {made}; use `output='numpy'`.")


def bytes_of(images: Tensor) -> NDArray[np.uint8]:
    """Return images as uint8 [N, ..., C] on the CPU."""
    return to_uint8(images).cpu().numpy()
