"""Health of a run: measurements at each evaluation, and their interpretation, as pure functions of
numbers, without torch.

Training acts on these findings, and the report shows them. Thresholds were set on healthy runs of
every recipe and on forced failures: `make faults` prints both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

ALIKE = 0.25
"""Variety relative to real data below which samples have collapsed. Of 68 recorded runs, after
their first 2,000 images, those that drew one image again and again had 0 to 0.19 and all others at
least 0.28."""
BEGINNING = 2_000
"""Images seen before which samples without variety are no mode collapse: young healthy runs have 0
to 0.5."""
REPEATED = 0.3
"""Share of samples that repeat another, beyond three of its errors, above which a few images
return. By chance it is 0.01, for 24 memorised images 0.38, for a collapsed run 1."""
DISTINCT = 0.9  # share of samples without an exact copy
MANY = (
    0.5  # the same, below which the run has collapsed: at most 15 % of young images of small bright objects were empty
)
ONE = 1e-3  # relative to the spread of the reals, below which the fakes of a batch are identical
FLAT = 0.05  # relative to the spread of the reals, below which the fakes of a batch count as identical
JUMP = 0.35  # change of weights in one step over their norm
SUDDEN = 8  # times the largest step of the interval before
STILL = 1e-7  # the same, for a player that does not change
FADED = 1e-3  # relative to the usual gradient
OVERFIT = 0.6  # position of unseen reals for D, from training images (0) to fakes (1)
KNOWN = 0.1  # excess share of training images that D takes for real over unseen ones, if the position is not known
LAG = 0.9  # distance of the averaged weights from the trained ones over their norm
WORSE = 1.4  # times the best distance
BLIND = 3e-4
"""Difference of D(x) and D(G(z)) in one batch, mean of some steps, below which D sees no
difference. With identical codes it was 0.0001 to 0.0007; in healthy runs it never fell below 0.001."""
GLANCES = 3
"""Consecutive checks that must find an illness before it is treated: 1.5 % of a run, so that a
single batch does not count."""
SWINGS = 5  # evaluations that alternate between up and down


class Vitals(NamedTuple):
    """Measurements of a run's health at one evaluation; None if not available.

    Args:
        images: images seen.
        distance: distance of the samples from real data.
        error: standard error of the distance.
        variety: variety of samples, relative to real data.
        distinct: share of samples that differ from every other.
        spread: deviation of G's output for a training batch, relative to that of its reals.
        overfitting: (D(training) - D(unseen)) / (D(training) - D(fake)): 0 if unseen reals look as
            real as training reals, 1 if as fakes.
        accuracy: accuracy of D on unseen reals and fakes.
        generator_step, discriminator_step: change of the weights over their norm, mean of the steps
            since the last evaluation.
        generator_last: change in the last step alone.
        generator_jump, discriminator_jump: largest change in one step.
        gradient: norm of G's gradient, mean of the steps since the last evaluation.
        lag: distance of the averaged generator's weights from the trained ones, over their norm.
        repeats: share of samples that nearly repeat another, less three of its errors; if there are
            unseen reals to compare with.
        apart: absolute difference of D(x) and D(G(z)) of one batch, mean of the steps since the
            last evaluation.
    """

    images: int
    distance: float
    error: float
    variety: float | None = None
    distinct: float | None = None
    spread: float | None = None
    overfitting: float | None = None
    accuracy: float | None = None
    generator_step: float | None = None
    discriminator_step: float | None = None
    generator_last: float | None = None
    generator_jump: float | None = None
    discriminator_jump: float | None = None
    gradient: float | None = None
    lag: float | None = None
    repeats: float | None = None
    apart: float | None = None


class Finding(NamedTuple):
    """A fault of a run, in plain words.

    Args:
        name: name of the fault.
        text: measurement.
        advice: change to try.
        grave: True if the run is of no use until it is fixed.
    """

    name: str
    text: str
    advice: str
    grave: bool = False


class RunningStats:
    """Readings of each step, aggregated for the next evaluation: count, sum, largest and last, by
    name.

    >>> running = RunningStats(); running.update({"G step": 0.5}); running.update({"G step": 0.25})
    >>> running.mean("G step"), running.largest("G step"), running.last("G step"), running.mean("D step")
    (0.375, 0.5, 0.25, None)
    """

    FIELDS = "count", "sum", "largest", "last"

    def __init__(self, kept: Mapping[str, Mapping[str, float]] | None = None):
        self.kept = {name: [float(values[field]) for field in self.FIELDS] for name, values in (kept or {}).items()}

    def facts(self) -> dict[str, dict[str, float]]:
        """Return the facts for a manifest, by the names of `FIELDS`."""
        return {name: dict(zip(self.FIELDS, values, strict=True)) for name, values in self.kept.items()}

    def update(self, metrics: Mapping[str, float]) -> None:
        """Add the metrics of one step."""
        for name, value in metrics.items():
            count, total, most, _ = self.kept.get(name, (0.0, 0.0, -math.inf, 0.0))
            self.kept[name] = [count + 1, total + value, max(most, value), value]

    def mean(self, name: str) -> float | None:
        """Return the mean, or None if there was no reading of this name."""
        return self.kept[name][1] / self.kept[name][0] if name in self.kept else None

    def largest(self, name: str) -> float | None:
        """Return the largest reading, or None."""
        return self.kept[name][2] if name in self.kept else None

    def last(self, name: str) -> float | None:
        """Return the last reading, or None."""
        return self.kept[name][3] if name in self.kept else None


def findings(history: Sequence[Vitals]) -> list[Finding]:
    """Return the faults at the last evaluation, given those before it.

    >>> [found.name for found in findings([Vitals(1000, 0.3, 0.01, variety=0.05)])]
    ['collapse']
    """
    now, before = history[-1], history[:-1]
    every = (
        collapse(now, before),
        copied(now),
        blind(now, before),
        jump(now, before),
        still(now),
        faded(now, before),
        worse(now, before),
        overfit(now),
        swings(history),
        lags(now, before),
    )
    return [found for found in every if found is not None]


def at_a_glance(now: Vitals, before: Sequence[Vitals]) -> list[Finding]:
    """Return the grave faults that the steps themselves show, without an evaluation.

    Args:
        now: measurements of the last steps, without a distance.
        before: earlier evaluations.

    >>> [found.name for found in at_a_glance(Vitals(5000, math.nan, math.nan, apart=1e-5), [])]
    ['blind discriminator']
    """
    found = [still(now)]
    if now.images >= BEGINNING:  # early steps change small weights by their full size, and codes may still be identical
        found += [collapse(now, before), blind(now, before), jump(now, before)]
    return [one for one in found if one is not None and one.grave]


def blind(now: Vitals, before: Sequence[Vitals] = ()) -> Finding | None:
    """Return a finding if D cannot tell real from generated images, so that G learns nothing from
    it; None if nothing is left to tell, the equilibrium of the game, as for some tables of numbers.

    >>> even = Vitals(5000, math.nan, math.nan, apart=1e-5)
    >>> blind(even) is None, blind(even, [Vitals(4000, 0.001, 0.001)]) is None
    (False, True)
    """
    if now.apart is None or now.apart > BLIND or now.images < BEGINNING:
        return None
    measured = [one for one in (*before, now) if not math.isnan(one.distance)]
    if measured and measured[-1].distance <= 2 * measured[-1].error:
        return None
    return Finding(
        "blind discriminator",
        f"D gives real and generated images the same probability, within {now.apart:.5f}: it sees no difference",
        "a smaller learning rate, another recipe, such as few-shot or swift, or a check of the images by `organza data check`",
        True,
    )


def collapse(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """Return a finding if the samples are all alike."""
    advice = "a smaller learning rate, a larger batch, or a penalty on D such as r1, as in the recipe dcgan-r1"
    if now.distinct is not None and now.distinct <= MANY:
        return Finding("collapse", _copied(now.distinct), advice, True)
    spreads = [one.spread for one in before if one.spread is not None]
    if now.spread is not None and now.spread < FLAT:
        text = f"the generator's output for a batch varies {now.spread:.1%} as much as real data"
        return Finding("collapse", text, advice, now.spread < ONE or max(spreads, default=0.0) > 2 * FLAT)
    usual = max((one.variety for one in before if one.variety is not None), default=0.0)
    if now.variety is not None and (now.variety < ALIKE or now.variety < 0.4 * min(usual, 1.0)):
        text = f"samples vary {now.variety:.0%} as much as real data, at best {max(usual, now.variety):.0%}"
        return Finding(
            "collapse", text, advice, usual > ALIKE
        )  # without earlier variety it has not collapsed: it may be young
    if now.repeats is not None and now.repeats > REPEATED:
        text = f"at least {now.repeats:.0%} of the samples nearly repeat another"
        unlike = [one for one in before if one.repeats is not None and one.repeats <= REPEATED]
        # if it always repeated itself, it may be young; and young generators repeat themselves while their distance falls
        return Finding("collapse", text, advice, any(_risen(now, one) for one in unlike))
    return None


def _risen(now: Vitals, before: Vitals) -> bool:
    """Return True if the distance is above an earlier one, beyond two standard errors of their difference."""
    return now.distance > before.distance + 2 * math.hypot(now.error, before.error)


def copied(now: Vitals) -> Finding | None:
    """Return a finding if some samples are exact copies of another, but too few for a mode
    collapse.

    Some samples are empty early in the training of a generator of nearly empty images.
    """
    if now.distinct is None or not MANY < now.distinct < DISTINCT:
        return None
    return Finding("copies", _copied(now.distinct), "a larger budget; in the cases seen so far these were empty images")


def _copied(distinct: float) -> str:
    return f"{1 - distinct:.0%} of the samples are exact copies of another"


def jump(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """Return a finding if a player's weights changed suddenly within one step."""
    for who, field in (("the discriminator", "discriminator_jump"), ("the generator", "generator_jump")):
        size = getattr(now, field)
        usual = (getattr(before[-1], field) if before else None) or math.inf
        if size is not None and (size > JUMP or size > max(SUDDEN * usual, 0.01)):
            text = f"a step changed the weights of {who} by {size:.1%} of their norm"
            return Finding("jump", text, "a smaller learning rate, or a rollback to a checkpoint", True)
    return None


def still(now: Vitals) -> Finding | None:
    """Return a finding if the generator does not change."""
    if now.generator_last is None or now.generator_last > STILL:
        return None
    return Finding(
        "still",
        "the last step left the generator's weights unchanged",
        "a learning rate above 0, and a check of its loss terms",
        True,
    )


def faded(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """Return a finding if the generator's gradients have vanished."""
    usual = sorted(one.gradient for one in before if one.gradient is not None)
    if now.gradient is None or not usual or now.gradient >= FADED * usual[len(usual) // 2]:
        return None
    return Finding(
        "vanishing gradients", f"the generator's gradient is {now.gradient:.1e}; {usual[len(usual) // 2]:.1e} is usual",
        "the nonsaturating or the hinge loss (the setting adversarial=hinge), a penalty on D, or a smaller learning rate for D",
    )  # fmt: skip


def worse(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """Return a finding if the samples have become much worse."""
    if not before or math.isnan(now.distance):
        return None
    best = min(before, key=lambda one: one.distance)
    if now.distance <= WORSE * best.distance + 4 * math.hypot(now.error, best.error):
        return None
    return Finding(
        "worse", f"the distance to real images is {now.distance:.3f}; it was {best.distance:.3f} at {best.images:,} images",
        "a smaller learning rate; the best checkpoint is kept", True,
    )  # fmt: skip


def overfit(now: Vitals) -> Finding | None:
    """Return a finding if the discriminator has memorised its training images."""
    if now.overfitting is None or now.overfitting < OVERFIT:
        return None
    return Finding(
        "overfitting", f"to D unseen real images look {now.overfitting:.0%} as fake as fakes do: it has memorised the training images",
        "more images, or augmentation of D's input, as in the recipe few-shot",
    )  # fmt: skip


def recognised(known: float, unseen: float, error: float) -> bool:
    """Return True if D has memorised its training images, by the shares of them, and of unseen
    ones, that it takes for real.

    For runs whose evaluations did not measure `Vitals.overfitting`.

    Args:
        known: share of training images.
        unseen: share of unseen images.
        error: standard error of their difference.

    >>> recognised(0.99, 0.4, 0.05), recognised(0.99, 0.9, 0.01), recognised(0.99, 0.8, 0.1)
    (True, False, False)
    """
    return known - unseen > max(3 * error, KNOWN)


def swings(history: Sequence[Vitals]) -> Finding | None:
    """Return a finding if the game oscillates: better and worse in turns, beyond chance."""
    lately = history[-SWINGS:]
    if len(lately) < SWINGS:
        return None
    steps = [b.distance - a.distance for a, b in itertools.pairwise(lately)]
    sure = [abs(step) > 4 * math.hypot(a.error, b.error) for step, a, b in zip(steps, lately, lately[1:], strict=False)]
    if not all(sure) or any(one * two > 0 for one, two in itertools.pairwise(steps)):
        return None
    return Finding(
        "oscillation",
        f"the distance went up and down in turns over {SWINGS} evaluations",
        "a longer average, a smaller learning rate, or a penalty on D",
    )


def lags(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """Return a finding if the averaged generator lags behind the trained one."""
    if now.lag is None or not before or now.lag < LAG:
        return None
    return Finding(
        "lag",
        f"the averaged generator is {now.lag:.0%} of its norm away from the trained one",
        "a shorter average (the setting average=2000)",
    )


def words(found: Sequence[Finding]) -> str:
    """Return the findings in one line.

    >>> words([])
    'well'
    """
    if not found:
        return "well"
    return "; ".join(f"{one.name}: {one.text}. Try {one.advice}" for one in found)
