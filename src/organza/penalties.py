"""Gradient penalties on the discriminator: (duel, real logits, fake logits) -> values per sample,
weighted and averaged by the game.

A duel provides `real` and `fake` (the inputs of the logits, with gradients enabled) and `judge(x)`,
the discriminator as this pair uses it. Nothing assumes images: inputs are [N, ...], logits
[N, ...], and a logit map counts as the sum of its logits. The finite-difference forms need no
second derivative: E_n[((D(x + s n) - D(x)) / s)^2] = |grad D(x)|^2 + O(s^2) for n ~ N(0, I). One
draw has a relative deviation of sqrt(2); their cost is one forward and one backward pass of D on a
share of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from organza.schedule import Number


class Judged(Protocol):
    """The parts of a duel that a penalty may use."""

    real: Tensor
    fake: Tensor
    world: Any  # the ranks that share the batch, a `distributed.world.World`

    def judge(self, x: Tensor, items: slice = ...) -> Tensor: ...


@dataclass(frozen=True)
class Penalty:
    """A penalty in a recipe.

    Args:
        of: penalty, one of this module's functions or your own of the same form.
        weight: factor of its mean; a number or a schedule.
        every: steps between applications; the weight is multiplied by it, so that the average
            strength stays the same.
    """

    of: Callable[[Any, Tensor, Tensor], Tensor]
    weight: Number = 1.0
    every: int = 1

    @property
    def name(self) -> str:
        """Name of its term in the log: that of the function, or of the function that a partial calls."""
        return _name_of(self.of)


def _name_of(function: Callable) -> str:
    """Return the name of a function; for a partial, that of the function it calls."""
    return getattr(function, "__name__", None) or _name_of(getattr(function, "make", None) or getattr(function, "func"))  # noqa: B009


def total(logits: Tensor) -> Tensor:
    """Sum logits [N, ...] to one number for each sample, [N]."""
    return logits.flatten(1).sum(1) if logits.ndim > 1 else logits


def squared_norm(gradient: Tensor) -> Tensor:
    """Return |g|^2 per sample: [N, ...] to [N]."""
    return gradient.flatten(1).square().sum(1)


def gradient(logits: Tensor, inputs: Tensor) -> Tensor:
    """Return grad_x D(x) per sample, itself differentiable. Correct only if D scores each item
    independently.
    """
    (result,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return result


def r1(duel: Judged, real: Tensor, fake: Tensor) -> Tensor:
    """Compute the zero-centred gradient penalty on real data.

    R1 = 1/2 |grad_x D(x)|^2 at x real.  Mescheder et al. 2018, arXiv:1801.04406, eq. 9.
    """
    return squared_norm(gradient(real, duel.real)) / 2


def r2(duel: Judged, real: Tensor, fake: Tensor) -> Tensor:
    """Compute the zero-centred gradient penalty on generated data.

    R2 = 1/2 |grad_x D(x)|^2 at x = G(z).  Mescheder et al. 2018, arXiv:1801.04406, eq. 10.
    """
    return squared_norm(gradient(fake, duel.fake)) / 2


def wgan_gp(duel: Judged, real: Tensor, fake: Tensor) -> Tensor:
    """Compute the gradient penalty that draws the critic's gradient norm to one between real and
    fake.

    GP = (|grad D(x)| - 1)^2 at x = e real + (1 - e) fake, e ~ U(0, 1) per sample.  Gulrajani et al.
    2017, arXiv:1704.00028, eq. 3.
    """
    share = _shares(duel)
    between = torch.lerp(duel.fake.detach(), duel.real.detach(), share).requires_grad_()
    return (squared_norm(gradient(duel.judge(between), between)).sqrt() - 1).square()


def _shares(duel: Judged) -> Tensor:
    """Draw a number in [0, 1) for each item, [N, 1, ...]."""
    x, world = duel.real, duel.world
    return world.rows(torch.rand(world.whole(len(x)), *[1] * (x.ndim - 1), device=x.device))


def dragan(duel: Judged, real: Tensor, fake: Tensor, spread: float = 0.5) -> Tensor:
    """Compute the gradient penalty that draws D's gradient norm to one around the data, against
    sharp peaks that attract all fakes.

    (|grad D(x + d)| - 1)^2 at x real, d = e u, e ~ U(0, 1) per sample, u ~ U(0, spread std(x)) per
    pixel, std(x) that of the batch. Kodali et al. 2017, arXiv:1705.07215, algorithm 1; the noise is
    that of the authors' code; the paper's text has a Gaussian.
    """
    data = duel.real.detach()
    share = _shares(duel)
    noise = duel.world.random_like(torch.rand_like, data)
    near = (data + share * spread * duel.world.deviation(data) * noise).requires_grad_()
    return (squared_norm(gradient(duel.judge(near), near)).sqrt() - 1).square()


def _slope(duel: Judged, x: Tensor, logits: Tensor, sigma: float, share: float) -> Tensor:
    """Return the squared slope along a random direction, for the first `share` of the batch."""
    few = duel.world.first(len(x), share)
    # Not randn_like: in channels-last memory it is six times slower, a fifteenth of a step of `swift`.
    noise = duel.world.rows(torch.randn(few.whole, *x.shape[1:], dtype=x.dtype, device=x.device))
    moved = x[few.items].detach() + sigma * noise
    with duel.world.counting(few):
        slope = (total(duel.judge(moved, few.items)) - total(logits[few.items])) / sigma
    return slope.square() if few.weight == 1 else few.weight * slope.square()


def r1_finite(duel: Judged, real: Tensor, fake: Tensor, sigma: float = 0.01, share: float = 0.25) -> Tensor:
    """Compute `r1` by a random finite difference on the first `share` of the batch: values
    [share * N].

    R1 ~ 1/2 ((D(x + sigma n) - D(x)) / sigma)^2, n ~ N(0, I).  The form used for large adversarial
    models: Lin et al. 2025, arXiv:2501.08316 (approximated R1). A smaller sigma has less bias and
    more rounding noise; 0.01 suits data in [-1, 1] in float32.
    """
    return _slope(duel, duel.real, real, sigma, share) / 2


def r2_finite(duel: Judged, real: Tensor, fake: Tensor, sigma: float = 0.01, share: float = 0.25) -> Tensor:
    """Compute `r2` by a random finite difference on the first `share` of the batch: values
    [share * N]. See `r1_finite`.
    """
    return _slope(duel, duel.fake, fake, sigma, share) / 2


FIRST_ORDER = (r1_finite, r2_finite)
"""Penalties that need no second derivative."""
