"""Methods side by side: a generator and simple methods on the same inputs, by distance to the targets and by distance of the patches.

The two kinds of distance pull against each other: Blau and Michaeli 2018, The Perception-Distortion Tradeoff, arXiv:1711.06077. So
neither is told without the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from organza.metrics.extractors.features import Extractor
from organza.metrics.extractors.multiscale import as_they_are
from organza.metrics.kernels import Estimate, gaussian_mmd, median_distance
from organza.metrics.paired import brightness, estimate, faithfulness, perceptual, psnr

ALL = "all"
LEAST = 20
"""Least number of items in a group for a distance of sets."""
Compared = dict[str, dict[str, dict[str, Estimate]]]
"""Metrics by group of inputs, by method, by name."""


def compare(
    extractor: Extractor,
    outputs: Mapping[str, np.ndarray],
    targets: np.ndarray,
    groups: Sequence[str] = (),
    border: int = 0,
) -> Compared:
    """Measure the outputs of several methods for the same inputs.

    PSNR and SSIM are of all pixels and colours; "psnr y" is of the brightness (BT.601) without the border, as papers on
    enlarging state it; the perceptual distance and the MMD (Gaussian kernel) are of the extractor's features at full size.

    Args:
        extractor: feature extractor.
        outputs: outputs by the name of the method, uint8 [N, H, W, C] each.
        targets: targets, uint8 [N, H, W, C].
        groups: group of each input, such as the width of its hole; () for one group.
        border: pixels at the edges that "psnr y" leaves out.
    """
    wanted = as_they_are(extractor(targets))
    width = median_distance(wanted) if len(wanted) >= 3 else 0.0
    features = {name: as_they_are(extractor(made)) for name, made in outputs.items()}
    names = np.array(groups or [ALL] * len(targets))
    found: Compared = {}
    for group in dict.fromkeys(names.tolist()):
        rows = np.flatnonzero(names == group)
        target = torch.from_numpy(targets[rows])
        found[group] = {}
        for name, made in outputs.items():
            output = torch.from_numpy(made[rows])
            scores = faithfulness(output, target)
            inner = slice(border, -border or None)
            y, x = (brightness(part)[:, inner, inner] for part in (output, target))
            scores["psnr y"] = estimate(psnr(y, x))
            scores["perceptual"] = estimate(perceptual(features[name][rows], wanted[rows]))
            if len(rows) >= LEAST:
                scores["mmd"] = gaussian_mmd(wanted[rows], features[name][rows], width)
            found[group][name] = scores
    return found
