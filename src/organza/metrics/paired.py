"""Distances of images from their own targets: for translations with known targets."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from organza.errors import UserError
from organza.metrics.extractors.features import Extractor
from organza.metrics.extractors.multiscale import as_they_are
from organza.metrics.kernels import Estimate

AT_ONCE = 16  # images as doubles in memory at a time


def faithfulness(made: Tensor, target: Tensor, extractor: Extractor | None = None) -> dict[str, Estimate]:
    """Compute the mean and standard error over pairs of L1, PSNR and SSIM, and of a perceptual
    distance if an extractor is given.

    Args:
        made: generated images, uint8 [N, H, W, C].
        target: target of each image, uint8 [N, H, W, C].
        extractor: feature extractor of the perceptual distance.

    Raises:
        UserError: if shapes differ, or there are no pairs.

    >>> same = torch.zeros(2, 16, 16, 1, dtype=torch.uint8)
    >>> faithfulness(same, same)["l1"].value, faithfulness(same, same)["ssim"].value
    (0.0, 1.0)
    """
    if made.shape != target.shape:
        raise UserError(
            f"Pairs must have the same shape; {list(made.shape)} and {list(target.shape)} cannot be compared."
        )
    if not len(made):
        raise UserError("There are no pairs to compare; give at least one.")
    parts: list[dict[str, Tensor]] = []
    for some, wanted in zip(made.split(AT_ONCE), target.split(AT_ONCE), strict=True):
        x, y = (images.movedim(-1, 1).double() / 255 for images in (some, wanted))
        parts.append({"l1": l1(x, y), "psnr": psnr(x, y), "ssim": ssim(x, y)})
    values = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    if extractor is not None:
        values["perceptual"] = perceptual(as_they_are(extractor(made)), as_they_are(extractor(target)))
    return {name: estimate(value) for name, value in values.items()}


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean absolute difference of pixels in [0, 1]: [N, ...], [N, ...] -> [N]."""
    return (x - y).abs().flatten(1).mean(1)


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Compute the peak signal-to-noise ratio, 10 log10(1 / MSE) in dB for pixels in [0, 1], at most
    100: [N, ...], [N, ...] -> [N].

    >>> psnr(torch.zeros(1, 4), torch.full((1, 4), 0.1))
    tensor([20.])
    """
    return -10 * (x - y).square().flatten(1).mean(1).clamp(min=1e-10).log10()


def brightness(images: Tensor) -> Tensor:
    """Compute the brightness Y of images in [0, 1], uint8 [N, H, W, C] to double [N, H, W]: that of ITU-R BT.601 for
    colours, from 16 to 235 of 255, as papers on enlarging measure it; the value itself for grey.

    >>> brightness(torch.full((1, 1, 1, 3), 255, dtype=torch.uint8)).mul(255).round().item()
    235.0
    """
    if images.shape[3] < 3:
        return images[..., 0].double() / 255
    shares = torch.tensor([65.481, 128.553, 24.966], dtype=torch.double)
    return (16 + (images[..., :3].double() / 255) @ shares) / 255


def ssim(x: Tensor, y: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Compute the structural similarity of pixels in [0, 1], 1 = alike: [N, C, H, W], [N, C, H, W]
    -> [N].

    (2 m_x m_y + c1)(2 s_xy + c2) / ((m_x^2 + m_y^2 + c1)(s_x^2 + s_y^2 + c2)) in Gaussian windows,
    averaged over those inside the image and over its channels. The window shrinks for images that
    are smaller than it. Wang et al. 2004, IEEE TIP 13(4), eq. 13, with c1 = 0.01^2, c2 = 0.03^2.
    """
    window = min(window, (min(x.shape[-2:]) - 1) // 2 * 2 + 1)
    place = torch.arange(window, dtype=x.dtype) - window // 2
    bell = (-(place**2) / (2 * sigma**2)).exp()
    bell = bell / bell.sum()

    def blurred(z: Tensor) -> Tensor:  # rows, then columns: a Gaussian is separable, and 22 products cost less than 121
        planes = z.flatten(0, 1)[:, None]
        return F.conv2d(F.conv2d(planes, bell[None, None, :, None]), bell[None, None, None, :]).unflatten(
            0, z.shape[:2]
        )

    mean_x, mean_y = blurred(x), blurred(y)
    var_x, var_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    both = blurred(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    likeness = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return (likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).flatten(1).mean(1)


def perceptual(x: Tensor, y: Tensor) -> Tensor:
    """Compute one minus the cosine of the features of two images: [N, d], [N, d] -> [N], from 0
    (alike) to 2.

    In the spirit of LPIPS (Zhang et al. 2018, arXiv:1801.03924), on pooled features without learned
    weights; state the extractor.
    """
    return 1 - F.cosine_similarity(x.double(), y.double(), dim=1)


def estimate(values: Tensor) -> Estimate:
    """Return the mean over pairs and its standard error: [N] -> two numbers.

    >>> estimate(torch.tensor([1.0, 3.0]))
    Estimate(value=2.0, error=1.0)
    """
    array = values.numpy()
    return Estimate(
        float(array.mean()), float(np.std(array, ddof=1) / math.sqrt(len(array))) if len(array) > 1 else 0.0
    )
