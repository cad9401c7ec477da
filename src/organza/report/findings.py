"""Answers to the questions that anybody may ask about a generator: pure functions of the measurements.

Whether it is ill is for `health` to say. The other words are rules of thumb, and the numbers stand behind them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from organza.metrics.damage import UNIT
from organza.metrics.memorisation import RARE
from organza.report.evidence import SURE, Evidence, best_vitals, collapse, repeated
from organza.run import health
from organza.stop import Check, best, equals, tie

Tone = Literal["good", "fair", "bad", "open"]
NARROW, WILD = 0.75, 1.25
"""Spread of the samples over that of real images: below, it is narrow; above, it is wild."""
COPYING = 0.05
"""Share of near-copies above which a run copies."""
NEAR = 0.75
"""Distance to the training images over that of unseen ones, below which samples are too near to them."""
SCALE: tuple[tuple[float, Tone, str, str], ...] = (
    (1 / 12, "good", "Very like the real ones", "the network that compares them sees next to no difference"),
    (1 / 4, "good", "Close to the real ones", "all is there, and faults are seen at a second look"),
    (1.6, "fair", "Recognisable, with faults", "of the right kind, with faults that are seen at once"),
    (3.0, "fair", "Rough", "colours and outlines begin to be right, and nobody would take one for real"),
    (math.inf, "bad", "Not like the real ones yet", "the images have little in common with the real ones"),
)
"""Distances in units of `metrics.damage`, and words for them. The limits of "Recognisable" and "Rough" are those of a blind order of 200
sample grids of 16 kinds by eye: on 53 grids of the five kinds that they were not chosen on, the word is the eye's in 91 %, and the next
one in the others (docs/lab-log.md, 64). None of these grids was "very like"; the first two limits are of 162 older ones."""


OF_VECTORS: tuple[tuple[float, Tone, str, str], ...] = (
    (
        0.9,
        "good",
        "Very like the real ones",
        "generated vectors fill the neighbourhoods of real ones as other real ones do",
    ),
    (
        0.7,
        "good",
        "Close to the real ones",
        "most neighbourhoods of real vectors are met, and few vectors lie outside of them",
    ),
    (
        0.35,
        "fair",
        "Recognisable, with faults",
        "many neighbourhoods of real vectors are missed, or many vectors lie outside of them",
    ),
    (0.15, "fair", "Rough", "few vectors lie in the neighbourhoods of real ones"),
    (-math.inf, "bad", "Not like the real ones yet", "hardly any vectors lie in the neighbourhoods of real ones"),
)
"""Shares of neighbourhoods, see `metrics.vectors.alike`, from which these words hold. Between two sets of real rows of one law the share
is 0.90 to 1.02 for 400 rows each, and 0.82 to 1.03 for 100 (docs/lab-log.md, 74)."""


@dataclass(frozen=True)
class Finding:
    """A question and its answer.

    Args:
        question: question in everyday words.
        tone: good, fair, bad, or open if there is no answer.
        answer: answer in a few words.
        why: reason in a sentence or two.
        numbers: numbers behind it.
    """

    question: str
    tone: Tone
    answer: str
    why: str
    numbers: str = ""


UNLEARNABLE = "In noise no image is like another, and what looks alike in it is chance."
ONE_FOR_ALL = "The images to learn from are nearly one image, and a distance from them measures their last trifles."


def likeness(seen: Evidence) -> Finding | None:
    """Rate the likeness to real images by the distance at the best evaluation, or by the mean sample if the data are nearly one image."""
    if seen.one_image:
        answer = "As the one image that the data are" if seen.drawn else "Not like that one image yet"
        numbers = (
            f"the mean sample is {seen.apart:.2f} of the images' variance from the mean image"
            if seen.apart is not None
            else ""
        )
        likely: Tone = "fair" if seen.drawn else "bad"
        return Finding("Do they look like the real ones?", likely, answer, ONE_FOR_ALL, numbers)
    if not seen.checks:
        return None
    if seen.alike is not None:
        return _of_vectors(seen, seen.alike)
    least, known, share = best(seen.checks), seen.damage, _units(seen)
    _, tone, answer, why = next(step for step in SCALE if share < step[0])
    if tied := tie(seen.checks):
        why += f". {tied}"
    numbers = (
        f"distance {_shown(least.distance, least.error)} at {least.images:,} images (0 alike, about 1 nothing alike)"
    )
    if known:
        numbers += f"; real images put together from nine pieces of others stand at {known.pieces:.3f}, blurred ones at {known.blurred:.3f}"
    return Finding("Do they look like the real ones?", tone, answer, sentence(begun(why)), numbers)


def _of_vectors(seen: Evidence, share: float) -> Finding:
    """Rate the likeness of vectors by the neighbourhoods of real ones that they fill."""
    least = best(seen.checks)
    _, tone, answer, why = next(row for row in OF_VECTORS if share >= row[0])
    if tied := tie(seen.checks):
        why += f". {tied}"
    numbers = (
        f"{share:.2f} of the neighbourhoods that other real vectors would fill (1 alike); "
        f"distance {_shown(least.distance, least.error)} at {least.images:,} vectors"
    )
    return Finding("Do they look like the real ones?", tone, answer, sentence(begun(why)), numbers)


def varied(seen: Evidence) -> Finding | None:
    """Rate the variety of the samples by their spread and by the share that repeats another sample."""
    if seen.variety is None:
        return None
    value, error = seen.variety
    numbers = f"spread {_shown(value, error)} of that of real images (1 as varied)"
    if seen.repeats is not None:
        numbers += f"; {seen.repeats.value:.0%} ± {seen.repeats.error:.0%} repeat another sample ({RARE:.0%} by chance)"
    question = "Do they differ from each other?"
    if seen.noise:
        return Finding(question, "open", "Cannot be said", UNLEARNABLE, numbers)
    if seen.one_image:
        return Finding(
            question, "open", "As little as the data do", "The images to learn from are nearly one image.", numbers
        )
    if found := collapse(seen):
        many = seen.repeats is not None and value >= health.ALIKE
        answer = "Hardly: a few images return" if many else "No: they are all nearly the same"
        return Finding(question, "bad", answer, f"{sentence(begun(found.text))}", numbers)
    if some := health.copied(best_vitals(seen)):
        return Finding(question, "fair", "Not all of them", f"{sentence(begun(some.text))}", numbers)
    if seen.translates and value < NARROW:
        return Finding(
            question, "fair", "Less than they should", "The translations differ less than their targets do.", numbers
        )
    if repeated(seen) > health.REPEATED:
        why = "Many samples are nearly the same as another; with so few images to learn from, that is what copying looks like, too."
        return Finding(question, "fair", "They return often", why, numbers)
    if value + 2 * error < NARROW:
        return Finding(
            question, "fair", "Somewhat", "They vary less than real images do: some kinds are missing.", numbers
        )
    if value - 2 * error > WILD:
        return Finding(
            question, "fair", "Even more", "They vary more than real images do: odd ones are among them.", numbers
        )
    return Finding(question, "good", "Yes", "They vary about as much as real images do.", numbers)


def new(seen: Evidence) -> Finding | None:
    """Rate the novelty of the samples by their distances to training images, compared with those of unseen real images."""
    if seen.copies is None or seen.nearness is None:
        return None
    share, nearness = seen.copies, seen.nearness
    measure = "unseen real images" if seen.held_out else "training images to each other"
    numbers = (
        f"{share.value:.0%} ± {share.error:.0%} are near-copies ({RARE:.0%} by chance); distance to the nearest training image "
        f"{_shown(*nearness)} of that of {measure} (below 1 leans on them)"
    )
    question = "Are they new, or copies?"
    if seen.noise:
        return Finding(question, "open", "Cannot be said", UNLEARNABLE)
    if seen.one_image:
        return Finding(question, "open", "Cannot be said", "Of images that are nearly one, every sample is a copy.")
    sure = share.value - SURE * share.error > RARE
    leaning = nearness.value + SURE * nearness.error < NEAR
    if (sure and share.value > COPYING) or leaning:
        part = f"{share.value:.0%} of the samples are" if sure else "Most samples are"
        return Finding(
            question,
            "bad",
            "Copies",
            f"{part} nearer to an image it was trained on than new images ever come by chance: "
            "it has learned them by heart. The pairs below show which.",
            numbers,
        )
    if collapse(seen) or (seen.checks and _unlike(seen)):
        return Finding(
            question, "open", "Cannot be said", "They are too unlike real images for copies to show.", numbers
        )
    if not seen.held_out:
        return Finding(
            question,
            "open",
            "Too few images to say",
            f"With {seen.trained_on} images, none could be kept aside to compare with.",
            numbers,
        )
    if sure:
        return Finding(
            question, "fair", "A few copies", "Some are suspiciously near to a training image; see below.", numbers
        )
    return Finding(question, "good", "New", "None is nearer to a training image than unseen real images are.", numbers)


EARLY = "Too early to say"
RISING, WORSE = "Yes, it was still getting better", "No, it got worse after its best"


def trend(seen: Evidence) -> Finding:
    """Predict the use of more training from the history of the distance and its errors."""
    question = "Would more training help?"
    if len(seen.checks) < 3:
        why = f"An answer needs three checks, and there were {len(seen.checks) or 'none'}."
        return Finding(question, "open", EARLY, why)
    least, last = best(seen.checks), seen.checks[-1]
    before = best(seen.checks[: max(1, 2 * len(seen.checks) // 3)])
    numbers = f"best {_told(least)}, last {_told(last)} images"
    if _below(last, before):
        return Finding(question, "fair", RISING, "The last checks are the best by more than their error.", numbers)
    if _below(least, last):
        ill = [one for one in health.findings(seen.vitals) if one.grave and one.name != "worse"] if seen.vitals else []
        why = f"The distance rose again after {least.images:,} images, by more than its error. Those weights were kept."
        why += "".join(f" At the end there was {one.name}: {sentence(one.text)}" for one in ill)
        return Finding(question, "fair", WORSE, why, numbers)
    return Finding(question, "open", "Not much: it has levelled off", _level(seen.checks), numbers)


def contest(seen: Evidence) -> Finding | None:
    """Rate D by its scores for real images that it never saw, and by its accuracy."""
    known, unseen = seen.knows_training, seen.knows_held_out
    if known is None or unseen is None:
        return _accuracy(seen)
    numbers = f"takes {known.value:.0%} of training and {unseen.value:.0%} ± {unseen.error:.0%} of unseen real images for real"
    ill = health.overfit(best_vitals(seen))
    measured = best_vitals(seen).overfitting is not None
    if ill or (not measured and health.recognised(known.value, unseen.value, math.hypot(known.error, unseen.error))):
        return Finding(
            "Does the discriminator judge fairly?",
            "fair",
            "No: it knows its images by heart",
            "It recognises the images it was trained on and distrusts unseen ones: it now teaches the generator their accidents.",
            numbers,
        )
    usual = _accuracy(seen)
    return Finding(
        "Does the discriminator judge fairly?",
        "open" if collapse(seen) else "good",
        "Yes",
        "It treats real images that it never saw like those that it was trained on."
        + (f" {usual.why}" if usual else ""),
        numbers + (f"; {usual.numbers}" if usual else ""),
    )


def _accuracy(seen: Evidence) -> Finding | None:
    """Return the finding on the accuracy of the discriminator."""
    if not seen.checks:
        return None
    last = seen.checks[-1]
    numbers = (
        f"tells {last.accuracy:.0%} ± {last.accuracy_error:.0%} of reals and fakes apart rightly (50% is guessing)"
    )
    if last.accuracy > 0.9:
        return Finding("Who is ahead?", "fair", "The discriminator", "It tells real from generated with ease.", numbers)
    if abs(last.accuracy - 0.5) <= max(2 * last.accuracy_error, 0.1):
        why = "It cannot tell real from generated: the generator is good, or the discriminator weak."
        return Finding("Who is ahead?", "open", "Neither", why, numbers)
    if last.accuracy < 0.5:
        return Finding(
            "Who is ahead?", "open", "The generator", "The discriminator is wrong more often than right.", numbers
        )
    return Finding(
        "Who is ahead?", "open", "The discriminator, a little", "It is often right, and often fooled.", numbers
    )


def _units(seen: Evidence) -> float:
    """Return the distance at the best evaluation in units of the data's own damage."""
    return best(seen.checks).distance / (seen.damage.unit if seen.damage else UNIT)


def _unlike(seen: Evidence) -> bool:
    """Return True if the samples are too unlike real ones for copies to show."""
    return _units(seen) > SCALE[3][0] if seen.alike is None else seen.alike < OF_VECTORS[3][0]


def _below(one: Check, other: Check) -> bool:
    return one.distance < other.distance - 2 * math.hypot(one.error, other.error)


def _level(checks: Sequence[Check]) -> str:
    found = equals(checks)
    if len(found) > 1:
        return f"From {found[0].images:,} images on the differences are within their errors."
    return "The last checks differ by little more than their errors."


def _told(check: Check) -> str:
    return f"{_shown(check.distance, check.error)} at {check.images:,}"


def _shown(value: float, error: float) -> str:
    return f"{value:.2f} ± {error:.2f}" if error >= 0.005 else f"{value:.3f} ± {error:.3f}"


def begun(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """End a text with a full stop."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
