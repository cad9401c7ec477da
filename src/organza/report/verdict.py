"""The verdict on a run in words: its most serious finding, and a remedy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from organza.report.evidence import Evidence, collapse, young
from organza.report.findings import (
    EARLY,
    RISING,
    WORSE,
    Finding,
    Tone,
    begun,
    contest,
    likeness,
    new,
    sentence,
    trend,
    varied,
)
from organza.run import health

COPIES = "It copies"
TITLES = {"good": "It works", "fair": "Healthy so far", "bad": "Not there yet"}
ANSWERS = {
    "Yes": "about as varied as real images",
    "Somewhat": "less varied than real images",
    "Not all of them": "partly exact copies of each other",
    "Even more": "more varied than real images",
    "New": "no copies",
    "A few copies": "partly copies",
}
"""Answers as parts of the verdict's sentence."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a run.

    Args:
        tone: tone of the most serious finding.
        title: verdict in a few words.
        why: reason in a sentence or two.
        remedy: advice in a sentence.
        findings: findings behind it.
    """

    tone: Tone
    title: str
    why: str
    remedy: str
    findings: tuple[Finding, ...]


def verdict(seen: Evidence) -> Verdict:
    """Return the verdict on a run.

    >>> from organza.metrics.kernels import Estimate
    >>> verdict(Evidence(5000, 500, variety=Estimate(0.01, 0.01))).title
    'Collapsed: it makes the same image again and again'
    """
    found = (likeness(seen), varied(seen), new(seen), trend(seen), contest(seen))
    findings = tuple(finding for finding in found if finding is not None)
    if seen.alike is None:
        return Verdict(*_most_serious(seen), findings)
    tone, *texts = _most_serious(seen)
    title, why, remedy = map(of_vectors, texts)
    return Verdict(tone, title, why, remedy, tuple(map(reworded, findings)))


def of_vectors(text: str) -> str:
    """Return a text on images as one on vectors.

    >>> of_vectors("Real images differ. An image does not.")
    'Real vectors differ. A vector does not.'
    """
    for image, vector in (("an image", "a vector"), ("An image", "A vector"), ("image", "vector"), ("Image", "Vector")):
        text = text.replace(image, vector)
    return text


def reworded(finding: Finding) -> Finding:
    """Return a finding on images as one on vectors."""
    words = {name: of_vectors(getattr(finding, name)) for name in ("question", "answer", "why", "numbers")}
    return replace(finding, **words)


def _most_serious(seen: Evidence) -> tuple[Tone, str, str, str]:
    """Return tone, heading, reason and advice of the most serious finding."""
    if seen.kind == "non-finite":
        return (
            "bad",
            "It broke off: the numbers ran away",
            f"{sentence(seen.reason)} What is shown is the last that was saved.",
            "Begin again with a smaller learning rate, in a new folder.",
        )
    if seen.noise:
        return (
            "open",
            "Its data are noise, of which there is nothing to learn",
            f"At a quarter of their size the images keep {seen.kept:.0%} of the contrast between neighbours; photographs and drawings "
            "keep a fourth or more. A generator can learn how loud noise is, and no more.",
            "Check that the files are what they should be.",
        )
    if seen.one_image:
        return _of_one_image(seen)
    variety, copying, like, going = varied(seen), new(seen), likeness(seen), trend(seen)
    ill = collapse(seen)
    if ill and young(seen):
        return (
            "open",
            "It has hardly begun: all its images are still alike",
            f"It has seen {seen.images:,} images; generators take thousands before they draw different things.",
            "Give it a larger budget, and look again.",
        )
    if ill:
        few = variety is not None and variety.answer.startswith("Hardly")
        return (
            "bad",
            "Collapsed: it repeats a few images" if few else "Collapsed: it makes the same image again and again",
            f"{variety.why} Real images seldom do."
            if few and variety
            else "Whatever random numbers the generator is given, hardly anything changes in what it draws. "
            "Real images differ from each other far more.",
            "More training seldom mends this. Begin again with a smaller learning rate, or with another recipe.",
        )
    if copying and copying.tone == "bad":
        return (
            "bad",
            f"{COPIES}: images it was trained on come out again",
            copying.why,
            "Give it more images to learn from, or change what D sees at random (recipe few-shot), or stop earlier.",
        )
    if like is None:
        return (
            "open",
            "Trained; how like the real ones was not measured",
            "There was no evaluation, so only your eyes can tell.",
            "Look at the samples below.",
        )
    return _as_far_as(seen, like, variety, copying, going)


def _of_one_image(seen: Evidence) -> tuple[Tone, str, str, str]:
    """Return the verdict on a run whose data are nearly one image."""
    same = f"{1 - (seen.between or 0):.0%} of what is in the {seen.trained_on + seen.held_out:,} images is the same in all of them"
    if seen.drawn:
        return (
            "fair",
            "It makes the one image that its data are",
            f"{same}, and the samples are that image. Neither their variety nor whether they are copies can be told from such data.",
            "For a generator of different images, give it images that differ.",
        )
    return (
        "bad",
        "Not there yet: its data are nearly one image, and it does not make that one",
        f"{same}; the samples are another.",
        "Give it a larger budget, or images that differ.",
    )


def _as_far_as(
    seen: Evidence, like: Finding, variety: Finding | None, copying: Finding | None, going: Finding
) -> tuple[Tone, str, str, str]:
    """Return the verdict on a run without grave findings."""
    worse, rising = going.answer == WORSE, going.answer == RISING
    points = [
        f"they are {ANSWERS[finding.answer]}" for finding in (variety, copying) if finding and finding.answer in ANSWERS
    ]
    why = (
        f"{sentence(begun(like.why))} {sentence(begun(' and '.join(points)))}" if points else sentence(begun(like.why))
    )
    if seen.images is not None and seen.images < health.BEGINNING:
        remedy = f"With {seen.images:,} images seen it has only begun: give it a larger budget."
    elif going.answer == EARLY:
        remedy = "There were too few checks to say where it goes: a larger budget tells."
    elif rising:
        remedy = "It was still getting better: give it a larger budget."
    elif worse:
        remedy = "The best moment was kept. More of the same will not help; more images, or another recipe, may."
    elif like.tone == "good":
        remedy = "Use it: the commands are below."
    else:
        remedy = (
            "It no longer changes much by itself: a longer budget from the start, wider networks or more images may."
        )
    narrow = variety is not None and variety.answer == "Somewhat" and like.tone != "bad"
    title = f"{'Short of variety' if narrow else TITLES[like.tone]}: {like.answer[:1].lower()}{like.answer[1:]}"
    few = not seen.held_out and not seen.translates
    if few:
        title += "; too few images to be sure"
        why += f" With {seen.trained_on} images to learn from, none could be kept aside, so learning and copying look much the same."
    tones = [finding.tone for finding in (like, variety, copying) if finding]
    tone: Tone = "bad" if like.tone == "bad" else "fair" if "fair" in tones or few else "good"
    return tone, title, why, remedy
