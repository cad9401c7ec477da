"""The networks of the adversarial autoencoder: Makhzani et al. 2015, arXiv:1511.05644, appendix A.1.

Symbols: x [N, *shape] in [-1, 1], data of any shape, flattened inside; z [N, z_dim] ~ N(0, deviation^2). Each network has two hidden layers
of rectified units and weights ~ N(0, 0.01^2). The paper's decoder ends in a sigmoid since its data is in [0, 1]; here a tanh, for data
in [-1, 1]. With the convolutions of `bigan.Encoder` and `dcgan.Generator` instead, the same discriminator serves larger images.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from organza.networks import layers
from organza.networks.layers import Shape, normal
from organza.networks.priors import Normal, Prior


class Generator(layers.Generator):
    """The decoder: z -> two hidden layers -> x.

    Args:
        shape: shape of the data, any number of axes.
        z_dim: size of the latent.
        width: units in each hidden layer.
        deviation: standard deviation of the prior: 5 in the paper's experiments on MNIST, 10 on faces.

    >>> Generator((1, 28, 28), width=16)(torch.zeros(2, 8)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, shape: Shape, *, z_dim: int = 8, width: int = 1000, deviation: float = 5.0):
        super().__init__()
        self.z_dim, self.shape, self.deviation = z_dim, tuple(shape), deviation
        self.layers = nn.Sequential(perceptron(z_dim, width, prod(shape)), nn.Tanh())

    def latent(self, stream: torch.Generator) -> Tensor:
        return torch.randn(self.z_dim, generator=stream) * self.deviation

    @property
    def prior(self) -> Prior:
        return (Normal(self.z_dim, self.deviation),)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, self.shape)


class Encoder(layers.Encoder):
    """The deterministic encoder of the paper: x -> two hidden layers -> z.

    Args:
        shape: shape of the data, any number of axes.
        z_dim: size of the latent.
        width: units in each hidden layer.

    >>> Encoder((1, 28, 28), z_dim=8, width=16)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 8])
    """

    def __init__(self, shape: Shape, *, z_dim: int, width: int = 1000):
        super().__init__()
        self.z_dim = z_dim
        self.layers = nn.Sequential(nn.Flatten(), perceptron(prod(shape), width, z_dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Discriminator(layers.Discriminator):
    """z -> two hidden layers -> logit, for latents of the prior (1) or of the encoder (0).

    Args:
        shape: shape of the data, which it never sees.
        z_dim: size of the latent.
        width: units in each hidden layer.

    >>> Discriminator((1, 28, 28), z_dim=8, width=16)(torch.zeros(2, 8)).shape
    torch.Size([2])
    """

    def __init__(self, shape: Shape, *, z_dim: int, width: int = 1000):
        super().__init__()
        self.z_dim = z_dim
        self.layers = perceptron(z_dim, width, 1)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).flatten()

    def evidence(self, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        return encode(x)


def perceptron(inputs: int, width: int, outputs: int) -> nn.Module:
    """Return a network of two hidden layers of rectified units, weights ~ N(0, 0.01^2): [N, inputs] to [N, outputs]."""
    stack = [nn.Linear(inputs, width), nn.ReLU(True), nn.Linear(width, width), nn.ReLU(True), nn.Linear(width, outputs)]
    return normal(nn.Sequential(*stack), 0.01)
