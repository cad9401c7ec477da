"""Going back: from an illness to the last good checkpoint, with one thing changed, which is half the learning rate.

What was changed is a function of the images seen and of the list in recipe.json, so a rolled-back run resumes exactly, from any of its
checkpoints; a checkpoint that was left behind is told by how many rollbacks it knew of.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from organza import checkpoint, standing
from organza.checkpoint import Damaged
from organza.events import Event, Warned
from organza.health import findings, words

if TYPE_CHECKING:
    from organza.trainer import Trainer

MOST = 3
Reason = tuple[str, str] | None
"""Why a run ends: the kind, and a sentence."""


class Rollback(NamedTuple):
    """One time that a run was taken back.

    Args:
        to: images seen at the checkpoint that it went on from; 0 is the beginning.
        at: images seen when it fell ill.
        why: in words.
    """

    to: int
    at: int
    why: str


def factor(rollbacks: Sequence[Rollback], images: int) -> float:
    """What the learning rates are multiplied by: a half for each rollback to an earlier point.

    >>> factor([Rollback(100, 150, "nan"), Rollback(200, 250, "nan")], 120)
    0.5
    """
    return 0.5 ** sum(one.to <= images for one in rollbacks)


def abandoned(images: int, known: int, rollbacks: Sequence[Rollback]) -> bool:
    """Was a checkpoint left behind by a later rollback?

    Args:
        images: seen at the checkpoint.
        known: rollbacks before it was written.
        rollbacks: all of them.

    >>> abandoned(140, 0, [Rollback(100, 150, "nan")]), abandoned(140, 1, [Rollback(100, 150, "nan")])
    (True, False)
    """
    return any(one.to < images for one in rollbacks[known:])


def treated(trainer: Trainer) -> Generator[Event, None, Reason]:
    """After an evaluation: what is done about a grave illness, as the user wished."""
    ill = [found for found in findings(trainer.vitals) if found.grave] if trainer.vitals else []
    if not ill or trainer.on_collapse == "continue":
        return None
    why = f"{words(ill)} (at {trainer.images:,} images)"
    if trainer.on_collapse == "stop":
        return "collapse", why
    ends = range(1, len(trainer.vitals))
    well = [end for end in ends if not any(found.grave for found in findings(trainer.vitals[:end]))]
    return (yield from taken_back(trainer, "collapse", why, trainer.vitals[well[-1] - 1].images if well else 0))


def taken_back(trainer: Trainer, kind: str, why: str, latest: int | None = None) -> Generator[Event, None, Reason]:
    """Go back to the last good checkpoint with half the rate; after the third time, stop.

    Args:
        trainer: of the run.
        kind: of the illness.
        why: in words.
        latest: no checkpoint of more images will do; None takes the newest.

    Returns:
        None where the run went back, else why it ends.
    """
    if len(trainer.rollbacks) >= MOST:
        return kind, f"{why}; {MOST} rollbacks, each with half the rate, did not help"
    back = _back(trainer, why, latest)
    rates = factor(trainer.rollbacks, back.to)
    text = f"{why}: back at {back.to:,} images, with the learning rates multiplied by {rates:g}"
    trainer.folder.event("rolled back", text, **back._asdict(), rates=rates)
    yield Warned(text)
    return None


def _back(trainer: Trainer, why: str, latest: int | None = None) -> Rollback:
    """Take a run back to its last good checkpoint, or to its beginning, and note it in recipe.json before anything is removed.

    Args:
        trainer: is left standing there; its clock goes on.
        why: in words.
        latest: no checkpoint of more images will do; None takes the newest.
    """
    folder, seconds, at = trainer.folder, trainer.seconds, trainer.images
    found = [one for one in checkpoint.existing(folder.checkpoints) if latest is None or int(one.name) <= latest]
    saved = None
    while found and saved is None:
        directory = found.pop()
        try:
            saved = checkpoint.load(directory)
            if saved.facts.get("planned at", int(directory.name)) != int(directory.name):
                saved = None  # a signal happened to come there: the uninterrupted run has no such place to go back to
                continue
            standing.restore(trainer, saved)
        except Damaged:
            saved = None
    if saved is None:
        trainer.begin()
        folder.rewind(0)
    back = Rollback(trainer.images, at, why)
    trainer.rollbacks.append(back)
    folder.write(folder.read() | {"rollbacks": [list(one) for one in trainer.rollbacks]})
    for directory in checkpoint.existing(folder.checkpoints):
        if int(directory.name) > back.to:
            checkpoint.remove(directory)
    trainer.seconds = seconds
    return back
