"""Fully connected networks for vectors of standardised columns.

Symbols: z [N, z_dim] ~ N(0, I); x [N, D], columns of mean 0 and deviation 1, of any range.

    G(z) = A_n a(... a(A_0 z)),     D(x) = B_n a(... a(B_0 x)),     a(h) = max(h, 0.2 h)

As in Gulrajani et al. 2017, arXiv:1704.00028, appendix F (toy distributions), with LeakyReLU, and without the tanh of images: columns have
no bounds. No normalisation, so that D scores each vector alone.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from organza.networks import layers
from organza.networks.layers import Shape

SLOPE = 0.2


class Generator(layers.Generator):
    """z -> hidden layers of leaky rectified units -> x.

    Args:
        shape: shape of the data, (D,).
        z_dim: size of the latent.
        width: units in each hidden layer.
        depth: hidden layers.

    >>> import torch
    >>> Generator((3,), z_dim=4, width=16)(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(self, shape: Shape, *, z_dim: int = 16, width: int = 128, depth: int = 3):
        super().__init__()
        self.z_dim, self.shape = z_dim, tuple(shape)
        self.layers = perceptron(z_dim, *[width] * depth, shape[0])

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(layers.Discriminator):
    """x -> hidden layers of leaky rectified units -> logit.

    Args:
        shape: shape of the data, (D,).
        width: units in each hidden layer.
        depth: hidden layers.

    >>> import torch
    >>> Discriminator((3,), width=16)(torch.zeros(2, 3)).shape
    torch.Size([2])
    """

    def __init__(self, shape: Shape, *, width: int = 128, depth: int = 3):
        super().__init__()
        self.layers = perceptron(shape[0], *[width] * depth, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()


def perceptron(*sizes: int) -> nn.Sequential:
    """Return linear layers of these sizes with leaky rectified units between them.

    >>> len(perceptron(2, 8, 8, 1))
    5
    """
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        parts += [nn.LeakyReLU(SLOPE, True)] * bool(parts) + [nn.Linear(inputs, outputs)]
    return nn.Sequential(*parts)
