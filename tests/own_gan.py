"""Material: a GAN of one's own in one file, in which tests/test_own_module.py makes mistakes.

The loss is a softplus with a margin, the penalty pulls D's logits towards zero (Karras et al. 2018, arXiv:1710.10196, section A.1), and the
game adds a term that keeps samples apart: mode seeking, Mao et al. 2019, arXiv:1903.05628, eq. 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import softplus

from organza.gan import (
    Adam,
    Adversarial,
    Batch,
    Discriminator,
    Generator,
    Judged,
    Partial,
    Penalty,
    Recipe,
    Shape,
    Unconditional,
)  # fmt: skip

MARGIN = 0.5

# A loss: two functions of the logits, [N] each to [N]; the mean is taken later. Even chances are at logit 0.
margin = Adversarial(
    discriminator=lambda real, fake: softplus(MARGIN - real) + softplus(MARGIN + fake),
    generator=lambda real, fake: softplus(-fake),
)


def drift(duel: Judged, real: Tensor, fake: Tensor) -> Tensor:
    """A penalty: D(x)^2 of each real image, [N]. It keeps the logits from drifting away."""
    return real.square()


class Grower(Generator):
    """z [N, 64] to images [N, *shape] in [-1, 1]."""

    def __init__(self, shape: Shape, *, z_dim: int = 64, width: int = 32):
        super().__init__()
        self.z_dim = z_dim
        channels, height, across = shape
        self.layers = nn.Sequential(
            nn.Linear(z_dim, 2 * width * (height // 4) * (across // 4)),
            nn.Unflatten(1, (2 * width, height // 4, across // 4)), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Critic(Discriminator):
    """Images [N, *shape] to logits [N]."""

    def __init__(self, shape: Shape, *, width: int = 32):
        super().__init__()
        channels, height, across = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(2 * width * (height // 4) * (across // 4), 1), nn.Flatten(0),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class KeepingApart(Unconditional):
    """The first GAN's game, and a term for G: latents that are apart give images that are apart.

    Args:
        G, D, adversarial, penalties: players and losses, as in every game.
        apart: weight of the term.
    """

    def __init__(
        self, G: Grower, D: Critic, adversarial: Adversarial, penalties: Sequence[Penalty] = (), *, apart: float = 0.1
    ):
        super().__init__(G, D, adversarial, penalties)
        self.apart = apart

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        z, image = batch["z"], made["image"]
        ratio = (image - image.roll(1, 0)).abs().flatten(1).mean(1) / ((z - z.roll(1, 0)).abs().mean(1) + 1e-5)
        return {"apart": self.apart * (1 / (ratio + 0.1)).mean()}


def own_gan() -> Recipe:
    """A small recipe for images whose sides are divisible by 4."""
    return Recipe(
        name="own-gan",
        source="This file.",
        expect="A demonstration of the parts, not trained to its end.",
        game=Partial(KeepingApart),
        generator=Partial(Grower, width=16),
        discriminator=Partial(Critic, width=16),
        adversarial=margin,
        penalties=(Penalty(drift, weight=1e-3),),
        generator_optimizer=Adam(5e-4, 0.0, 0.99),
        discriminator_optimizer=Adam(5e-4, 0.0, 0.99),
        batch=16,
        average=2_000,
    )
