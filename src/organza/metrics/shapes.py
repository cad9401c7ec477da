"""Features of volumes: shape statistics without a trained network, so that distances are the same
on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from organza.errors import UserError
from organza.metrics.kernels import Estimate

AT_ONCE = 32
PAIRS, BINS = 1024, 16
DEVIATIONS = {  # root mean square distance of two of 218 pieces of furniture at 32x32x32, which gives the blocks equal weights
    "occupancy": 2.226,
    "profiles": 1.543,
    "outlines": 6.528,
    "distances": 0.145,
    "symmetry": 0.597,
    "parts": 1.136,
    "extent": 0.63,
}


class ShapeStatistics:
    """Shape statistics of volumes: seven blocks of numbers, scaled to equal weights.

    occupancy: the solid share of each of 4x4x4 blocks. profiles: the solid share of slices along
    each axis. outlines: the projections along each axis, 8x8. distances: the histogram of distances
    between random pairs of its voxels (D2: Osada et al. 2002, Shape Distributions, ACM TOG 21(4)).
    symmetry: the agreement with its mirror images. parts: the number of its pieces, the share of
    the largest, and its surface. extent: its bounding box, volume and footprint.

    >>> ball = np.zeros((2, 16, 16, 16, 1), np.uint8); ball[:, 4:12, 4:12, 4:12] = 255
    >>> ShapeStatistics()(ball).shape
    torch.Size([2, 331])
    """

    name = "shape statistics"
    dimension = 64 + 48 + 192 + BINS + 3 + 3 + 5

    def card(self) -> dict[str, Any]:
        """Return the conditions of the features, ready for JSON."""
        return {"name": self.name, "weights": "none", "blocks": dict(DEVIATIONS), "level": 128, "pairs": PAIRS}

    @torch.no_grad()
    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """Compute the features of volumes, uint8 [N, D, H, W, 1] to float32 [N, 331]; 128 or more
        is solid.

        Raises:
            UserError: if the items are not volumes.
        """
        if images.ndim != 5 or images.shape[-1] != 1 or str(images.dtype).rpartition(".")[2] != "uint8":
            raise UserError(
                f"Shapes are measured on uint8 volumes [N, D, H, W, 1], not {images.dtype} {list(images.shape)}."
            )
        parts = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
        rows = [torch.cat([value / DEVIATIONS[name] for name, value in blocks(part).items()], 1) for part in parts]
        return torch.cat(rows) if rows else torch.empty(0, self.dimension)


def blocks(volumes: np.ndarray | Tensor) -> dict[str, Tensor]:
    """Compute the statistics of volumes, uint8 [N, D, H, W, 1], by block, [N, ...] each, before
    scaling.
    """
    x = (torch.as_tensor(np.array(volumes))[..., 0] >= 128).float()  # [N, D, H, W]
    slices = [x.mean([a for a in (1, 2, 3) if a != axis]) for axis in (1, 2, 3)]
    shadows = [F.adaptive_avg_pool2d(x.amax(axis)[:, None], 8).flatten(1) for axis in (1, 2, 3)]
    return {
        "occupancy": F.adaptive_avg_pool3d(x[:, None], 4).flatten(1),
        "profiles": torch.cat([F.adaptive_avg_pool1d(s[:, None], 16).flatten(1) for s in slices], 1),
        "outlines": torch.cat(shadows, 1),
        "distances": distances(x),
        "symmetry": torch.stack([_overlap(x, x.flip(axis)) for axis in (1, 2, 3)], 1),
        "parts": _parts(x),
        "extent": _extent(x),
    }


def distances(x: Tensor) -> Tensor:
    """Compute D2: the shares of random pairs of solid voxels whose distance, over the diagonal, is
    in each bin: [N, D, H, W] to [N, 16].

    The pairs are the same for every volume: the same indices in the list of its solid voxels.
    """
    draws = torch.rand(2, PAIRS, generator=torch.Generator().manual_seed(0))
    diagonal = torch.tensor(x.shape[1:]).float().norm()
    rows = []
    for one in x:
        solid = one.nonzero().float()
        if not len(solid):
            rows.append(torch.zeros(BINS))
            continue
        first, second = solid[(draws * len(solid)).long()]
        rows.append(torch.histc((first - second).norm(dim=1) / diagonal, BINS, 0, 1) / PAIRS)
    return torch.stack(rows)


def pieces(x: Tensor) -> tuple[Tensor, Tensor]:
    """Count the pieces of each volume, and compute the share of its voxels in the largest:
    [N, D, H, W] of 0 and 1 to [N], [N].

    Voxels that share a face are connected.

    >>> two = torch.zeros(1, 4, 4, 4); two[0, 0, 0, 0] = 1; two[0, 3, 3, 2:] = 1
    >>> [value.item() for value in pieces(two)]
    [2.0, 0.6666666865348816]
    """
    labels = torch.arange(1.0, x[0].numel() + 1).reshape(x[0].shape) * x
    total = None
    while total != (total := labels.sum(dtype=torch.float64).item()):  # the largest label of a piece spreads over it
        for axis in (1, 2, 3):
            length = x.shape[axis]
            for one, other in ((0, 1), (1, 0)):
                here, there = labels.narrow(axis, one, length - 1), labels.narrow(axis, other, length - 1)
                here.copy_(torch.maximum(here, there) * x.narrow(axis, one, length - 1))
    counts, largest = [], []
    for row in labels.flatten(1):
        sizes = row[row > 0].unique(return_counts=True)[1]
        counts.append(float(len(sizes)))
        largest.append((sizes.max() / sizes.sum()).item() if len(sizes) else 0.0)
    return torch.tensor(counts), torch.tensor(largest)


def variety(real: Tensor, fake: Tensor) -> Estimate:
    """Compute the variety of the fakes over that of the reals: 0 if all are equal, 1 if they vary
    as the reals do.

    The ratio of the root mean square distances between two items of a set, features [m, d] and
    [n, d]; its error is the jackknife's, leaving out one fake at a time.

    >>> x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    >>> round(variety(x, x / 2).value, 2), variety(x, x[:1].repeat(9, 1)).value
    (0.5, 0.0)
    """
    real, fake = real.double(), fake.double()
    scale = real.var(0).sum()
    squares = (fake - fake.mean(0)).square().sum(1)
    n = len(fake)
    value = (squares.sum() / (n - 1) / scale).sqrt()
    without = ((squares.sum() - squares * n / (n - 1)) / max(n - 2, 1) / scale).clamp_min(0).sqrt()  # jackknife
    error = ((n - 1) / n * (without - without.mean()).square().sum()).sqrt()
    return Estimate(value.item(), error.item())


def _overlap(x: Tensor, y: Tensor) -> Tensor:
    """Compute the intersection over union of two sets of volumes, [N]."""
    both, either = torch.minimum(x, y).flatten(1).sum(1), torch.maximum(x, y).flatten(1).sum(1)
    return both / either.clamp_min(1)


def _parts(x: Tensor) -> Tensor:
    """Return statistics of the parts of volumes [N, D, H, W]: [N, 3]."""
    coarse = (
        F.max_pool3d(x[:, None], 2)[:, 0] if min(x.shape[1:]) >= 32 else x
    )  # an eighth of the work, and no gaps of one voxel
    count, largest = pieces(coarse)
    exposed = sum(x.diff(dim=axis).abs().flatten(1).sum(1) for axis in (1, 2, 3))
    return torch.stack([count.log1p(), largest, exposed / (6 * x.flatten(1).sum(1).clamp_min(1) ** (2 / 3))], 1)


def _extent(x: Tensor) -> Tensor:
    boxes = [x.amax([a for a in (1, 2, 3) if a != axis]).mean(1) for axis in (1, 2, 3)]
    return torch.stack([*boxes, x.flatten(1).mean(1), x[:, :, -1].flatten(1).mean(1)], 1)
