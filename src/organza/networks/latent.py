"""The networks of the latent GAN: an autoencoder draws the images, and the players meet on its small latent codes.

Two stages, as in Esser et al. 2021, arXiv:2012.09841, and Rombach et al. 2022, arXiv:2112.10752, at the size of minutes.
Symbols: x [N, channels, H, W] in [-1, 1]; q [N, code, H/f, W/f] in (-1, 1) its code, q = E(x), x ~ R(q); z [N, z_dim]; f is `reduction`.

What takes a game longest, plain surfaces and closed outlines, an absolute error teaches R in a minute or two; and on the codes a turn of
the game costs a third (docs/lab-log.md, 51).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.errors import UserError
from organza.networks import conditional, layers, scales, skips
from organza.networks.colours import drawn, seen
from organza.networks.dcgan import Norm
from organza.networks.layers import Shape, no_norm, normal
from organza.networks.ranges import Range, tanh
from organza.networks.skips import Doubling

SHORTEST = 16
"""Least number of pixels of an image's shorter side."""


def greatest_reduction(shape: Shape) -> int:
    """Return f: 4 for images whose codes then still have twelve pixels a side and can be halved, else 2.

    >>> greatest_reduction((3, 64, 64)), greatest_reduction((1, 28, 28)), greatest_reduction((3, 100, 100))
    (4, 2, 2)
    """
    return 4 if min(shape[1:]) >= 48 and all(side % 8 == 0 for side in shape[1:]) else 2


def code_shape(shape: Shape, code: int, reduction: int = 0) -> Shape:
    """Return the shape of the codes of images of this shape, (code, H/f, W/f).

    Args:
        shape: shape of the images, (channels, height, width).
        code: maps of a code.
        reduction: f, 2, 4 or 8; 0 is `greatest_reduction`.

    Raises:
        UserError: for another reduction, or if the images are too small or their sides cannot be halved often enough.

    >>> code_shape((3, 64, 64), 8)
    (8, 16, 16)
    """
    _, height, width = shape
    if min(height, width) < SHORTEST:
        raise UserError(
            f"Images of {width}x{height} are too small for a latent GAN: each side must be at least {SHORTEST}; use `recipe='swift'`."
        )
    if reduction not in (0, 2, 4, 8):
        raise UserError(f"generator.reduction is {reduction}; it must be 2, 4 or 8, or 0 for what suits the images.")
    by = reduction or greatest_reduction(shape)
    if height % (2 * by) or width % (2 * by):
        raise UserError(
            f"Images of {width}x{height} do not suit a latent GAN: both sides must be divisible by {2 * by}; take `recipe='swift'`."
        )
    return (code, height // by, width // by)


class Generator(layers.Generator):
    """z -> q -> x: `skips.Generator`, with codes in the place of images, then R. E, which R was trained with, goes along.

    With labels, (z, y) -> q -> x: the generator of codes receives z and E y, as `conditional.Generator`; E and R know no labels.

    Args:
        shape: shape of the images, (channels, height, width).
        z_dim: size of the latent.
        width: feature maps at the codes' size, over f: so the inner layers are those of a generator of this width of whole images.
        code: maps of a code.
        reduction: f, 2, 4 or 8; 0 is `greatest_reduction`.
        brush: feature maps of E at half the size; see `Encoder` and `Decoder`.
        loud: factor of the chromas that E sees: `colours.seen`.
        quiet: factor of the chromas that R draws: `colours.drawn`.
        range: function of `ranges` that makes the range of images for E and R from the number of channels.
        norm: the normalisation of codes before tanh, a function of their number of maps.
        labels: numbers in a row y; 0 without labels.
        embedding: numbers in E y.
        inner: builds the generator of codes from (shape, z_dim=..., width=...).

    Raises:
        UserError: for a code without maps, or a brush of less than 2; as `code_shape`.

    >>> G = Generator((3, 64, 64))
    >>> G.inner(torch.randn(2, 100)).shape, G(torch.randn(2, 100)).shape
    (torch.Size([2, 8, 16, 16]), torch.Size([2, 3, 64, 64]))
    >>> Generator((3, 64, 64), labels=5)(torch.randn(2, 100), torch.eye(5)[:2]).shape
    torch.Size([2, 3, 64, 64])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        z_dim: int = 100,
        width: int = 8,
        code: int = 8,
        reduction: int = 0,
        brush: int = 16,
        loud: float = 1.0,
        quiet: float = 1.0,
        range: Callable[[int], Range] = tanh,
        norm: Norm = no_norm,
        labels: int = 0,
        embedding: int = 32,
        inner: Callable[..., layers.Generator] = skips.Generator,
    ):
        super().__init__()
        for name, value, least in (("code", code, 1), ("brush", brush, 2)):
            if value < least:
                raise UserError(f"generator.{name} is {value}; it must be at least {least}.")
        self.z_dim, self.labels = z_dim, labels
        by = reduction or greatest_reduction(shape)
        if labels:
            inner = partial(conditional.Generator, labels=labels, embedding=embedding, backbone=inner)
        self.inner = inner(code_shape(shape, code, by), z_dim=z_dim, width=by * width)
        self.encoder = Encoder(shape, code=code, reduction=by, width=brush, chroma=loud, range=range, norm=norm)
        self.decoder = Decoder(shape, code=code, reduction=by, width=brush, chroma=quiet, range=range)

    @property
    def levels(self) -> tuple[nn.Module, ...]:
        return self.inner.levels

    def forward(self, z: Tensor, *known: Tensor) -> Tensor:
        return self.decoder(self.inner(z, *known))

    def fit(self, images: Tensor) -> None:
        """Fit the ranges of E and R to images [N, channels, H, W]."""
        self.encoder.range.fit(images)
        self.decoder.range.fit(images)


class Encoder(nn.Module):
    """E: x -> q, strided 4x4 convolutions, a residual layer, normalisation, tanh.

    Args:
        shape: shape of the images, (channels, height, width).
        code: maps of a code.
        reduction: f, as for `Generator`.
        width: feature maps at half the size; twice as many at a fourth, four times as many at an eighth.
        chroma: factor of the chromas that it sees: `colours.seen`.
        range: function of `ranges` that makes the range of images from the number of channels.
        norm: the normalisation of codes, a function of their number of maps. With `one_scale` no code can lie in tanh's flat
            ends for all images, and codes vary as much whatever the images are, which the penalties' weights take for granted.

    >>> Encoder((3, 64, 64))(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 8, 16, 16])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        code: int = 8,
        reduction: int = 0,
        width: int = 16,
        chroma: float = 1.0,
        range: Callable[[int], Range] = tanh,
        norm: Norm = no_norm,
    ):
        super().__init__()
        channels = shape[0]
        maps = {2: [2 * width], 4: [width, 2 * width], 8: [width, 2 * width, 4 * width]}[
            reduction or greatest_reduction(shape)
        ]
        self.seen, self.range = seen(channels, chroma), range(channels)
        stack: list[nn.Module] = []
        for narrow, wide in pairwise([channels, *maps]):
            stack += [_even(nn.Conv2d(narrow, wide, 4, 2, 1)), nn.ReLU(True)]
        stack[-1] = Residual(maps[-1])
        last = normal(nn.Conv2d(maps[-1], code, 1), (0.5 / maps[-1]) ** 0.5)  # codes of about half of tanh's reach
        self.layers = nn.Sequential(*stack, nn.ReLU(True), last, norm(code), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.seen(self.range.enter(x)))


class Decoder(nn.Module):
    """R: q -> x, a residual layer on the code's size, then doublings by resize-convolutions.

    Args:
        shape: shape of the images, (channels, height, width).
        code: maps of a code.
        reduction: f, as for `Generator`.
        width: feature maps at a fourth of the size, halved; 3/2 of it at half the size, 3/4 at the full one, four times it at an eighth.
        chroma: factor of the chromas that it draws: `colours.drawn`.
        range: function of `ranges` that makes the range of images from the number of channels.

    >>> Decoder((1, 28, 28))(torch.zeros(2, 8, 14, 14)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        code: int = 8,
        reduction: int = 0,
        width: int = 16,
        chroma: float = 1.0,
        range: Callable[[int], Range] = tanh,
    ):
        super().__init__()
        channels = shape[0]
        by = reduction or greatest_reduction(shape)
        maps = [
            *{2: [2 * width], 4: [2 * width, width * 3 // 2], 8: [4 * width, 2 * width, width * 3 // 2]}[by],
            width * 3 // 4,
        ]
        stack: list[nn.Module] = [_even(nn.Conv2d(code, maps[0], 3, padding=1)), Residual(maps[0])]
        for wide, narrow in pairwise(maps):
            stack += [nn.ReLU(True), _even(Doubling(wide, narrow))]
        self.layers = nn.Sequential(*stack, nn.ReLU(True), nn.Conv2d(maps[-1], channels, 3, padding=1))
        self.drawn, self.range = drawn(channels, chroma), range(channels)

    def forward(self, q: Tensor) -> Tensor:
        return self.range.leave(self.drawn(self.layers(q)))


class Residual(nn.Module):
    """h -> h + B relu(A relu(h)), 3x3 convolutions; at first B is nearly 0.  He et al. 2016, arXiv:1603.05027.

    Args:
        maps: feature maps of h.

    >>> h = torch.randn(2, 4, 5, 5)
    >>> bool((Residual(4)(h) - h).std() < 0.5)
    True
    """

    def __init__(self, maps: int):
        super().__init__()
        self.first = _even(nn.Conv2d(maps, maps, 3, padding=1))
        self.second = normal(nn.Conv2d(maps, maps, 3, padding=1))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(F.relu(self.first(F.relu(h))))


class Discriminator(scales.Discriminator):
    """D: q -> two logits, `scales.Discriminator` on codes.

    Args:
        shape: shape of the images, (channels, height, width).
        width: width, as for `Generator`.
        code: maps of a code.
        reduction: f, as for `Generator`.
        norm: the normalisation, a function of the number of feature maps.

    >>> Discriminator((3, 64, 64), width=8)(torch.zeros(5, 8, 16, 16)).shape
    torch.Size([5, 2])
    """

    def __init__(self, shape: Shape, *, width: int = 8, code: int = 8, reduction: int = 0, norm: Norm = no_norm):
        by = reduction or greatest_reduction(shape)
        super().__init__(code_shape(shape, code, by), width=by * width, norm=norm)

    def evidence(self, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        return encode(x)


class Concatenation(scales.Discriminator):
    """D with labels: (q, y) -> two logits, E y as planes beside the codes, `conditional.Concatenation`.

    With a projection instead, G draws one image for each label and ignores z (docs/lab-log.md, 70).

    Args:
        shape: shape of the images, (channels, height, width).
        labels: numbers in a row y.
        embedding: numbers in E y.
        width, code, reduction, norm: settings of `Discriminator`.

    >>> Concatenation((3, 64, 64), labels=5, width=8)(torch.zeros(2, 8, 16, 16), torch.eye(5)[:2]).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        labels: int,
        embedding: int = 8,
        width: int = 8,
        code: int = 8,
        reduction: int = 0,
        norm: Norm = no_norm,
    ):
        by = reduction or greatest_reduction(shape)
        eye = partial(conditional.Concatenation, labels=labels, embedding=embedding)
        super().__init__(code_shape(shape, code, by), width=by * width, norm=norm, eye=eye)
        self.labels = labels

    def evidence(self, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        return encode(x)


def _even(layer: nn.Module) -> nn.Module:
    """Initialise weights so that they keep the variance through relu, biases to 0.  He et al. 2015, arXiv:1502.01852, eq. 10."""
    assert isinstance(layer.weight, torch.Tensor)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if isinstance(getattr(layer, "bias", None), Tensor):
        nn.init.zeros_(layer.get_parameter("bias"))
    return layer
