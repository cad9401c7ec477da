"""Optimizers as values of a recipe, which build a torch optimizer for a player's weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from organza.schedule import Number, at


class Optimizer(Protocol):
    """An optimizer in a recipe: a learning rate and a method that builds it."""

    @property
    def rate(self) -> Number: ...

    def build(self, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer: ...


@dataclass(frozen=True)
class Adam:
    """Adam with learning rate `rate`.  Kingma and Ba 2015, arXiv:1412.6980.

    beta1 = 0.5 is the choice of DCGAN, 0 that of most later GANs: momentum overshoots when the opponent changes.
    """

    rate: Number = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    epsilon: float = 1e-8

    def build(self, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        # fused: one kernel for all weights, several times faster on a CPU than one call per tensor
        return torch.optim.Adam(
            weights, lr=at(self.rate, 0, 1), betas=(self.beta1, self.beta2), eps=self.epsilon, fused=True
        )


@dataclass(frozen=True)
class RMSprop:
    """RMSprop, the choice of the first WGAN.  Tieleman and Hinton 2012, lecture 6.5 of Neural Networks for Machine Learning.

    With `clip`, each weight is clamped to [-clip, clip] after each step, which bounds the slope of a Wasserstein critic:
    Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1. 0 disables clipping.
    """

    rate: Number = 5e-5
    alpha: float = 0.99
    clip: float = 0.0

    def build(self, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        optimizer = torch.optim.RMSprop(weights, lr=at(self.rate, 0, 1), alpha=self.alpha, foreach=True)
        if self.clip:
            optimizer.register_step_post_hook(partial(_clip, self.clip))
        return optimizer


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with optional momentum."""

    rate: Number = 1e-3
    momentum: float = 0.0

    def build(self, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(weights, lr=at(self.rate, 0, 1), momentum=self.momentum, foreach=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate from now on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def _clip(most: float, optimizer: torch.optim.Optimizer, *call: Any) -> None:
    """Clamp the weights to [-most, most]; `call` holds the arguments of the step, unused."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.clamp_(-most, most)
