"""The training step: D's turns, then G's. See `game` for a turn, `trainer` for the loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from organza.game import (
    Batch,
    NonFinite,
    StepOutput,
    TrainProgress,
    discriminator_loss,
    due,
    generator_loss,
    numbers,
    to_float32,
    update,
    warm_up_loss,
)
from organza.optimizers import set_rate
from organza.schedule import at
from organza.seeding import seed_of, seed_torch
from organza.training.ema import decay, half_life
from organza.training.state import TrainState, factor, strictness

ASIDE = 1 << 40
"""Offset of the data and latents for further turns of G in a step, beyond the positions that the
run itself reaches."""


def train_step(state: TrainState) -> dict[str, float]:
    """Take D's turns, then G's, and return the losses and metrics of the step, as numbers.

    Raises:
        NonFinite: if a term is not finite, before it changes any weight.
    """
    recipe, game, accelerator = state.recipe, state.game, state.accelerator
    progress = TrainProgress(state.steps, state.images, state.plan.images)
    seed_torch(seed_of(state.seed, "step", state.images), accelerator.device)  # for dropout and penalties
    for optimizer, chosen in zip(state.optimizers.values(), recipe.optimizers, strict=True):
        rate = at(chosen.rate, state.images, state.plan.images)
        set_rate(optimizer, rate * factor(state.rollbacks, state.images))
    game.strictness = strictness(state.rollbacks, state.images)
    game.train()
    for_D, for_G = recipe.turns(state.images, state.alone)
    for_penalties = accelerator.exact if due(game, progress) else accelerator
    told: dict[str, Tensor] = {}
    batch, made = {}, {}
    for turn in range(for_D):
        # G's first turn uses the fakes of D's last turn, as the tutorial does: one forward pass of G serves both.
        batch, made = played(state, state.images, graph=turn == for_D - 1 and for_G > 0)
        loss = partial(for_penalties.forward, discriminator_loss, game, batch, made, progress)
        told |= _turn(state, "D", loss, recipe.discriminator_limit)
        state.count(recipe.batch)
    for turn in range(for_G):
        if turn or not for_D:
            batch, made = played(state, progress.images + turn * ASIDE, graph=True)
        alone = partial(warm_up_loss, game, batch, made)
        loss = partial(generator_loss, game, batch, made, progress) if for_D else alone
        told |= _turn(state, "G", partial(accelerator.forward, loss))
    if for_G:
        state.average.update(game.G, decay(recipe.batch, half_life(progress.images + recipe.batch, recipe.average)))
    changes = state.stepped(progress.images + recipe.batch)
    turns = {"G": for_G, "D": for_D}  # a player that skips its turn is not counted as frozen
    told |= {f"{who} step": value for who, value in changes.items() if turns[who]}
    return numbers(told)


def _turn(state: TrainState, who: str, loss: Callable[[], StepOutput], max_accuracy: float = 1.0) -> dict[str, Tensor]:
    """Update a player, and return its terms and metrics."""
    player, name = (state.game.G, "generator") if who == "G" else (state.game.D, "discriminator")
    try:
        values = update(player, state.optimizers[name], loss, max_accuracy, state.world).values()
    except NonFinite as trouble:
        raise NonFinite(f"{trouble} in the {name}'s turn") from None
    return {f"{who} gradient" if reading == "gradient" else reading: value for reading, value in values.items()}


def played(state: TrainState, start: int, graph: bool) -> tuple[Batch, Batch]:
    """Return this rank's share of the batch that begins at a position, and G's output for it; with
    a graph if G's turn needs one.
    """
    game = state.game
    batch = state.batch(state.world.share(range(start, start + state.recipe.batch)))
    game.G.requires_grad_(graph)
    with torch.set_grad_enabled(graph):
        made = state.accelerator.forward(game.warm_up if state.warming_up else game.play, batch)
    return batch, {name: to_float32(value) for name, value in made.items()}  # D may use another precision
