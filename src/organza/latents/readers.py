"""Readers: functions from images to their attributes, learned from labelled images, to be read from generated ones.

From many labelled images, the small convolutional network of `metrics.label_accuracy` learns all attributes at once; from a few marked
ones, a ridge regression on features that were not trained for them,

    y(x) = w . f(x)      f(x) = [features of EfficientNet-Lite0; means over 8 x 8 cells of the image]

The features tell shapes, the cells colours. An attribute that a reader does not see on images it was not fitted to is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from organza.latents.attributes import Attribute
from organza.latents.directions import correlation
from organza.metrics.extractors.features import Extractor, planes
from organza.metrics.label_accuracy import fitted, outputs_of
from organza.progress import Progress

CELLS = 8
STEPS = 400
"""Steps of the network's training: 51,000 images seen."""
RIDGES = 1e-3, 1e-2, 1e-1, 1.0
KEPT = 0.2
"""Share of the images that a reader is tried on."""
SEEN = 0.5
"""Least held-out correlation of a reader's answers with the labels."""


@dataclass(frozen=True)
class Reader:
    """Function from images to attributes.

    Args:
        kind: origin of the labels: label or marks.
        names: names of the attributes.
        columns: column of the table that each is from.
        seen: correlation with the labels on images that it was not fitted to, for each attribute.
        read: function from uint8 [N, H, W, C] to standardised attributes, [N, attributes].
    """

    kind: str
    names: tuple[str, ...]
    columns: tuple[str, ...]
    seen: tuple[float, ...]
    read: Callable[[np.ndarray], Tensor]


def learned(images: np.ndarray, attributes: Sequence[Attribute], progress: Progress | None = None) -> Reader:
    """Return a reader that a network learned from labelled images.

    Args:
        images: uint8 [N, H, W, C], in an order without meaning: the last fifth is kept to try it.
        attributes: their attributes; unknown values take no part.
        progress: function that takes (task, done, total).
    """
    y = torch.stack([_standard(one.values) for one in attributes], 1)
    known = y.isfinite()
    y = y.nan_to_num()
    cut = _cut(len(images))

    def loss(outputs: Tensor, some: np.ndarray) -> Tensor:
        return ((outputs - y[some]).square() * known[some]).mean()

    network = fitted(images[:cut], len(attributes), loss, STEPS, progress)
    answers = outputs_of(network, images[cut:])
    return _reader("label", attributes, answers, y[cut:], known[cut:], lambda images: outputs_of(network, images))


def regressed(images: np.ndarray, attributes: Sequence[Attribute], extractor: Extractor, kind: str = "marks") -> Reader:
    """Return a reader by ridge regression on features, with the weight of the ridge that predicts the kept images best.

    Args:
        images: uint8 [N, H, W, C], in an order without meaning: the last fifth is kept.
        attributes: their attributes, all known.
        extractor: network of the features.
        kind: origin of the labels.
    """
    f = features(images, extractor)
    mean, deviation = f.mean(0), f.std(0).clamp_min(1e-3)
    x = ((f - mean) / deviation).double()
    y = torch.stack([_standard(one.values) for one in attributes], 1).nan_to_num().double()
    cut = _cut(len(x))
    tries = [_ridge(x[:cut], y[:cut], ridge) for ridge in RIDGES]
    errors = [(x[cut:] @ w - y[cut:]).square().sum().item() for w in tries]
    best = min(range(len(RIDGES)), key=errors.__getitem__)
    w = _ridge(x, y, RIDGES[best]).float()

    def read(images: np.ndarray) -> Tensor:
        return (features(images, extractor) - mean) / deviation @ w

    return _reader(kind, attributes, x[cut:] @ tries[best], y[cut:], torch.ones_like(y[cut:], dtype=torch.bool), read)


def _reader(
    kind: str,
    attributes: Sequence[Attribute],
    answers: Tensor,
    y: Tensor,
    known: Tensor,
    read: Callable[[np.ndarray], Tensor],
) -> Reader:
    seen = tuple(correlation(answers[known[:, k], k], y[known[:, k], k]) for k in range(len(attributes)))
    return Reader(kind, tuple(one.name for one in attributes), tuple(one.column for one in attributes), seen, read)


def features(images: np.ndarray, extractor: Extractor) -> Tensor:
    """Return f(x) of uint8 [N, H, W, C], float32 [N, d]."""
    seen = extractor(images)
    cells = F.adaptive_avg_pool2d(planes(torch.from_numpy(images)) / 255, CELLS)
    return torch.cat([seen.flatten(1), cells.flatten(1)], 1)


def _cut(count: int) -> int:
    return count - max(round(KEPT * count), 1)


def _standard(values: Tensor) -> Tensor:
    """Return values of mean 0 and deviation 1, [N]; NaN stays."""
    known = values[values.isfinite()]
    return (values - known.mean()) / known.std().clamp_min(1e-9)


def _ridge(x: Tensor, y: Tensor, ridge: float) -> Tensor:
    """Return the weights of a ridge regression, [d, attributes], by whichever of X'X and XX' is smaller."""
    count, d = x.shape
    if count < d:
        return x.T @ torch.linalg.solve(x @ x.T + ridge * d * torch.eye(count, dtype=x.dtype), y)
    return torch.linalg.solve(x.T @ x + ridge * count * torch.eye(d, dtype=x.dtype), x.T @ y)
