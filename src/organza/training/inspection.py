"""Inspection of the user's own networks, games, losses and penalties: names and shapes of all that they return, before the first step.

Organza's own are under contract tests, and are not inspected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from organza.config import encode, own_modules
from organza.data.batches import Batches
from organza.errors import UserError
from organza.game import Duel, Game
from organza.recipe import Recipe
from organza.seeding import stream

COUNT = 2
"""Items of the inspected batch."""


def of_ones_own(recipe: Recipe) -> frozenset[str]:
    """Return the modules outside of organza that define values of a recipe."""
    return own_modules(encode(recipe))


def inspected(recipe: Recipe, data: Batches) -> list[str]:
    """Run a recipe's game once on two items, check what it returns, and return notes.

    Args:
        recipe: recipe with values of the user's own.
        data: training data.

    Raises:
        UserError: if a name is missing, or a shape, type or value cannot be trained on; says what
            was returned and what is required.
    """
    with torch.random.fork_rng(devices=[]):
        game = recipe.build(data)
        game.fit(data)
        batch = data.at(range(COUNT)) | _tensors(game, "latents", game.latents(_streams()), any_name=True)
        game.train()
        made = _tensors(game, "play", game.play(batch))
        notes = _output(game, batch, made[game.output], tuple(data.shape))
        duels = game.duels(batch, made)
        if not duels or not all(isinstance(duel, Duel) for duel in duels):
            raise UserError(
                f"{_name(game)}.duels returned {_told(duels)}; it must return a list of `Duel`, at least one."
            )
        for duel in duels:
            _judged(game, duel)
        for name in ("extra_generator_terms", "extra_discriminator_terms"):
            _scalars(game, name, getattr(game, name)(batch, made))
    return notes


def _streams() -> list[torch.Generator]:
    return [stream(0, "inspection", index) for index in range(COUNT)]


def _tensors(game: Game, who: str, made: Any, any_name: bool = False) -> dict[str, Tensor]:
    """Return a dict of tensors [N, ...], of which one is the game's output."""
    if not isinstance(made, Mapping) or not all(isinstance(value, Tensor) for value in made.values()):
        raise UserError(f"{_name(game)}.{who} returned {_told(made)}; it must return a dict of tensors by name.")
    if not any_name and game.output not in made:
        raise UserError(
            f"{_name(game)}.{who} returned {', '.join(made) or 'an empty dict'}, without {game.output}, which `{_name(game)}.output` names."
        )
    for name, value in made.items():
        if not value.ndim or len(value) != COUNT:
            raise UserError(
                f"{_name(game)}.{who} returned {name} of shape {list(value.shape)} for {COUNT} items; its first side must be {COUNT}."
            )
    return dict(made)


def _output(game: Game, batch: Mapping[str, Tensor], output: Tensor, shape: tuple[int, ...]) -> list[str]:
    """Check the generator's output; return notes on its values."""
    if tuple(output.shape[1:]) != shape:
        raise UserError(
            f"The generator {_name(game.G)} returned {list(output.shape)} for {COUNT} items; the data needs [{COUNT}, "
            f"{', '.join(map(str, shape))}], channels first."
        )
    if not output.is_floating_point() or not bool(output.isfinite().all()):
        raise UserError(
            f"The generator {_name(game.G)} returned {output.dtype} with values that are not finite floats; check its layers."
        )
    low, high = output.detach().min().item(), output.detach().max().item()
    if low < -1.5 or high > 1.5:
        return [
            f"the generator {_name(game.G)} returned values from {low:.1f} to {high:.1f}, and images are from -1 to 1: "
            "end it with nn.Tanh() unless it is meant so"
        ]
    return []


def _judged(game: Game, duel: Duel) -> None:
    """Check the logits of one duel, the losses and the penalties."""
    if duel.real.shape[1:] != duel.fake.shape[1:]:
        raise UserError(
            f"{_name(game)}.duels pairs real data of shape {list(duel.real.shape)} with fake data of {list(duel.fake.shape)}; "
            "D must not tell them apart by their shape."
        )
    duel.real, duel.fake = duel.real.detach().requires_grad_(), duel.fake.detach().requires_grad_()
    real, fake = duel.judge(duel.real), duel.judge(duel.fake)
    for logits in (real, fake):
        if not isinstance(logits, Tensor) or not logits.ndim or len(logits) != COUNT:
            raise UserError(
                f"The discriminator {_name(game.D)} returned {_told(logits)} for {COUNT} items; it must return a logit for each, "
                f"[{COUNT}], or a map of logits, [{COUNT}, ...]: as the last step, logits.flatten() for one of shape [{COUNT}, 1]."
            )
        if logits.shape[1:].numel() == 1 and logits.ndim > 1:
            raise UserError(
                f"The discriminator {_name(game.D)} returned {list(logits.shape)} for {COUNT} items; one logit "
                f"each is [{COUNT}]: end it with nn.Flatten(0)."
            )
    for who in ("discriminator", "generator"):
        _each(f"The {who}'s loss", getattr(game.adversarial, who), (real, fake), real.shape)
    for penalty in game.penalties:
        value = penalty.of(duel, real, fake)
        if not isinstance(value, Tensor) or (value.ndim and len(value) > COUNT):
            raise UserError(
                f"The penalty {penalty.name} returned {_told(value)} for {COUNT} items; it must return one value for "
                f"each, [{COUNT}]."
            )


def _each(what: str, loss: Callable[..., Any], logits: tuple[Tensor, Tensor], shape: torch.Size) -> None:
    value = loss(*logits)
    if not isinstance(value, Tensor) or value.shape != shape:
        raise UserError(
            f"{what} returned {_told(value)} for logits of shape {list(shape)}; it must return values of the same shape, without a mean."
        )


def _scalars(game: Game, who: str, terms: Any) -> None:
    """Check that further terms of a loss are scalar tensors. Raises UserError if not."""
    if not isinstance(terms, Mapping):
        raise UserError(
            f"{_name(game)}.{who} returned {_told(terms)}; it must return a dict of scalars, {{}} for none."
        )
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim:
            raise UserError(
                f"{_name(game)}.{who} returned {name} as {_told(value)}; it must be a scalar tensor: add .mean()."
            )


def _name(value: object) -> str:
    return type(value).__name__


def _told(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    return "nothing (None): a return is missing" if value is None else f"a {type(value).__name__}"
