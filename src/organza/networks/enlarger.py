"""A compact network that enlarges images, and a discriminator of patches whose features can be compared.

G after Wang et al. 2021, Real-ESRGAN, arXiv:2107.10833 (its compact form), with the residual blocks without normalisation of
Lim et al. 2017, EDSR, arXiv:1707.02921, and the pixel shuffle of Shi et al. 2016, arXiv:1609.05158.

Symbols: a [N, C, H, W] in [-1, 1]; y [N, C, f H, f W]; f the factor, 2 or 4; h feature maps at the size of a. All layers
work at the small size; the last makes f^2 values of each colour, which are laid out as pixels and added to a's own.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.errors import UserError
from organza.networks import layers
from organza.networks.layers import Shape
from organza.networks.refiner import he


def require_factor(factor: int) -> None:
    """Check a factor of enlarging.

    Raises:
        UserError: if it is neither 2 nor 4.
    """
    if factor not in (2, 4):
        raise UserError(f"game.factor is {factor}; it must be 2 or 4.")


class Block(nn.Module):
    """h -> h + conv(prelu(conv(h))), 3x3 convolutions; close to the identity at first."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            he(nn.Conv2d(width, width, 3, 1, 1)), nn.PReLU(width, 0.2), he(nn.Conv2d(width, width, 3, 1, 1), 0.1)
        )

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)


def cubic_filter(factor: int, sharpness: float = -0.5) -> Tensor:
    """Return what a cubic filter adds to repeated pixels, for each of the f^2 places within a pixel: [f^2, 5, 5].

    Keys 1981, Cubic convolution interpolation, eq. 15, whose alpha is `sharpness`. The pixels beyond an image repeat its border.

    >>> cubic_filter(2).shape, round(cubic_filter(2).abs().sum().item(), 3), round(cubic_filter(2).sum().abs().item(), 3)
    (torch.Size([4, 5, 5]), 3.625, 0.0)
    """
    places = (torch.arange(factor) + 0.5) / factor - 0.5
    apart = (torch.arange(-2, 3) - places[:, None]).abs()
    near = (sharpness + 2) * apart**3 - (sharpness + 3) * apart**2 + 1
    far = sharpness * (apart**3 - 5 * apart**2 + 8 * apart - 4)
    rows = torch.where(apart <= 1, near, torch.where(apart < 2, far, torch.zeros(())))
    kernels = torch.einsum("iy,jx->ijyx", rows, rows).flatten(0, 1)
    kernels[:, 2, 2] -= 1
    return kernels


class Filter(nn.Module):
    """a -> 5x5 convolution of each colour -> pixel shuffle: a learned linear filter, which begins as the cubic one."""

    def __init__(self, channels: int, factor: int):
        super().__init__()
        self.factor = factor
        self.layer = nn.Conv2d(channels, channels * factor**2, 5, groups=channels, bias=False)
        with (
            torch.no_grad(),
            torch.device("cpu"),
        ):  # a network in outline needs no compiler then, whose import takes a second
            self.layer.weight.copy_(cubic_filter(factor)[:, None].repeat(channels, 1, 1, 1))

    def forward(self, a: Tensor) -> Tensor:
        return F.pixel_shuffle(self.layer(F.pad(a, (2, 2, 2, 2), mode="replicate")), self.factor)


PRIME = 257
"""Number of values of the noise. The cube of one is at most 2^24, which float32 has exactly, and cubes differ modulo it."""


def noise(a: Tensor, factor: int) -> Tensor:
    """Return noise in [-1, 1] for the f^2 places within each pixel of a: [N, C, H, W] to [N, 1, f H, f W].

    It is a hash of the 3x3 pixels around, in whole numbers: an image always has the same noise, in tiles, on every device and in
    exported networks. All places of an even surface have that of one pixel.

    >>> a = torch.rand(1, 3, 8, 8) * 2 - 1; x = noise(a, 4)
    >>> x.shape, torch.equal(noise(a[..., 2:], 4)[..., 4:], x[..., 12:])
    (torch.Size([1, 1, 32, 32]), True)
    """
    height, width = a.shape[2:]
    levels = F.pad(((a.detach().float() + 1) * 127.5).round(), (1, 1, 1, 1), mode="replicate")
    mixed = torch.zeros_like(levels[:, 0, 1:-1, 1:-1])
    for k in range(9 * a.shape[1]):
        channel, place = divmod(k, 9)
        y, x = divmod(place, 3)
        mixed = mixed + (7 * k * k + 31 * k + 5) % PRIME * levels[:, channel, y : y + height, x : x + width]
    places = torch.arange(factor**2, device=a.device, dtype=mixed.dtype)[None, :, None, None]
    values = _modulo(_modulo(mixed)[:, None] * (37 * places + 11) + 101 * places)
    return F.pixel_shuffle(_modulo(values**3) / (PRIME // 2) - 1, factor)


def _modulo(x: Tensor) -> Tensor:
    return x - PRIME * (x / PRIME).floor()


class Generator(layers.Translator):
    """a -> 3x3 convolution -> `blocks` residual blocks -> 3x3 convolution -> pixel shuffle, + a with every pixel repeated f x f.

    Args:
        shape: shape of the large images, (channels, height, width).
        factor: pixels of the result for one of a, on each side: 1, 2 or 4.
        width: number of feature maps.
        blocks: number of residual blocks.
        smooth: True to add a learned linear filter that begins as what a cubic filter adds to repeated pixels.
        fine: feature maps at the size of the result, from which a last 3x3 convolution makes its colours, so that neighbours know of
            each other across the pixels of a; 0 for none.
        grain: True to add noise of a learned strength, which begins at 0: see `noise`. What is smooth in a small image had the grain
            of a photograph, and no function of a smooth surface can bring it back.

    Raises:
        UserError: if the factor is another.

    >>> G = Generator((3, 96, 96), factor=4, width=8, blocks=2)
    >>> G(torch.zeros(2, 3, 24, 20)).shape, G.reach
    (torch.Size([2, 3, 96, 80]), 6)
    """

    def __init__(
        self,
        shape: Shape,
        *,
        factor: int = 1,
        width: int = 24,
        blocks: int = 4,
        smooth: bool = False,
        fine: int = 0,
        grain: bool = False,
    ):
        super().__init__()
        if factor != 1:
            require_factor(factor)
        self.shape, self.factor = tuple(shape), factor
        self.reach = 2 + 2 * blocks + (fine > 0)  # pixels of a on each side that a result depends on
        channels = shape[0]
        self.enter = he(nn.Conv2d(channels, width, 3, 1, 1))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.leave = he(nn.Conv2d(width, (fine or channels) * factor**2, 3, 1, 1), 1.0 if fine else 0.1)
        self.finish = (
            nn.Sequential(nn.PReLU(fine, 0.2), he(nn.Conv2d(fine, channels, 3, 1, 1), 0.1)) if fine else nn.Identity()
        )
        self.filter = Filter(channels, factor) if smooth else None
        self.grain = nn.Parameter(torch.zeros(1)) if grain else None

    def forward(self, a: Tensor) -> Tensor:
        h = self.blocks(self.enter(a))
        details = self.finish(F.pixel_shuffle(self.leave(h), self.factor))
        if self.grain is not None:
            details = details + self.grain[:, None, None] * noise(a, self.factor)
        if self.filter is not None:
            details = details + self.filter(a)
        return (details + F.interpolate(a, scale_factor=float(self.factor), mode="nearest")).clamp(-1, 1)


class Discriminator(layers.Discriminator):
    """x -> `depth` times 4x4 with stride 2 and 3x3 -> 3x3 -> a map of logits, one for each patch.

    With a condition c, an image that x is a sharper form of, the input is (contrast (x - c), c), as nearly all of x is in c
    already. No normalisation, so each item is scored alone. With a depth of two a patch is 30x30 pixels, with three 62x62.

    Args:
        shape: shape of the images, (channels, height, width).
        condition: channels of the condition image, if D sees one; 0 for none.
        width: feature maps of the first layer; twice as many after each further halving.
        depth: number of halvings.
        contrast: factor of the difference to the condition.

    Raises:
        UserError: if the images are too small.

    >>> D = Discriminator((3, 64, 64), condition=3, width=8); x = torch.zeros(2, 3, 64, 64)
    >>> D(x, x).shape, [len(h[0]) for h in D.features(x, x)]
    (torch.Size([2, 1, 16, 16]), [8, 16])
    """

    def __init__(self, shape: Shape, *, condition: int = 0, width: int = 16, depth: int = 2, contrast: float = 8.0):
        super().__init__()
        self.contrast = contrast
        if depth < 1 or min(shape[1:]) < 2 ** (depth + 1):
            raise UserError(
                f"Images of {shape[2]}x{shape[1]} do not suit {depth} halvings; use larger ones, "
                f"or `settings=['discriminator.depth={max(min(shape[1:]).bit_length() - 2, 1)}']`."
            )
        maps = [shape[0] + condition, *(width * 2**k for k in range(depth))]
        self.steps = nn.ModuleList(
            nn.Sequential(he(nn.Conv2d(few, many, 4, 2, 1)), nn.LeakyReLU(0.2), he(nn.Conv2d(many, many, 3, 1, 1)))
            for few, many in pairwise(maps)
        )
        self.leave = he(nn.Conv2d(maps[-1], 1, 3, 1, 1))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.leave(F.leaky_relu(self.features(x, condition)[-1], 0.2))

    def features(self, x: Tensor, condition: Tensor | None = None) -> list[Tensor]:
        """Return the features of each size before their activation, fine to coarse, [N, maps, h, w]."""
        h, found = x if condition is None else torch.cat([self.contrast * (x - condition), condition], 1), []
        for number, step in enumerate(self.steps):
            found.append(h := step(F.leaky_relu(h, 0.2) if number else h))
        return found

    def touched(self, mask: Tensor) -> Tensor:
        """Return which logits depend on a pixel of a mask, 1 or 0: [N, 1, H, W] to [N, 1, h, w]."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                mask = F.max_pool2d(mask, layer.kernel_size[0], layer.stride[0], int(layer.padding[0]))
        return mask
