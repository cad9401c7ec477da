"""The networks that papers measure with, when their weights are here or may be fetched: Inception, CLIP, DINOv2. See `published`.

Images come to them as torch-fidelity brings them: bilinear as TensorFlow 1 has it, without averaging, so that numbers agree with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.metrics.extractors import inception, vit
from organza.metrics.extractors.bundled_weights import Seer
from organza.metrics.extractors.downloaded_weights import Published, loaded
from organza.metrics.extractors.features import in_parts, planes
from organza.progress import Progress

Colours = tuple[float, float, float]


@dataclass(frozen=True)
class Kind:
    """How a known network is built and what it sees.

    Args:
        weights: as published.
        network: without weights; has `pooled`.
        side: pixels that the images are brought to before it; 0 where it does so itself.
        mean, deviation: of pixels 0..255, as it was trained; 0 and 1 where it does so itself.
        features: which, in words; dimension: how many.
    """

    weights: Published
    network: Callable[[], Any]
    side: int
    mean: Colours
    deviation: Colours
    features: str
    dimension: int


KINDS = {
    "inception": Kind(inception.WEIGHTS, inception.Inception, 0, (0, 0, 0), (1, 1, 1), "mean over the picture", 2048),
    "clip": Kind(
        vit.CLIP, vit.clip, vit.SIDE, vit.CLIP_MEAN, vit.CLIP_DEVIATION, "projected token", 512
    ),
    "dinov2": Kind(
        vit.DINOV2, vit.dinov2, vit.SIDE, vit.DINO_MEAN, vit.DINO_DEVIATION, "first token", 384
    ),
}  # fmt: skip


class Known:
    """An `Extractor` by a known network.

    Args:
        kind: which.
        network: with its weights.
    """

    def __init__(self, kind: Kind, network: Seer):
        self.kind, self.network = kind, network
        self.name, self.dimension = kind.weights.name, kind.dimension
        self.mean, self.deviation = (
            torch.tensor(three).float()[:, None, None] for three in (kind.mean, kind.deviation)
        )

    def card(self) -> dict[str, Any]:
        """What the features depend on, ready for JSON."""
        return {
            "name": self.name,
            "features": f"{self.kind.features}, {self.dimension}",
            "weights": self.kind.weights.sha256,
            "resolution": self.kind.side or inception.SIDE,
            "resizer": "bilinear as TensorFlow 1, aliased, stretched",
        }

    @torch.no_grad()
    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """uint8 [N, H, W, C], C in 1, 3, 4, to float32 [N, dimension], in micro-batches.

        Raises:
            UserError: not uint8 [N, H, W, C], or channels other than 1, 3 or 4.
        """
        return in_parts(images, self.dimension, self._see)

    def _see(self, some: Tensor) -> Tensor:
        x = planes(some)
        x = inception.resized(x, self.kind.side) if self.kind.side else x
        return self.network.pooled((x - self.mean) / self.deviation)


def known(
    name: str,
    files: Sequence[Path] = (),
    download: bool = False,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Known:
    """A known network as an extractor.

    Args:
        name: inception, clip or dinov2.
        files: in which its published weights may be.
        download: may they be fetched?
        cache: directory of converted weights.
        progress: is told of a download.

    Raises:
        UserError: its weights are not here and may not be fetched, or are other ones.

    >>> known("inception", [Path("weights-inception-2015-12-05-6726825d.pth")]).dimension    # doctest: +SKIP
    2048
    >>> KINDS["inception"].dimension
    2048
    """
    kind = KINDS[name]
    return Known(kind, loaded(kind.network(), kind.weights.state(files, download, cache, progress)))
