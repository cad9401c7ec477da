"""Evaluation during training: the generator against held-out real data, and the accuracy of D."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import Batches
from organza.game import Batch, Game
from organza.losses import probability
from organza.metrics.damage import CUTS, damage
from organza.metrics.extractors.features import Extractor, cached_features, offline_extractor
from organza.metrics.extractors.multiscale import Pyramid, as_they_are
from organza.metrics.kernels import Estimate
from organza.metrics.paired import estimate, faithfulness, perceptual
from organza.metrics.shapes import ShapeStatistics, variety
from organza.metrics.suite import Card, evaluate
from organza.metrics.vectors import Standardised, compared
from organza.seeding import MICROBATCH
from organza.training.state import TrainState

SAMPLES = 500
"""Number of generated images that an evaluation compares."""
JUDGED = 256
"""Number of real and of generated items for the accuracy of D."""
Duels = list[tuple[Tensor, Tensor]]
"""D's logits of real and of generated data, [N, ...] each, for every duel of a game."""


def extractor_of(data: Batches) -> Extractor:
    """Return the extractor for the items of a layout: of images, of volumes, or of vectors."""
    if data.table is not None:
        return Standardised(data.table)
    return ShapeStatistics() if len(data.shape) == 4 else Pyramid(offline_extractor)


class Evaluator:
    """Evaluator that holds the features of the held-out real images.

    Args:
        extractor: feature extractor.
        data: training batches, whose reference items are compared with; their features are cached.
        samples: number of generated images to compare.
    """

    def __init__(self, extractor: Extractor, data: Batches, samples: int = SAMPLES):
        self.extractor, self.samples = extractor, samples
        self.against = "held-out" if len(data.parts.held_out) else "training"
        real = data.real()
        self.features = cached_features(extractor, real, data.reference_key, data.directory.parent)
        self.wanted: Tensor | None = None  # features of the targets, if items have any
        self.data = data
        self.cost = self._measured(real[:64])

    def _measured(self, pictures: np.ndarray) -> float:
        """Estimate the seconds that the features of one evaluation's samples take."""
        start = time.perf_counter()
        self.extractor(pictures)
        return (time.perf_counter() - start) * self.samples / len(pictures)

    @cached_property
    def damage(self) -> dict[str, Estimate]:
        """Return the distances of damaged real images from real ones, as units for other distances;
        empty for volumes and vectors.
        """
        real, data = self.data.real(), self.data
        if real.ndim != 4 or min(real.shape[1:3]) < CUTS:
            return {}
        found = damage(self.extractor, real, self.features, data.reference_key, data.directory.parent)
        return {name: Estimate(value, 0.0) for name, value in found._asdict().items()}

    def scores(self, made: Tensor, target: Tensor | None = None, features: Tensor | None = None) -> dict[str, Estimate]:
        """Compute the distances of generated images, uint8 [N, H, W, C], volumes or vectors from the real
        ones, and their variety.

        Args:
            made: generated images, volumes or vectors.
            target: targets, the same each time, if there are any: adds the distance of each image
                from its own.
            features: features of the generated images, if they are known.
        """
        features = self.extractor(made.numpy()) if features is None else features
        found = evaluate(self.features, features)
        features = as_they_are(features)
        found |= {"variety": variety(as_they_are(self.features), features)}
        found |= self.damage
        if made.ndim == 2:
            found |= compared(self.features, features)
        if target is None:
            return found
        if self.wanted is None:
            self.wanted = as_they_are(self.extractor(target))
        return found | faithfulness(made, target) | {"perceptual": estimate(perceptual(features, self.wanted))}

    def card(self, seed: int) -> dict[str, Any]:
        """Return the conditions of the numbers; numbers with different cards must not be compared."""
        return asdict(Card(self.extractor.card(), len(self.features), self.samples, self.against, seed))


@torch.no_grad()
def tried(game: Game, batch: Batch) -> Duels:
    """Return D's logits of a batch and of G's output for it; computed in small parts, since large
    translators fill the memory.
    """
    count = len(next(iter(batch.values())))
    some = [slice(start, min(start + MICROBATCH, count)) for start in range(0, count, MICROBATCH)]
    parts = [_logits(game, {name: value[part] for name, value in batch.items()}) for part in some]
    return [
        (torch.cat([real for real, _ in duel]), torch.cat([fake for _, fake in duel]))
        for duel in zip(*parts, strict=True)
    ]


def verdicts(state: TrainState) -> Duels:
    """Return D's logits of reference items and of fakes, computed once at each position, for the
    evaluation and its checkpoint.
    """
    if state.tried_at != state.images:
        positions = range(JUDGED)
        with state.averaged():
            batch = state.accelerator.take(state.data.referenced(positions) | state.latents("judged", positions))
            state.keep_duels(tried(state.game, batch))
    return state.duels


def neutral(state: TrainState) -> float:
    """Return the logit of an even chance: the loss's own, or half-way between held-out reals and
    fakes if only differences count.
    """
    own = state.game.adversarial.neutral
    return middle(*verdicts(state)[0]) if own is None else own


def accuracy(duels: Duels, neutral: float | None) -> tuple[float, float]:
    """Compute the accuracy of D on reals and fakes, and its standard error: 1/2 at the equilibrium
    of the game.

    Args:
        duels: D's logits.
        neutral: logit of an even chance; None if only differences count.

    >>> accuracy([(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 3.0]))], 0.0)[0]
    0.75
    """
    right = []
    for real, fake in duels:
        even = middle(real, fake) if neutral is None else neutral
        right += [probability(real, even) > 0.5, probability(fake, even) < 0.5]
    share = torch.cat(right).float().mean().item()
    return share, math.sqrt(max(share * (1 - share), 1e-9) / sum(map(len, right)))


def middle(real: Tensor, fake: Tensor) -> float:
    """Return the logit of an even chance if only differences count: half-way between reals and
    fakes.
    """
    return (real.mean() + fake.mean()).item() / 2


def _logits(game: Game, batch: Batch) -> Duels:
    duels = game.duels(batch, game.play(batch))
    return [(duel.counted(duel.judge(duel.real)), duel.counted(duel.judge(duel.fake))) for duel in duels]
