"""Conditional networks: generators and discriminators that receive a label, built from
unconditional ones.

Symbols: y [N, labels] rows of numbers that describe each item (a class as one-hot, tags,
quantities); z [N, z_dim]; x [N, channels, H, W] in [-1, 1]; phi(x) the last feature maps of DCGAN's
discriminator, flattened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from organza.networks import dcgan, layers
from organza.networks.dcgan import Norm
from organza.networks.layers import Constraint, Shape, batch_norm, free, normal
from organza.networks.priors import Prior, shortened


class Generator(layers.Generator):
    """(z, y) -> x: the backbone's latent is z followed by y.  Mirza and Osindero 2014,
    arXiv:1411.1784, section 3.2.

    A one-hot row is weak beside a hundred numbers from N(0, 1), so y may pass through an embedding
    first: E y with E ~ N(0, 1) makes each class as strong as z.

    Args:
        shape: shape of the images, (channels, height, width).
        labels: numbers in a row y.
        embedding: numbers in E y; 0 uses y unchanged.
        z_dim: size of the latent.
        width: width of the backbone.
        backbone: builds an unconditional generator from (shape, z_dim=..., width=...).

    >>> G = Generator((3, 32, 32), labels=5, width=8)
    >>> G(torch.randn(2, 100), torch.eye(5)[:2]).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        labels: int,
        embedding: int = 0,
        z_dim: int = 100,
        width: int = 64,
        backbone: Callable[..., layers.Generator] = dcgan.Generator,
    ):
        super().__init__()
        self.z_dim, self.labels = z_dim, labels
        self.embedding = nn.Linear(labels, embedding, bias=False) if embedding else nn.Identity()
        if embedding:
            nn.init.normal_(self.embedding.get_parameter("weight"))
        self.backbone = backbone(shape, z_dim=z_dim + (embedding or labels), width=width)

    def latent(self, stream: torch.Generator) -> Tensor:
        return self.backbone.latent(stream)[: self.z_dim]

    @property
    def prior(self) -> Prior:
        return shortened(self.backbone.prior, self.z_dim)

    @property
    def levels(self) -> tuple[nn.Module, ...]:
        return self.backbone.levels

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.backbone(torch.cat([z, self.embedding(y)], 1))


class Concatenation(layers.Discriminator):
    """(x, y) -> logit: y is concatenated to the image as constant planes.

    Mirza and Osindero 2014, arXiv:1411.1784, eq. 2, in its convolutional form. Many labels make many planes; E y with
    E ~ N(0, 1/4) has as many as are asked for.

    Args:
        shape: shape of the images, (channels, height, width).
        labels: numbers in a row y.
        embedding: numbers in E y; 0 uses y unchanged.
        width: width of the backbone.
        norm: normalisation of the backbone.
        backbone: builds an unconditional discriminator from (shape, width=..., norm=...).

    >>> D = Concatenation((3, 32, 32), labels=5, width=8)
    >>> D(torch.zeros(2, 3, 32, 32), torch.eye(5)[:2]).shape
    torch.Size([2])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        labels: int,
        embedding: int = 0,
        width: int = 64,
        norm: Norm = batch_norm,
        backbone: Callable[..., nn.Module] = dcgan.Discriminator,
    ):
        super().__init__()
        self.labels = labels
        self.embedding = nn.Linear(labels, embedding, bias=False) if embedding else nn.Identity()
        if embedding:
            nn.init.normal_(self.embedding.get_parameter("weight"), 0.0, 0.5)
        self.backbone = backbone((shape[0] + (embedding or labels), *shape[1:]), width=width, norm=norm)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        planes = self.embedding(y)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.backbone(torch.cat([x, planes], 1))


class Projection(layers.Discriminator):
    """(x, y) -> <V y, phi(x)> + psi(phi(x)), psi linear: each class adds its own weights to those
    of the logit.

    Miyato and Koyama 2018, arXiv:1802.05637, eq. 3. Their phi ends in a sum over the positions of
    the image; here each position of the last feature map has its own weights, as in DCGAN's last
    layer.

    Args:
        shape: shape of the images, (channels, height, width).
        labels: numbers in a row y.
        width: feature maps of the first layer.
        norm: normalisation, as in DCGAN's discriminator.
        constraint: constraint on all weights, `free` or `spectral`.

    >>> D = Projection((3, 32, 32), labels=5, width=8)
    >>> D(torch.zeros(2, 3, 32, 32), torch.eye(5)[:2]).shape
    torch.Size([2])
    """

    def __init__(
        self, shape: Shape, *, labels: int, width: int = 64, norm: Norm = batch_norm, constraint: Constraint = free
    ):
        super().__init__()
        self.labels = labels
        self.backbone = dcgan.Discriminator(shape, width=width, norm=norm)
        height, across = self.backbone.base
        self.embedding = normal(nn.Linear(labels, self.backbone.maps * height * across, bias=False))
        constraint(self)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.backbone.features(x)
        return self.backbone.head(h).flatten() + (self.embedding(y) * h.flatten(1)).sum(1)


class Fields(Protocol):
    """The fields of labels, as in `organza.data.labels.Labels`."""

    @property
    def width(self) -> int: ...


class AuxiliaryClassifier(layers.Discriminator):
    """x -> logit, and a prediction of the label by one linear layer on the same features.

    Odena, Olah and Shlens 2017, arXiv:1610.09585, section 3. The logit itself needs no label.

    Args:
        shape: shape of the images, (channels, height, width).
        fields: fields of the labels to predict.
        width: feature maps of the first layer.
        norm: normalisation, as in DCGAN's discriminator.
        dropout: share of the last features to drop in training.
    """

    def __init__(self, shape: Shape, *, fields: Fields, width: int = 64, norm: Norm = batch_norm, dropout: float = 0.5):
        super().__init__()
        self.fields = fields
        self.backbone = dcgan.Discriminator(shape, width=width, norm=norm)
        height, across = self.backbone.base
        self.dropout = nn.Dropout(dropout)
        self.classifier = normal(nn.Linear(self.backbone.maps * height * across, fields.width))

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone.head(self.dropout(self.backbone.features(x))).flatten()

    def guesses(self, x: Tensor) -> Tensor:
        """Predict the label of each item: [N, channels, H, W] to [N, fields.width]; logits for
        classes and tags.
        """
        return self.classifier(self.dropout(self.backbone.features(x)).flatten(1))
