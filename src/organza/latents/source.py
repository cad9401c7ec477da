"""A trained generator from noise, as the tools for latents need it: a run or an exported folder, opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import to_uint8
from organza.errors import UserError
from organza.latents.law import Law
from organza.media.provenance import MADE, Provenance
from organza.seeding import MICROBATCH


class Source(Protocol):
    """A run, as `inference.load.Run` has it: see there."""

    path: Path
    folder: Any
    saved: Any
    content: dict[str, Any]
    shape: tuple[int, ...]
    labels: Any

    @property
    def generator(self) -> Any: ...
    @property
    def player(self) -> Any: ...
    def latent(self, seed: int, index: int) -> Tensor: ...
    def label_rows(self, series: range, seed: int = 0, labels: Mapping[str, str] | None = None) -> Tensor: ...
    def generate(self, z: Tensor, label: Tensor | None = None) -> Tensor: ...
    def made_by(self, seed: int | None = None, kind: str = MADE) -> Provenance: ...


def law_of(source: Source) -> Law:
    """Return the law of a run's latents.

    Raises:
        UserError: if it does not generate from noise.
    """
    if not hasattr(source.generator, "latent"):
        raise UserError(f"{source.path} translates images and generates none from noise, so it has no latents.")
    if len(source.shape) == 1:
        raise UserError(f"{source.path} generates vectors; walks, directions, mixtures and inversion are for images.")
    return Law.of(source.generator.prior)


def latents(source: Source, seed: int, series: range) -> Tensor:
    """Return the latents of a series, [N, z_dim]."""
    return torch.stack([source.latent(seed, index) for index in series])


def rows(source: Source, series: range, seed: int, labels: Mapping[str, str] | None = None) -> tuple[Tensor, ...]:
    """Return the label rows of a series, [N, width], in a tuple; () for a generator without labels.

    Raises:
        UserError: if labels are given and the run has none, or no such label.
    """
    if not getattr(source.generator, "labels", 0):
        if labels:
            raise UserError(f"{source.path} has no labels; leave them out.")
        return ()
    return (source.label_rows(series, seed, labels),)


def device_of(source: Source) -> torch.device:
    """Return the device of a run's generator."""
    return next(source.generator.parameters()).device


def on_device(source: Source, draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function whose tensors are moved to the device of a run's generator, and its result back."""
    device = device_of(source)
    return lambda *tensors: draw(*(tensor.to(device) for tensor in tensors)).cpu()


def in_batches(draw: Callable[..., Tensor], z: Tensor, *row: Tensor) -> Tensor:
    """Compute images of latents in batches of one size, so that no image depends on the others: [N, z_dim] to [N, C, ...].

    Args:
        draw: function from latents and rows to images, such as `on_device` returns.
        z: latents, or images to encode, [N, ...].
        row: label rows and offsets, [N, ...] each.
    """
    parts = []
    for start in range(0, len(z), MICROBATCH):
        some = [x[start : start + MICROBATCH] for x in (z, *row)]
        full = [torch.cat([x, x[-1:].expand(MICROBATCH - len(x), *x.shape[1:])]) for x in some]
        parts.append(draw(*full)[: len(some[0])])
    return torch.cat(parts)


def images(source: Source, z: Tensor, *row: Tensor) -> np.ndarray:
    """Return images of latents as bytes, uint8 [N, H, W, C], or volumes."""
    return to_uint8(in_batches(on_device(source, source.generate), z, *row)).numpy()
