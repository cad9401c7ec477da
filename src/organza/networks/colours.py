"""Opponent colours: lightness and two chromas instead of red, green and blue, with the chromas
amplified or attenuated.

Symbols: x [N, C, H, W], its first three channels red, green, blue; O orthonormal, with rows along
(1, 1, 1), (1, 0, -1), (1, -2, 1); M = diag(1, c, c) O. The axes are those that natural colours vary
along: Ohta et al. 1980, Computer Graphics and Image Processing 13(3).

Most differences between images are in lightness, so D, which sees red, green and blue alike, is
slow to judge colours, and G, whose three outputs have independent noise, leaves spots in plain
areas. Amplified chromas for D, and attenuated ones in G's output, cost two 1x1 convolutions:
docs/lab-log.md, 43.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

AXES = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))


class Colours(nn.Module):
    """A fixed linear map of the channels, x -> A x at each pixel, without trained weights:
    [N, C, H, W] to [N, C, H, W].

    Args:
        mixing: A [C, C].

    >>> swap = Colours(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    >>> swap(torch.tensor([3.0, 4.0])[None, :, None, None]).flatten()
    tensor([4., 3.])
    """

    mixing: Tensor

    def __init__(self, mixing: Tensor):
        super().__init__()
        self.register_buffer("mixing", mixing[:, :, None, None].contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.mixing)


def seen(channels: int, chroma: float) -> nn.Module:
    """Return the map x -> M x from images to D's input, with chromas amplified by `chroma`.

    Args:
        channels: 3, or 4 with opacity, which is not changed; images without colours are not changed
            either.
        chroma: factor c; 1 keeps red, green and blue.

    >>> round(seen(3, 2.0)(torch.tensor([1.0, 0.0, -1.0])[None, :, None, None]).norm().item() ** 2)  # no lightness, twice the chroma
    8
    >>> seen(1, 2.0)
    Identity()
    """
    return nn.Identity() if _plain(channels, chroma) else Colours(_opponent(channels, chroma))


def drawn(channels: int, chroma: float) -> nn.Module:
    """Return the map y -> M^T y from G's lightness and chromas to red, green and blue, with chromas
    scaled by `chroma`. See `seen`.

    >>> y = torch.randn(2, 4, 5, 5)
    >>> torch.allclose(seen(4, 2.0)(drawn(4, 0.5)(y)), y, atol=1e-6)
    True
    """
    return nn.Identity() if _plain(channels, chroma) else Colours(_opponent(channels, chroma).t())


def _plain(channels: int, chroma: float) -> bool:
    return channels not in (3, 4) or chroma == 1


def _opponent(channels: int, chroma: float) -> Tensor:
    """Return M [C, C]; opacity, if there is any, is not changed."""
    with torch.device("cpu"):  # also for a network in outline, whose shape alone would cost the import of a compiler
        axes = torch.tensor(AXES)
        mixing = torch.eye(channels)
        mixing[:3, :3] = axes / axes.norm(dim=1, keepdim=True)
        mixing[1:3] *= chroma
        return mixing
