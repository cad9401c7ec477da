"""What is measured for a run's health, on tensors: see `health` for what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from organza.errors import UserError
from organza.game import spread
from organza.metrics.diversity import repeats
from organza.metrics.kernels import Estimate
from organza.metrics.memorisation import thumbnails
from organza.run.health import Vitals
from organza.stop import Check
from organza.training.evaluator import JUDGED, tried

if TYPE_CHECKING:
    from organza.training.trainer import Trainer

GLANCED = 4096  # weights of a player that are compared from step to step: enough to see it move, and no work


@torch.no_grad()
def glimpse(player: nn.Module) -> Tensor:
    """Some weights of a player, evenly spaced, [about 4,096]: a copy."""
    weights = list(player.parameters())
    if not weights:
        return torch.zeros(1)
    every = max(1, sum(weight.numel() for weight in weights) // GLANCED)
    return torch.cat([weight.detach().flatten()[::every] for weight in weights]).float()


def change(before: Tensor, now: Tensor) -> Tensor:
    """The distance of two glimpses over the size of the first: the update-to-weight ratio, where a step lies between.

    >>> change(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])).item()
    0.10000000149011612
    """
    return (now - before).norm() / before.norm().clamp_min(1e-12)


def distinct(made: Tensor) -> float:
    """The share of samples, uint8 [N, ...], that no other equals to the bit.

    >>> distinct(torch.tensor([[1], [1], [2], [3]], dtype=torch.uint8))
    0.5
    """
    _, counts = torch.unique(made.flatten(1), dim=0, return_counts=True)
    return (counts == 1).sum().item() / len(made)


def overfitting(trained: Sequence[tuple[Tensor, Tensor]], unseen: Sequence[tuple[Tensor, Tensor]]) -> float | None:
    """How far D places unseen reals from training ones, on the way to fakes, by medians of logits; None where it tells nothing apart.

    (D(training) - D(unseen)) / (D(training) - D(fake)): Karras et al. 2020, arXiv:2006.06676, equation 1.

    Args:
        trained, unseen: what D says of reals and fakes, [N, ...] each, for every duel.

    >>> one, half, none = (torch.full((4,), value) for value in (1.0, 0.5, 0.0))
    >>> overfitting([(one, none)], [(half, none)])
    0.5
    """
    known = torch.cat([real.flatten() for real, _ in trained]).median()
    other = torch.cat([real.flatten() for real, _ in unseen]).median()
    fakes = torch.cat([fake.flatten() for _, fake in (*trained, *unseen)]).median()
    away = known - fakes
    return ((known - other) / away).item() if away > 0.2 else None


def repeating(real: np.ndarray, made: Tensor) -> float | None:
    """The share of samples that nearly repeat another, less three of its errors; None of too few.

    Args:
        real, made: uint8 [N, ...]; by thumbnails of both.

    >>> real = np.random.default_rng(0).integers(0, 255, (100, 8, 8, 1), dtype=np.uint8)
    >>> round(repeating(real, torch.from_numpy(real[:3]).repeat(40, 1, 1, 1)), 2)
    0.96
    """
    try:
        found = repeats(thumbnails(real), thumbnails(made))
    except UserError:
        return None
    return found.value - 3 * found.error


@torch.no_grad()
def examined(trainer: Trainer, check: Check, scores: Mapping[str, Estimate], made: Tensor) -> Vitals:
    """What an evaluation tells of a run's health, with what the steps since the last one told.

    Args:
        trainer: of the run.
        check: the evaluation.
        scores: all that it measured.
        made: the samples, uint8 [N, ...].
    """
    game, variety, pulse = trainer.game, scores.get("variety"), trainer.pulse
    known, again, unseen = None, None, trainer.verdicts()
    with trainer.averaged():
        batch = trainer.batch(range(max(0, trainer.images - trainer.recipe.batch), trainer.images))
        varies = spread(batch[game.output], game.make(batch)).item()
        if trainer.referee is not None and trainer.referee.against == "held-out":
            positions = range(JUDGED)
            seen = trainer.data.at(positions) | trainer.latents("judged", positions)
            known = overfitting(tried(game, trainer.machine.take(seen)), unseen)
            again = repeating(trainer.data.real(), made)
    average = trainer.average.network if trainer.recipe.average else None
    return Vitals(
        images=check.images,
        distance=check.distance,
        error=check.error,
        variety=None if variety is None else variety.value,
        distinct=distinct(made),
        spread=varies,
        overfitting=known,
        accuracy=check.accuracy,
        generator_step=pulse.mean("G step"),
        discriminator_step=pulse.mean("D step"),
        generator_last=pulse.last("G step"),
        generator_jump=pulse.largest("G step"),
        discriminator_jump=pulse.largest("D step"),
        gradient=pulse.mean("G gradient"),
        lag=None if average is None else change(glimpse(game.G), glimpse(average)).item(),
        repeats=again,
        apart=pulse.mean("apart"),
    )


def glanced(trainer: Trainer) -> Vitals:
    """Return what the steps since the last line of stats tell of a run's health, without an evaluation."""
    sums = trainer.sums
    apart = [abs(real - fake) for real, fake in zip(sums.get("D(x)", ()), sums.get("D(G(z))", ()), strict=True)]
    return Vitals(
        images=trainer.images,
        distance=math.nan,
        error=math.nan,
        spread=_mean(sums.get("spread", ())),
        generator_last=sums["G step"][-1] if "G step" in sums else None,
        generator_jump=max(sums.get("G step", ()), default=None),
        discriminator_jump=max(sums.get("D step", ()), default=None),
        apart=_mean(apart),
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
