"""Levels of a generator: the places at which z enters it, from the coarse to the fine.

A level is a part of the network whose output depends on z alone and enters later layers: the first feature map, the modulation of a
layer (`networks.layers.Generator.levels`). Two uses: mixing takes the levels up to one from z1 and the others from z2, as the style
mixing of Karras et al. 2019, arXiv:1812.04948, section 3.1; inversion adds an offset to each, as Abdal et al. 2019, arXiv:1904.03189,
optimise one style for each layer, since z alone reaches no image outside of G's range.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from organza.networks.layers import Generator


class Levelled:
    """A copy of a generator whose levels can be read and changed. A copy, as other threads may use the original.

    Args:
        generator: generator with at least one level.
    """

    def __init__(self, generator: Generator):
        self.network = copy.deepcopy(generator)
        self.levels: tuple[nn.Module, ...] = self.network.levels

    def outputs(self, z: Tensor, *row: Tensor) -> list[Tensor]:
        """Return the output of each level for latents [N, z_dim]."""
        kept: list[Tensor] = []
        with self._changed([lambda h: kept.append(h)] * len(self.levels)):
            self.network(z, *row)
        return kept

    def shifted(self, z: Tensor, *row: Tensor, offsets: Sequence[Tensor]) -> Tensor:
        """Return G(z) with an offset added to the output of each level."""
        with self._changed([lambda h, offset=offset: h + offset for offset in offsets]):
            return self.network(z, *row)

    def mixed(self, z: Tensor, *row: Tensor, other: Tensor, at: int) -> Tensor:
        """Return G(z) with levels from number `at` on as they are for another latent, [N, z_dim] each."""
        fine = self.outputs(other, *row)
        with self._changed([(lambda h, fine=fine[n]: fine) if n >= at else _same for n in range(len(self.levels))]):
            return self.network(z, *row)

    @contextmanager
    def _changed(self, changes: Sequence[Callable[[Tensor], Tensor | None]]) -> Iterator[None]:
        """Pass the output of each level through a change; None leaves it."""
        hooks = [
            level.register_forward_hook(lambda _, __, h, change=change: change(h))
            for level, change in zip(self.levels, changes, strict=True)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _same(h: Tensor) -> Tensor:
    return h


@torch.no_grad()
def scales(levelled: Levelled, z: Tensor, *row: Tensor) -> list[Tensor]:
    """Return the standard deviation of each map of each level over latents, [1, maps, 1, 1] or [1, maps]: the unit of offsets."""
    found = []
    for h in levelled.outputs(z, *row):
        axes = [0, *range(2, h.ndim)]
        found.append(h.std(axes, keepdim=True).clamp_min(1e-3 * h.std().item() + 1e-8))
    return found
