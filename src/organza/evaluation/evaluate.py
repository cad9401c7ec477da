"""Evaluation: the images of a run or a folder against real ones, by one or several extractors, with all that the numbers depend on.

>>> first, second = evaluate("runs/faces")                      # doctest: +SKIP
>>> first.metrics["mmd"]                                        # doctest: +SKIP
Estimate(value=0.21, error=0.01)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from organza.config.arguments import require_path, whole
from organza.data.size import Size
from organza.errors import UserError, nearest
from organza.evaluation.image_sets import MOST, ImageSet, RunWithData, image_set_from_folder, is_run
from organza.memory import require_memory
from organza.metrics.extractors import efficientnet_lite, mobilenet
from organza.metrics.extractors.features import Extractor, cached_features, offline_extractor, second_opinion
from organza.metrics.extractors.multiscale import Pyramid, as_they_are
from organza.metrics.extractors.reference import KINDS, known
from organza.metrics.kernels import Estimate
from organza.metrics.label_accuracy import label_accuracy
from organza.metrics.membership import membership
from organza.metrics.memorisation import Memorisation, memorisation, thumbnails
from organza.metrics.paired import faithfulness
from organza.metrics.shapes import ShapeStatistics
from organza.metrics.suite import LEAST, Card, by_class, thorough
from organza.progress import Progress
from organza.recipe import Recipe
from organza.recipes import imported
from organza.shell import quoted

COUNT = 1000
"""Images that a run makes for an evaluation, unless asked for others."""
STRAIGHT = 1000
"""Images a side, below which the extrapolated Fréchet distance is left too large."""
SUSPECTS = 5
JUDGED = 1000  # training images, and unseen ones, that D is asked for
AT_ONCE = 576  # images between two words of progress: whole batches of every look

EXTRACTORS: dict[str, tuple[Callable[[], Extractor], Callable[[], bool]]] = {
    "lite0": (lambda: Pyramid(offline_extractor), efficientnet_lite.WEIGHTS.installed),
    "mobilenet": (lambda: Pyramid(second_opinion), mobilenet.WEIGHTS.installed),
}


@dataclass(frozen=True)
class Suspect:
    """A sample and the training image that it is nearest to.

    Args:
        sample: its number or file.
        training: the image's file, or its number.
        distance: over the usual distance of an unseen real image.
    """

    sample: str
    training: str
    distance: float


@dataclass(frozen=True)
class Evaluation:
    """What was measured, of what, against what, and on what it depends.

    Args:
        of: the run or folder.
        against: the real images.
        metrics: by name, each with its standard error.
        card: numbers with unlike cards must not be compared.
        classes: of each class by itself, where there are labels.
        suspects: the samples that are nearest to training images.
        notes: what the reader should know.
    """

    of: str
    against: str
    metrics: dict[str, Estimate]
    card: Card
    classes: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    suspects: tuple[Suspect, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""

        def told(scores: dict[str, Estimate]) -> dict[str, dict[str, float]]:
            return {name: estimate._asdict() for name, estimate in scores.items()}

        return {
            "of": self.of,
            "against": self.against,
            "metrics": told(self.metrics),
            "classes": {name: told(scores) for name, scores in self.classes.items()},
            "suspects": [asdict(suspect) for suspect in self.suspects],
            "card": asdict(self.card),
            "notes": list(self.notes),
        }


def evaluate(
    target: str | Path,
    against: str | Path | None = None,
    count: int | None = None,
    extractors: Sequence[Extractor] | None = None,
    seed: int = 0,
    checkpoint: str = "best",
    progress: Progress | None = None,
    data: str | Path | None = None,
    recipe: Recipe | str | None = None,
) -> list[Evaluation]:
    """Measure the images of a run or of a folder, once with each extractor.

    Args:
        target: a run's folder, or a folder, zip or array file of images.
        against: real images; of a run its own held-out ones by default.
        count: how many images to make, or to take from a folder; 1,000, or all up to 10,000, by default.
        extractors: images to features; by default EfficientNet-Lite0, and MobileNetV2 where its weights are installed.
        seed: of the latents.
        checkpoint: of a run: best, latest, or one's name.
        progress: is told (what, done, total).
        data: place of a run's own data, where it was moved.
        recipe: recipe of your own that the run was trained with: see `infer.load`.

    Raises:
        UserError: no such run or folder, nothing to compare it with, too few images, or images no extractor can see.
    """
    for name, place in (("target", target), ("against", against)):
        if not isinstance(place, str | PathLike | None):
            raise UserError(
                f"{name} is a {type(place).__name__}; evaluate takes the path of a run, a folder, a zip or an array file (.npy)."
            )
    require_path(target, "target")
    if against is not None:
        require_path(against, "against")
    if count is not None and whole(count, "count") < LEAST:
        raise UserError(f"--count is {count}; an evaluation needs {LEAST} images at least.")
    seed = whole(seed, "seed", most=2**64)
    audited: dict[str, Estimate] = {}
    if is_run(target):
        trained = RunWithData(target, checkpoint, progress, recipe, at=data)
        if data is not None:
            _ = trained.data  # a place that was named must be right
        sides = _sides_of_run(trained, against, count or COUNT, seed, progress)
        audited = _membership(trained, sides)
    elif data is not None:
        raise UserError(f"{target} is no run of organza, so it has no data of its own: give --data with runs alone.")
    else:
        sides = _sides_of_folders(target, against, count or MOST, progress)
    for side, what in ((sides.fake, "to be measured"), (sides.real, "to measure against")):
        if len(side) < LEAST:
            raise UserError(f"{side.name} has {len(side)} images {what}; an evaluation needs {LEAST} at least.")
    chosen = [_Told(extractor, progress) for extractor in extractors or suited(sides.real)]
    obeyed = _labels_obeyed(sides) | _pixels(sides) | audited
    return [_measured(extractor, sides, seed, obeyed) for extractor in chosen]


@dataclass(frozen=True)
class _Sides:
    """All that a comparison is made of.

    Args:
        fake, real: the images to be measured, and those to measure against.
        training: what may have been copied; None where that is not known.
        unseen: the measure of it: real images that were not trained on. Without them, `training` stands for itself.
        notes: what the reader should know.
    """

    fake: ImageSet
    real: ImageSet
    training: ImageSet | None
    unseen: ImageSet | None
    notes: tuple[str, ...]


def _sides_of_run(
    trained: RunWithData, against: str | Path | None, count: int, seed: int, progress: Progress | None
) -> _Sides:
    run, missing = trained.run, trained.missing()
    if missing and against is None:
        raise UserError(f"{missing.rstrip('.')}; or name real images to measure against with --against.")
    size = Size(run.width, run.height)
    require_memory(count * math.prod(run.shape), f"{count:,} images")
    named = None if against is None else image_set_from_folder(against, size, run.channels, progress=progress)
    if missing:
        note = f"{missing} So memorisation is not measured, and labels are drawn as often as the data had them"
        fake, real, training, unseen, notes = trained.sampled(count, seed), named, None, None, (note,)
    else:
        fake, own, training = trained.made(count, seed), trained.real(), trained.training()
        real = own if named is None else named
        unseen, notes = own if own.split == "held-out" else None, training.notes
    assert real is not None  # without data, something was named
    return _Sides(fake, real, training, unseen, (*fake.notes, *real.notes, *notes, *_differences(fake, real)))


def _sides_of_folders(target: str | Path, against: str | Path | None, count: int, progress: Progress | None) -> _Sides:
    if not Path(target).exists():
        raise UserError(f"There is no {target}; give a run's folder, or a folder, a zip or an array file of images.")
    if against is None:
        raise UserError(
            f"{target} is no run of organza; name the real images to hold its images against: --against DATA."
        )
    if is_run(against):
        raise UserError(
            f"--against {against} is a run; name its data, or evaluate the run: organza evaluate {quoted(against)}"
        )
    fake, real = (
        image_set_from_folder(target, most=count, progress=progress),
        image_set_from_folder(against, progress=progress),
    )
    return _Sides(fake, real, real, None, (*fake.notes, *real.notes, *_differences(fake, real)))


def _differences(fake: ImageSet, real: ImageSet) -> list[str]:
    """What is unlike on the two sides before anything is measured, and what the counts do to the numbers."""
    notes = []
    if fake.size != real.size:
        notes.append(
            f"{fake.name} is {fake.size}, {real.name} is {real.size}: the extractor brings both to its own size, repeats grey and lays "
            "transparency on white; a part of the distance is owed to that"
        )
    if real.split == "training":
        notes.append(
            "the data is too small to hold any out: measured against the training images, which rewards copies"
        )
    if min(len(fake), len(real)) < STRAIGHT:
        notes.append(
            f"{len(fake):,} and {len(real):,} images: below {STRAIGHT:,} a side the extrapolated Fréchet distance stays too large"
        )
    return notes


def _measured(extractor: Extractor, sides: _Sides, seed: int, obeyed: dict[str, Estimate]) -> Evaluation:
    fake, real = sides.fake, sides.real
    real_features, fake_features = features(extractor, real), features(extractor, fake)
    scores = thorough(real_features, fake_features)
    suspects: tuple[Suspect, ...] = ()
    if sides.training is not None:
        unseen = None if sides.unseen is None else as_they_are(features(extractor, sides.unseen))
        copied = memorisation(as_they_are(features(extractor, sides.training)), as_they_are(fake_features), unseen)
        scores |= {"nearness": copied.nearness, "copies": copied.copies}
        suspects = _suspects(copied, fake, sides.training)
    if fake.targets is not None:
        made, target = (torch.from_numpy(np.ascontiguousarray(images)) for images in (fake.images, fake.targets))
        scores |= faithfulness(made, target, extractor)
    card = Card(
        extractor.card(), len(real), len(fake), real.split, seed,
        data=real.key or "", real_size=real.size, fake_size=fake.size,
    )  # fmt: skip
    classes = _classes(real, real_features, fake, fake_features)
    return Evaluation(fake.name, real.name, scores | obeyed, card, classes, suspects, sides.notes)


def _pixels(sides: _Sides) -> dict[str, Estimate]:
    """Nearness to training images in pixels: features may overlook a copy that they find unlike, and pixels one that was moved."""
    if (
        sides.training is None
        or sides.fake.images.ndim != 4
        or sides.fake.images.shape[1:] != sides.training.images.shape[1:]
    ):
        return {}
    unseen = None if sides.unseen is None else thumbnails(sides.unseen.images)
    found = memorisation(thumbnails(sides.training.images), thumbnails(sides.fake.images), unseen)
    return {"pixel nearness": found.nearness, "pixel copies": found.copies}


def _membership(trained: RunWithData, sides: _Sides) -> dict[str, Estimate]:
    """How well D's scores tell training images from unseen ones; nothing where D judges no images alone, or none were held out."""
    if sides.training is None or sides.unseen is None:
        return {}
    try:
        scores = [trained.run.judge(side.images[:JUDGED]) for side in (sides.training, sides.unseen)]
    except UserError:
        return {}
    return {"membership": membership(*(torch.from_numpy(some) for some in scores))}


def _classes(
    real: ImageSet, real_features: Tensor, fake: ImageSet, fake_features: Tensor
) -> dict[str, dict[str, Estimate]]:
    """The numbers of each class, where both sides know one field of the same classes."""
    known, wanted = real.classes(), fake.classes()
    if len(known) != 1 or known.keys() != wanted.keys():
        return {}
    [(names, of_real)], [(others, of_fake)] = known.values(), wanted.values()
    return by_class(real_features, of_real, fake_features, of_fake, names) if names == others else {}


def features(extractor: Extractor, side: ImageSet) -> Tensor:
    """The features of a side's images; kept on disk where the images do not change."""
    if side.key is None or side.directory is None:
        return extractor(side.images)
    return cached_features(extractor, side.images, side.key, side.directory)


def _suspects(copied: Memorisation, fake: ImageSet, among: ImageSet) -> tuple[Suspect, ...]:
    usual = copied.distances.median().item() / max(copied.nearness.value, 1e-12)
    found = []
    for index in copied.distances.argsort()[:SUSPECTS].tolist():
        other = int(copied.nearest[index])
        found.append(
            Suspect(
                fake.names[index] if fake.names else f"sample {index}",
                among.names[other] if among.names else f"image {other}",
                copied.distances[index].item() / usual if usual else 0.0,
            )
        )
    return tuple(found)


def _labels_obeyed(sides: _Sides) -> dict[str, Estimate]:
    """Do images show the labels they were asked for? The accuracy of a classifier that was trained on real ones, for each field."""
    if sides.training is None:
        return {}
    known, wanted, found = sides.training.classes(), sides.fake.classes(), {}
    for name, (values, labels) in known.items():
        if name in wanted and wanted[name][0] == values:
            scores = label_accuracy(sides.training.images, labels, sides.fake.images, wanted[name][1])
            found |= scores if len(known) == 1 else {f"{name}: {score}": value for score, value in scores.items()}
    return found


def suited(side: ImageSet, named: Sequence[str] = ()) -> list[Extractor]:
    """The extractors of these names for images like a side's; all whose weights are installed where none is named.

    Raises:
        UserError: as `named_extractor`.
    """
    if side.images.ndim == 5:
        return [ShapeStatistics()]
    chosen = named or [name for name, (_, installed) in EXTRACTORS.items() if installed()] or ["lite0"]
    return [named_extractor(name) for name in chosen]


def named_extractor(
    name: str, files: Sequence[Path] = (), download: bool = False, progress: Progress | None = None
) -> Extractor:
    """One extractor by its name.

    Args:
        name: lite0 or mobilenet, whose weights come inside packages; inception, clip or dinov2, whose weights are published; or
            my_module:my_extractor, a function of yours that returns an `Extractor`.
        files: in which published weights may be.
        download: may they be fetched?
        progress: is told of a download.

    Raises:
        UserError: an unknown name, with the nearest; weights that are missing, with their size and address.
    """
    if ":" in name:
        made = imported(name, "--extractor")()
        if not callable(made) or not all(hasattr(made, part) for part in ("name", "dimension", "card")):
            raise UserError(f"--extractor {name}: it returned a {type(made).__name__}, not an Extractor.")
        return cast("Extractor", made)
    if name in KINDS:
        return known(name, files, download, progress=progress)
    if name not in EXTRACTORS:
        names = (*EXTRACTORS, *KINDS)
        raise UserError(
            f"There is no extractor {name}; there are {', '.join(names)}, and my_module:my_extractor.{nearest(name, names)}"
        )
    return EXTRACTORS[name][0]()


class _Told:
    """An extractor that tells how far it is."""

    def __init__(self, extractor: Extractor, progress: Progress | None):
        self.extractor, self.progress = extractor, progress
        self.name, self.dimension, self.card = extractor.name, extractor.dimension, extractor.card

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        found = []
        for start in range(0, len(images), AT_ONCE):
            found.append(self.extractor(images[start : start + AT_ONCE]))
            if self.progress:
                self.progress(f"looking with {self.name}", min(start + AT_ONCE, len(images)), len(images))
        return torch.cat(found)
