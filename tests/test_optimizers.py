"""Optimizers as values: weight clipping, and steps without torch's compiler."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from organza.optimizers import SGD, Adam, Optimizer, RMSprop
from organza.recipes import get
from organza.training import uncompiled


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


@pytest.mark.parametrize("optimizer", [Adam(0.1), RMSprop(0.1, clip=0.05), SGD(0.1, momentum=0.5)], ids=str)
def test_without_the_compiler_steps_are_torchs(optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uncompiled, "COMPILER", "a module that nobody has")
    seen = []
    for build in (uncompiled.built, lambda asked, weights: asked.build(weights)):
        weight = nn.Parameter(torch.linspace(-1, 1, 7))
        made = build(optimizer, [weight])
        for step in range(3):
            made.zero_grad()
            weight.square().sum().backward()
            made.load_state_dict(made.state_dict())
            made.step()
            assert weight.requires_grad
            assert weight.grad_fn is None, step
        seen.append(weight.detach().clone())
    assert torch.equal(*seen)
    assert seen[0].abs().max() < 1
