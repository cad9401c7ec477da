"""Optimizers as values: weight clipping."""

from __future__ import annotations

import torch
from torch import nn

from organza.optimizers import RMSprop
from organza.recipes import get


def stepped(optimizer: RMSprop) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(6, 4)
    trained = optimizer.build(layer.parameters())
    layer(torch.randn(8, 6)).square().sum().backward()
    trained.step()
    return layer


def test_clipping_puts_every_weight_back_after_each_step_and_leaves_smaller_ones():
    free, clipped = stepped(RMSprop(1e-2)), stepped(RMSprop(1e-2, clip=0.05))
    for loose, held in zip(free.parameters(), clipped.parameters(), strict=True):
        assert loose.abs().max() > 0.1
        assert torch.equal(held, loose.clamp(-0.05, 0.05))


def test_the_wgan_recipe_clips_its_critic_and_not_its_generator():
    recipe = get("wgan")
    assert recipe.discriminator_optimizer.clip == 0.01
    assert recipe.generator_optimizer.clip == 0
    assert recipe.discriminator_turns == 5
