"""The networks of the first GAN: Goodfellow et al. 2014, arXiv:1406.2661.

Symbols: z [N, z_dim]; x [N, *shape] in [-1, 1], data of any shape, flattened inside. The paper's generator ends in a sigmoid since its
data is in [0, 1]; here a tanh, for data in [-1, 1].
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from organza.networks import layers
from organza.networks.layers import Shape
from organza.networks.priors import Prior, Uniform


class Generator(layers.Generator):
    """z -> two hidden layers of rectified units -> x, with z ~ U(-1, 1).

    Args:
        shape: shape of the data, any number of axes.
        z_dim: size of the latent.
        width: units in each hidden layer.

    >>> Generator((1, 28, 28), width=16)(torch.zeros(2, 100)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, shape: Shape, *, z_dim: int = 100, width: int = 1200):
        super().__init__()
        self.z_dim, self.shape = z_dim, tuple(shape)
        self.layers = nn.Sequential(
            nn.Linear(z_dim, width),
            nn.ReLU(True),
            nn.Linear(width, width),
            nn.ReLU(True),
            nn.Linear(width, prod(shape)),
            nn.Tanh(),
        )

    def latent(self, stream: torch.Generator) -> Tensor:
        return torch.rand(self.z_dim, generator=stream) * 2 - 1

    @property
    def prior(self) -> Prior:
        return (Uniform(self.z_dim),)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, self.shape)


class Maxout(nn.Module):
    """Maxout: the maximum of several linear maps, for each unit.  Goodfellow et al. 2013, arXiv:1302.4389.

    >>> Maxout(4, 3, pieces=2)(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(self, inputs: int, units: int, pieces: int = 5):
        super().__init__()
        self.units, self.linear = units, nn.Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (self.units, -1)).amax(2)


class Discriminator(layers.Discriminator):
    """x -> two hidden layers of maxout units with dropout -> logit.

    Args:
        shape: shape of the data, any number of axes.
        width: maxout units in each hidden layer.
        dropout: share of the hidden units to drop in training.

    >>> Discriminator((1, 28, 28), width=16)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2])
    """

    def __init__(self, shape: Shape, *, width: int = 240, dropout: float = 0.5):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            Maxout(prod(shape), width),
            nn.Dropout(dropout),
            Maxout(width, width),
            nn.Dropout(dropout),
            nn.Linear(width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()
