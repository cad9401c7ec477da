"""U-Net: an encoder and a decoder with a skip between every two layers of one size. Isola et al.
2017, arXiv:1611.07004, section 6.1.

Symbols: a [N, source, H, W] in [-1, 1], the image to translate; b [N, channels, H, W], its
translation. Each of `depth` layers halves the image; a layer of the decoder doubles it again and
receives the encoder's features of that size, so lines need not pass the bottleneck. At 256x256
these are the paper's eight layers each way, with 64 to 512 feature maps; smaller images have fewer.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from organza.distributed.world import ALONE, World
from organza.errors import UserError
from organza.networks import layers
from organza.networks.dcgan import Norm
from organza.networks.layers import Shape, normal
from organza.networks.patch import instance_norm
from organza.networks.synchronised import dropped

DEEPEST = 8  # number of layers in the paper, at 256x256


class Generator(layers.Translator):
    """a -> H/2 -> ... -> H/2^depth -> ... -> H/2 -> b: 4x4 convolutions with stride 2, LeakyReLU 0.2 down and ReLU up, tanh at the end.

    As in the paper there is no normalisation on the first and on the innermost layer of the encoder
    (one value has no deviation), nor on the last of the decoder; dropout is on the innermost layers
    of the decoder: three of them at a depth of 8, one at 6 and below.

    Args:
        shape: shape of the translation, (channels, height, width).
        source: channels of the input; 0 for as many as the translation has.
        width: feature maps of the first layer; doubled with each further one, up to eight times.
        depth: number of layers that halve the image; 0 for as many as its size allows, up to 8.
        dropout: share of the inner features to drop in training.
        noise: share to drop in evaluation, too. One draw for all images: equal images have equal
            translations.
        norm: normalisation, a function of the number of feature maps. Instance norm is batch norm
            for a batch of one.

    Raises:
        UserError: if the sides cannot be halved that often.

    >>> G = Generator((3, 64, 64), source=1, width=8)
    >>> G(torch.zeros(2, 1, 64, 64)).shape, G.translate(torch.zeros(2, 1, 50, 70)).shape
    (torch.Size([2, 3, 64, 64]), torch.Size([2, 3, 50, 70]))
    """

    def __init__(
        self,
        shape: Shape,
        *,
        source: int = 0,
        width: int = 64,
        depth: int = 0,
        dropout: float = 0.5,
        noise: float = 0.0,
        norm: Norm = instance_norm,
    ):
        super().__init__()
        channels, height, across = shape
        depth = _fitting(height, across, depth)
        self.shape, self.stride = tuple(shape), 2**depth
        maps = [source or channels, *(width * min(2**i, 8) for i in range(depth))]
        biased = isinstance(norm(1), nn.Identity)  # a normalisation cancels biases

        def down(i: int, narrow: int, wide: int) -> nn.Module:
            plain = i in (0, depth - 1)
            start = [nn.LeakyReLU(0.2)] if i else []
            conv = nn.Conv2d(narrow, wide, 4, 2, 1, bias=plain or biased)
            return nn.Sequential(*start, conv, *([] if plain else [norm(wide)]))

        def up(i: int, narrow: int, wide: int) -> nn.Module:
            """Return the layers of the decoder that double the size of level i."""
            inner = Dropout(dropout, noise, i) if i >= depth - max(depth - 5, 1) else nn.Identity()
            seen = wide if i == depth - 1 else 2 * wide  # the decoder's features, and those of the skip
            if i == 0:
                return nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(seen, channels, 4, 2, 1), nn.Tanh())
            conv = nn.ConvTranspose2d(seen, narrow, 4, 2, 1, bias=biased)
            return nn.Sequential(nn.ReLU(), conv, norm(narrow), inner)

        steps = list(enumerate(pairwise(maps)))
        self.down = normal(nn.ModuleList(down(i, *step) for i, step in steps))
        self.up = normal(nn.ModuleList(up(i, *step) for i, step in reversed(steps)))

    def forward(self, a: Tensor) -> Tensor:
        """Encode to the innermost features, and decode with the skips of each level:
        [N, source, H, W] to [N, C, H, W].
        """
        seen = []
        x = a
        for layer in self.down:
            x = layer(x)
            seen.append(x)
        innermost, *outer = self.up
        x = innermost(seen.pop())
        for layer in outer:
            x = layer(torch.cat([x, seen.pop()], 1))
        return x


class Dropout(nn.Module):
    """Dropout in training, and of another share in evaluation as well: the only noise in the
    generator of Isola et al.

    In evaluation its draw depends on the layer and the size only, so that a translation is the same
    in every batch.

    Args:
        training: share to drop in training.
        use: share to drop in evaluation.
        layer: index of its draw.

    >>> Dropout(0.5, 0.5, layer=1).eval()(torch.ones(2, 1000, 1, 1)).flatten(1).mean(1).round(decimals=1)
    tensor([1., 1.])
    """

    world: World = ALONE

    def __init__(self, training: float, use: float, layer: int):
        super().__init__()
        for name, share in (("dropout", training), ("noise", use)):
            if not 0 <= share < 1:
                raise UserError(f"{name} is {share}; it must be from 0 to less than 1.")
        self.share, self.use, self.layer = training, use, layer

    def forward(self, x: Tensor) -> Tensor:
        """Drop features in training; afterwards one fixed choice of them, or none."""
        if self.training:
            return dropped(x, self.share, self.world)
        if not self.use:
            return x
        kept = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(self.layer)) >= self.use
        return x * (kept.to(x) / (1 - self.use))

    def extra_repr(self) -> str:
        return f"training={self.share}, use={self.use}"


def _fitting(height: int, width: int, depth: int) -> int:
    """Return the requested depth, or the largest that both sides allow, up to the paper's.

    >>> [_fitting(256, 256, 0), _fitting(64, 96, 0), _fitting(64, 64, 4)]
    [8, 5, 4]
    """
    possible = next(d for d in range(16, -1, -1) if height % 2**d == 0 and width % 2**d == 0)
    if possible < 2 if depth == 0 else not 1 <= depth <= possible:
        step = 2 ** (depth if depth > 0 else 3)
        near = "x".join(str(max(round(side / step), 1) * step) for side in (width, height))
        other = f", or `settings=['generator.depth={possible}']`" if possible >= 2 else ""
        raise UserError(
            f"A U-Net with {f'a depth of {depth}' if depth else 'halvings'} cannot make images of {width}x{height}: "
            f"both sides must be divisible by {step}; try `size='{near}'`{other}."
        )
    return depth or min(possible, DEEPEST)
