"""Base of games with an encoder: the player G is a generator and an encoder, z -> x and x -> z,
trained together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from organza.config import settings_of
from organza.game import Batch, DiscriminatorT, Game, GeneratorT


class Encoding(Game[GeneratorT, DiscriminatorT]):
    """A game whose G is `layers.NetworkDict(generator=..., encoder=...)`; the generator determines the
    size of the latent.
    """

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        shape = tuple(data.shape)
        decoder = generator.settings["generator"].given(shape=shape)
        z_dim = (settings_of(decoder) or {})["z_dim"]
        encoder = generator.settings["encoder"].given(shape=shape, z_dim=z_dim)
        return generator.given(generator=decoder, encoder=encoder), discriminator.given(shape=shape, z_dim=z_dim)

    def latents(self, streams: Sequence[torch.Generator]) -> Batch:
        return {"z": torch.stack([self.G["generator"].latent(stream) for stream in streams])}

    def make(self, batch: Batch) -> Tensor:
        return self.decode(batch["z"])

    def decode(self, z: Tensor) -> Tensor:
        """Compute G(z), [N, z_dim] to [N, *shape]."""
        return self.G["generator"](z)

    def encode(self, x: Tensor) -> Tensor:
        """Compute E(x), [N, *shape] to [N, z_dim]."""
        return self.G["encoder"](x)
