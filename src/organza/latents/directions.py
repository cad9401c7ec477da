"""Directions without labels: the axes along which a generator's images change most, those of its
Jacobian.

Ramesh, Choi and LeCun 2018, A Spectral Regularizer for Unsupervised Disentanglement,
arXiv:1812.01161, section 2: the right singular vectors of J = dG/dz at a latent are the directions
of most change there. Here J^T J is averaged over several latents, so that an axis holds for all of
them and not for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

STEP = 0.25
"""Step of the central differences, in deviations: beyond rounding errors, but small enough to keep
the same face."""
STRONGER = 1.5
"""Least ratio of the change along an axis to that along a random direction, on latents that the axis was not found on."""
AT_ONCE = 64


class Direction(NamedTuple):
    """An axis in the space of latents.

    Args:
        axis: unit vector, [z_dim].
        strength: the change of images along it, over that along a random direction, on latents that
            it was not found on.
    """

    axis: Tensor
    strength: float


@torch.no_grad()
def jacobian_axes(
    generate: Callable[[Tensor], Tensor], z: Tensor, free: Tensor, deviation: float = 1.0, most: int = 6
) -> list[Direction]:
    """Return the axes along which a generator's images change most, the strongest first.

    Args:
        generate: G, [N, z_dim] to [N, ...].
        z: latents to look from, [2 k, z_dim]; the axes are found on the first half and tried on the
            other.
        free: the numbers of a latent that may change, bool [z_dim]: not those of a category.
        deviation: standard deviation of these numbers.
        most: axes to return.

    >>> A = torch.diag(torch.tensor([9.0, 1.0, 1.0, 1.0, 1.0, 1.0]))
    >>> found = jacobian_axes(lambda z: z @ A, torch.randn(4, 6), torch.ones(6, dtype=torch.bool))
    >>> len(found), found[0].axis.abs().argmax().item()
    (1, 0)
    """
    places = free.nonzero().flatten()
    basis = torch.eye(z.shape[1])[places]
    known, unseen = z.chunk(2)
    squares = torch.zeros(len(places), len(places), dtype=torch.float64)
    for one in known:
        jacobian = torch.stack([part.flatten() for part in _change(generate, one, basis, STEP * deviation)]).double()
        squares += jacobian @ jacobian.T
    vectors = torch.linalg.eigh(squares).eigenvectors.flip(1).T[:most].float() @ basis
    usual = sum(_size(generate, one, basis, deviation) for one in unseen)
    found = []
    for axis in vectors:
        axis = axis * (1.0 if axis[axis.abs().argmax()] > 0 else -1.0)  # an eigenvector has no sign of its own
        size = sum(_size(generate, one, axis[None], deviation) for one in unseen)
        strength = (size / usual) ** 0.5 if usual else 0.0
        if strength >= STRONGER:
            found.append(Direction(axis, strength))
    return found


def _change(generate: Callable[[Tensor], Tensor], z: Tensor, along: Tensor, step: float) -> Tensor:
    """Return the central differences of G at z [z_dim] along directions [K, z_dim]: [K, ...]."""
    parts = []
    for some in along.split(AT_ONCE):
        parts.append((generate(z + step * some) - generate(z - step * some)) / (2 * step))
    return torch.cat(parts)


def _size(generate: Callable[[Tensor], Tensor], z: Tensor, along: Tensor, deviation: float) -> float:
    """Return the mean square of the change along directions; over an orthonormal basis, that along a random one."""
    return _change(generate, z, along, STEP * deviation).double().square().flatten(1).sum(1).mean().item()
