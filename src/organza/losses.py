"""Adversarial losses: the objectives of both players of the minimax game, on logits, per sample.

Symbols: r = D(x) and f = D(G(z)) are logits [N, ...]; sigmoid(r) is the probability that x is
authentic (1 = real, 0 = fake). To add a loss, define another `Adversarial` value here or elsewhere,
and use it in a recipe.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


class Adversarial(NamedTuple):
    """The two objectives of a game. Each maps (real, fake) logits [N, ...] to losses of the same
    shape, to be minimised.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    neutral: float | None = (
        0.0  # logit at which real and fake are equally likely; None if only differences of logits have a meaning
    )
    generator_sees_real: bool = (
        False  # True if G's objective compares the fake with a real, at the cost of another pass through D
    )
    coupled: bool = False  # True if the loss of a sample depends on the other samples of the batch


def probability(logits: Tensor, neutral: float | Tensor | None = 0.0) -> Tensor:
    """Return the probability that an item is authentic: sigmoid(logit - neutral), averaged over a
    logit map, [N, ...] to [N].
    """
    return torch.sigmoid(logits - (0.0 if neutral is None else neutral)).reshape(len(logits), -1).mean(1)


def _binary_cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    # -log sigmoid(r) - log(1 - sigmoid(f)): the halves with targets 1 and 0, added. softplus never overflows.
    return softplus(-real) + softplus(fake)


minimax = Adversarial(_binary_cross_entropy, lambda real, fake: -softplus(fake))
"""The original minimax game: D maximises log D(x) + log(1 - D(G(z))) and G minimises log(1 -
D(G(z))).

G's gradient vanishes while D is confident; in practice `nonsaturating` is used.
Goodfellow et al. 2014, arXiv:1406.2661, eq. 1.

>>> import torch; minimax.generator(torch.zeros(1), torch.zeros(1))  # -log 2
tensor([-0.6931])
"""

nonsaturating = Adversarial(_binary_cross_entropy, lambda real, fake: softplus(-fake))
"""Binary cross entropy with targets 1 for real and 0 for fake, summed; G trains its fakes towards
target 1.

L_D = -log D(x) - log(1 - D(G(z))),  L_G = -log D(G(z)).  Goodfellow et al. 2014, arXiv:1406.2661,
section 3.

>>> import torch; nonsaturating.discriminator(torch.zeros(1), torch.zeros(1))  # 2 log 2: the equilibrium D = 1/2
tensor([1.3863])
"""

lsgan = Adversarial(
    lambda real, fake: ((real - 1).square() + fake.square()) / 2,
    lambda real, fake: (fake - 1).square() / 2,
    neutral=0.5,
)
"""Least squares towards the targets 1 and 0.  L_D = ((r - 1)^2 + f^2) / 2,  L_G = (f - 1)^2 / 2.

Mao et al. 2017, arXiv:1611.04076, eq. 9.

>>> import torch; lsgan.generator(torch.zeros(1), torch.tensor([3.0]))
tensor([2.])
"""

hinge = Adversarial(lambda real, fake: relu(1 - real) + relu(1 + fake), lambda real, fake: -fake)
"""Hinge loss: D learns only from logits on the wrong side of the margin.  L_D = max(0, 1 - r) +
max(0, 1 + f),  L_G = -f.

Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, eqs. 16 and 17.

>>> import torch; hinge.discriminator(torch.tensor([2.0]), torch.tensor([0.5]))
tensor([1.5000])
"""

wasserstein = Adversarial(lambda real, fake: fake - real, lambda real, fake: -fake, neutral=None)
"""Wasserstein loss: the critic's estimate of the earth mover's distance; requires a Lipschitz
critic (a penalty or clipping).

L_D = f - r,  L_G = -f.  Arjovsky et al. 2017, arXiv:1701.07875, eqs. 2 and 3.

>>> import torch; wasserstein.discriminator(torch.tensor([2.0]), torch.tensor([0.5]))
tensor([-1.5000])
"""

relativistic = Adversarial(
    lambda real, fake: softplus(fake - real),
    lambda real, fake: softplus(real - fake),
    neutral=None,
    generator_sees_real=True,
)
"""Relativistic pairing loss: D compares each real with one fake. Every mode stays in play, as each
fake is paired with a real.

L_D = -log sigmoid(r - f),  L_G = -log sigmoid(f - r).  Jolicoeur-Martineau 2018, arXiv:1807.00734
(RpGAN); with r1 and r2 it is the loss of Huang et al. 2024, arXiv:2501.05441, eq. 2.

>>> import torch; relativistic.discriminator(torch.tensor([5.0]), torch.tensor([5.0]))  # log 2
tensor([0.6931])
"""


def _better_than_average(one: Tensor, other: Tensor) -> Tensor:
    # Means are over the batch; each position of a logit map is compared separately.
    return softplus(other.mean(0, keepdim=True) - one) + softplus(other - one.mean(0, keepdim=True))


relativistic_average = Adversarial(
    _better_than_average,
    lambda real, fake: _better_than_average(fake, real),
    neutral=None,
    generator_sees_real=True,
    coupled=True,
)
"""Relativistic average loss: D compares each real with the average fake, and each fake with the
average real.

L_D = -log sigmoid(r - E[f]) - log(1 - sigmoid(f - E[r])),  L_G the same with r and f exchanged.
Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.2 (RaSGAN). The expectations are means over
the batch, so the value of a sample depends on the others.

>>> import torch; round(float(relativistic_average.discriminator(torch.tensor([5.0, 3.0]), torch.tensor([4.0, 4.0])).sum()), 3)
3.013
"""
