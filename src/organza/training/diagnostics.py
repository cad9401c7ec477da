"""Measurements of a run's health, on tensors: see `health` for their interpretation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from organza.errors import UserError
from organza.game import spread
from organza.metrics.diversity import repeats
from organza.metrics.kernels import Estimate
from organza.metrics.vectors import compact
from organza.networks.standard import Columns
from organza.run.health import Vitals
from organza.stop import Check
from organza.training.evaluator import JUDGED, tried, verdicts
from organza.training.state import TrainState, change, sample_weights


def distinct(made: Tensor) -> float:
    """Return the share of samples, uint8 [N, ...], without an exact copy among the others.

    >>> distinct(torch.tensor([[1], [1], [2], [3]], dtype=torch.uint8))
    0.5
    """
    _, counts = torch.unique(made.flatten(1), dim=0, return_counts=True)
    return (counts == 1).sum().item() / len(made)


def overfitting(trained: Sequence[tuple[Tensor, Tensor]], unseen: Sequence[tuple[Tensor, Tensor]]) -> float | None:
    """Compute the position of unseen reals between training reals (0) and fakes (1), by D's median
    logits; None if D sees no difference.

    (D(training) - D(unseen)) / (D(training) - D(fake)): Karras et al. 2020, arXiv:2006.06676,
    equation 1.

    Args:
        trained: D's logits of training reals and fakes, [N, ...] each, for every duel.
        unseen: D's logits of unseen reals and fakes, in the same form.

    >>> one, half, none = (torch.full((4,), value) for value in (1.0, 0.5, 0.0))
    >>> overfitting([(one, none)], [(half, none)])
    0.5
    """
    known = torch.cat([real.flatten() for real, _ in trained]).median()
    other = torch.cat([real.flatten() for real, _ in unseen]).median()
    fakes = torch.cat([fake.flatten() for _, fake in (*trained, *unseen)]).median()
    away = known - fakes
    return ((known - other) / away).item() if away > 0.2 else None


def repeating(real: np.ndarray, made: Tensor, table: Columns | None = None) -> float | None:
    """Return the share of samples that nearly repeat another, less three of its errors; None for
    too few samples.

    Args:
        real: real images, uint8 [N, ...], compared by thumbnails.
        made: samples, uint8 [N, ...], compared by thumbnails.
        table: columns of vectors, by which they are compared instead.

    >>> real = np.random.default_rng(0).integers(0, 255, (100, 8, 8, 1), dtype=np.uint8)
    >>> round(repeating(real, torch.from_numpy(real[:3]).repeat(40, 1, 1, 1)), 2)
    0.96
    """
    try:
        found = repeats(compact(real, table), compact(made, table))
    except UserError:
        return None
    return found.value - 3 * found.error


@torch.no_grad()
def examined(
    state: TrainState, check: Check, scores: Mapping[str, Estimate], made: Tensor, against: str | None
) -> Vitals:
    """Return the health measurements of an evaluation and of the steps since the last one.

    Args:
        state: training state of the run.
        check: the evaluation.
        scores: all scores of the evaluation.
        made: samples, uint8 [N, ...].
        against: reals that they were compared with; None if there were none.
    """
    game, variety, running = state.game, scores.get("variety"), state.running
    known, again, unseen = None, None, verdicts(state)
    with state.averaged():
        batch = state.batch(range(max(0, state.images - state.recipe.batch), state.images))
        varies = spread(batch[game.output], game.make(batch)).item()
        if against == "held-out":
            positions = range(JUDGED)
            seen = state.data.at(positions) | state.latents("judged", positions)
            known = overfitting(tried(game, state.accelerator.take(seen)), unseen)
            again = repeating(state.data.real(), made, state.data.table)
    average = state.average.network if state.recipe.average else None
    return Vitals(
        images=check.images,
        distance=check.distance,
        error=check.error,
        variety=None if variety is None else variety.value,
        distinct=distinct(made),
        spread=varies,
        overfitting=known,
        accuracy=check.accuracy,
        generator_step=running.mean("G step"),
        discriminator_step=running.mean("D step"),
        generator_last=running.last("G step"),
        generator_jump=running.largest("G step"),
        discriminator_jump=running.largest("D step"),
        gradient=running.mean("G gradient"),
        lag=None if average is None else change(sample_weights(game.G), sample_weights(average)).item(),
        repeats=again,
        apart=None if game.paired else running.mean("apart"),
    )


def glanced(state: TrainState) -> Vitals:
    """Return the health measurements of the steps since the last line of stats, without an
    evaluation.
    """
    sums = state.sums
    apart = [abs(real - fake) for real, fake in zip(sums.get("D(x)", ()), sums.get("D(G(z))", ()), strict=True)]
    return Vitals(
        images=state.images,
        distance=math.nan,
        error=math.nan,
        spread=_mean(sums.get("spread", ())),
        generator_last=sums["G step"][-1] if "G step" in sums else None,
        generator_jump=max(sums.get("G step", ()), default=None),
        discriminator_jump=max(sums.get("D step", ()), default=None),
        apart=None if state.game.paired else _mean(apart),  # with targets G learns beside any D
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
