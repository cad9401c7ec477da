"""Observations of a run's generator and discriminator for the report, limited to what takes
seconds.

Copies and repeats are searched in thumbnails, without a feature network: 6,000 training images take
less than a second, and the blur removes noise under which a copy could hide. `organza evaluate`
uses feature networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from organza.data.batches import Batches, to_float, to_uint8
from organza.data.detail import detail
from organza.errors import UserError
from organza.evaluation.evaluate import compared
from organza.evaluation.extractors import suited
from organza.evaluation.image_sets import ImageSet
from organza.evaluation.run_with_data import FIRST, MOST_TRAINING, RunWithData
from organza.inference.load import Run
from organza.media.volumes import pictured
from organza.metrics.diversity import apart, between, repeats
from organza.metrics.kernels import Estimate
from organza.metrics.memorisation import Memorisation, memorisation, thumbnails
from organza.metrics.methods import Compared
from organza.metrics.shapes import variety
from organza.metrics.vectors import Column, Standardised, by_column, compact
from organza.networks.standard import Columns
from organza.recipe import Recipe

SAMPLES, POINTS = 256, 1000
"""Number of images, and of vectors, to generate, judge and compare."""
TRIED = 128
"""Number of training and of held-out images to test the discriminator on."""
QUARTER = 4
SHOWN = 8
STEPS = 8
"""Number of images from one latent to another."""
ROOM = 400_000_000
"""Memory for training images in bytes; if there are more, evenly spaced ones are used."""
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Pair:
    """A sample beside its nearest training image.

    Args:
        sample, training: uint8 [H, W, C].
        name: name of the training image.
        distance: distance between their thumbnails, relative to that of an unseen real image to its
            nearest: 1 = usual.
    """

    sample: np.ndarray
    training: np.ndarray
    name: str
    distance: float


@dataclass(frozen=True)
class Copies:
    """Nearness of samples to training images: see `metrics.memorisation`.

    Args:
        nearness, share: estimates from thumbnails.
        pairs: most suspicious pairs, nearest first.
        against: reference of the measure: "held-out" images, or "training" images without
            themselves.
    """

    nearness: Estimate
    share: Estimate
    pairs: tuple[Pair, ...]
    against: str


@dataclass(frozen=True)
class Judged:
    """Output of the discriminator.

    Args:
        most, least: the most and the least authentic samples: images with their probabilities.
        samples, held_out, training: share of each that the discriminator takes for real; None if
            there are none.
    """

    most: tuple[np.ndarray, np.ndarray]
    least: tuple[np.ndarray, np.ndarray]
    samples: Estimate
    held_out: Estimate | None
    training: Estimate | None


@dataclass(frozen=True)
class Look:
    """Observations of one checkpoint. A field is None if it does not apply to the run, or is not
    available.

    Args:
        images: images seen when the checkpoint was written.
        real: a few real images, and `made`: a few generated ones, uint8 [N, H, W, C].
        variety, repeats: estimates from thumbnails: see `metrics.shapes.variety` and
            `metrics.diversity.repeats`.
        between, apart: share of the variance that lies between real images, and distance of the
            mean sample from the mean image, both of thumbnails: see `metrics.diversity`.
        kept: share of the contrast between neighbours that real images keep at a quarter of their
            size: see `data.detail`.
        copies, judged: see there.
        ways: rows of interpolated images, uint8 [rows, STEPS, H, W, C].
        encoded: real images and their reconstructions.
        notes: reasons for missing parts.
        methods: metrics of the generator and of simple methods on the same inputs: see `metrics.methods`.
        vectors: generated and real vectors; `made`, `real` and all other images are then absent.
    """

    images: int
    made: np.ndarray
    real: np.ndarray | None = None
    variety: Estimate | None = None
    repeats: Estimate | None = None
    copies: Copies | None = None
    judged: Judged | None = None
    ways: np.ndarray | None = None
    encoded: tuple[np.ndarray, np.ndarray] | None = None
    notes: tuple[str, ...] = ()
    between: float | None = None
    apart: float | None = None
    kept: float | None = None
    methods: Compared | None = None
    vectors: Vectors | None = None


@dataclass(frozen=True)
class Vectors:
    """Vectors of a report.

    Args:
        made: generated vectors, float64 [N, D], in their own units.
        real: real ones.
        table: their columns.
        columns: comparison of each column.
        nearest: the samples nearest to training vectors: the sample, that vector, and their distance relative to the usual one.
    """

    made: np.ndarray
    real: np.ndarray
    table: Columns
    columns: tuple[Column, ...]
    nearest: tuple[tuple[np.ndarray, np.ndarray, float], ...]


def look(
    path: object,
    which: str = "best",
    data: Batches | str | Path | None = None,
    recipe: Recipe | str | None = None,
) -> Look:
    """Generate images, judge them with the discriminator, and compare them with the data if it is
    available.

    Args:
        path: run folder.
        which: best, latest, or a checkpoint's name.
        data: data of the run, if it is open already, or its new location, if it was moved.
        recipe: recipe of your own that the run was trained with: see `load`.

    Raises:
        UserError: if there is no intact checkpoint, or the given location does not hold the run's
            data.
    """
    if isinstance(data, Batches):
        trained = RunWithData(str(path), which, recipe=recipe)
        trained.data = data  # the cached property would open it again
    else:
        trained = RunWithData(str(path), which, recipe=recipe, at=data)
        if data is not None:
            _ = trained.data  # a location that was given must be right
    run, missing = trained.run, trained.missing()
    translates = "source_shape" in run.content["data"]
    if missing:
        if translates:
            return Look(run.images, np.empty((0, 1, 1, 1), np.uint8), notes=(missing,))
        made, real, training = trained.sampled(SAMPLES, 0), None, None
    else:
        count = SAMPLES if run.table is None else POINTS
        made, real, training = trained.made(count, 0), trained.real(), trained.training(_most(run))
    notes = (missing,) if missing else ()
    if made.table is not None:
        return _vectors(run, made, real, training, notes)
    copies = None if training is None or real is None or translates else _copies(made, training, real)
    varied, again = _variety(real, made) if real is not None else (None, None)
    return Look(
        run.images,
        pictured(made.images[:SHOWN]),
        _beside(made, real),
        varied,
        None if translates else again,
        copies,
        _tolerated(lambda: _judged(run, made, real, training)),
        None if translates else _tolerated(lambda: _ways(run)),
        None if real is None else _tolerated(lambda: _encoded(run, real.images)),
        (*notes, *run.notes),
        *(_in_common(real, made) if real is not None else (None, None)),
        None if real is None else _kept(real),
        compared(suited(made)[0], made) if made.rivals else None,
    )


def _vectors(
    run: Run, made: ImageSet, real: ImageSet | None, training: ImageSet | None, notes: tuple[str, ...]
) -> Look:
    """Return the observations of a generator of vectors."""
    nothing = np.empty((0, 1, 1, 1), np.uint8)
    if real is None or training is None or made.table is None:
        return Look(run.images, nothing, notes=(*notes, *run.notes))
    pictures = Standardised(made.table)
    copies, nearest = _near(made, training, real)
    varied, again = _variety(real, made)
    return Look(
        run.images,
        nothing,
        None,
        varied,
        again,
        copies,
        _tolerated(lambda: _scores(run, made, real, training)),
        notes=(*notes, *run.notes),
        vectors=Vectors(
            made.images,
            real.images,
            made.table,
            by_column(pictures(real.images), pictures(made.images), made.table),
            nearest,
        ),
    )


def _near(made: ImageSet, training: ImageSet, real: ImageSet) -> tuple[Copies | None, tuple[Any, ...]]:
    """Return the search for copies among vectors, and the nearest of them."""
    held_out = real.split == "held-out"
    sides = [compact(side.images, side.table) for side in (training, made, real)]
    try:
        found = memorisation(sides[0], sides[1], sides[2] if held_out else None)
    except UserError:  # fewer than three
        return None, ()
    usual = found.distances.median().item() / max(found.nearness.value, 1e-12)
    chosen = found.distances.argsort()[:SHOWN].tolist()
    nearest = tuple(
        (
            made.images[index],
            training.images[int(found.nearest[index])],
            found.distances[index].item() / usual if usual else 0.0,
        )
        for index in chosen
    )
    return Copies(found.nearness, found.copies, (), real.split), nearest


def _scores(run: Run, made: ImageSet, real: ImageSet, training: ImageSet) -> Judged:
    """Return the shares that D takes for real."""
    held_out = _share(_chances(run, real, TRIED)) if real.split == "held-out" else None
    none = np.empty((0, 1, 1, 1), np.uint8), np.empty(0)
    return Judged(none, none, _share(_chances(run, made)), held_out, _share(_chances(run, training, TRIED)))


def _most(run: Run) -> int:
    return min(MOST_TRAINING, max(1000, ROOM // int(np.prod(run.shape))))


def _beside(made: ImageSet, real: ImageSet | None) -> np.ndarray | None:
    """Return images to show beside the first generated ones: their targets, or any real ones."""
    if made.targets is not None:
        return pictured(made.targets[:SHOWN])
    return None if real is None else pictured(_spaced(real.images, SHOWN))


def _copies(made: ImageSet, training: ImageSet, real: ImageSet) -> Copies | None:
    """Return how near samples are to training images, in pixels; None for too few images."""
    of_training, of_made = thumbnails(training.images), thumbnails(made.images)
    held_out = real.split == "held-out"
    try:
        found = memorisation(of_training, of_made, thumbnails(real.images) if held_out else None)
    except UserError:  # fewer than three
        return None
    usual = found.distances.median().item() / max(found.nearness.value, 1e-12)
    return Copies(found.nearness, found.copies, _pairs(found, made, training, usual), real.split)


def _pairs(found: Memorisation, made: ImageSet, training: ImageSet, usual: float) -> tuple[Pair, ...]:
    """Return the nearest pairs of a sample and a training image."""
    chosen: dict[int, int] = {}  # each training image once: many copies of one would hide the others
    for index in found.distances.argsort().tolist():
        chosen.setdefault(int(found.nearest[index]), index)
        if len(chosen) == SHOWN:
            break
    samples = pictured(made.images[list(chosen.values())])
    originals = pictured(training.images[list(chosen)])
    return tuple(
        Pair(
            samples[row],
            originals[row],
            training.names[other] if training.names else f"number {other}",
            found.distances[index].item() / usual if usual else 0.0,
        )
        for row, (other, index) in enumerate(chosen.items())
    )


def _variety(real: ImageSet, made: ImageSet) -> tuple[Estimate | None, Estimate | None]:
    x, y = compact(real.images, real.table), compact(made.images, made.table)
    try:
        return variety(x, y), repeats(x, y)
    except UserError:
        return None, None


def _in_common(real: ImageSet, made: ImageSet) -> tuple[float | None, float | None]:
    x, y = thumbnails(real.images), thumbnails(made.images)
    return (None, None) if len(x) < 2 or x.shape[1:] != y.shape[1:] else (between(x), apart(x, y))


def _kept(real: ImageSet) -> float | None:
    few = real.images[:TRIED]
    return detail(to_float(few), QUARTER).kept if few.ndim == 4 and min(few.shape[1:3]) >= 4 * QUARTER else None


def _judged(run: Run, made: ImageSet, real: ImageSet | None, training: ImageSet | None) -> Judged:
    """Return the samples that D finds most and least authentic, with its mean scores."""
    chances = _chances(run, made)
    order = np.argsort(-chances, kind="stable")
    some, last = order[:SHOWN], order[::-1][: min(SHOWN, len(order) - SHOWN)]
    held_out = None if real is None or real.split != "held-out" else _share(_chances(run, real, TRIED))
    known = None if training is None else _share(_chances(run, training, TRIED))
    most, least = ((pictured(made.images[part]), chances[part]) for part in (some, last))
    return Judged(most, least, _share(chances), held_out, known)


def _chances(run: Run, side: ImageSet, most: int = SAMPLES) -> np.ndarray:
    """Return the probability that each image is authentic; if D is conditional, given the image's
    label.
    """
    images = _spaced(side.images, most)
    if getattr(run.discriminator, "labels", 0) and side.labels is not None:
        return run.judge_labelled(images, _spaced(side.labels, most))
    return run.judge(images)


def _share(chances: np.ndarray) -> Estimate:
    share = float((chances > 0.5).mean())
    return Estimate(share, float(np.sqrt(max(share * (1 - share), 1 / len(chances) / 4) / len(chances))))


@torch.no_grad()
def _ways(run: Run, rows: int = 3) -> np.ndarray:
    """Return rows of images between two latents; the label of a row is constant."""
    generator = run.generator
    if not hasattr(generator, "latent"):
        raise UserError(f"{run.path} generates nothing from noise.")
    found = []
    for row in range(rows):
        first, last = (run.latent(0, FIRST + 2 * row + end) for end in (0, 1))
        share = torch.linspace(0, 1, STEPS)[:, None]
        z = torch.lerp(first[None], last[None], share)
        if not hasattr(generator, "codes"):  # keep the norm of noise; between two codes there is no midpoint to keep
            z = z / (share**2 + (1 - share) ** 2).sqrt()
        label = None
        if run.labels is not None:
            label = run.label_rows(range(FIRST + row, FIRST + row + 1), 0).expand(STEPS, -1)
        found.append(pictured(to_uint8(run.generate(z, label)).numpy()))
    return np.stack(found)


def _encoded(run: Run, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    some = _spaced(real, SHOWN)
    return pictured(some), pictured(run.reconstruct(some))


def _tolerated(part: Callable[[], Seen]) -> Seen | None:
    """Return a part of the report, or None for runs that it does not apply to."""
    try:
        return part()
    except UserError:
        return None


def _spaced(items: np.ndarray, most: int) -> np.ndarray:
    return items if len(items) <= most else items[np.linspace(0, len(items) - 1, most).round().astype(int)]
