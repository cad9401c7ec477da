"""A pool of earlier fakes: D also sees older outputs of G, so that neither forgets earlier stages
of the game.

Shrivastava et al. 2017, arXiv:1612.07828, section 2.3 (SimGAN); with 50 fakes for CycleGAN, Zhu et
al. 2017, arXiv:1703.10593, section 4.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """A pool of `size` earlier fakes, stored in buffers, so that it is saved and restored with its
    game.

    Args:
        size: number of fakes to keep; with 0, each fake is returned unchanged.
        shape: shape of one fake, channels first.

    >>> pool = Pool(2, (1,)); _ = torch.manual_seed(2)
    >>> pool.exchange(torch.tensor([[1.0], [2.0]])).tolist()     # an empty pool keeps a copy of each
    [[1.0], [2.0]]
    >>> pool.exchange(torch.tensor([[3.0], [4.0]])).tolist()     # a full one replaces every second by an old one
    [[3.0], [2.0]]
    """

    def __init__(self, size: int, shape: tuple[int, ...]):
        super().__init__()
        self.register_buffer("items", torch.zeros(size, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Pool:
        """Move the fakes to a device, but keep their count on the CPU, where it is read: reading it
        from a GPU would wait each time.
        """
        filled = self.get_buffer("filled")
        super()._apply(fn, recurse)
        self.register_buffer("filled", filled)
        return self

    @torch.no_grad()
    def exchange(self, fakes: Tensor) -> Tensor:
        """Return the fakes, [N, *shape], each replaced with probability one half by an earlier one,
        whose place it takes.

        While the pool is not full, a fake is stored and returned as well. Random numbers come from
        torch's global generator, which the trainer seeds for each step. The result has no gradient:
        it is meant for D's turn.
        """
        items, shown = self.get_buffer("items"), fakes.detach().clone()
        filled = int(self.get_buffer("filled"))
        # The draws are on the CPU for any device of the fakes, so that they are the same everywhere.
        for row, fake in enumerate(fakes.detach()):
            if filled < len(items):
                items[filled] = fake
                filled += 1
            elif len(items) and torch.rand(()) < 0.5:
                place = int(torch.randint(len(items), ()))
                shown[row] = items[place]
                items[place] = fake
        self.get_buffer("filled").fill_(filled)
        return shown

    @torch.no_grad()
    def half_of(self, fakes: Tensor) -> Tensor:
        """Return the first half of the fakes, [N, *shape], and earlier ones instead of the others,
        once there are any.

        Then N / 2 of the new ones fill the pool, or replace earlier ones at random. The result has
        no gradient.
        """
        items, filled = self.get_buffer("items"), int(self.get_buffer("filled"))
        some = len(fakes) // 2
        drawn = torch.randperm(filled)[:some].to(items.device)  # from the CPU's stream, as in `exchange`
        shown = torch.cat([fakes.detach()[: len(fakes) - len(drawn)], items[drawn]])
        room = torch.arange(filled, min(filled + some, len(items)))
        places = torch.cat([room, torch.randperm(filled)[: some - len(room)]]).to(items.device)
        items[places] = fakes.detach()[: len(places)]
        self.get_buffer("filled").fill_(filled + len(room))
        return shown
