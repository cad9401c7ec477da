"""A variant that organza does not have, in one file: the energy-based GAN. Zhao, Mathieu and LeCun 2017, arXiv:1609.03126.

    organza data fashion-mnist fashion --download
    organza train fashion --recipe examples.energy_gan:energy_gan --size 28 --budget 5m

The discriminator is an autoencoder, and what it cannot reconstruct has a high energy E(x) = |Dec(Enc(x)) - x|^2 / dim x:

    L_D = E(x) + max(0, m - E(G(z)))                    eq. 1
    L_G = E(G(z)) + lambda f_PT(Enc(G(z)))              eq. 2, and section 2.4 for the term that pulls samples away from each other

The loop, the turns, checkpoints, exact resuming, samples and the distance come from organza, which needs to know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from organza import Recipe
from organza.config import Partial
from organza.game import Batch
from organza.games.unconditional import Unconditional
from organza.losses import Adversarial
from organza.networks import layers, resize
from organza.networks.dcgan import Discriminator as Pyramid
from organza.optimizers import Adam
from organza.penalties import Penalty

MARGIN = (
    0.2  # m: an energy that fakes need not exceed; images in [-1, 1] that have nothing in common differ by 0.2 to 0.5
)

# A logit says how real something is, so it is -E. No logit means "even": only differences do.
energy = Adversarial(
    discriminator=lambda real, fake: -real + relu(MARGIN + fake), generator=lambda real, fake: -fake, neutral=None
)


class Autoencoder(layers.Discriminator):
    """x -> -E(x), [N]: DCGAN's pyramid down to a code, and a generator's way back up."""

    def __init__(self, shape: layers.Shape, *, width: int = 32, code: int = 64):
        super().__init__()
        pyramid = Pyramid(shape, width=width)
        height, across = pyramid.base
        bottleneck = nn.Linear(pyramid.maps * height * across, code)
        self.encoder = nn.Sequential(pyramid.features, nn.Flatten(), layers.normal(bottleneck))
        self.decoder = resize.Generator(shape, z_dim=code, width=width)

    def forward(self, x: Tensor) -> Tensor:
        return -(self.decoder(self.encoder(x)) - x).square().flatten(1).mean(1)


def pulling_away(codes: Tensor) -> Tensor:
    """f_PT, the mean squared cosine between the codes of any two samples, [N, S] to a scalar: 1 if all are alike.

    >>> pulling_away(torch.ones(3, 2)), pulling_away(torch.eye(3))
    (tensor(1.0000), tensor(0.))
    """
    cosines = normalize(codes) @ normalize(codes).T
    others = len(codes) * (len(codes) - 1)
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / others


class EnergyGAN(Unconditional):
    """The first GAN's game, and one more term for G.

    Args:
        G, D, adversarial, penalties: see `organza.game.Game`; D has an `encoder`.
        apart: lambda, the weight of f_PT; 0.1 in the paper.
    """

    def __init__(self, G: Any, D: Any, adversarial: Any, penalties: Sequence[Penalty] = (), *, apart: float = 0.1):
        super().__init__(G, D, adversarial, penalties)
        self.apart = apart

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {"pulling away": self.apart * pulling_away(self.D.encoder(made["image"]))}


def energy_gan() -> Recipe:
    """The energy-based GAN for images of 28x28 or 32x32 and minutes."""
    return Recipe(
        name="energy-gan",
        source="Zhao et al. 2017, arXiv:1609.03126, with small convolutional networks of our own choice.",
        expect="Fashion-MNIST at 28x28: soft garments of many kinds after 9,600 images, a minute of one core.",
        game=Partial(EnergyGAN),
        generator=Partial(resize.Generator, width=24),
        discriminator=Partial(Autoencoder),
        adversarial=energy,
        generator_optimizer=Adam(1e-3, 0.5),
        discriminator_optimizer=Adam(1e-3, 0.5),
        batch=64,
        average=5_000,
    )
