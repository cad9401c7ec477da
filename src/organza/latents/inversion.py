"""Inversion: the latent whose image is nearest to a given one, by optimisation from several starts.

    z*, o* = argmin  sum_k |P_k G(z; o) - P_k x|_1  +  NORM (|u|^2 / n - 1)^2  +  OFFSET |o|^2

Symbols: x [N, C, ...] images in [-1, 1]; P_k means over k x k pixels, k = 1, 2, 4, 8; u [N, n] the normal numbers of z in standard form;
o offsets of the levels in deviations (`latents.levels`), 0 while z alone is sought. Zhu et al. 2016, arXiv:1609.03552, invert by
optimisation from the best of several starts; Abdal et al. 2019, arXiv:1904.03189, extend the latent by the generator's inner inputs.

Without the second term z grows until its images lose all likeness when they are edited (docs/lab-log.md, 67).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from organza.latents.law import Law
from organza.latents.levels import Levelled, scales
from organza.networks.layers import Generator

REDUCTIONS = 1, 2, 4, 8
NORM, OFFSET = 0.03, 2e-4
RATE, INNER_RATE = 0.1, 0.05
FALLING = 0.6
"""Share of the steps after which the rate falls to 0."""
AT_ONCE = 64
"""Latents to optimise at once."""


class Found(NamedTuple):
    """Result of an inversion.

    Args:
        z: latents, [N, z_dim].
        rows: label rows, [N, width], for a conditional generator.
        offsets: offsets of each level, [N, ...] each; () if z alone was sought.
        loss: value of the minimum, [N].
    """

    z: Tensor
    rows: tuple[Tensor, ...]
    offsets: tuple[Tensor, ...]
    loss: Tensor


def invert(
    generator: Generator,
    law: Law,
    x: Tensor,
    candidates: Tensor,
    rows: Sequence[Tensor] = (),
    *,
    begin: Tensor | None = None,
    starts: int = 4,
    steps: int = 200,
    inner: bool = False,
    told: Callable[[int, int], None] | None = None,
) -> Found:
    """Return the latents whose images are nearest to images.

    Args:
        generator: G in evaluation mode, its weights fixed.
        law: law of its latents.
        x: images, [N, C, ...] in [-1, 1].
        candidates: random latents, [M, z_dim], of which the nearest are the starts.
        rows: label rows of the candidates, [M, width]; at most one.
        begin: one more start for each image, such as E(x), [N, z_dim]; it needs a generator without labels.
        starts: number of starts for each image.
        steps: steps of the optimizer for z, and again for z with offsets.
        inner: True to seek offsets of the levels too.
        told: function that takes (done, total), in steps.
    """
    parts = []
    at_once = max(1, AT_ONCE // starts)
    total = -(-len(x) // at_once) * steps * (2 if inner else 1)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if told:
            told(done, total)

    for start in range(0, len(x), at_once):
        some = slice(start, start + at_once)
        first, labels = _starts(generator, x[some], candidates, rows, starts)
        if begin is not None:
            first[:, -1] = begin[some]
        found = _by_z(generator, law, x[some], first, labels, steps, step)
        parts.append(_by_levels(generator, law, x[some], found, candidates, rows, steps, step) if inner else found)
    return Found(
        torch.cat([part.z for part in parts]).cpu(),
        tuple(torch.cat(each).cpu() for each in zip(*(part.rows for part in parts), strict=True)),
        tuple(torch.cat(each).cpu() for each in zip(*(part.offsets for part in parts), strict=True)),
        torch.cat([part.loss for part in parts]).cpu(),
    )


@torch.no_grad()
def _starts(
    generator: Generator, x: Tensor, candidates: Tensor, rows: Sequence[Tensor], starts: int
) -> tuple[Tensor, list[Tensor]]:
    """Return the nearest candidates of each image, [N, starts, z_dim], and their label rows."""
    made = torch.cat(
        [generator(z, *(row[i * 32 : i * 32 + 32] for row in rows)) for i, z in enumerate(candidates.split(32))]
    )
    distances = torch.stack([distance(made, one[None].expand_as(made)) for one in x])
    nearest = distances.topk(starts, largest=False).indices
    return candidates[nearest], [row[nearest] for row in rows]


def _by_z(
    generator: Generator, law: Law, x: Tensor, first: Tensor, labels: list[Tensor], steps: int, step: Callable[[], None]
) -> Found:
    """Minimise over z from each start, and keep the best of each image."""
    count, starts = first.shape[:2]
    wanted = x.repeat_interleave(starts, 0)
    rows = [row.flatten(0, 1) for row in labels]
    u = law.standard(first.flatten(0, 1)).detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([u], betas=(0.9, 0.99))
    loss = u.new_zeros(len(u))
    with torch.enable_grad():
        for number in range(steps + 1):
            z = law.limited(law.centre + law.deviation * u)
            loss = distance(generator(z, *rows), wanted) + NORM * _excess(law, u)
            if number == steps:
                break
            _descend(optimizer, loss, u, law, RATE, number, steps)
            step()
    best = loss.detach().view(count, starts).argmin(1) + torch.arange(count, device=u.device) * starts
    z = law.limited(law.centre + law.deviation * u.detach())
    return Found(z[best], tuple(row[best] for row in rows), (), loss.detach()[best])


def _by_levels(
    generator: Generator,
    law: Law,
    x: Tensor,
    found: Found,
    candidates: Tensor,
    rows: Sequence[Tensor],
    steps: int,
    step: Callable[[], None],
) -> Found:
    """Minimise over z and offsets, from z alone."""
    levelled = Levelled(generator)
    units = scales(levelled, candidates, *rows)
    with torch.no_grad():
        shapes = [h.shape for h in levelled.outputs(found.z, *found.rows)]
    u = law.standard(found.z).detach().clone().requires_grad_()
    offsets = [u.new_zeros(shape).requires_grad_() for shape in shapes]
    optimizer = torch.optim.Adam([{"params": [u]}, {"params": offsets}], betas=(0.9, 0.99))
    loss = found.loss
    with torch.enable_grad():
        for number in range(steps + 1):
            z = law.limited(law.centre + law.deviation * u)
            added = [unit * offset for unit, offset in zip(units, offsets, strict=True)]
            loss = distance(levelled.shifted(z, *found.rows, offsets=added), x) + NORM * _excess(law, u)
            loss = loss + OFFSET * torch.stack([offset.square().flatten(1).mean(1) for offset in offsets]).sum(0)
            if number == steps:
                break
            _descend(optimizer, loss, u, law, INNER_RATE, number, steps)
            step()
    z = law.limited(law.centre + law.deviation * u.detach())
    moved = tuple((unit * offset).detach() for unit, offset in zip(units, offsets, strict=True))
    return Found(z, found.rows, moved, loss.detach())


def _descend(
    optimizer: torch.optim.Optimizer, loss: Tensor, u: Tensor, law: Law, rate: float, number: int, steps: int
) -> None:
    """Take one step for all images; categories stay."""
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, (1 - number / steps) / (1 - FALLING))
    optimizer.zero_grad()
    loss.sum().backward()  # the images do not affect each other
    assert u.grad is not None
    u.grad *= law.free
    optimizer.step()


def _excess(law: Law, u: Tensor) -> Tensor:
    """Return (|u|^2 / n - 1)^2 of the normal numbers, [N]; 0 without any."""
    return (u[:, law.normal].square().mean(1) - 1).square() if law.normal.any() else u.new_zeros(len(u))


def distance(y: Tensor, x: Tensor) -> Tensor:
    """Return sum_k |P_k y - P_k x|_1, the mean over pixels, [N, C, ...] each to [N].

    >>> distance(torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)).tolist()
    [4.0, 4.0]
    """
    pool = {4: F.avg_pool2d, 5: F.avg_pool3d}[y.ndim]
    difference = y - x
    parts = [difference if k == 1 else pool(difference, k) for k in REDUCTIONS if k <= min(y.shape[2:])]
    return torch.stack([part.abs().flatten(1).mean(1) for part in parts]).sum(0)


def psnr(y: Tensor, x: Tensor) -> Tensor:
    """Return 10 log10(4 / mean (y - x)^2) of images in [-1, 1], in dB: [N, C, ...] each to [N].

    >>> round(psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.2)).item(), 1)
    20.0
    """
    return 10 * torch.log10(4 / (y - x).square().flatten(1).mean(1).clamp_min(1e-10))
