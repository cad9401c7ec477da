"""Inversion and editing of images by a run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.config.arguments import as_bytes, whole
from organza.data.batches import to_float, to_uint8
from organza.errors import UserError, nearest
from organza.latents import inversion
from organza.latents.directions import Direction
from organza.latents.latent_files import Latents
from organza.latents.levels import Levelled
from organza.latents.source import Source, device_of, in_batches, latents, law_of, on_device, rows
from organza.metrics.extractors.features import Extractor, offline_extractor
from organza.networks.layers import NetworkDict
from organza.progress import Progress
from organza.seeding import seed_of

CANDIDATES = 256
FARTHEST = 20.0
"""Largest number of deviations to move an image."""


@dataclass(frozen=True)
class Inversion:
    """Latents of given images, and how near their images are.

    Args:
        latents: z, [N, z_dim].
        rows: label rows, [N, width], in a tuple, for a conditional generator; else ().
        offsets: offsets of the generator's levels, [N, ...] each; () if z alone was sought.
        images: images of these latents, uint8 [N, H, W, C].
        psnr: peak signal-to-noise ratio to the given images, dB, [N].
        mean_psnr: the same for the mean of 256 generated images as the answer to all, dB, [N].
        bound: the same for the generator's own autoencoder, R(E(x)), dB, [N]; None if it has none.
        perceptual: perceptual distance to the given images, 1 - cosine of Lite0's features, [N].
        mean_perceptual: the same for the mean image, [N].
        seconds: time for all.
    """

    latents: Tensor
    rows: tuple[Tensor, ...]
    offsets: tuple[Tensor, ...]
    images: np.ndarray
    psnr: np.ndarray
    mean_psnr: np.ndarray
    bound: np.ndarray | None
    perceptual: np.ndarray
    mean_perceptual: np.ndarray
    seconds: float

    def __len__(self) -> int:
        return len(self.latents)


def invert(
    source: Source,
    pictures: np.ndarray,
    *,
    starts: int = 4,
    steps: int = 200,
    inner: bool = True,
    labels: Mapping[str, str] | None = None,
    seed: int = 0,
    extractor: Extractor | None = None,
    progress: Progress | None = None,
) -> Inversion:
    """Return the latents whose images are nearest to images: see `organza.inference.load.Run.invert`."""
    law = law_of(source)
    pictures = as_bytes(pictures, (*source.shape[1:], source.shape[0]), "invert")
    starts, steps = whole(starts, "starts", least=1, most=64), whole(steps, "steps", least=1, most=100_000)
    begun = time.perf_counter()
    x = to_float(pictures)
    unseen = seed_of("inversion", seed) % 2**63
    candidates = latents(source, unseen, range(CANDIDATES))
    row = rows(source, range(CANDIDATES), unseen, labels)
    G: Any = source.generator
    device = device_of(source)
    begin = None if row else _encoded(source, x)
    found = inversion.invert(
        G,
        law.to(device),
        x.to(device),
        candidates.to(device),
        [one.to(device) for one in row],
        begin=None if begin is None else begin.to(device),
        starts=starts,
        steps=steps,
        inner=inner and bool(G.levels),
        told=None if progress is None else partial(progress, f"inverting {len(x)} image{'s' * (len(x) != 1)}"),
    )
    made, plain = drawn(source, found.z, found.rows, found.offsets), _mean(source, candidates, row, len(x))
    extractor = extractor or (offline_extractor(96) if len(source.shape) == 3 else None)
    near, far = (_perceptual(extractor, images, pictures) for images in (made, plain))
    psnr, mean_psnr, bound = _psnr(made, pictures), _psnr(plain, pictures), _bound(source, x, pictures)
    seconds = time.perf_counter() - begun
    return Inversion(found.z, found.rows, found.offsets, made, psnr, mean_psnr, bound, near, far, seconds)


def _encoder(source: Source) -> Any:
    """Return the run's encoder E; None if it has none."""
    return source.player["encoder"] if isinstance(source.player, NetworkDict) and "encoder" in source.player else None


@torch.no_grad()
def _encoded(source: Source, x: Tensor) -> Tensor | None:
    """Return E(x), [N, z_dim], as far as G's latents reach; None without an encoder."""
    encoder = _encoder(source)
    return None if encoder is None else law_of(source).limited(in_batches(on_device(source, encoder), x))


@torch.no_grad()
def _mean(source: Source, candidates: Tensor, row: Sequence[Tensor], count: int) -> np.ndarray:
    """Return the mean of generated images, `count` times, uint8 [count, H, W, C]."""
    mean = in_batches(on_device(source, source.generate), candidates, *row).mean(0, keepdim=True)
    return to_uint8(mean).numpy().repeat(count, 0)


def _psnr(made: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Return the peak signal-to-noise ratio of each image to the given one, dB, [N]."""
    return inversion.psnr(to_float(made), to_float(pictures)).numpy()


@torch.no_grad()
def _bound(source: Source, x: Tensor, pictures: np.ndarray) -> np.ndarray | None:
    """Return the PSNR of the autoencoder that the generator draws with, or of G(E(x)); None if there is none."""
    G: Any = source.generator
    encoder = _encoder(source)
    if hasattr(G, "encoder") and hasattr(G, "decoder"):
        return _psnr(to_uint8(in_batches(on_device(source, lambda x: G.decoder(G.encoder(x))), x)).numpy(), pictures)
    if encoder is not None and not getattr(G, "labels", 0):
        return _psnr(to_uint8(in_batches(on_device(source, lambda x: G(encoder(x))), x)).numpy(), pictures)
    return None


def _perceptual(extractor: Extractor | None, made: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Return 1 - cosine of features of each pair, [N]; NaN for volumes and for images that the network cannot take."""
    if extractor is None or pictures.shape[-1] not in (1, 3, 4):
        return np.full(len(pictures), np.nan)
    a, b = extractor(made).flatten(1), extractor(pictures).flatten(1)
    return (1 - torch.cosine_similarity(a, b)).numpy()


@torch.no_grad()
def drawn(source: Source, z: Tensor, row: Sequence[Tensor], offsets: Sequence[Tensor]) -> np.ndarray:
    """Return images of latents with offsets of the levels, uint8 [N, H, W, C]."""
    if not offsets:
        return to_uint8(in_batches(on_device(source, source.generate), z, *row)).numpy()
    levelled = Levelled(source.generator)

    def draw(z: Tensor, *more: Tensor) -> Tensor:
        return levelled.shifted(z, *more[: len(row)], offsets=more[len(row) :])

    return to_uint8(in_batches(on_device(source, draw), z, *row, *offsets)).numpy()


def chosen(directions: Sequence[Direction], name: str) -> Direction:
    """Return the direction of a name, or of the beginning of one name only.

    Raises:
        UserError: if there is none, or more than one.
    """
    names = [one.name for one in directions]
    matching = [one for one in directions if one.name == name] or [
        one for one in directions if one.name.startswith(name)
    ]
    if len(matching) == 1 and name:
        return matching[0]
    if matching:
        raise UserError(f"{name} can be {', '.join(one.name for one in matching)}; give the whole name.")
    told = (
        f"choose from {', '.join(names)}.{nearest(name, names)}"
        if names
        else "there are none; find some: organza directions RUN"
    )
    raise UserError(f"There is no direction {name}; {told}")


def edit(
    source: Source,
    what: Inversion | Latents | Tensor | int,
    moves: Mapping[str, float],
    directions: Sequence[Direction],
    labels: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Return images moved along directions: see `organza.inference.load.Run.edit`."""
    if isinstance(what, Latents):
        found = what
    elif isinstance(what, Inversion):
        found = Latents(what.latents, what.rows, what.offsets, ())
    elif isinstance(what, Tensor):
        found = Latents(what, rows(source, range(len(what)), 0, labels), (), ())
    else:
        seed = whole(what, "what", least=0, most=2**64)
        found = Latents(source.latent(seed, 0)[None], rows(source, range(1), seed, labels), (), ())
    return edited(source, found, moves, directions)


def edited(source: Source, found: Latents, moves: Mapping[str, float], directions: Sequence[Direction]) -> np.ndarray:
    """Return images of latents moved along directions, uint8 [N, H, W, C]; offsets of the levels stay."""
    law, z = law_of(source), found.z
    for name, amount in moves.items():
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not abs(amount) <= FARTHEST:
            raise UserError(
                f"{name} is moved by {str(amount)[:40]}; it must be a number of deviations from -{FARTHEST:g} to {FARTHEST:g}, such as 2."
            )
        z = law.moved(z, chosen(directions, name).axis, float(amount))
    return drawn(source, z, found.rows, found.offsets)
