"""InfoGAN's networks: Chen et al. 2016, arXiv:1606.03657, appendix C.1; the sizes are those of the
authors' MNIST experiment.

Symbols: z [N, z_dim] = noise and codes in one row; h [N, C, H, W] feature maps; x
[N, channels, H, W] in [-1, 1]; Q(c|x) the output of D's second head for the codes. At 28x28 these
are the paper's networks, layer for layer; other sizes follow the rule of DCGAN: the image is halved
until its shorter side is 4 to 7, and the feature maps double each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from organza.errors import UserError
from organza.networks import layers
from organza.networks.dcgan import Norm
from organza.networks.layers import Shape, batch_norm, halvings, normal
from organza.networks.priors import OneHot, Prior, Uniform


@dataclass(frozen=True)
class Codes:
    """Parts of a latent: z = [noise, one-hot of each categorical code, continuous codes], in one
    row.

    Args:
        noise: number of noise values, each ~ U(-1, 1).
        categories: number of values of each categorical code, all equally likely.
        continuous: number of continuous codes, each ~ U(-1, 1).

    >>> Codes(noise=62, categories=(10,), continuous=2).z_dim
    74
    """

    noise: int = 62
    categories: tuple[int, ...] = (10,)
    continuous: int = 2

    def __post_init__(self) -> None:
        if self.noise < 0 or self.continuous < 0 or any(count < 2 for count in self.categories):
            raise UserError(
                f"{self} is invalid: a categorical code needs at least 2 values, and no count may be negative."
            )
        if not self.width:
            raise UserError("Codes need at least one categorical or continuous code; without any, use a plain GAN.")

    @property
    def width(self) -> int:
        """Number of values of the codes, without the noise."""
        return sum(self.categories) + self.continuous

    @property
    def z_dim(self) -> int:
        return self.noise + self.width

    def draw(self, stream: torch.Generator) -> Tensor:
        """Draw one latent from its own stream, [z_dim]."""
        noise = torch.rand(self.noise, generator=stream) * 2 - 1
        chosen = [one_hot(torch.randint(n, (), generator=stream), n).float() for n in self.categories]
        return torch.cat([noise, *chosen, torch.rand(self.continuous, generator=stream) * 2 - 1])

    @property
    def prior(self) -> Prior:
        """The law of `draw`."""
        parts = (Uniform(self.noise), *map(OneHot, self.categories), Uniform(self.continuous))
        return tuple(part for part in parts if part.size)

    def split(self, codes: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Split codes, or Q's output for them, [N, width], by kind: each categorical one
        [N, values], the continuous [N, continuous].

        >>> [part.shape[1] for part in Codes(categories=(3, 4)).split(torch.zeros(1, 9))[0]]
        [3, 4]
        """
        *categorical, continuous = codes.split([*self.categories, self.continuous], dim=1)
        return tuple(categorical), continuous

    def of(self, z: Tensor) -> Tensor:
        """Return the codes in latents, [N, z_dim] to [N, width]."""
        return z[:, self.noise :]

    def traversal(self, z: Tensor, along: int, steps: int, reach: float) -> Tensor:
        """Return latents for a grid: a row for each value of the first categorical code, columns
        along a continuous one.

        Args:
            z: latent, [z_dim], whose other values are the same in all cells.
            along: index of the continuous code, from 0.
            steps: number of columns.
            reach: range of the code, from -reach to reach; it was trained on [-1, 1].

        Returns:
            [rows * steps, z_dim], row by row.
        """
        if not 0 <= along < self.continuous:
            has = {0: "no continuous code", 1: "one continuous code, 0"}.get(
                self.continuous, f"continuous codes 0 to {self.continuous - 1}"
            )
            raise UserError(f"There is no continuous code {along}; this run has {has}.")
        rows = self.categories[0] if self.categories else 1
        table = z.repeat(rows, steps, 1)
        if self.categories:
            table[:, :, self.noise : self.noise + rows] = torch.eye(rows)[:, None]
        table[:, :, self.z_dim - self.continuous + along] = torch.linspace(-reach, reach, steps)
        return table.flatten(0, 1)


MNIST = Codes()


class Generator(layers.Generator):
    """z -> dense 1024 -> dense 128x7x7 -> 64x14x14 -> x: batch norm and ReLU after each layer except the last; tanh at the end.

    Args:
        shape: shape of the images, (channels, height, width).
        codes: parts of the latent.
        width: feature maps before the last layer; the first dense layer has 16 times as many units.

    >>> Generator((1, 28, 28), width=8)(torch.zeros(2, 74)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, shape: Shape, *, codes: Codes = MNIST, width: int = 64):
        super().__init__()
        channels, height, across = shape
        doublings, base = halvings(height, across)
        maps = [width * 2**i for i in reversed(range(doublings))]
        self.codes, self.z_dim = codes, codes.z_dim
        units = maps[0] * base[0] * base[1]
        stack: list[nn.Module] = []
        for fewer, more in pairwise([codes.z_dim, 16 * width, units]):
            stack += [nn.Linear(fewer, more, bias=False), nn.BatchNorm1d(more), nn.ReLU(True)]
        stack.append(nn.Unflatten(1, (maps[0], *base)))
        for wide, narrow in pairwise(maps):
            stack += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), batch_norm(narrow), nn.ReLU(True)]
        stack += [nn.ConvTranspose2d(maps[-1], channels, 4, 2, 1), nn.Tanh()]
        self.layers = normal(nn.Sequential(*stack))

    def latent(self, stream: torch.Generator) -> Tensor:
        return self.codes.draw(stream)

    @property
    def prior(self) -> Prior:
        return self.codes.prior

    @property
    def levels(self) -> tuple[nn.Module, ...]:
        return (next(self.layers.children()),)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(layers.Discriminator):
    """x -> 64x14x14 -> 128x7x7 -> dense 1024 -> two heads: the logit, and Q(c|x) through a dense layer of 128 units.

    Args:
        shape: shape of the images, (channels, height, width).
        codes: codes that the second head recovers.
        width: feature maps of the first layer; the dense layer has 16 times as many units.
        norm: normalisation after each layer except the first and the last of each head.

    >>> D = Discriminator((1, 28, 28), width=8); x = torch.zeros(2, 1, 28, 28)
    >>> D(x).shape, D.recognise(x).shape
    (torch.Size([2]), torch.Size([2, 12]))
    """

    def __init__(self, shape: Shape, *, codes: Codes = MNIST, width: int = 64, norm: Norm = batch_norm):
        super().__init__()
        channels, height, across = shape
        halved, base = halvings(height, across)
        maps = [width * 2**i for i in range(halved)]
        self.codes = codes
        biased = isinstance(norm(1), nn.Identity)
        stack: list[nn.Module] = [nn.Conv2d(channels, maps[0], 4, 2, 1), nn.LeakyReLU(0.1, True)]
        for narrow, wide in pairwise(maps):
            stack += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=biased), norm(wide), nn.LeakyReLU(0.1, True)]
        stack += [nn.Flatten(), *_dense(maps[-1] * base[0] * base[1], 16 * width, norm)]
        self.trunk = normal(nn.Sequential(*stack))
        self.verdict = normal(nn.Linear(16 * width, 1))
        self.recogniser = normal(nn.Sequential(*_dense(16 * width, 2 * width, norm), nn.Linear(2 * width, codes.width)))

    def forward(self, x: Tensor) -> Tensor:
        return self.decide(self.trunk(x))

    def decide(self, features: Tensor) -> Tensor:
        """Compute the logits [N] from features of the trunk."""
        return self.verdict(features).flatten()

    def recognise(self, x: Tensor) -> Tensor:
        """Compute Q's output for x, [N, codes.width]: logits for each categorical code, the means
        of the continuous ones.
        """
        return self.recogniser(self.trunk(x))


def _dense(inputs: int, units: int, norm: Norm) -> list[nn.Module]:
    """Return a dense layer of D. Its units have the form of feature maps of one pixel for the
    normalisation, so that any `norm` fits.
    """
    linear = nn.Linear(inputs, units, bias=isinstance(norm(1), nn.Identity))
    return [linear, nn.Unflatten(1, (units, 1, 1)), norm(units), nn.LeakyReLU(0.1, True), nn.Flatten()]
