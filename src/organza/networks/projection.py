"""The MLPs with which CUT compares patches, one of two layers for each feature layer. Park et al.
2020, arXiv:2007.15651, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import normalize

from organza.networks.layers import normal


class Projections(nn.Module):
    """MLPs that map features of patches to the unit sphere, layer by layer.

    Args:
        maps: feature maps of each layer.
        width: hidden and output units of the MLPs.

    >>> import torch; H = Projections((3, 16), width=8)
    >>> [z.shape for z in H([torch.randn(2, 64, 3), torch.randn(2, 32, 16)])]
    [torch.Size([2, 64, 8]), torch.Size([2, 32, 8])]
    """

    def __init__(self, maps: Sequence[int], *, width: int = 256):
        super().__init__()
        heads = [nn.Sequential(nn.Linear(m, width), nn.ReLU(True), nn.Linear(width, width)) for m in maps]
        self.heads = normal(nn.ModuleList(heads))

    def forward(self, patches: Sequence[Tensor]) -> list[Tensor]:
        """Map patches [N, S, maps] of each layer, S of them, to unit vectors [N, S, width]."""
        return [normalize(head(p), dim=-1) for head, p in zip(self.heads, patches, strict=True)]
