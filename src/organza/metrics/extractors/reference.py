"""Networks that papers evaluate with (Inception, CLIP, DINOv2), if their weights are available. See `downloaded_weights`.

Images are resized as in torch-fidelity: bilinear like TensorFlow 1, without averaging, so that numbers agree with its own.
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
    """Construction and input of a known network.

    Args:
        weights: published weights.
        network: function that builds the network, without weights; it has `pooled`.
        side: pixels a side to which images are resized; 0 if the network resizes them itself.
        mean: mean of pixels 0..255 in its training; 0 if the network normalises them itself.
        deviation: standard deviation of pixels 0..255 in its training; 1 if the network normalises them itself.
        features: description of the features.
        dimension: dimension of the features.
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
    """An `Extractor` with a known network.

    Args:
        kind: kind of the network.
        network: network with its weights.
    """

    def __init__(self, kind: Kind, network: Seer):
        self.kind, self.network = kind, network
        self.name, self.dimension = kind.weights.name, kind.dimension
        self.mean, self.deviation = (
            torch.tensor(three).float()[:, None, None] for three in (kind.mean, kind.deviation)
        )

    def card(self) -> dict[str, Any]:
        """Return the conditions of the features, ready for JSON."""
        return {
            "name": self.name,
            "features": f"{self.kind.features}, {self.dimension}",
            "weights": self.kind.weights.sha256,
            "resolution": self.kind.side or inception.SIDE,
            "resizer": "bilinear as TensorFlow 1, aliased, stretched",
        }

    @torch.no_grad()
    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """Compute float32 [N, dimension] of uint8 [N, H, W, C], C in 1, 3, 4, in micro-batches.

        Raises:
            UserError: if they are not uint8 [N, H, W, C] with 1, 3 or 4 channels.
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
    """Return a known network as an extractor.

    Args:
        name: inception, clip or dinov2.
        files: files that may hold its published weights.
        download: True to permit their download.
        cache: folder of the converted weights.
        progress: callback for a download.

    Raises:
        UserError: if its weights are missing without permission to download, or differ from the published ones.

    >>> known("inception", [Path("weights-inception-2015-12-05-6726825d.pth")]).dimension    # doctest: +SKIP
    2048
    >>> KINDS["inception"].dimension
    2048
    """
    kind = KINDS[name]
    return Known(kind, loaded(kind.network(), kind.weights.state(files, download, cache, progress)))
