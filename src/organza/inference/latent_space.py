"""The latent space of a trained run: walks, mixtures, directions, inversion and edits, by `organza.latents`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from organza.inference.sampler import Sampler
from organza.progress import Progress

if TYPE_CHECKING:
    from organza.latents.directions import Direction
    from organza.latents.inverting import Inversion
    from organza.latents.search import Labelled, Search


class LatentSpace(Sampler):
    """A trained run whose latents can be walked through, mixed, inverted and edited."""

    def walk(
        self,
        seeds: Sequence[int] = (0,),
        *,
        seconds: float = 8.0,
        fps: int = 30,
        cells: int = 1,
        closed: bool = True,
        truncate: float = 1.0,
        labels: Mapping[str, str] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the frames of a walk through latents, uint8 [cells, H, W, C] each, for `media.clips`.

        Args:
            seeds: seeds of the images to pass through; one gives a circle through its image, at an
                even speed.
            seconds: length of the walk.
            fps: frames a second.
            cells: number of walks side by side; that of cell k passes through image k of each seed.
            closed: True for a loop: the first frame follows the last.
            truncate: share of the distance from the centre to keep: see `sample`.
            labels: labels for a conditional generator, by field, for the whole walk.

        Raises:
            UserError: if the run does not generate from noise, or an argument is out of its range.

        >>> frames = list(load("runs/faces").walk([1, 5, 9], seconds=12))    # doctest: +SKIP
        """
        from organza.latents.walks import walk

        return walk(
            self, seeds, seconds=seconds, fps=fps, cells=cells, closed=closed, truncate=truncate, labels=labels
        )  # fmt: skip

    def mix(
        self,
        coarse: Sequence[int],
        fine: Sequence[int],
        level: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> np.ndarray:
        """Mix the levels of two latents: uint8 [coarse, fine, H, W, C], a row for each coarse seed.

        Args:
            coarse: seeds of the latents for the levels below `level`: layout and shapes.
            fine: seeds of those for the others: in swift's generator, what modulates its layers.
            level: first level of the fine latents, from 1; 1 by default.
            labels: labels for a conditional generator, by field.

        Raises:
            UserError: if z enters the generator at one place only.
        """
        from organza.latents.walks import mixed

        return mixed(self, coarse, fine, level, labels)

    def directions(self, most: int = 6) -> tuple[Direction, ...]:
        """Return the directions that this generator has: those kept in its folder (`keep_directions`,
        `organza directions`) or else the axes of its Jacobian, which take a second.

        Args:
            most: largest number of axes.
        """
        from organza.latents import saved, search

        return saved.load(self) or search.axes(self, most)

    def find_directions(
        self,
        labelled: Labelled | None = None,
        marked: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        *,
        most: int = 6,
        samples: int = 4000,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Search:
        """Find directions and try each on latents that took no part; those that do not hold are
        refused with the reason.

        Args:
            labelled: images with attributes, as `latents.labelled.labelled` reads them from data
                with a table.
            marked: images that have something and images that have not, uint8 [N, H, W, C] each,
                by name: {"smile": (smiling, others)}; generated or real, 8 of each at least.
            most: largest number of axes of the Jacobian.
            samples: number of generated images to learn from.
            seed: random seed of their latents.
            progress: function that takes (task, done, total).

        Returns:
            Search: its `directions` hold, those from marks and labels first; `refused` do not.

        Raises:
            UserError: if the run does not generate from noise, or too few images are marked.
        """
        from organza.latents.search import search

        return search(self, labelled, marked, most=most, samples=samples, seed=seed, progress=progress)

    def keep_directions(self, directions: Sequence[Direction]) -> Path:
        """Write directions into directions.json of the folder, for `directions`, `edit` and
        exports, and return its path.
        """
        from organza.latents import saved

        return saved.save(self, directions)

    def invert(
        self,
        pictures: np.ndarray,
        *,
        starts: int = 4,
        steps: int = 200,
        inner: bool = True,
        labels: Mapping[str, str] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Inversion:
        """Find the latents whose images are nearest to images: `latents.inversion`.

        Args:
            pictures: uint8 [N, H, W, C] of the training size.
            starts: number of starts for each image, the nearest of 256 random latents; E(x) is one
                of them if the run has an encoder.
            steps: steps of the optimizer, twice as many with `inner`.
            inner: True to adapt the generator's levels too, for images that z alone does not reach.
            labels: labels of the images, by field, for a conditional generator.
            seed: random seed of the starts.
            progress: function that takes (task, done, total), in steps.

        Raises:
            UserError: if the run does not generate from noise, or size or channels are different.
        """
        from organza.latents.inverting import invert

        return invert(
            self, pictures, starts=starts, steps=steps, inner=inner, labels=labels, seed=seed, progress=progress
        )

    def edit(
        self,
        what: Inversion | Tensor | int,
        moves: Mapping[str, float],
        directions: Sequence[Direction] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> np.ndarray:
        """Move images along directions: uint8 [N, H, W, C].

        Args:
            what: an inversion, latents [N, z_dim], or the seed of an image.
            moves: deviations by the name of the direction, or the beginning of it: {"hair": 2}.
            directions: directions to choose from; `self.directions()` by default.
            labels: labels for a conditional generator, by field; an inversion has its own.

        Raises:
            UserError: if there is no such direction, or more than one.
        """
        from organza.latents.inverting import edit

        return edit(self, what, moves, self.directions() if directions is None else directions, labels)
