"""A loss, a penalty, networks, a game and a recipe of your own, in one module outside of organza.

    organza train photos --recipe examples.own_parts:own --size 32 --budget 50kimg

The game has two judges: one sees the image, the other the image at half its size, where only layout and colour are left.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, softplus

from organza import gan
from organza.gan import Adam, Adversarial, Batch, Duel, Partial, Penalty, Recipe, Shape, Unconditional

# Loss: the first GAN's with target 0.9 for real images, "one-sided label smoothing". Salimans et al. 2016, arXiv:1606.03498, 3.4.
# With p = sigmoid(r), -0.9 log p - 0.1 log(1 - p) = softplus(-r) + 0.1 r.
smoothed = Adversarial(
    discriminator=lambda real, fake: softplus(-real) + 0.1 * real + softplus(fake),
    generator=lambda real, fake: softplus(-fake),
)


def drift(duel: Duel, real: Tensor, fake: Tensor) -> Tensor:
    """Penalty D(x)^2, a value per sample: logits stay small. Karras et al. 2018, arXiv:1710.10196, appendix A.1."""
    return real.square()


class Generator(gan.Generator):
    """z [N, z_dim] to images in [-1, 1]: a map of 1/4 of the size, doubled twice.

    Args:
        shape: shape of the images, (channels, height, width), multiples of 4.
        z_dim: size of the latent.
        width: feature maps at the full size.
    """

    def __init__(self, shape: Shape, *, z_dim: int = 64, width: int = 16):
        super().__init__()
        self.z_dim = z_dim
        channels, height, across = shape

        def doubled(before: int, after: int) -> list[nn.Module]:
            return [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, 1, 1), nn.BatchNorm2d(after), nn.ReLU()]

        self.layers = nn.Sequential(
            nn.Linear(z_dim, 4 * width * (height // 4) * (across // 4)),
            nn.Unflatten(1, (4 * width, height // 4, across // 4)),
            *doubled(4 * width, 2 * width),
            *doubled(2 * width, width),
            nn.Conv2d(width, channels, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(gan.Discriminator):
    """Two judges, `large` of the image and `small` of its half size; alone, D(x) is the mean of both logits.

    Args:
        shape: shape of the images.
        width: feature maps of the first layer.
    """

    def __init__(self, shape: Shape, *, width: int = 16):
        super().__init__()

        def judge(height: int, across: int) -> nn.Module:
            first = [nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)]
            second = [nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2)]
            last = nn.Linear(2 * width * (height // 4) * (across // 4), 1)
            return nn.Sequential(*first, *second, nn.Flatten(), last, nn.Flatten(0))

        self.large, self.small = judge(*shape[1:]), judge(shape[1] // 2, shape[2] // 2)

    def forward(self, x: Tensor) -> Tensor:
        return (self.large(x) + self.small(avg_pool2d(x, 2))) / 2


class TwoJudges(Unconditional):
    """The first GAN's game with a duel for each judge."""

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        real, fake = batch["image"], made["image"]
        return [Duel(self.D.large, real, fake), Duel(self.D.small, avg_pool2d(real, 2), avg_pool2d(fake, 2))]


def own() -> Recipe:
    """All of it together."""
    return Recipe(
        name="own",
        source="this file",
        expect="garments or faces of a few colours after 50,000 images",
        game=Partial(TwoJudges),
        generator=Partial(Generator),
        discriminator=Partial(Discriminator),
        adversarial=smoothed,
        penalties=(Penalty(drift, weight=0.001),),
        generator_optimizer=Adam(5e-4, 0.5),
        discriminator_optimizer=Adam(5e-4, 0.5),
        batch=32,
    )
