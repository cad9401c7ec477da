"""Scores of the discriminator on images that are known, so that the score of another can be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from organza.errors import UserError
from organza.evaluation.run_with_data import RunWithData
from organza.recipe import Recipe

COUNT = 256
"""Held-out images and samples to score."""


def reference_scores(
    path: str | Path,
    checkpoint: str = "best",
    labels: Mapping[str, str] | None = None,
    recipe: Recipe | str | None = None,
) -> list[str]:
    """Return lines that say where the probabilities of held-out images and of samples lie.

    Args:
        path: run folder.
        checkpoint: best, latest, or a checkpoint's name.
        labels: labels that all images are judged with, for a conditional run.
        recipe: recipe of your own that the run was trained with: see `load`.
    """
    known = RunWithData(path, checkpoint, recipe=recipe)
    run, lines = known.run, []
    if labels or not hasattr(run.generator, "latent"):
        return []  # held-out images have labels of their own; translations have inputs
    try:
        side = known.real()
        images = side.images[:COUNT]
        rated = getattr(run.discriminator, "labels", 0) and side.labels is not None
        chances = (
            run.judge_labelled(images, side.labels[:COUNT]) if rated and side.labels is not None else run.judge(images)
        )
        kind = "held-out real images" if side.split == "held-out" else "training images (too few to hold any out)"
        lines.append(f"{kind}: {_range(chances)}")
    except UserError as error:
        lines.append(f"held-out real images: not available ({str(error).rstrip('.')})")
    samples = run.sample(COUNT, seed=0, first=1_000_000)
    return [*lines, f"samples of this run: {_range(run.judge(samples))}"]


def _range(chances: np.ndarray) -> str:
    low, middle, high = np.quantile(chances, (0.1, 0.5, 0.9))
    return f"{low:.3f} to {high:.3f}, median {middle:.3f} (eight of ten lie there)"
