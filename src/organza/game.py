"""The heart: who plays, what the fakes are, who judges them, and the turn of each player.

A GAN variant is a `Game`: what the generator makes of a batch (`play`) and which fakes face which reals before which
discriminator (`duels`). The losses below and the one loop in `training/trainer.py` need to know no more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from organza.augment import Augment, Change
from organza.losses import Adversarial, probability
from organza.penalties import Penalty, r1_finite
from organza.schedule import at

Batch = dict[str, Tensor]  # real data and latents by name, each [N, ...]


@dataclass
class Duel:
    """One discriminator and one pair of real and fake data, [N, ...] each; both sides share the condition, if any.

    In its own turn, D is shown `replay(fake)` where a replay is given: a pool's `exchange`, which mixes earlier fakes in. With a
    `change`, D sees real and fake data changed alike, in both turns.
    """

    critic: Callable[..., Tensor]
    real: Tensor
    fake: Tensor
    condition: Tensor | None = None
    replay: Callable[[Tensor], Tensor] | None = None
    change: Change | None = None

    def judge(self, x: Tensor, items: slice = slice(None)) -> Tensor:
        """The critic's logits for x, which stands for these items of the batch."""
        if self.change:
            x = self.change(x, items)
        return full(self.critic(x) if self.condition is None else self.critic(x, self.condition[items]))


class Moment(NamedTuple):
    """Where a run stands: steps taken, images seen, images planned."""

    step: int = 0
    images: int = 0
    planned: int = 1


BEGINNING = Moment()
REMEDY = Penalty(r1_finite)
"""The penalty of a run that fell ill without one."""


class Turn(NamedTuple):
    """What came of one turn: the loss terms (their sum is minimised) and readings for the log, all scalars."""

    terms: dict[str, Tensor]
    readings: dict[str, Tensor]

    def values(self) -> dict[str, Tensor]:
        """All of them, without the graph behind them."""
        return {name: value.detach() for name, value in (self.terms | self.readings).items()}

    def numbers(self) -> dict[str, float]:
        """All of them as Python numbers, for the log."""
        return numbers(self.values())


def numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars as Python numbers. They leave the device in one transfer, since each would wait for all that is under way there.

    >>> numbers({"generator": torch.tensor(0.5), "D(x)": torch.tensor(0.25)})
    {'generator': 0.5, 'D(x)': 0.25}
    """
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True)) if values else {}


class NonFinite(Exception):
    """A loss term that is not a finite number, named; no weight was changed by it."""


class Game(nn.Module, ABC):
    """A GAN variant. G and D are the two players; each may be an nn.ModuleDict of several networks.

    Besides the players a game may hold modules of its own, such as a pool of earlier fakes; they are saved with the run.

    Args:
        G: the generator, D: the discriminator.
        adversarial: the two objectives.
        penalties: on the discriminator.
    """

    output = (
        "image"  # what is looked at and measured: a name in the batch (the real) and in what is made (the generated)
    )
    augment: Augment | None = None  # of what D sees
    paired = False  # has each item made a target of its own in the batch?
    strictness = 1.0  # what the penalties' weights are multiplied by

    def __init__(self, G: nn.Module, D: nn.Module, adversarial: Adversarial, penalties: Sequence[Penalty] = ()):
        super().__init__()
        self.G, self.D = G, D
        self.adversarial, self.penalties = adversarial, tuple(penalties)

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        """The two players as parts, with all that they need from the data: here its shape (C, ...)."""
        shape = tuple(data.shape)
        return generator.given(shape=shape), discriminator.given(shape=shape)

    def fit(self, data: Any) -> None:
        """Take in statistics of the data into fresh players, before the first step; most games need none.

        Args:
            data: the batches that will be trained on.
        """

    def unready(self, data: Any) -> str:
        """Return why the game cannot begin after G has trained alone, in words; "" if it can.

        Args:
            data: the batches that it trained on.
        """
        return ""

    def latents(self, streams: Sequence[torch.Generator]) -> Batch:
        """The randomness of one batch, item i drawn from streams[i] alone. Games without noise have none."""
        return {}

    @abstractmethod
    def play(self, batch: Batch) -> Batch:
        """What G makes of the batch."""

    def make(self, batch: Batch) -> Tensor:
        """What the generator alone makes of a batch, [N, ...]: what is sampled, looked at and measured."""
        return self.play(batch)[self.output]

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        """The pictures to lay side by side for each item, [N, C, ...] each: a translation shows its input too."""
        return [output]

    @abstractmethod
    def duels(self, batch: Batch, made: Batch) -> Sequence[Duel]:
        """Which fakes face which reals."""

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        """Further terms of G's loss: L1, cycle, identity, ... as scalars."""
        return {}

    def rehearse(self, batch: Batch) -> Batch:
        """What G makes of the batch before the game begins, where a recipe lets it train alone: as in the game, or otherwise."""
        return self.play(batch)

    def rehearsal_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        """What it is trained with then: its further terms, or others."""
        return self.extra_generator_terms(batch, made)

    def extra_discriminator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        """Further terms of D's loss: an auxiliary classifier, ... as scalars."""
        return {}


def full(x: Tensor) -> Tensor:
    """In float32 what a network under autocast returned in less; anything else as it is.

    >>> full(torch.zeros(1, dtype=torch.bfloat16)).dtype, full(torch.zeros(1, dtype=torch.int64)).dtype
    (torch.float32, torch.int64)
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def due(game: Game, moment: Moment) -> list[Penalty]:
    """The penalties that D's turn at this moment has; where it shall be stricter and there are none, `REMEDY`."""
    penalties = game.penalties or ((REMEDY,) if game.strictness > 1 else ())
    return [penalty for penalty in penalties if moment.step % penalty.every == 0]


def _duels(game: Game, batch: Batch, made: Batch, moment: Moment) -> Sequence[Duel]:
    """The game's duels, each with its draw of what is changed before D looks."""
    duels = game.duels(batch, made)
    if game.augment:
        for duel in duels:
            duel.change = game.augment.drawn(duel.real, moment.images, moment.planned)
    return duels


def _readings(real: Tensor, fake: Tensor, neutral: float | None) -> dict[str, Tensor]:
    even = (real.mean() + fake.mean()) / 2 if neutral is None else neutral
    authentic, faked = probability(real, even), probability(fake, even)
    right = torch.cat([authentic > 0.5, faked < 0.5]).float()
    return {"D(x)": authentic.mean(), "D(G(z))": faked.mean(), "D accuracy": right.mean()}


def spread(real: Tensor, fake: Tensor) -> Tensor:
    """Return how much fakes vary within their batch beside reals, root mean square over all values: [N, ...] each to a number.

    >>> spread(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [1.0]]))
    tensor(0.5000)
    """
    if len(real) < 2 or len(fake) < 2:
        return torch.ones(())
    theirs, ours = (x.detach().float().flatten(1).var(0).mean().sqrt() for x in (real, fake))
    return ours / theirs.clamp_min(1e-6)


def discriminator_loss(game: Game, batch: Batch, made: Batch, moment: Moment = BEGINNING) -> Turn:
    """D's side of the game: each duel's two halves added, plus the penalties that are due and the game's own terms.

    `made` is detached first, so no gradient reaches G. Terms are reduced over the batch on their last line.
    """
    made = {name: value.detach() for name, value in made.items()}
    penalties = due(game, moment)
    terms: dict[str, Tensor] = {}
    readings: dict[str, Tensor] = {}
    for duel in _duels(game, batch, made, moment):
        if duel.replay:
            duel.fake = duel.replay(duel.fake)
        if penalties:  # exact penalties differentiate with respect to the inputs, from the same forward pass
            duel.real, duel.fake = duel.real.detach().requires_grad_(), duel.fake.detach().requires_grad_()
        real, fake = duel.judge(duel.real), duel.judge(duel.fake)
        _add(terms, "discriminator", game.adversarial.discriminator(real, fake).mean())
        for penalty in penalties:
            weight = at(penalty.weight, moment.images, moment.planned) * penalty.every * game.strictness
            _add(terms, name_of(penalty.of), weight * penalty.of(duel, real, fake).mean())
        readings = readings or {
            **_readings(real.detach(), fake.detach(), game.adversarial.neutral),
            "spread": spread(duel.real, duel.fake),
        }
    return Turn(terms | game.extra_discriminator_terms(batch, made), readings)


def generator_loss(game: Game, batch: Batch, made: Batch, moment: Moment = BEGINNING) -> Turn:
    """G's side of the game: its fakes before D, whose weights stay as they are, plus the game's own terms."""
    terms: dict[str, Tensor] = {}
    for duel in _duels(game, batch, made, moment):
        fake = duel.judge(duel.fake)
        real = fake
        if game.adversarial.generator_sees_real:
            with torch.no_grad():  # a constant for G
                real = duel.judge(duel.real)
        _add(terms, "generator", game.adversarial.generator(real, fake).mean())
    return Turn(terms | game.extra_generator_terms(batch, made), {})


def generator_alone(game: Game, batch: Batch, made: Batch) -> Turn:
    """G's own terms without an opponent: what it is trained with before the game begins, where a recipe says so. `made` is rehearsed."""
    return Turn(game.rehearsal_terms(batch, made), {})


def update(
    player: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Turn], strongest: float = 1.0
) -> Turn:
    """One turn of one player: its loss, backwards, one step. The other player's weights are not touched.

    A player's weights only ask for gradients during its own turn, which saves the passes nobody needs.

    Args:
        player: whose turn it is.
        optimizer: of its weights.
        loss: the turn's terms.
        strongest: a discriminator that tells more than this share of its batch apart sits the turn out.

    Returns:
        The turn, and with its readings the size of the gradient, where a step was taken.

    Raises:
        NonFinite: where a term or a gradient is not finite, before anything was changed.
    """
    player.requires_grad_(True)
    optimizer.zero_grad(set_to_none=True)
    turn = loss()
    total = torch.stack(list(turn.terms.values())).sum()
    steps = strongest >= 1 or bool(turn.readings["D accuracy"] <= strongest)
    sizes = {}
    if steps:
        total.backward()
        sizes = _gradients(player)
        turn = Turn(turn.terms, turn.readings | {"gradient": torch.stack([*sizes.values()] or [total * 0]).norm()})
    # One wait for the device per turn, for a run that never trains on through a NaN.
    if not torch.isfinite(total + turn.readings["gradient"] if steps else total):
        raise NonFinite(_culprit(turn, sizes))
    if steps:
        optimizer.step()
    player.requires_grad_(False)
    return turn


def _gradients(player: nn.Module) -> dict[str, Tensor]:
    """The sizes of a player's gradients, by the names of its weights."""
    found = {name: weight.grad for name, weight in player.named_parameters() if weight.grad is not None}
    return dict(zip(found, torch._foreach_norm(list(found.values())), strict=True)) if found else {}


def _culprit(turn: Turn, sizes: Mapping[str, Tensor]) -> str:
    """What is not finite: the terms, or else the first of the gradients."""
    terms = [f"{name} is {value.item()}" for name, value in turn.terms.items() if not value.isfinite()]
    name = next((name for name, size in sizes.items() if not size.isfinite()), "all weights together")
    return " and ".join(terms) or f"the gradient of {name} is not finite"


def name_of(function: Callable) -> str:
    """The name to log a function under; a part or partial is named after what it calls."""
    return getattr(function, "__name__", None) or name_of(getattr(function, "make", None) or function.func)  # type: ignore[attr-defined]


def _add(terms: dict[str, Tensor], name: str, value: Tensor) -> None:
    terms[name] = terms[name] + value if name in terms else value
