"""The referee: measures the generator against held-out real data while it trains, and how well D tells the two apart."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import Batches
from organza.game import Batch, Game
from organza.losses import probability
from organza.metrics.evaluate import Card, evaluate
from organza.metrics.features import Extractor, cached_features
from organza.metrics.kernels import Estimate
from organza.metrics.paired import estimate, faithfulness, perceptual
from organza.metrics.shapes import variety
from organza.seeding import MICROBATCH


class Referee:
    """Holds the features of the real images that the players never see.

    Args:
        extractor: pictures to features.
        data: the batches, whose reference items are compared with; features are cached beside them.
        samples: how many generated images are compared.
        judged: how many pairs D's accuracy is measured on.
    """

    def __init__(self, extractor: Extractor, data: Batches, samples: int = 500, judged: int = 256):
        self.extractor, self.samples, self.judged = extractor, samples, judged
        self.against = "held-out" if len(data.parts.held_out) else "training"
        real = data.real()
        self.features = cached_features(extractor, real, f"{data.fingerprint}-{self.against}", data.directory.parent)
        self.wanted: Tensor | None = None  # features of the targets, where items have any
        self.cost = self._measured(real[:64])

    def _measured(self, pictures: np.ndarray) -> float:
        """The seconds that one evaluation will take."""
        start = time.perf_counter()
        self.extractor(pictures)
        return (time.perf_counter() - start) * self.samples / len(pictures)

    def scores(self, pictures: np.ndarray) -> dict[str, Estimate]:
        """The distances of generated pictures, uint8 [N, H, W, C], or volumes from the real ones, and how much they vary."""
        features = self.extractor(pictures)
        return evaluate(self.features, features) | {"variety": variety(self.features, features)}

    def faithfulness(self, made: Tensor, target: Tensor) -> dict[str, Estimate]:
        """How near generated pictures are to their own targets, uint8 [N, H, W, C] both; the targets are the same each time."""
        if self.wanted is None:
            self.wanted = self.extractor(target)
        return faithfulness(made, target) | {"perceptual": estimate(perceptual(self.extractor(made), self.wanted))}

    def card(self, seed: int) -> dict[str, Any]:
        """What the numbers depend on; numbers with unlike cards must not be compared."""
        return asdict(Card(self.extractor.card(), len(self.features), self.samples, self.against, seed))


@torch.no_grad()
def accuracy(game: Game, batch: Batch) -> tuple[float, float]:
    """The share of reals and fakes that D tells apart rightly, and its standard error: 1/2 at the equilibrium of the game."""
    right = []
    count = len(next(iter(batch.values())))
    some = [range(start, min(start + MICROBATCH, count)) for start in range(0, count, MICROBATCH)]
    judged = [_logits(game, {name: value[part.start : part.stop] for name, value in batch.items()}) for part in some]
    for parts in zip(*judged, strict=True):  # the parts of one duel
        real, fake = (torch.cat(side) for side in zip(*parts, strict=True))
        neutral = game.adversarial.neutral
        even = (real.mean() + fake.mean()) / 2 if neutral is None else neutral
        right += [probability(real, even) > 0.5, probability(fake, even) < 0.5]
    share = torch.cat(right).float().mean().item()
    return share, math.sqrt(max(share * (1 - share), 1e-9) / sum(map(len, right)))


def _logits(game: Game, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """What D says of reals and fakes, for each duel; a few items at a time, since large translators fill the memory."""
    return [(duel.judge(duel.real), duel.judge(duel.fake)) for duel in game.duels(batch, game.play(batch))]
