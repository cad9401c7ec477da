"""Search for the directions of a run: its codes, from labels, from marked images, and the axes of its Jacobian.

All are tried alike: an attribute of images, its correlation with the latent's place along the axis on latents that took no part, its rise
along the axis from 64 more, and the change of the other attributes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from organza.config.arguments import as_bytes, whole
from organza.data.batches import to_uint8
from organza.errors import UserError
from organza.latents.attributes import Attribute
from organza.latents.directions import (
    RELATED,
    RISING,
    Direction,
    Scores,
    change,
    correlation,
    jacobian_axes,
    place_along,
    regressed,
    scored,
    tried,
)
from organza.latents.law import Law
from organza.latents.readers import SEEN, Reader, learned
from organza.latents.readers import regressed as read_by_features
from organza.latents.source import Source, in_batches, latents, law_of, on_device, rows
from organza.metrics.extractors.features import Extractor, offline_extractor
from organza.progress import Progress
from organza.seeding import permutation, seed_of

SAMPLES, TRIED = 4000, 64
"""Latents to find directions on, and to try them on."""
LOOKED = 6
"""Latents at which the Jacobian is computed; half of them try the axes."""
SMALL = 16
"""Pixels of the longer side of the images that templates of axes are compared on."""
FEWEST = 8
"""Least number of marked images on each side."""
RESOLUTIONS = 64, 96
"""Pixels a side of the feature network's input, for images up to 64 pixels and for larger ones."""


@dataclass(frozen=True)
class Refused:
    """A direction that is not offered.

    Args:
        name: name of its attribute.
        reason: reason in words.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Search:
    """Result of a search.

    Args:
        directions: directions that hold, those with names from labels and marks first.
        refused: those that do not.
    """

    directions: tuple[Direction, ...]
    refused: tuple[Refused, ...] = ()


class Labelled(NamedTuple):
    """Real images with attributes.

    Args:
        images: uint8 [N, H, W, C] of the run's size, in an order without meaning.
        attributes: their attributes.
    """

    images: np.ndarray
    attributes: Sequence[Attribute]


class _Samples(NamedTuple):
    """Random latents with what is read from their images."""

    z: Tensor
    row: tuple[Tensor, ...]
    values: Tensor  # attributes, [N, attributes]


def axes(source: Source, most: int = 6, seed: int = 0) -> tuple[Direction, ...]:
    """Return the axes of a run's Jacobian, without further trials: a second for images of 64 pixels."""
    law = law_of(source)
    row = rows(source, range(1), seed)
    free = law.free & ~_codes(source, law)

    draw = on_device(source, source.generator)

    def generate(z: Tensor) -> Tensor:
        return draw(z, *(one.expand(len(z), -1) for one in row))

    if not free.any():
        return ()
    return tuple(jacobian_axes(generate, latents(source, seed, range(LOOKED)), free, law.deviation, most))


def _codes(source: Source, law: Law) -> Tensor:
    """Return the numbers of a latent that are codes of an InfoGAN, bool [z_dim]."""
    codes = getattr(source.generator, "codes", None)
    places = torch.arange(len(law.centre))
    return places >= codes.noise if codes is not None else torch.zeros(len(places), dtype=torch.bool)


def _code_directions(source: Source, law: Law) -> list[Direction]:
    """Return the continuous codes of an InfoGAN as directions."""
    places = (_codes(source, law) & law.free).nonzero().flatten().tolist()
    return [
        Direction(torch.eye(len(law.centre))[place], 0.0, f"code-{number}", "code")
        for number, place in enumerate(places, 1)
    ]


def search(
    source: Source,
    labelled: Labelled | None = None,
    marked: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    *,
    most: int = 6,
    samples: int = SAMPLES,
    seed: int = 0,
    extractor: Extractor | None = None,
    progress: Progress | None = None,
) -> Search:
    """Find the directions of a run: see `organza.inference.load.Run.find_directions`."""
    law = law_of(source)
    samples = whole(samples, "samples", least=100, most=1_000_000)
    if len(source.shape) != 3 and (labelled or marked):
        raise UserError(f"{source.path} generates volumes; directions from labels and marks need images.")
    unnamed = [*_code_directions(source, law), *axes(source, most, seed)]
    templates = [_template(source, law, one, seed) for one in unnamed]
    readers = _readers(source, labelled, marked or {}, extractor, progress)
    read = _reading(source, templates, readers)
    found = _sampled(source, law, read, samples, seed, progress)
    names = [one.name for one in unnamed] + [name for one in readers for name in one.names]
    cut = len(found.z) * 3 // 4
    candidates = [replace(one, scores=_related(law, found, cut, one.axis, n)) for n, one in enumerate(unnamed)]
    refused: list[Refused] = []
    at = len(unnamed)
    for one in readers:
        for number, name in enumerate(one.names):
            y = found.values[:, at + number]
            if one.seen[number] < SEEN:
                refused.append(Refused(name, f"it cannot be seen in images: r {one.seen[number]:.2f} on held-out ones"))
                continue
            axis = regressed(law, found.z[:cut], y[:cut])
            related = _related(law, found, cut, axis, at + number)
            candidates.append(Direction(axis, 0.0, name, one.kind, related))
        at += len(one.names)
    columns = [""] * len(unnamed) + [column for one in readers for column in one.columns]
    held, more = _tried(source, law, candidates, read, found, names, columns, seed, progress)
    order = {"marks": 0, "label": 1, "code": 2, "axis": 3}
    held.sort(
        key=lambda one: (order[one.source], -(one.scores.correlation if one.scores and one.source == "label" else 0))
    )
    return Search(tuple(held), (*refused, *more))


def _readers(
    source: Source,
    labelled: Labelled | None,
    marked: Mapping[str, tuple[np.ndarray, np.ndarray]],
    extractor: Extractor | None,
    progress: Progress | None,
) -> list[Reader]:
    """Return the readers of attributes: learned from labels, or from features of marked images."""
    shape = (*source.shape[1:], source.shape[0])
    found = []
    if labelled is not None and labelled.attributes:
        found.append(learned(labelled.images, labelled.attributes, progress))
    if marked and extractor is None:
        extractor = offline_extractor(RESOLUTIONS[max(source.shape[1:]) > 64])
    for name, sides in marked.items():
        assert extractor is not None
        having, lacking = (as_bytes(side, shape, "find_directions") for side in sides)
        if min(len(having), len(lacking)) < FEWEST:
            raise UserError(
                f"{name} has {len(having)} marked images that have it and {len(lacking)} that have not; mark at least {FEWEST} of each, "
                "better 20."
            )
        both = np.concatenate([having, lacking])
        values = torch.cat([torch.ones(len(having)), torch.zeros(len(lacking))])
        order = permutation(len(both), "marks", len(both))
        found.append(read_by_features(both[order.numpy()], [Attribute(name, name, values[order])], extractor))
    return found


@torch.no_grad()
def _template(source: Source, law: Law, one: Direction, seed: int) -> Tensor:
    """Return the mean change of small images along an axis, [pixels]: the attribute of a direction without a label."""
    row = rows(source, range(1), seed)

    draw = on_device(source, source.generator)

    def generate(z: Tensor) -> Tensor:
        return _small(draw(z, *(part.expand(len(z), -1) for part in row)))

    changes = [change(generate, z, one.axis[None], law.deviation)[0] for z in latents(source, seed, range(LOOKED // 2))]
    mean = torch.stack(changes).mean(0)
    return mean / mean.norm().clamp_min(1e-9)


def _small(x: Tensor) -> Tensor:
    """Return small images as rows, [N, C, ...] to [N, pixels]."""
    factor = SMALL / max(x.shape[2:])
    sides = [max(1, round(side * min(factor, 1))) for side in x.shape[2:]]
    pool = {4: F.adaptive_avg_pool2d, 5: F.adaptive_avg_pool3d}[x.ndim]
    return pool(x, sides).flatten(1)


def _reading(source: Source, templates: list[Tensor], readers: list[Reader]) -> Callable[..., Tensor]:
    """Return the function from latents and label rows to all attributes of their images, [N, attributes]."""

    @torch.no_grad()
    def read(z: Tensor, *row: Tensor) -> Tensor:
        """Return the attributes of the images of latents, [N, attributes]."""
        x = in_batches(on_device(source, source.generate), z, *row)
        parts = [_small(x) @ torch.stack(templates, 1)] if templates else []
        if readers:
            made = to_uint8(x).numpy()
            parts += [one.read(made) for one in readers]
        return torch.cat(parts, 1) if parts else torch.zeros(len(z), 0)

    return read


def _sampled(
    source: Source, law: Law, read: Callable[..., Tensor], samples: int, seed: int, progress: Progress | None
) -> _Samples:
    """Return latents with the attributes of their images, read in parts."""
    z = latents(source, seed_of("directions", seed) % 2**63, range(samples))
    row = rows(source, range(samples), seed_of("directions", seed) % 2**63)
    parts = []
    for start in range(0, samples, 128):
        some = slice(start, start + 128)
        parts.append(read(z[some], *(one[some] for one in row)))
        if progress:
            progress("reading generated images", min(start + 128, samples), samples)
    return _Samples(z, row, torch.cat(parts))


def _related(law: Law, found: _Samples, cut: int, axis: Tensor, attribute: int) -> Scores:
    """Return the held-out correlation of an attribute with the place along an axis."""
    return Scores(correlation(place_along(law, found.z[cut:], axis), found.values[cut:, attribute]))


def _tried(
    source: Source,
    law: Law,
    candidates: list[Direction],
    read: Callable[..., Tensor],
    found: _Samples,
    names: list[str],
    columns: list[str],
    seed: int,
    progress: Progress | None,
) -> tuple[list[Direction], list[Refused]]:
    """Return the candidates that hold with their scores, and the others with the reason."""
    unseen = seed_of("directions tried", seed) % 2**63
    z, row = latents(source, unseen, range(TRIED)), rows(source, range(TRIED), unseen)
    deviations = found.values.std(0)
    held, refused = [], []
    for number, one in enumerate(candidates, 1):
        if progress:
            progress("trying directions", number, len(candidates))
        assert one.scores is not None
        if one.scores.correlation < RELATED:
            refused.append(Refused(one.name, f"held-out r is {one.scores.correlation:.2f}, below {RELATED}"))
            continue
        attribute = names.index(one.name)
        alike = {n for n, column in enumerate(columns) if column and column == columns[attribute]}
        if one.source in (
            "label",
            "marks",
        ):  # an axis changes many things by nature, and its template is none of a person's
            alike |= {n for n, column in enumerate(columns) if not column}
        values = tried(law, z, one.axis, lambda z: read(z, *row))
        scores = scored(values, attribute, one.scores.correlation, deviations, names, alike)
        if scores.hold:
            held.append(replace(one, scores=scores))
        else:
            refused.append(
                Refused(
                    one.name, f"the attribute rises at {scores.rising:.0%} of the steps along it, below {RISING:.0%}"
                )
            )
    return held, refused
