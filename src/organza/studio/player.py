"""Play with a run: images of points in the space of latents, clips, inversion, translation, judgement.

Runs in the worker process, which loads a run once and answers until the run's weights change.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from organza.data.batches import to_uint8
from organza.errors import UserError
from organza.inference.load import Run, load
from organza.latents.directions import Direction
from organza.latents.interpolate import between
from organza.latents.law import Law
from organza.latents.levels import Levelled
from organza.latents.truncation import truncated
from organza.media.volumes import View, render
from organza.seeding import MICROBATCH
from organza.studio.points import Point
from organza.untrusted import read_bytes

LOADED = 3
DIRECTIONS = 8
LATENTS = ".studio/latents"
"""Folder of kept latents, in the run."""
KEPT_BYTES = 2**28


class Latent(NamedTuple):
    """A latent with what belongs to it.

    Args:
        z: latent, [1, z_dim].
        row: label row, [1, width]; None for a run without labels.
        offsets: offsets of the generator's levels, [1, ...] each; () for a latent that was drawn.
    """

    z: Tensor
    row: Tensor | None
    offsets: tuple[Tensor, ...] = ()


class Player:
    """A loaded run, ready to play with.

    Args:
        run: trained run.
    """

    def __init__(self, run: Run):
        if run.table is not None:
            raise UserError(
                f"{run.path.name} makes vectors: look at their scatter plots under Watch; images alone can be played with."
            )
        self.run = run
        self.sign = sign_of(run.path)

    @property
    def draws(self) -> bool:
        """True if it generates from noise."""
        return hasattr(self.run.generator, "latent")

    @cached_property
    def law(self) -> Law:
        """Law of the latents."""
        generator: Any = self.run.generator
        return Law.of(tuple(generator.prior))

    @cached_property
    def levels(self) -> Levelled | None:
        """The generator with its levels, for style mixing and inversion; None if it has none."""
        generator: Any = self.run.generator
        return Levelled(generator) if getattr(generator, "levels", ()) else None

    @cached_property
    def directions(self) -> tuple[Direction, ...]:
        """The directions kept in the run, or else the axes of the largest change."""
        return self.run.directions(DIRECTIONS)[:24] if self.draws else ()

    def latent(self, point: Point) -> Latent:
        """Return the latent of a point."""
        if not self.draws:
            raise UserError(f"{self.run.path.name} translates images and draws none from noise.")
        z, row, offsets = self._origin(point)
        for seed, index, share in point.toward:
            z = between(self.law, z, self.run.latent(seed, index)[None], share)
        for step, direction in zip(point.moves, self.directions if any(point.moves) else (), strict=False):
            z = self.law.moved(z, direction.axis, step)
        if point.psi != 1:
            z = truncated(self.law, z, point.psi)
        codes: Any = getattr(self.run.generator, "codes", None)
        if point.codes and codes is not None:
            z = coded(codes, z, point.codes)
        return Latent(z, row, offsets)

    def _origin(self, point: Point) -> Latent:
        """Return the latent that a point starts from: a kept one, or that of its seed."""
        kept = self._kept(point.kept) if point.kept else None
        labelled = self.run.labels is not None and bool(getattr(self.run.generator, "labels", 0))
        row = kept.row if kept is not None else None
        if labelled and (row is None or point.labels):
            row = self.run.label_rows(range(point.index, point.index + 1), point.seed, point.labels)
        elif not labelled and point.labels:
            raise UserError(f"{self.run.path.name} has no labels.")
        return (
            kept._replace(row=row)
            if kept is not None
            else Latent(self.run.latent(point.seed, point.index)[None].clone(), row)
        )

    def _kept(self, name: str) -> Latent:
        """Return a latent that was kept in the run's folder. Raises UserError if it does not fit."""
        file = self.run.path / LATENTS / f"{name}.safetensors"
        try:
            found = safetensors.torch.load(read_bytes(file, KEPT_BYTES, inside=self.run.path))
        except (OSError, ValueError, RuntimeError, safetensors.SafetensorError):
            raise UserError(f"The kept latent {name} of {self.run.path.name} is gone; find the image again.") from None
        offsets = tuple(found[key] for key in sorted(found) if key.startswith("offset."))
        z = found.get("z")
        finite = all(bool(part.isfinite().all()) for part in found.values())
        if (
            z is None
            or z.shape != (1, *self.law.centre.shape)
            or not finite
            or (offsets and (self.levels is None or len(offsets) != len(self.levels.levels)))
        ):
            raise UserError(f"The kept latent {name} does not fit {self.run.path.name}; find the image again.")
        return Latent(z, found.get("row"), offsets)

    @torch.no_grad()
    def draw(self, latents: Sequence[Latent], mixes: Sequence[tuple[int, ...]] = ()) -> np.ndarray:
        """Return images of latents, uint8 [N, H, W, C], or volumes [N, D, H, W, C]."""
        parts = []
        for start in range(0, len(latents), MICROBATCH):
            some = latents[start : start + MICROBATCH]
            rows = [one.row for one in some if one.row is not None]
            made = self.run.generate(torch.cat([one.z for one in some]), torch.cat(rows) if rows else None)
            for at, one in enumerate(some):
                given = () if one.row is None else (one.row,)
                if one.offsets and self.levels is not None:
                    made[at] = self.levels.shifted(one.z, *given, offsets=one.offsets)[0]
                if start + at < len(mixes) and (mix := mixes[start + at]) and self.levels is not None:
                    other = self.run.latent(mix[0], mix[1])[None]
                    made[at] = self.levels.mixed(one.z, *given, other=other, at=mix[2])[0]
            parts.append(to_uint8(made).numpy())
        return np.concatenate(parts)

    def pictures(self, points: Sequence[Point], view: View | None = None) -> np.ndarray:
        """Return the images of points, uint8 [N, H, W, C]; volumes are rendered."""
        items = self.draw([self.latent(point) for point in points], [point.mix for point in points])
        return render(items, 160, view or View()) if items.ndim == 5 else items


_players: dict[tuple[str, str], Player] = {}


def opened(given: dict[str, Any]) -> Player:
    """Return the run that a call names, loaded before or now."""
    path, which = Path(given["run"]), str(given.get("checkpoint") or "best")
    key = str(path), which
    if key in _players and _players[key].sign == sign_of(path):
        _players[key] = _players.pop(key)  # the latest are last
        return _players[key]
    _players.pop(key, None)
    while len(_players) >= LOADED:
        _players.pop(next(iter(_players)))
    _players[key] = Player(load(path, which))
    return _players[key]


def sign_of(path: Path) -> tuple[int, ...]:
    """Return a value that changes whenever a run's checkpoints do."""
    found = []
    for name in ("best.json", "latest.json", "manifest.json", "directions.json"):
        with suppress(OSError):
            found.append(os.stat(path / name).st_mtime_ns)  # noqa: PTH116
    return tuple(found)


def coded(codes: Any, z: Tensor, values: Mapping[str, float]) -> Tensor:
    """Return latents with an InfoGAN's codes set: category-1 to a number from 0, code-1 to a value."""
    at = codes.noise
    for number, count in enumerate(codes.categories, 1):
        if (chosen := values.get(f"category-{number}")) is not None:
            z[:, at : at + count] = torch.eye(count)[min(max(int(chosen), 0), count - 1)]
        at += count
    for number in range(1, codes.continuous + 1):
        if (value := values.get(f"code-{number}")) is not None:
            z[:, at] = value
        at += 1
    return z
