"""Encoding: images as latents, for runs with an encoder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from organza.config.arguments import as_image, whole
from organza.inference.sampler import Sampler, bytes_of


class Encoding(Sampler):
    """A trained run that encodes images as latents and reconstructs them."""

    @torch.no_grad()
    def encode(self, pictures: np.ndarray) -> Tensor:
        """Encode images as latents, E(x), which `generate` decodes: [N, z_dim].

        Args:
            pictures: uint8 [N, H, W, C] of the training size.

        Raises:
            UserError: if the run has no encoder, or size or channels are different.
        """
        return self._each(self.encoder, pictures, "encode")

    @torch.no_grad()
    def reconstruct(self, pictures: np.ndarray) -> NDArray[np.uint8]:
        """Reconstruct images through the latent, G(E(x)): uint8 [N, H, W, C] to the same."""
        encoder, generator = self.encoder, self.generator
        return bytes_of(self._each(lambda x: generator(encoder(x)), pictures, "reconstruct"))

    def interpolate(self, first: np.ndarray, last: np.ndarray, steps: int = 8) -> NDArray[np.uint8]:
        """Interpolate linearly between the latents of two images: uint8 [steps, H, W, C].

        Args:
            first: uint8 [H, W, C]; the result begins with its reconstruction.
            last: uint8 [H, W, C]; the result ends with its reconstruction.
            steps: number of images, at least 2.
        """
        steps = whole(steps, "steps", least=2)
        shape = (*self.shape[1:], self.channels)
        z = self.encode(np.stack([as_image(one, shape, "interpolate") for one in (first, last)]))
        return bytes_of(self.generate(torch.lerp(z[:1], z[1:], torch.linspace(0, 1, steps)[:, None])))
