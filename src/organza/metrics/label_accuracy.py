"""Agreement of generated images with their labels, by a small classifier trained on the real
images.

The metric is the share of generated images that the classifier assigns to their class: near its
accuracy on real held-out images, labels are followed; near 1 / classes, they are ignored. It does
not measure diversity: one perfect image of each class would suffice. Compare Ravuri and Vinyals
2019, arXiv:1905.10887, for the converse (trained on generated images).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.errors import UserError
from organza.metrics.kernels import Estimate
from organza.progress import Progress
from organza.seeding import permutation, seed_of

SIDE = 32
"""Size to which images are resized for the classifier."""
BATCH, STEPS = 128, 800
"""Steps of the classifier's training: about 100,000 images seen, half a minute on two cores."""
PASSES = 60
"""Largest number of passes over small sets, so that a few hundred images take seconds."""


def label_accuracy(
    real: np.ndarray, real_labels: np.ndarray, fake: np.ndarray, fake_labels: np.ndarray
) -> dict[str, Estimate]:
    """Compute the classifier's accuracy on generated images, and on held-out real images.

    The classifier is trained on nine tenths of the real images and tested on the rest; the same
    arrays give the same numbers. The errors include the sampling of the images, not the randomness
    of the training.

    Args:
        real: real images, uint8 [N, H, W, C].
        real_labels: class of each real image, int [N].
        fake: generated images, uint8 [N, H, W, C].
        fake_labels: requested class of each generated image, int [N].

    Raises:
        UserError: if sizes differ, numbers of labels do not match, or there are fewer than two
            classes or ten real images.

    >>> dark, light = np.zeros((40, 8, 8, 1), np.uint8), np.full((40, 8, 8, 1), 255, np.uint8)
    >>> real, labels = np.concatenate([dark, light]), np.repeat([0, 1], 40)
    >>> found = label_accuracy(real, labels, real[30:50], 1 - labels[30:50])
    >>> found["label accuracy, real"].value, found["label accuracy"].value
    (1.0, 0.0)
    """
    _check(real, real_labels, fake, fake_labels)
    classes = int(max(real_labels.max(), fake_labels.max())) + 1
    order = permutation(len(real), "label accuracy", len(real)).numpy()
    tried, learned = np.split(order, [max(len(real) // 10, 1)])
    tried = tried[:5000]
    network = _trained(real[np.sort(learned)], real_labels[np.sort(learned)], classes)
    return {
        "label accuracy": _share(_seen(network, fake) == torch.from_numpy(fake_labels.astype(np.int64))),
        "label accuracy, real": _share(
            _seen(network, real[tried]) == torch.from_numpy(real_labels[tried].astype(np.int64))
        ),
    }


def _check(real: np.ndarray, real_labels: np.ndarray, fake: np.ndarray, fake_labels: np.ndarray) -> None:
    """Check that images and labels fit, and that there are enough. Raises UserError if not."""
    if real.ndim != 4 or fake.ndim != 4 or real.shape[1:] != fake.shape[1:]:
        raise UserError(
            f"Real and generated images must be of the same size, not {list(real.shape)} and {list(fake.shape)}."
        )
    for name, pictures, labels in (("real", real, real_labels), ("generated", fake, fake_labels)):
        if labels.shape != (len(pictures),):
            raise UserError(
                f"There are {len(pictures)} {name} images and labels of shape {list(labels.shape)}; one label for each image is needed."
            )
    if len(real) < 10 or not len(fake) or len(np.unique(real_labels)) < 2:
        raise UserError(
            f"{len(real)} real images of {len(np.unique(real_labels))} classes and {len(fake)} generated ones were given; "
            "ten real ones of at least two classes and one generated are needed."
        )


class _Classifier(nn.Sequential):
    """A classifier of 3x3 convolutions that halve the image three times, a mean over each remaining
    quarter, and one linear layer.
    """

    def __init__(self, channels: int, classes: int, width: int = 24):
        maps = [channels, width, 2 * width, 4 * width]
        stack: list[nn.Module] = []
        for narrow, wide in pairwise(maps):
            stack += [nn.Conv2d(narrow, wide, 3, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(True)]
        super().__init__(*stack, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, classes))


def _trained(pictures: np.ndarray, labels: np.ndarray, classes: int) -> nn.Module:
    """Train a classifier on these images."""
    wanted = torch.from_numpy(labels.astype(np.int64))
    return fitted(pictures, classes, lambda logits, some: F.cross_entropy(logits, wanted[some]))


def fitted(
    pictures: np.ndarray,
    outputs: int,
    loss: Callable[[Tensor, np.ndarray], Tensor],
    steps: int = STEPS,
    progress: Progress | None = None,
) -> nn.Module:
    """Train the classifier's network on images, deterministically. Leaves torch's random state unchanged.

    Args:
        pictures: uint8 [N, H, W, C].
        outputs: number of outputs for each image.
        loss: function from the outputs of some images, [n, outputs], and their positions to a scalar.
        steps: largest number of steps.
        progress: function that takes (task, done, total).
    """
    steps = min(steps, math.ceil(PASSES * len(pictures) / BATCH))
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed_of("label accuracy"))
        network = _Classifier(pictures.shape[3], outputs).train()
        optimizer = torch.optim.Adam(network.parameters(), fused=True)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for step in range(steps):
            some = _positions(step, len(pictures))
            value = loss(network(_planes(pictures[some])), some)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            rate.step()
            if progress and step % 20 == 19:
                progress("learning the labels", step + 1, steps)
    return network.eval()


def _positions(step: int, length: int) -> np.ndarray:
    """Return the items of a step: a new shuffle for each pass."""
    places = range(step * BATCH, step * BATCH + min(BATCH, length))
    passes = {place // length for place in places}
    shuffles = {number: permutation(length, "label accuracy", "pass", number).numpy() for number in passes}
    return np.array([shuffles[place // length][place % length] for place in places])


def _seen(network: nn.Module, pictures: np.ndarray) -> Tensor:
    """Return the predicted class of each image, int64 [N]."""
    return outputs_of(network, pictures).argmax(1)


@torch.no_grad()
def outputs_of(network: nn.Module, pictures: np.ndarray) -> Tensor:
    """Return the outputs of a `fitted` network for images, [N, outputs]."""
    return torch.cat([network(_planes(pictures[start : start + 256])) for start in range(0, len(pictures), 256)])


def _planes(pictures: np.ndarray) -> Tensor:
    """Convert uint8 [N, H, W, C] to float [-1, 1], [N, C, SIDE, SIDE]."""
    planes = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).float() / 127.5 - 1
    if planes.shape[2:] != (SIDE, SIDE):
        planes = F.interpolate(planes, (SIDE, SIDE), mode="bilinear", antialias=True)
    return planes.contiguous(memory_format=torch.channels_last)


def _share(right: Tensor) -> Estimate:
    share, count = right.double().mean().item(), len(right)
    likely = (share * count + 2) / (count + 4)  # Agresti and Coull 1998, so that ten of ten right have an error
    return Estimate(share, math.sqrt(likely * (1 - likely) / count))
