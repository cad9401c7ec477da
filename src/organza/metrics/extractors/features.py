"""Features of images, on which distances between sets of images are computed. Any `Extractor` can
be used.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from organza.disk import cache_folder
from organza.errors import UserError
from organza.metrics.extractors import efficientnet_lite, mobilenet, weight_cache
from organza.metrics.extractors.bundled_weights import Seer, Weights

MICROBATCH = 16
"""Images of 96x96 in one pass of the network: fast on a CPU (larger batches leave its caches), and
the same for every caller."""


_IN_USE: WeakValueDictionary[tuple[str, Path], Any] = WeakValueDictionary()
"""Networks that extractors hold, by name and folder of the cache: the scales of a `Pyramid` share
one, which takes 18 MB and 0.07 s to read and check."""


class Extractor(Protocol):
    """A function from images to features, each image independently. Numbers with different cards
    must not be compared.
    """

    name: str
    dimension: int

    def card(self) -> dict[str, Any]:
        """Return the conditions of the features: at least name, weights (sha256), resolution and
        resizer; ready for JSON.
        """
        ...

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """Compute float32 [N, dimension] on the CPU, or [N, looks, dimension] (see `Pyramid`), of
        uint8 [N, H, W, C], C in 1, 3, 4.
        """
        ...


def pixels(images: Tensor, resolution: int) -> Tensor:
    """Convert images for a network with square RGB input: float 0..255,
    [N, 3, resolution, resolution].

    Grey is repeated over the three channels. Transparent images are composited on white. Other
    sizes are resized to the resolution by antialiased bicubic interpolation, clamped to 0..255;
    images that are not square are stretched, so that every pixel counts.

    Args:
        images: uint8 [N, H, W, C] with 1, 3 or 4 channels.
        resolution: pixels on both sides.

    >>> black, see_through = torch.zeros(1, 2, 3, 1, dtype=torch.uint8), torch.zeros(1, 2, 3, 4, dtype=torch.uint8)
    >>> pixels(black, 32).shape, pixels(black, 32).max().item(), round(pixels(see_through, 32).min().item())
    (torch.Size([1, 3, 32, 32]), 0.0, 255)
    """
    found = planes(images)
    if found.shape[-2:] == (resolution, resolution):
        return found
    return F.interpolate(found, (resolution, resolution), mode="bicubic", antialias=True).clamp(0, 255)


def planes(images: Tensor) -> Tensor:
    """Convert images for a network with RGB input: uint8 [N, H, W, C], C in 1, 3, 4, to float
    0..255, [N, 3, H, W].

    Grey is repeated over the three channels. Transparent images are composited on white.
    """
    found = images.movedim(-1, 1).float()
    if found.shape[1] == 4:
        found, opacity = found[:, :3], found[:, 3:] / 255
        found = found * opacity + 255 * (1 - opacity)
    return found.expand(-1, 3, -1, -1)


def checked(images: np.ndarray | Tensor) -> Tensor:
    """Return images as a uint8 tensor [N, H, W, C] on the CPU, C in 1, 3, 4.

    Raises:
        UserError: if this is not possible.
    """
    if isinstance(images, np.ndarray) and images.dtype == np.uint8:
        images = torch.from_numpy(np.array(images))  # a copy: memory-mapped arrays are read-only
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4 or 0 in images.shape[1:]:
        raise UserError(f"Images to measure must be uint8 [N, H, W, C], not {images.dtype} {list(images.shape)}.")
    if images.shape[3] not in (1, 3, 4):
        raise UserError(
            f"Images with {images.shape[3]} channels cannot be measured; feature networks take 1, 3 or 4: train without evaluation."
        )
    return images.cpu()


def at_once(resolution: int) -> int:
    """Return the number of images of another resolution that need as much memory as `MICROBATCH` of
    96x96: 16 of 48x48 are too few.

    >>> at_once(96), at_once(48), at_once(32), at_once(1024)
    (16, 64, 144, 1)
    """
    return max(1, MICROBATCH * 96**2 // resolution**2)


def in_parts(
    images: np.ndarray | Tensor, dimension: int, see: Callable[[Tensor], Tensor], some: int = MICROBATCH
) -> Tensor:
    """Compute the features of images, uint8 [N, H, W, C] to float32 [N, dimension], in parts:
    memory does not grow with N.

    Args:
        images: images to process.
        dimension: dimension of the features.
        see: function from checked images to their features.
        some: number of images in each part.

    Raises:
        UserError: if they are not uint8 [N, H, W, C] with 1, 3 or 4 channels.
    """
    features = torch.empty(len(images), dimension)
    for start in range(0, len(images), some):
        part = slice(start, start + some)
        features[part] = see(checked(images[part]))
    return features


class Pooled:
    """Pooled head features of a network whose weights come inside a package. See
    `offline_extractor`, `second_opinion`.

    Args:
        weights: origin of the network's weights.
        network: network with its weights.
        mean: mean of pixels 0..255 in its training.
        deviation: standard deviation of pixels 0..255 in its training.
        resolution: pixels a side to which images are resized.
    """

    dimension = 1280

    def __init__(
        self, weights: Weights, network: Seer, mean: float | Tensor, deviation: float | Tensor, resolution: int
    ):
        if resolution < 32:
            raise UserError(
                f"The feature network cannot process images of {resolution} pixels; choose a resolution of at least 32."
            )
        self.name, self.weights, self.network = weights.name, weights, network
        self.mean, self.deviation, self.resolution = mean, deviation, resolution

    def card(self) -> dict[str, Any]:
        """Return the conditions of the features, ready for JSON."""
        return {
            "name": self.name,
            "features": f"head, mean over the picture, {self.dimension}",
            "weights": self.weights.sha256,
            "resolution": self.resolution,
            "resizer": "torch bicubic, antialiased, stretched",
        }

    @torch.no_grad()
    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """Compute features of uint8 [N, H, W, C], float32 [N, 1280], in micro-batches: memory does
        not grow with N.

        Raises:
            UserError: if they are not uint8 [N, H, W, C] with 1, 3 or 4 channels.
        """
        return in_parts(images, self.dimension, self._see, at_once(self.resolution))

    def _see(self, some: Tensor) -> Tensor:
        x = (pixels(some, self.resolution) - self.mean) / self.deviation
        return self.network.pooled(x.contiguous(memory_format=torch.channels_last))


def _shared(weights: Weights, load: Callable[[], Any]) -> Seer:
    """Return the network that another extractor holds, or a new one."""
    key = weights.name, cache_folder()
    if (network := _IN_USE.get(key)) is None:
        network = _IN_USE[key] = load()
    return cast("Seer", network)


def offline_extractor(resolution: int = 96) -> Extractor:
    """Return the extractor that needs no download: EfficientNet-Lite0, whose weights come inside a
    package.

    Args:
        resolution: pixels a side to which images are resized; the cost grows with its square.

    Raises:
        UserError: if the weights are missing or damaged.

    >>> extractor = offline_extractor()
    >>> extractor(np.zeros((2, 64, 64, 3), np.uint8)).shape
    torch.Size([2, 1280])
    """
    return Pooled(
        efficientnet_lite.WEIGHTS,
        _shared(efficientnet_lite.WEIGHTS, efficientnet_lite.pretrained),
        efficientnet_lite.MEAN,
        efficientnet_lite.DEVIATION,
        resolution,
    )


def second_opinion(resolution: int = 96) -> Extractor:
    """Return a MobileNetV2 extractor, whose weights come inside another package and are unrelated
    to those of `offline_extractor`.

    Args:
        resolution: pixels a side to which images are resized; the cost grows with its square.

    Raises:
        UserError: if the weights are missing or damaged.
    """
    network = _shared(mobilenet.WEIGHTS, mobilenet.pretrained)
    return Pooled(mobilenet.WEIGHTS, network, mobilenet.MEAN, mobilenet.DEVIATION, resolution)


def cached_features(extractor: Extractor, images: np.ndarray | Tensor, key: str, directory: Path) -> Tensor:
    """Return the features of images that do not change, computed once and cached: float32
    [N, dimension].

    Args:
        extractor: feature extractor; its card is part of the file's name.
        images: uint8 [N, H, W, C].
        key: key of the images' content: different for other images.
        directory: folder of the files.

    Raises:
        UserError: if the extractor refuses the images.

    >>> import tempfile
    >>> folder, grey = Path(tempfile.mkdtemp()), np.full((2, 32, 32, 1), 128, np.uint8)
    >>> first = cached_features(offline_extractor(32), grey, "two grey squares", folder)
    >>> torch.equal(first, cached_features(offline_extractor(32), grey, "two grey squares", folder))
    True
    """
    about = {"key": key, "count": str(len(images)), "extractor": json.dumps(extractor.card(), sort_keys=True)}
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
    path = directory / f"features-{name}.safetensors"
    if (kept := weight_cache.read(path, about)) is not None:
        return kept["features"]
    features = extractor(images)
    try:
        weight_cache.write(path, {"features": features}, about)
    except OSError as error:  # only costs time at the next start
        warnings.warn(f"The features of {key} could not be cached in {directory}: {error}.", stacklevel=2)
    return features
