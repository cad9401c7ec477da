"""Evaluation: images of a run or a folder against real ones, by one or several feature extractors,
with the conditions of the numbers.

>>> first, second = evaluate("runs/faces")                      # doctest: +SKIP
>>> first.metrics["mmd"]                                        # doctest: +SKIP
Estimate(value=0.21, error=0.01)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from organza.config.arguments import require_path, whole
from organza.data.size import Size
from organza.data.vector_files import numbered
from organza.distributed.world import ALONE, World
from organza.errors import UserError
from organza.evaluation.extractors import Reporting, suited
from organza.evaluation.image_sets import MOST, ImageSet, image_set_from_folder, is_run
from organza.evaluation.results import Evaluation, Suspect
from organza.evaluation.run_with_data import RunWithData
from organza.inference.device import AUTO
from organza.inference.load import Run
from organza.memory import require_memory
from organza.metrics.extractors.features import Extractor, cached_features
from organza.metrics.extractors.multiscale import as_they_are
from organza.metrics.kernels import Estimate
from organza.metrics.label_accuracy import label_accuracy
from organza.metrics.membership import membership
from organza.metrics.memorisation import Memorisation, memorisation, thumbnails
from organza.metrics.methods import Compared, compare
from organza.metrics.paired import faithfulness
from organza.metrics.suite import LEAST, Card, by_class, thorough
from organza.metrics.vectors import Column, by_column
from organza.metrics.vectors import compared as compared_vectors
from organza.progress import Progress
from organza.recipe import Recipe

COUNT = 1000
"""Default number of images that a run generates for an evaluation."""
STRAIGHT = 1000
"""Number of images in each set below which the extrapolated Fréchet distance stays too large."""
SUSPECTS = 5
THIS = "this run"
JUDGED = 1000  # training images, and unseen ones, for the membership test


def evaluate(
    target: str | Path | Run,
    against: str | Path | None = None,
    count: int | None = None,
    extractors: Sequence[Extractor] | None = None,
    seed: int = 0,
    checkpoint: str = "best",
    progress: Progress | None = None,
    data: str | Path | None = None,
    recipe: Recipe | str | None = None,
    labels: str | None = None,
    world: World = ALONE,
    device: str | torch.device = AUTO,
    modules: Sequence[str] = (),
) -> list[Evaluation]:
    """Evaluate the images of a run or of a folder, once with each extractor.

    Args:
        target: run folder, or folder, zip or array file of images; or a loaded run, whose checkpoint and device are used.
        against: real images; a run's own held-out images by default.
        count: number of images to generate, or to take from a folder; 1,000, or all up to 10,000,
            by default.
        extractors: feature extractors; by default EfficientNet-Lite0, and MobileNetV2 if its
            weights are installed.
        seed: random seed of the latents.
        checkpoint: checkpoint of a run: best, latest, or its name.
        progress: callback (task, done, total).
        data: new location of a run's own data, if it was moved.
        recipe: recipe of your own that the run was trained with: see `load`.
        labels: columns or table of the labels, hair or my.csv:hair, for an exported folder whose table lay outside its data.
        world: ranks that share the work: each generates and looks at its part, and rank 0 returns the results.
        device: device of the run's networks: see `load`. Features are computed on the CPU, so that numbers can be compared.
        modules: names of further modules of your own that its networks are from: see `load`.

    Raises:
        UserError: if there is no such run or folder, nothing to compare with, too few images, or
            images that no extractor supports.
    """
    for name, place in (("target", None if isinstance(target, Run) else target), ("against", against)):
        if not isinstance(place, str | PathLike | None):
            raise UserError(
                f"{name} is a {type(place).__name__}; evaluate takes a run, or the path of one, of a folder, a zip or an array file (.npy)."
            )
    if not isinstance(target, Run):
        require_path(target, "target")
    if against is not None:
        require_path(against, "against")
    if count is not None and whole(count, "count") < LEAST:
        raise UserError(f"`count` is {count}; an evaluation needs at least {LEAST} images.")
    seed = whole(seed, "seed", most=2**64)
    trained = None
    if isinstance(target, Run) or is_run(target):
        trained = RunWithData(
            target, checkpoint, progress, recipe, at=data, labels=labels, world=world, device=device, modules=modules
        )
        if data is not None:
            _ = trained.data  # a location that was given must be right
        sides = _sides_of_run(trained, against, count or COUNT, seed, progress)
    elif data is not None:
        raise UserError(f"{target} is not a run, so it has no data of its own; give `data` with runs only.")
    else:
        sides = _sides_of_folders(target, against, count or MOST, progress)
    for side, what in ((sides.fake, "to evaluate"), (sides.real, "to compare with")):
        if len(side) < LEAST:
            raise UserError(f"{side.name} has {len(side)} images {what}; an evaluation needs at least {LEAST}.")
    chosen = extractors or suited(sides.real)
    generated = [features(Reporting(extractor, progress, world), sides.fake) for extractor in chosen]
    if not world.leads:
        return []
    audited = {} if trained is None else _membership(trained, sides)
    obeyed = _labels_obeyed(sides) | _pixels(sides) | audited
    return [
        _measured(Reporting(extractor, progress), sides, found, seed, obeyed)
        for extractor, found in zip(chosen, generated, strict=True)
    ]


@dataclass(frozen=True)
class _Sides:
    """The sets of images of an evaluation.

    Args:
        fake: images to evaluate.
        real: real images to compare with.
        training: images that may have been copied; None if they are not known.
        unseen: real images that were not trained on, as a reference; without them, `training` is
            compared with itself.
        notes: notes for the reader.
    """

    fake: ImageSet
    real: ImageSet
    training: ImageSet | None
    unseen: ImageSet | None
    notes: tuple[str, ...]


def _sides_of_run(
    trained: RunWithData, against: str | Path | None, count: int, seed: int, progress: Progress | None
) -> _Sides:
    """Return the images of a run with the real ones to compare them with."""
    run, missing = trained.run, trained.missing()
    if missing and against is None:
        raise UserError(f"{missing.rstrip('.')}; or name real images to compare with, with `against`.")
    size = Size(run.width, run.height)
    require_memory(count * math.prod(run.shape), f"{count:,} images")
    named = None if against is None else image_set_from_folder(against, size, run.channels, progress=progress)
    if missing:
        note = (
            f"{missing} Therefore memorisation is not measured, and labels are drawn with their frequencies in the data"
        )
        fake, real, training, unseen, notes = trained.sampled(count, seed), named, None, None, (note,)
    else:
        fake, own, training = trained.made(count, seed), trained.real(), trained.training()
        real = own if named is None else named
        unseen, notes = own if own.split == "held-out" else None, training.notes
    assert real is not None  # without data, real images were named
    _require_alike(fake, real)
    return _Sides(fake, real, training, unseen, (*fake.notes, *real.notes, *notes, *_differences(fake, real)))


def _sides_of_folders(target: str | Path, against: str | Path | None, count: int, progress: Progress | None) -> _Sides:
    """Return the images of a folder with those of another to compare them with."""
    if not Path(target).exists():
        raise UserError(f"There is no {target}; give a run folder, or a folder, a zip or an array file of images.")
    if against is None:
        raise UserError(f"{target} is not a run; to evaluate a folder, name the real images with `against`.")
    if is_run(against):
        raise UserError(
            f"`against` is {against}, which is a run; name its data, or evaluate the run: `organza.evaluate({str(against)!r})`."
        )
    fake, real = (
        image_set_from_folder(target, most=count, progress=progress),
        image_set_from_folder(against, progress=progress),
    )
    _require_alike(fake, real)
    return _Sides(fake, real, real, None, (*fake.notes, *real.notes, *_differences(fake, real)))


def _require_alike(fake: ImageSet, real: ImageSet) -> None:
    """Check that both sets are of images, or of vectors of the same columns.

    Raises:
        UserError: if they are not.
    """
    if fake.table is None and real.table is None:
        return
    ours, theirs = (None if side.table is None else side.table.printable for side in (fake, real))
    if ours is None or theirs is None:
        vectors, images = (fake, real) if theirs is None else (real, fake)
        raise UserError(f"{vectors.name} is of vectors and {images.name} of images, which cannot be compared.")
    if len(ours) != len(theirs) or (ours != theirs and not _numbered(ours) and not _numbered(theirs)):
        raise UserError(
            f"{fake.name} has the columns {', '.join(ours)[:80]} and {real.name} has {', '.join(theirs)[:80]}; they must be the same."
        )


def _numbered(names: tuple[str, ...]) -> bool:
    """Return True for the names that columns of an array have."""
    return names == numbered(len(names))


def _differences(fake: ImageSet, real: ImageSet) -> list[str]:
    """Return notes on differences of the two sets, and on the effect of their counts."""
    notes = []
    if fake.size != real.size:
        notes.append(
            f"{fake.name} is {fake.size}, {real.name} is {real.size}: the extractor resizes both, repeats grey and composites "
            "transparency on white; this causes a part of the distance"
        )
    if real.split == "training":
        notes.append("the data is too small to hold any out: compared with the training images, which favours copies")
    if min(len(fake), len(real)) < STRAIGHT:
        notes.append(
            f"{len(fake):,} and {len(real):,} images: below {STRAIGHT:,} in each set the extrapolated Fréchet distance stays too large"
        )
    return notes


def _measured(
    extractor: Extractor, sides: _Sides, fake_features: Tensor, seed: int, obeyed: dict[str, Estimate]
) -> Evaluation:
    """Return the evaluation of all sets by one extractor."""
    fake, real = sides.fake, sides.real
    real_features = features(extractor, real)
    scores = thorough(real_features, fake_features)
    columns: tuple[Column, ...] = ()
    if real.table is not None:
        scores |= compared_vectors(real_features, fake_features)
        columns = by_column(real_features, fake_features, real.table)
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
    beside = compared(extractor, fake)
    return Evaluation(fake.name, real.name, scores | obeyed, card, classes, suspects, sides.notes, beside, columns)


def compared(extractor: Extractor, made: ImageSet) -> Compared:
    """Return the metrics of generated images and of simple methods on the same inputs; {} if there are none."""
    if made.targets is None or not made.rivals:
        return {}
    outputs = {THIS: made.images, **made.rivals}
    return compare(extractor, outputs, made.targets, made.groups, made.border)


def _pixels(sides: _Sides) -> dict[str, Estimate]:
    """Measure the distance to training images in pixels: features can miss a copy, and pixels a
    shifted one.
    """
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
    """Measure how well D's scores separate training images from unseen ones; {} if D cannot judge
    images alone, or none were held out.
    """
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
    """Return the metrics of each class, if both sets have one field of the same classes."""
    known, wanted = real.classes(), fake.classes()
    if len(known) != 1 or known.keys() != wanted.keys():
        return {}
    [(names, of_real)], [(others, of_fake)] = known.values(), wanted.values()
    return by_class(real_features, of_real, fake_features, of_fake, names) if names == others else {}


def features(extractor: Extractor, side: ImageSet) -> Tensor:
    """Return the features of a set's images, cached on disk if the images do not change."""
    if side.key is None or side.directory is None:
        return extractor(side.images)
    return cached_features(extractor, side.images, side.key, side.directory)


def _suspects(copied: Memorisation, fake: ImageSet, among: ImageSet) -> tuple[Suspect, ...]:
    """Return the samples nearest to training images, with their distances."""
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
    """Measure how well images match their labels: the accuracy, for each field, of a classifier
    trained on real images.
    """
    if sides.training is None:
        return {}
    known, wanted, found = sides.training.classes(), sides.fake.classes(), {}
    for name, (values, labels) in known.items():
        if name in wanted and wanted[name][0] == values:
            scores = label_accuracy(sides.training.images, labels, sides.fake.images, wanted[name][1])
            found |= scores if len(known) == 1 else {f"{name}: {score}": value for score, value in scores.items()}
    return found
