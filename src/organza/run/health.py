"""Is a run well? What is measured of it at each evaluation, and what that means: pure functions of numbers, no torch.

The one judge of illness: training treats what is found here, and the report tells it. Thresholds were set on healthy runs of every
recipe and on forced illnesses: `make faults` prints both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

ALIKE = 0.25
"""Of the variety of the reals, below which samples count as all alike. Of 68 recorded runs, after their first 2,000 images, those that
drew one thing again and again stood at 0 to 0.19 and all others at 0.28 or more."""
BEGINNING = 2_000
"""Images seen, before which samples that are all alike are no collapse: there was nothing else yet, and healthy runs stand at 0 to 0.5."""
REPEATED = 0.3
"""The share of samples that repeat another, beyond three of its errors, from which on a few pictures return. By chance it is 0.01, 24
pictures learned by heart come to 0.38, a collapsed run to 1."""
DISTINCT = 0.9  # share of samples that no other equals
MANY = 0.5  # the same, from which on the run has collapsed: 15 % of young images of small bright things were empty, and no more than that
ONE = 1e-3  # of the spread of the reals, below which the fakes of a batch are one
FLAT = 0.05  # of the spread of the reals, below which the fakes of a batch count as one
JUMP = 0.35  # change of weights in one step over their size
SUDDEN = 8  # times the largest step of the interval before
STILL = 1e-7  # the same, for a player that does not move
FADED = 1e-3  # of the usual gradient
OVERFIT = 0.6  # of the way from training images to fakes that D places unseen reals
KNOWN = 0.1  # share of training images that D takes for real beyond that of unseen ones, where the way is not known
LAG = 0.9  # distance of the averaged weights from the trained ones over their size
WORSE = 1.4  # times the best distance
BLIND = 3e-4
"""Difference of D(x) and D(G(z)) in one batch, the mean of some steps, below which D tells nothing apart. Where all codes were alike it was
0.0001 to 0.0007; in healthy runs, whose D has opinions on each image, it never fell below 0.001."""
GLANCES = 3
"""In a row that find an illness before it is treated: 1.5 % of a run. What one batch does by chance is none."""
SWINGS = 5  # evaluations that go up and down in turns


class Vitals(NamedTuple):
    """What one evaluation measured of a run's health; None where it cannot be measured.

    Args:
        images: seen until then.
        distance, error: of the samples from real data, and its standard error.
        variety: of samples, over that of real data.
        distinct: share of samples that differ from every other.
        spread: of what G makes of a training batch, over that of its reals.
        overfitting: (D(training) - D(unseen)) / (D(training) - D(fake)): 0 = unseen reals look as real as those trained on, 1 = as fakes.
        accuracy: of D on unseen reals and fakes.
        generator_step, discriminator_step: change of the weights over their size, mean of the steps since the last evaluation.
        generator_last: the same, of the last step alone.
        generator_jump, discriminator_jump: the same, the largest.
        gradient: size of G's gradient, mean of the steps since the last evaluation.
        lag: distance of the averaged generator's weights from the trained ones, over their size.
        repeats: share of samples that nearly repeat another, less three of its errors; where there are unseen reals to compare with.
        apart: difference of D(x) and D(G(z)) of one batch, its size, mean of the steps since the last evaluation.
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
    """Something that is wrong, in plain words.

    Args:
        name: of the illness.
        text: what was measured.
        advice: what to try.
        grave: does the run make nothing of use until it is mended?
    """

    name: str
    text: str
    advice: str
    grave: bool = False


class Pulse:
    """Readings of each step, folded into what an evaluation asks of them: how many, their sum, the largest and the last, by name.

    >>> pulse = Pulse(); pulse.beat({"G step": 0.5}); pulse.beat({"G step": 0.25})
    >>> pulse.mean("G step"), pulse.largest("G step"), pulse.last("G step"), pulse.mean("D step")
    (0.375, 0.5, 0.25, None)
    """

    FIELDS = "count", "sum", "largest", "last"

    def __init__(self, kept: Mapping[str, Mapping[str, float]] | None = None):
        self.kept = {name: [float(values[field]) for field in self.FIELDS] for name, values in (kept or {}).items()}

    def facts(self) -> dict[str, dict[str, float]]:
        """Return what a manifest keeps of it, by the names of `FIELDS`."""
        return {name: dict(zip(self.FIELDS, values, strict=True)) for name, values in self.kept.items()}

    def beat(self, readings: Mapping[str, float]) -> None:
        """Take in the readings of one step."""
        for name, value in readings.items():
            count, total, most, _ = self.kept.get(name, (0.0, 0.0, -math.inf, 0.0))
            self.kept[name] = [count + 1, total + value, max(most, value), value]

    def mean(self, name: str) -> float | None:
        """The mean; None where there was no reading of this name."""
        return self.kept[name][1] / self.kept[name][0] if name in self.kept else None

    def largest(self, name: str) -> float | None:
        """The largest."""
        return self.kept[name][2] if name in self.kept else None

    def last(self, name: str) -> float | None:
        """The last."""
        return self.kept[name][3] if name in self.kept else None


def findings(history: Sequence[Vitals]) -> list[Finding]:
    """What is wrong at the last evaluation, in the light of those before it.

    >>> [found.name for found in findings([Vitals(1000, 0.3, 0.01, variety=0.05)])]
    ['collapse']
    """
    now, before = history[-1], history[:-1]
    every = (
        collapse(now, before),
        blind(now),
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
    """Return the grave illnesses that the steps themselves show, without an evaluation.

    Args:
        now: what the last steps tell; its distance is not known.
        before: earlier evaluations.

    >>> [found.name for found in at_a_glance(Vitals(5000, math.nan, math.nan, apart=1e-5), [])]
    ['blind discriminator']
    """
    found = [still(now)]
    if now.images >= BEGINNING:  # the first steps change small weights by as much as they are, and codes may yet be one
        found += [collapse(now, before), blind(now), jump(now, before)]
    return [one for one in found if one is not None and one.grave]


def blind(now: Vitals) -> Finding | None:
    """A discriminator to which real and generated images are one: G learns nothing from it."""
    if now.apart is None or now.apart > BLIND or now.images < BEGINNING:
        return None
    return Finding(
        "blind discriminator",
        f"D gives real and generated images the same chance, within {now.apart:.5f}: it tells nothing apart",
        "a smaller rate, another recipe (--recipe few-shot or swift), or a look at the images with `organza data check`",
        True,
    )


def collapse(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """Samples that are all alike."""
    advice = "a smaller rate, a larger batch, or a penalty on D such as r1 (--recipe dcgan-r1)"
    if now.distinct is not None and now.distinct < DISTINCT:
        text = f"{1 - now.distinct:.0%} of the samples are exact copies of another"
        return Finding("collapse", text, advice, now.distinct <= MANY)  # some are empty where images are nearly empty
    spreads = [one.spread for one in before if one.spread is not None]
    if now.spread is not None and now.spread < FLAT:
        text = f"what G makes of a batch varies {now.spread:.1%} as much as real data"
        return Finding("collapse", text, advice, now.spread < ONE or max(spreads, default=0.0) > 2 * FLAT)
    usual = max((one.variety for one in before if one.variety is not None), default=0.0)
    if now.variety is not None and (now.variety < ALIKE or now.variety < 0.4 * min(usual, 1.0)):
        text = f"samples vary {now.variety:.0%} as much as real data, at best {max(usual, now.variety):.0%}"
        return Finding("collapse", text, advice, usual > ALIKE)  # what never varied has not collapsed: it may be young
    if now.repeats is not None and now.repeats > REPEATED:
        text = f"at least {now.repeats:.0%} of the samples nearly repeat another"
        unlike = [one.repeats for one in before if one.repeats is not None and one.repeats <= REPEATED]
        return Finding("collapse", text, advice, bool(unlike))  # what always repeated itself may be young
    return None


def jump(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """A player whose weights were thrown about within one step."""
    for who, field in (("the discriminator", "discriminator_jump"), ("the generator", "generator_jump")):
        size = getattr(now, field)
        usual = (getattr(before[-1], field) if before else None) or math.inf
        if size is not None and (size > JUMP or size > max(SUDDEN * usual, 0.01)):
            text = f"a step changed the weights of {who} by {size:.1%} of their size"
            return Finding("jump", text, "a smaller rate, or going back to a checkpoint", True)
    return None


def still(now: Vitals) -> Finding | None:
    """A generator that does not move."""
    if now.generator_last is None or now.generator_last > STILL:
        return None
    return Finding(
        "still",
        "the last step left the generator's weights as they were",
        "a rate above 0, and a look at what it is trained by",
        True,
    )


def faded(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """Gradients of the generator that have vanished."""
    usual = sorted(one.gradient for one in before if one.gradient is not None)
    if now.gradient is None or not usual or now.gradient >= FADED * usual[len(usual) // 2]:
        return None
    return Finding(
        "vanishing gradients", f"the generator's gradient is {now.gradient:.1e}, where {usual[len(usual) // 2]:.1e} is usual",
        "--set adversarial=nonsaturating or hinge, a penalty on D, or a smaller rate for D",
    )  # fmt: skip


def worse(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """Samples that have become much worse than they were."""
    if not before or math.isnan(now.distance):
        return None
    best = min(before, key=lambda one: one.distance)
    if now.distance <= WORSE * best.distance + 4 * math.hypot(now.error, best.error):
        return None
    return Finding(
        "worse", f"the distance to real images is {now.distance:.3f}; it was {best.distance:.3f} at {best.images:,} images",
        "a smaller rate; the best checkpoint is kept", True,
    )  # fmt: skip


def overfit(now: Vitals) -> Finding | None:
    """A discriminator that knows its training images by heart."""
    if now.overfitting is None or now.overfitting < OVERFIT:
        return None
    return Finding(
        "overfitting", f"to D unseen real images look {now.overfitting:.0%} as fake as fakes do: it knows the training images by heart",
        "more images, or changing what D sees at random (--recipe few-shot)",
    )  # fmt: skip


def recognised(known: float, unseen: float, error: float) -> bool:
    """Does D know its training images by heart? By the shares of them, and of unseen ones, that it takes for real.

    For runs whose evaluations did not measure `Vitals.overfitting`.

    Args:
        known, unseen: the shares.
        error: of their difference.

    >>> recognised(0.99, 0.4, 0.05), recognised(0.99, 0.9, 0.01), recognised(0.99, 0.8, 0.1)
    (True, False, False)
    """
    return known - unseen > max(3 * error, KNOWN)


def swings(history: Sequence[Vitals]) -> Finding | None:
    """A game that goes round in circles: better and worse in turns, by more than chance."""
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
        "a longer average, a smaller rate, or a penalty on D",
    )


def lags(now: Vitals, before: Sequence[Vitals]) -> Finding | None:
    """An averaged generator that does not keep up with the trained one."""
    if now.lag is None or not before or now.lag < LAG:
        return None
    return Finding(
        "lag",
        f"the averaged generator is {now.lag:.0%} of its size away from the trained one",
        "a shorter average (--set average=2000)",
    )


def words(found: Sequence[Finding]) -> str:
    """One line for people.

    >>> words([])
    'well'
    """
    if not found:
        return "well"
    return "; ".join(f"{one.name}: {one.text}. Try {one.advice}" for one in found)
