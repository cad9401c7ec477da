"""The conditional GAN: both players know the label y of each item, so that what is made can be asked for.

min_G max_D  E log D(x | y) + E log(1 - D(G(z | y) | y)).  Mirza and Osindero 2014, arXiv:1411.1784, eq. 2.
The fakes carry the labels of the real batch that they face, so that D can learn nothing from labels alone. How D looks at y is its own
affair: planes beside the image or a projection, see `networks/conditional.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from organza.game import Batch, Duel, Game


class Conditional(Game):
    """Noise and a label to data: G(z, y) faces the batch's images before D, both with the label y."""

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        known = {"shape": tuple(data.shape), "labels": data.labels.width}
        return generator.given(**known), discriminator.given(**known)

    def latents(self, streams: Sequence[torch.Generator]) -> Batch:
        return {"z": torch.stack([self.G.latent(stream) for stream in streams])}  # type: ignore[operator]

    def play(self, batch: Batch) -> Batch:
        return {"image": self.G(batch["z"], batch["label"])}

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, batch["image"], made["image"], condition=batch["label"])]
