"""Directions in which images change, and the scores by which one is offered or not.

Two ways to find one: the axes along which a generator's images change most, those of its Jacobian; and ridge regression of an
attribute on latents,

    axis = w / |w|,   w = (U'U + RIDGE I)^-1 U'(y - mean y)

Symbols: u [z_dim] a latent in standard form (`law`), y an attribute of G(z): a reader's answer for a label, or for an axis without a label
the likeness of the image to the change along it. Ramesh, Choi and LeCun 2018, arXiv:1812.01161, section 2: the right singular vectors of
J = dG/dz are the directions of most change at a latent; J^T J is averaged over several here. Shen et al. 2020, arXiv:2005.09635: labels
of generated images give linear directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from organza.latents.law import Law

STEP = 0.25
"""Step of the central differences, in deviations: beyond rounding errors, but small enough to keep the same face."""
STRONGER = 1.5
"""Least ratio of the change along an axis to that along a random direction, on latents that the axis was not found on."""
RELATED, RISING = 0.3, 0.75
"""Least held-out correlation and least share of rising steps of a direction that is offered."""
RIDGE = 0.1
"""Weight of the ridge, as a share of the number of latents."""
AT_ONCE = 64
PLACES = (-1.5, -0.5, 0.5, 1.5)
"""Places along an axis at which it is tried, in deviations: seven of eight random latents lie between. Farther out, an attribute that
has reached its end, such as black hair, changes by less than the error of its reader."""

Generate = Callable[[Tensor], Tensor]
"""G with its labels given: latents [N, z_dim] to images [N, ...]."""


@dataclass(frozen=True)
class Scores:
    """Measurements of a direction, on latents that it was not found on.

    Args:
        correlation: correlation of the attribute with the latent's place along the axis, over random latents.
        rising: share of steps of one deviation, from -1.5 to 1.5, at which the attribute rises.
        monotone: share of latents at which it rises at every step.
        leakage: largest change of another attribute, over the change of this one, in their deviations over random latents.
        leaks_to: name of that attribute.
    """

    correlation: float
    rising: float = 0.0
    monotone: float = 0.0
    leakage: float = 0.0
    leaks_to: str = ""

    @property
    def hold(self) -> bool:
        """True if images follow the direction well enough to offer it."""
        return self.correlation >= RELATED and self.rising >= RISING


@dataclass(frozen=True)
class Direction:
    """An axis in the space of latents.

    Args:
        axis: unit vector in standard form, [z_dim].
        strength: change of images along it over that along a random direction, on latents that it was not found on; 0 if not measured.
        name: name for people.
        source: origin of the direction: axis, code, label or marks.
        scores: measurements; None before they are taken.
    """

    axis: Tensor
    strength: float
    name: str = ""
    source: str = "axis"
    scores: Scores | None = None

    def named(self, name: str) -> Direction:
        """Return the direction with another name."""
        return replace(self, name=name)


@torch.no_grad()
def jacobian_axes(
    generate: Generate, z: Tensor, free: Tensor, deviation: Tensor | float = 1.0, most: int = 6
) -> list[Direction]:
    """Return the axes along which a generator's images change most, the strongest first.

    Args:
        generate: G, [N, z_dim] to [N, ...].
        z: latents to look from, [2 k, z_dim]; the axes are found on the first half and tried on the other.
        free: the numbers of a latent that may change, bool [z_dim]: not those of a category.
        deviation: standard deviation of these numbers, one for all or [z_dim].
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
        jacobian = torch.stack([part.flatten() for part in change(generate, one, basis, deviation)]).double()
        squares += jacobian @ jacobian.T
    vectors = torch.linalg.eigh(squares).eigenvectors.flip(1).T[:most].float() @ basis
    usual = sum(_size(generate, one, basis, deviation) for one in unseen)
    found = []
    for axis in vectors:
        axis = axis * (1.0 if axis[axis.abs().argmax()] > 0 else -1.0)  # an eigenvector has no sign of its own
        size = sum(_size(generate, one, axis[None], deviation) for one in unseen)
        strength = (size / usual) ** 0.5 if usual else 0.0
        if strength >= STRONGER:
            found.append(Direction(axis, strength, f"direction-{len(found) + 1}"))
    return found


def change(generate: Generate, z: Tensor, along: Tensor, deviation: Tensor | float = 1.0) -> Tensor:
    """Return the central differences of G at z [z_dim] along axes [K, z_dim], by deviation: [K, ...]."""
    parts = []
    for some in along.split(AT_ONCE):
        step = STEP * deviation * some
        parts.append((generate(z + step) - generate(z - step)) / (2 * STEP))
    return torch.cat(parts)


def _size(generate: Generate, z: Tensor, along: Tensor, deviation: Tensor | float) -> float:
    """Return the mean square of the change along directions; over an orthonormal basis, that along a random one."""
    return change(generate, z, along, deviation).double().square().flatten(1).sum(1).mean().item()


def regressed(law: Law, z: Tensor, y: Tensor) -> Tensor:
    """Return the axis along which an attribute rises, by ridge regression, a unit vector [z_dim].

    Args:
        law: law of the latents; numbers of categories take no part.
        z: latents, [N, z_dim].
        y: attribute of their images, [N].

    >>> from organza.networks.priors import Normal
    >>> z = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))
    >>> regressed(Law.of((Normal(5),)), z, z[:, 2]).round(decimals=1).abs().tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """
    u = (law.standard(z) * law.free).double()
    squares = u.T @ u + RIDGE * len(u) * torch.eye(u.shape[1], dtype=torch.float64)
    w = torch.linalg.solve(squares, u.T @ (y - y.mean()).double())
    return (w / w.norm().clamp_min(1e-12)).float()


def correlation(a: Tensor, b: Tensor) -> float:
    """Return Pearson's correlation of two rows of numbers, [N] each; 0 if one is constant."""
    a, b = (x.double() - x.double().mean() for x in (a, b))
    size = (a.norm() * b.norm()).item()
    return (a @ b).item() / size if size > 1e-12 else 0.0


def place_along(law: Law, z: Tensor, axis: Tensor) -> Tensor:
    """Return the place of latents along an axis, in deviations: [N, z_dim] to [N]."""
    return law.standard(z) @ axis


@torch.no_grad()
def tried(law: Law, z: Tensor, axis: Tensor, read: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the attributes of images at `PLACES` along a direction, [len(PLACES), N, attributes].

    Args:
        law: law of the latents.
        z: latents to start from, [N, z_dim].
        axis: unit vector, [z_dim].
        read: function from latents [N, z_dim] to attributes of their images, [N, attributes].
    """
    here = place_along(law, z, axis)[:, None]
    return torch.stack([read(law.moved(z, axis, place - here)) for place in PLACES])


def scored(
    values: Tensor, attribute: int, related: float, deviations: Tensor, names: list[str], alike: set[int]
) -> Scores:
    """Return the scores of a direction.

    Args:
        values: attributes along it, [len(PLACES), N, attributes]: see `tried`.
        attribute: number of its own attribute.
        related: held-out correlation with its own attribute.
        deviations: standard deviation of each attribute over random latents, [attributes].
        names: names of the attributes.
        alike: numbers of attributes that say the same, such as another class of the same column, and so are no leakage.
    """
    steps = values[1:, :, attribute] - values[:-1, :, attribute]
    changes = (values[-1] - values[0]).mean(0) / deviations.clamp_min(1e-9)
    own = changes[attribute].abs().clamp_min(1e-9)
    others = [n for n in range(len(names)) if n != attribute and n not in alike]
    worst = max(others, key=lambda n: changes[n].abs().item(), default=None)
    return Scores(
        related,
        (steps > 0).float().mean().item(),
        (steps > 0).all(0).float().mean().item(),
        0.0 if worst is None else (changes[worst].abs() / own).item(),
        "" if worst is None else names[worst],
    )
