"""Truncation: latents nearer to the centre of their law give more usual and less varied images.

Brock et al. 2019, arXiv:1809.11096, section 3.1, draw z again until it is small; Karras et al. 2019, arXiv:1812.04948,
appendix B, shrink it towards the mean, as here: that keeps the image of a seed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from organza.latents.law import Law


def truncated(law: Law, z: Tensor, psi: float) -> Tensor:
    """Return centre + psi (z - centre); categories stay.

    Args:
        law: law of the latents.
        z: latents, [N, z_dim].
        psi: share of the distance to keep: 1 leaves latents as they are, 0 gives one image.

    >>> from organza.networks.priors import Normal, OneHot
    >>> truncated(Law.of((Normal(2), OneHot(2))), torch.tensor([[2.0, -4.0, 1.0, 0.0]]), 0.5).tolist()
    [[1.0, -2.0, 1.0, 0.0]]
    """
    return torch.where(law.free, torch.lerp(law.centre, z, psi), z)
