"""The GAN game: generator output, pairs of real and fake for each discriminator, losses, and the
update of each player.

A GAN variant is a `Game`: it defines the generator's output for a batch (`play`) and the pairs of
fakes and reals that each discriminator judges (`duels`). The losses below and the training loop in
`training/trainer.py` need nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from organza.augment import Augment, Change
from organza.distributed.world import ALONE, World
from organza.losses import Adversarial, probability
from organza.penalties import Penalty, r1_finite
from organza.schedule import at

GeneratorT = TypeVar("GeneratorT", bound=Any)  # not nn.Module: its attributes are tensors or modules to a type checker
DiscriminatorT = TypeVar("DiscriminatorT", bound=Any)
Batch = dict[str, Tensor]  # real data and latents by name, each [N, ...]


@dataclass
class Duel:
    """One discriminator with one batch of real and of fake data, [N, ...] each; both share the
    condition, if any.

    In D's turn, D is shown `replay(fake)` if a replay is given: an image pool's `exchange`, which
    mixes in earlier fakes. If a `change` is given, D sees real and fake data through the same
    change, in both turns. If a `weight` is given, of the shape of D's logits, the losses of the
    logits are averaged with it: 0 for patches in which nothing is generated.
    In a world of several ranks the batch is this rank's share, and the change is that of the whole batch.
    """

    critic: Callable[..., Tensor]
    real: Tensor
    fake: Tensor
    condition: Tensor | None = None
    replay: Callable[[Tensor], Tensor] | None = None
    change: Change | None = None
    world: World = ALONE
    weight: Tensor | None = None

    def mean(self, losses: Tensor) -> Tensor:
        """Return the mean of losses of logits, a scalar."""
        if self.weight is None:
            return losses.mean()
        weight = self.weight if len(losses) == len(self.weight) else self.world.gather(self.weight)
        return (weight * losses).sum() / self.world.mean(weight.sum()).clamp_min(1)

    def counted(self, logits: Tensor) -> Tensor:
        """Return the logits that count: all, [N, ...], or those with a weight, [n]. Waits for the device if there is a weight."""
        return logits if self.weight is None else logits[self.weight > 0]

    def judge(self, x: Tensor, items: slice = slice(None)) -> Tensor:
        """Return the discriminator's logits for x, which stands for these items of the batch."""
        if self.change:
            x = self.change(x, self.world.items(items))
        return to_float32(self.critic(x) if self.condition is None else self.critic(x, self.condition[items]))


class TrainProgress(NamedTuple):
    """Position in a run: steps taken, images seen, images planned."""

    step: int = 0
    images: int = 0
    planned: int = 1


BEGINNING = TrainProgress()
REMEDY = Penalty(r1_finite)
"""Penalty that a run without penalties gets after a rollback."""


class StepOutput(NamedTuple):
    """Result of one player's update: loss terms, whose sum is minimised, and metrics for the log; all scalars."""

    terms: dict[str, Tensor]
    metrics: dict[str, Tensor]

    def values(self) -> dict[str, Tensor]:
        """Return all terms and metrics, detached from the graph."""
        return {name: value.detach() for name, value in (self.terms | self.metrics).items()}

    def numbers(self) -> dict[str, float]:
        """Return all terms and metrics as Python numbers, for the log."""
        return numbers(self.values())


def numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Return scalars as Python numbers, in one transfer from the device, since each transfer waits
    for all pending work there.

    >>> numbers({"generator": torch.tensor(0.5), "D(x)": torch.tensor(0.25)})
    {'generator': 0.5, 'D(x)': 0.25}
    """
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True)) if values else {}


class NonFinite(ArithmeticError):
    """A loss term or gradient that is not finite; no weight was changed by it."""


class Game(nn.Module, ABC, Generic[GeneratorT, DiscriminatorT]):
    """A GAN variant. G and D are the two players; each may be an nn.ModuleDict of several networks. A
    type checker knows those of `Game[MyGenerator, MyDiscriminator]`.

    A game may hold further modules, such as an image pool; they are saved with the run.

    Args:
        G: generator.
        D: discriminator.
        adversarial: objectives of both players.
        penalties: penalties on the discriminator.
    """

    output = "image"  # what is displayed and evaluated: its name in the batch (real) and in the generator's output (generated)
    augment: Augment | None = None  # augmentation of D's input
    paired = False  # True if each generated item has a target in the batch
    strictness = 1.0  # factor of the penalties' weights
    world: World = ALONE  # ranks that share the batches

    def __init__(self, G: GeneratorT, D: DiscriminatorT, adversarial: Adversarial, penalties: Sequence[Penalty] = ()):
        super().__init__()
        self.G, self.D = G, D
        self.adversarial, self.penalties = adversarial, tuple(penalties)

    @classmethod
    def layout(cls, data: Any, settings: Mapping[str, Any]) -> Any:
        """Return the layout of the data as a partial, with all that it needs from the game; most need nothing.

        Args:
            data: partial of a layout.
            settings: the game's settings, with their defaults.
        """
        return data

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        """Return both players as partials, with all that they need from the data: here its shape (C, ...)."""
        shape = tuple(data.shape)
        return generator.given(shape=shape), discriminator.given(shape=shape)

    def fit(self, data: Any) -> None:
        """Set statistics of the data in new players, before the first step; most games need none.

        Args:
            data: training batches.
        """

    def unready(self, data: Any) -> str:
        """Return the reason why the game cannot begin after the autoencoder warm-up, in words; "" if it can.

        Args:
            data: batches of the warm-up.
        """
        return ""

    def latents(self, streams: Sequence[torch.Generator]) -> Batch:
        """Draw the latents of one batch, item i from streams[i] alone. Games without noise have none."""
        return {}

    @abstractmethod
    def play(self, batch: Batch) -> Batch:
        """Run the generator on a batch."""

    def make(self, batch: Batch) -> Tensor:
        """Return the generator's main output for a batch, [N, ...]: the samples to display and
        evaluate.
        """
        return self.play(batch)[self.output]

    def shown(self, batch: Batch, output: Tensor) -> list[Tensor]:
        """Return the images to show side by side for each item, [N, C, ...] each: a translation
        shows its input too.
        """
        return [output]

    @abstractmethod
    def duels(self, batch: Batch, made: Batch) -> Sequence[Duel]:
        """Return the pairs of real and fake data, each with its discriminator."""

    def compared(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits that a loss compares: of the whole batch, if the loss of a sample depends on the others."""
        if not self.adversarial.coupled:
            return real, fake
        return self.world.gather(real), self.world.gather(fake)

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        """Return further terms of G's loss (L1, cycle, identity, ...) as scalars."""
        return {}

    def warm_up(self, batch: Batch) -> Batch:
        """Run the generator on a batch during its warm-up (`generator_warmup`). Defaults to `play`."""
        return self.play(batch)

    def warm_up_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        """Return the loss terms of the generator's warm-up. Defaults to `extra_generator_terms`."""
        return self.extra_generator_terms(batch, made)

    def extra_discriminator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        """Return further terms of D's loss (an auxiliary classifier, ...) as scalars."""
        return {}


def to_float32(x: Tensor) -> Tensor:
    """Convert float16 and bfloat16 outputs of a network under autocast to float32; return any other
    tensor unchanged.

    >>> to_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype, to_float32(torch.zeros(1, dtype=torch.int64)).dtype
    (torch.float32, torch.int64)
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def due(game: Game, progress: TrainProgress) -> list[Penalty]:
    """Return the penalties due in D's turn at this step; `REMEDY` if the game is stricter than
    usual and has no penalties.
    """
    penalties = game.penalties or ((REMEDY,) if game.strictness > 1 else ())
    return [penalty for penalty in penalties if progress.step % penalty.every == 0]


def _duels(game: Game, batch: Batch, made: Batch, progress: TrainProgress) -> Sequence[Duel]:
    """Return the game's duels, each with its random change of D's input."""
    duels = game.duels(batch, made)
    for duel in duels:
        duel.world = game.world
        if game.augment:  # drawn for the whole batch
            like = duel.real[:1].expand(game.world.whole(len(duel.real)), *duel.real.shape[1:])
            duel.change = game.augment.drawn(like, progress.images, progress.planned)
    return duels


def _metrics(duel: Duel, real: Tensor, fake: Tensor, neutral: float | None) -> dict[str, Tensor]:
    """Return D(x), D(G(z)) and D's accuracy for the logits of a duel, means over the batch."""
    if duel.weight is not None:  # each patch is an item; weighted, since a selection of some makes a GPU wait
        counts = (duel.weight > 0).flatten().to(real.dtype)
        real, fake = real.flatten(), fake.flatten()
        duel = replace(duel, weight=counts)
    even = duel.world.mean((duel.mean(real) + duel.mean(fake)) / 2) if neutral is None else neutral
    authentic, faked = probability(real, even), probability(fake, even)
    right = (duel.mean((authentic > 0.5).float()) + duel.mean((faked < 0.5).float())) / 2
    return {"D(x)": duel.mean(authentic), "D(G(z))": duel.mean(faked), "D accuracy": right}


def spread(real: Tensor, fake: Tensor, world: World = ALONE) -> Tensor:
    """Return the deviation of fakes within their batch relative to that of reals, root mean square:
    [N, ...] each to a scalar.

    >>> spread(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [1.0]]))
    tensor(0.5000)
    """
    if min(world.whole(len(real)), world.whole(len(fake))) < 2:
        return torch.ones((), device=real.device)
    both = world.variances(*(x.detach().float().flatten(1) for x in (real, fake)))
    theirs, ours = (one.mean().sqrt() for one in both)
    return ours / theirs.clamp_min(1e-6)


def discriminator_loss(game: Game, batch: Batch, made: Batch, progress: TrainProgress = BEGINNING) -> StepOutput:
    """Compute D's loss: both halves of each duel, the penalties that are due, and the game's own
    terms.

    `made` is detached first, so no gradient reaches G. Terms are reduced over the batch last.
    """
    made = {name: value.detach() for name, value in made.items()}
    penalties = due(game, progress)
    terms: dict[str, Tensor] = {}
    metrics: dict[str, Tensor] = {}
    for duel in _duels(game, batch, made, progress):
        if duel.replay:
            duel.fake = game.world.rows(duel.replay(game.world.gather(duel.fake)))
        if penalties:  # exact penalties differentiate with respect to the inputs, from the same forward pass
            duel.real, duel.fake = duel.real.detach().requires_grad_(), duel.fake.detach().requires_grad_()
        real, fake = duel.judge(duel.real), duel.judge(duel.fake)
        _add(terms, "discriminator", duel.mean(game.adversarial.discriminator(*game.compared(real, fake))))
        for penalty in penalties:
            weight = at(penalty.weight, progress.images, progress.planned) * penalty.every * game.strictness
            _add(terms, penalty.name, weight * penalty.of(duel, real, fake).mean())
        metrics = metrics or {
            **_metrics(duel, real.detach(), fake.detach(), game.adversarial.neutral),
            "spread": spread(duel.real, duel.fake, game.world),
        }
    return StepOutput(terms | game.extra_discriminator_terms(batch, made), metrics)


def generator_loss(game: Game, batch: Batch, made: Batch, progress: TrainProgress = BEGINNING) -> StepOutput:
    """Compute G's loss: D's logits of its fakes, with D's weights fixed, and the game's own terms."""
    terms: dict[str, Tensor] = {}
    for duel in _duels(game, batch, made, progress):
        fake = duel.judge(duel.fake)
        real = fake
        if game.adversarial.generator_sees_real:
            with torch.no_grad():  # a constant for G
                real = duel.judge(duel.real)
        _add(terms, "generator", duel.mean(game.adversarial.generator(*game.compared(real, fake))))
    return StepOutput(terms | game.extra_generator_terms(batch, made), {})


def warm_up_loss(game: Game, batch: Batch, made: Batch) -> StepOutput:
    """Compute G's loss without a discriminator, during its warm-up. `made` is the output of
    `Game.warm_up`.
    """
    return StepOutput(game.warm_up_terms(batch, made), {})


def update(
    player: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[], StepOutput],
    max_accuracy: float = 1.0,
    world: World = ALONE,
) -> StepOutput:
    """Update one player: compute its loss, its gradients, and take one optimizer step. The other
    player's weights are unchanged.

    A player's weights require gradients only during its own turn, which saves unneeded backward
    passes.

    Args:
        player: network to update.
        optimizer: optimizer of its weights.
        loss: function that computes the loss terms.
        max_accuracy: largest batch accuracy of D at which it is updated; 1.0 always updates.
        world: ranks that share the batch; terms, metrics and gradients become their means.

    Returns:
        The terms and metrics, with the norm of the gradient if a step was taken.

    Raises:
        NonFinite: if a term or a gradient is not finite, before any change.
    """
    player.requires_grad_(True)
    optimizer.zero_grad(set_to_none=True)
    turn = loss()
    total = torch.stack(list(turn.terms.values())).sum()
    always = max_accuracy >= 1
    turn = turn if always else _over(turn, world)  # the accuracy on the whole batch decides
    steps = always or bool(turn.metrics["D accuracy"] <= max_accuracy)
    sizes = {}
    if steps:
        total.backward()
        gradients = [weight.grad for weight in player.parameters() if weight.grad is not None]
        if always:
            turn = _over(turn, world, gradients)
        else:
            world.average(gradients)
        sizes = _gradients(player)
        turn = StepOutput(turn.terms, turn.metrics | {"gradient": torch.stack([*sizes.values()] or [total * 0]).norm()})
    whole = total if world.size == 1 else torch.stack(list(turn.terms.values())).sum()
    # One wait for the device per turn, so that a run never continues through a NaN.
    if not torch.isfinite(whole + turn.metrics["gradient"] if steps else whole):
        raise NonFinite(_culprit(turn, sizes))
    if steps:
        optimizer.step()
    player.requires_grad_(False)
    return turn


def _over(turn: StepOutput, world: World, gradients: Sequence[Tensor] = ()) -> StepOutput:
    """Return the means of all terms and metrics over the ranks, in one sum: what follows from them is then the same on each.

    Args:
        turn: terms and metrics of this rank.
        world: ranks that share the batch.
        gradients: gradients to replace by their means in the same sum.
    """
    if world.size == 1:
        return turn
    values = turn.values()
    every = torch.stack(list(values.values()))
    world.average([every, *gradients])
    means = dict(zip(values, every.unbind(), strict=True))
    return StepOutput({name: means[name] for name in turn.terms}, {name: means[name] for name in turn.metrics})


def _gradients(player: nn.Module) -> dict[str, Tensor]:
    """Return the norms of a player's gradients, by the names of its weights."""
    found = {name: weight.grad for name, weight in player.named_parameters() if weight.grad is not None}
    return dict(zip(found, torch._foreach_norm(list(found.values())), strict=True)) if found else {}


def _culprit(turn: StepOutput, sizes: Mapping[str, Tensor]) -> str:
    """Describe what is not finite: the terms, or else the first gradient."""
    terms = [f"{name} is {value.item()}" for name, value in turn.terms.items() if not value.isfinite()]
    name = next((name for name, size in sizes.items() if not size.isfinite()), "all weights together")
    return " and ".join(terms) or f"the gradient of {name} is not finite"


def _add(terms: dict[str, Tensor], name: str, value: Tensor) -> None:
    terms[name] = terms[name] + value if name in terms else value
