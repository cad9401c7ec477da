"""Opponent colours: lightness and two chromas in the place of red, green and blue, with the chromas made louder or quieter.

Symbols: x [N, C, H, W], its first three channels red, green, blue; O orthonormal, with rows along (1, 1, 1), (1, 0, -1), (1, -2, 1);
M = diag(1, c, c) O. The axes are those that natural colours vary along: Ohta et al. 1980, Computer Graphics and Image Processing 13(3).

Most of what images differ in is lightness, so D, which sees red, green and blue alike, has little to say of colours for long, and G,
whose three outputs each have noise of their own, spots what should be plain. Louder chromas before D's eyes, and quieter ones behind G's
hand, cost two 1x1 convolutions: docs/lab-log.md, 43.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

AXES = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))


class Colours(nn.Module):
    """x -> A x at each pixel, A fixed, no weight of any player: [N, C, H, W] to [N, C, H, W].

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
    """x -> M x: what D sees, lightness and chromas `chroma` times as loud.

    Args:
        channels: 3, or 4 with opacity, which stays as it is; images without colours stay as they are, too.
        chroma: c; 1 leaves red, green and blue.

    >>> round(seen(3, 2.0)(torch.tensor([1.0, 0.0, -1.0])[None, :, None, None]).norm().item() ** 2)  # no lightness, twice the chroma
    8
    >>> seen(1, 2.0)
    Identity()
    """
    return nn.Identity() if _plain(channels, chroma) else Colours(_opponent(channels, chroma))


def drawn(channels: int, chroma: float) -> nn.Module:
    """y -> M^T y: lightness and chromas that G drew to red, green and blue, the chromas `chroma` times as loud. Arguments as of `seen`.

    >>> y = torch.randn(2, 4, 5, 5)
    >>> torch.allclose(seen(4, 2.0)(drawn(4, 0.5)(y)), y, atol=1e-6)
    True
    """
    return nn.Identity() if _plain(channels, chroma) else Colours(_opponent(channels, chroma).t())


def _plain(channels: int, chroma: float) -> bool:
    return channels not in (3, 4) or chroma == 1


def _opponent(channels: int, chroma: float) -> Tensor:
    """M [C, C]; opacity, where there is any, is left as it is."""
    axes = torch.tensor(AXES)
    mixing = torch.eye(channels)
    mixing[:3, :3] = axes / axes.norm(dim=1, keepdim=True)
    mixing[1:3] *= chroma
    return mixing
