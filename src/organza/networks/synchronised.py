"""Layers whose result depends on the other items of a batch, or is drawn for each, for batches that
several ranks share.

torch's own synchronised batch norm refuses tensors on a CPU, and its dropout draws the same numbers
for other items on each rank. A game on one process has none of these layers.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from organza.distributed.world import ALONE, World


@runtime_checkable
class Shared(Protocol):
    """A module that knows the ranks that share its batches."""

    world: World


class SynchronisedBatchNorm(_BatchNorm):
    """Batch norm over the items of all ranks; the same as torch's in evaluation mode.

    y = (x - m) / sqrt(v + eps), m = 1/n sum x, v = 1/n sum (x - m)^2 over all ranks, from those of
    each rank (`World.pooled`), as sum x^2 / n - m^2 cancels in float32.  Ioffe and Szegedy 2015,
    arXiv:1502.03167.
    """

    world: World = ALONE

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept inputs of the layer that this one replaces."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise by mean and variance of the whole batch, over all ranks."""
        if not self.training and self.running_mean is not None:
            return super().forward(input)
        x = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        kept = [0, *range(2, x.ndim)]
        own = x.mean(kept, keepdim=True)
        away = x - own
        own = own.flatten()
        mean, variance = self.world.pooled(own, away.square().mean(kept))
        if self.running_mean is not None and self.running_var is not None:
            count = self.world.passing(len(x)) * x[0, 0].numel()
            self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = (variance + self.eps).rsqrt()
        scale = scale * self.weight if self.affine else scale
        shift = (own - mean) * scale
        shift = shift + self.bias if self.affine else shift
        shape = [1, -1, *[1] * (x.ndim - 2)]
        return torch.addcmul(shift.view(shape), away, scale.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, by torch's rules."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class SharedDropout(nn.Dropout):
    """Dropout whose mask is drawn for the whole batch."""

    world: World = ALONE

    def forward(self, input: Tensor) -> Tensor:
        return dropped(input, self.p, self.world) if self.training else input


def dropped(x: Tensor, share: float, world: World) -> Tensor:
    """Drop a share of the features of items that several ranks share, [n, ...]."""
    if world.size == 1:
        return F.dropout(x, share)
    return x * world.random_like(lambda whole: F.dropout(torch.ones_like(whole), share), x)


def synchronise(game: nn.Module, world: World) -> None:
    """Replace the layers of a game that look at or draw for a whole batch, in place; with the same weights and names.

    Args:
        game: game with new networks; unchanged in a world of one.
        world: ranks that share the batches.
    """
    if world.size == 1:
        return
    for module in list(game.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, _BatchNorm):
                setattr(module, name, _like(layer))
            elif type(layer) is nn.Dropout:
                setattr(module, name, SharedDropout(layer.p))
    for module in game.modules():
        if isinstance(module, Shared):
            module.world = world


def _like(layer: _BatchNorm) -> SynchronisedBatchNorm:
    """Return the synchronised form of a batch norm, with its own weights and buffers."""
    other = SynchronisedBatchNorm(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
    )
    other.weight, other.bias = layer.weight, layer.bias
    for name, value in layer.named_buffers(recurse=False):
        setattr(other, name, value)
    return other.train(layer.training)
