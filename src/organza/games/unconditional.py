"""The original game: a generator maps a latent z to data, and one discriminator distinguishes it
from real data.

Goodfellow et al. 2014, Generative Adversarial Networks, arXiv:1406.2661.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from organza.game import Batch, DiscriminatorT, Duel, Game, GeneratorT


class Unconditional(Game[GeneratorT, DiscriminatorT]):
    """A game from noise to data: G(z) faces the batch's images before D."""

    def latents(self, streams: Sequence[torch.Generator]) -> Batch:
        return {"z": torch.stack([self.G.latent(stream) for stream in streams])}

    def play(self, batch: Batch) -> Batch:
        return {"image": self.G(batch["z"])}

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["image"], made["image"])]
