"""The residual translator of CycleGAN and CUT. Zhu et al. 2017, arXiv:1703.10593, section 4, after
Johnson et al. 2016, arXiv:1603.08155.

Symbols: x [N, source, H, W] in [-1, 1]; h feature maps; y [N, channels, H, W] in [-1, 1]. With w
the width and R the number of blocks: 7x7 to w maps, two 3x3 with stride 2 to 2w and 4w, R residual
blocks of two 3x3, two upsamplings to 2w and w, 7x7 to y.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from organza.networks import layers
from organza.networks.dcgan import Norm
from organza.networks.layers import Shape, normal
from organza.networks.patch import instance_norm

Upsampling = Callable[[int, int], nn.Module]


def transposed(wide: int, narrow: int) -> nn.Module:
    """Return the paper's upsampling: a transposed 3x3 convolution with stride 2. Its uneven
    coverage gives a checkerboard.
    """
    return nn.ConvTranspose2d(wide, narrow, 3, 2, 1, output_padding=1, bias=False)


def resized(wide: int, narrow: int) -> nn.Module:
    """Return nearest-neighbour doubling with a 3x3 convolution: four times the work, no
    checkerboard.

    Odena et al. 2016, distill.pub/2016/deconv-checkerboard.
    """
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, 1, 1, bias=False))


class Residual(nn.Module):
    """h + f(h) with f two 3x3 convolutions, each normalised, the first with a ReLU; nothing after
    the sum.
    """

    def __init__(self, maps: int, norm: Norm):
        super().__init__()
        self.layers = nn.Sequential(*_conv(maps, maps, norm), nn.ReLU(True), *_conv(maps, maps, norm))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)


class Generator(layers.Translator):
    """x -> y of the same size; tanh at the end. The sides must be multiples of 4; `translate`
    accepts any.

    Args:
        shape: shape of the output, (channels, height, width).
        source: channels of the input; 0 for as many as the output has.
        width: feature maps of the first layer; four times as many in the middle.
        blocks: number of residual blocks; the paper has 9 for images of 256x256, 6 for smaller
            ones.
        norm: normalisation after each layer except the last.
        up: function of the feature maps before and after that builds each of the two upsamplings.

    >>> import torch; G = Generator((3, 64, 64), source=1, width=4, blocks=2)
    >>> G(torch.zeros(1, 1, 64, 64)).shape, G.translate(torch.zeros(1, 1, 50, 37)).shape
    (torch.Size([1, 3, 64, 64]), torch.Size([1, 3, 50, 37]))
    """

    stride = 4
    least = 8  # an instance norm needs at least two pixels, after two halvings

    def __init__(
        self,
        shape: Shape,
        *,
        source: int = 0,
        width: int = 64,
        blocks: int = 9,
        norm: Norm = instance_norm,
        up: Upsampling = transposed,
    ):
        super().__init__()
        self.shape = tuple(shape)
        channels, given = shape[0], source or shape[0]
        w, wide = width, 4 * width
        self.encoder = nn.Sequential(
            nn.Sequential(*_conv(given, w, norm, 7), nn.ReLU(True)),
            nn.Sequential(nn.Conv2d(w, 2 * w, 3, 2, 1, bias=False), norm(2 * w), nn.ReLU(True)),
            nn.Sequential(nn.Conv2d(2 * w, wide, 3, 2, 1, bias=False), norm(wide), nn.ReLU(True)),
        )
        self.blocks = nn.Sequential(*(Residual(wide, norm) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            *(up(wide, 2 * w), norm(2 * w), nn.ReLU(True)),
            *(up(2 * w, w), norm(w), nn.ReLU(True)),
            *(nn.ReflectionPad2d(3), nn.Conv2d(w, channels, 7), nn.Tanh()),
        )
        self.tapped = sorted({0, blocks // 2}) if blocks else []
        self.feature_maps = (given, 2 * w, wide, *[wide] * len(self.tapped))  # number of maps in each of `features`
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.blocks(self.encoder(x)))

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the encoder's features, fine to coarse: x itself, both downsamplings, the first
        and the middle block, [N, maps, h, w].
        """
        stem, *downs = self.encoder
        h, found = stem(x), [x]
        for down in downs:
            found.append(h := down(h))
        for number in range(self.tapped[-1] + 1 if self.tapped else 0):
            h = self.blocks[number](h)
            found += [h] if number in self.tapped else []
        return found


def _conv(narrow: int, wide: int, norm: Norm, kernel: int = 3) -> list[nn.Module]:
    """Return a convolution with reflection padding, and its normalisation, which cancels biases."""
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(narrow, wide, kernel, bias=False), norm(wide)]
