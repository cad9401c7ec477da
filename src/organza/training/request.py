"""Arguments of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from organza import recipes
from organza.config.arguments import require_path, require_text, whole
from organza.data.described import from_anywhere
from organza.data.given import Data, is_path, place_of
from organza.data.shards.place import is_remote
from organza.data.size import parse_size
from organza.data.source import WISHES
from organza.data.vector_files import is_vectors
from organza.inference.sampler import SEEDS
from organza.recipe import Recipe
from organza.run.folder import RunFolder
from organza.stop import Rule
from organza.training import auto
from organza.training.accelerator import AUTO
from organza.training.default_run import DefaultRun, default_run

BUDGET, BUDGET_OF_VECTORS = "20m", "500kimg"
"""Budgets of runs on images and on vectors that name none."""
TEXTS = {"budget": "10m", "labels": "labels.csv:class", "device": "cpu", "on_collapse": "stop", "pages": "first"}
"""Fields of a request that are texts, with examples."""


@dataclass(frozen=True)
class TrainArgs:
    """Arguments of a training run, on the command line or in Python. None means the value of the
    run in the folder, else the default.

    Args:
        data: folder, zip or array file of images, or CSV or array file of vectors; or the data itself: an
            array or tensor of images [N, H, W], [N, H, W, C] or [N, C, H, W] or of vectors [N, D], a list
            of Pillow images, or a torch Dataset of images or of (image, label). These are copied to the
            cache, where the run finds them again.
        run: run folder; by default runs/<name of the data>, or runs/<name>-2 and so on if that
            belongs to other data.
        recipe: name of a recipe, or a Recipe; None or "auto" chooses one by the data, the budget
            and the machine.
        budget: time (10m), images (500kimg) or passes (20epochs); 20m by default, for vectors 500kimg, half a million of them.
        settings: field=value changes to the recipe.
        size: 64 or 96x64, width x height.
        channels: 1, 3 or 4.
        labels: columns of labels.csv, or a label table: see `Source`.
        seed: random seed.
        stop: rules that may end the run before its budget; None uses the recipe's.
        evaluate: True to evaluate the samples during training.
        device: auto, cpu, cuda, cuda:1 or mps: see `accelerator.choose`. Not remembered, as a run
            may resume on another device.
        report: True to write report.html at the end.
        on_collapse: action on mode collapse or divergence: rollback (to the last good checkpoint
            with half the learning rate, then with another recipe if auto chose this one, then the
            run ends), stop or continue. Not remembered.
        metadata: True to mark the files of sample grids as synthetic, with weights and seed.
        pages: "first" to use the first page or frame of a file as an image, "all" to use each.
        follow_links: True to follow links in the data folder that lead outside of it.
        start: run or exported folder whose weights a new run starts with; recipe, size and channels default to its own.
        modules: names of your own modules that a run to resume has its networks from; they are imported.
    """

    data: Data
    run: str | Path | None = None
    recipe: str | Recipe | None = None
    budget: str | None = None
    settings: Sequence[str] = ()
    size: str | int | None = None
    channels: int | None = None
    labels: str | None = None
    seed: int | None = None
    stop: Sequence[Rule] | None = None
    evaluate: bool = True
    device: str = AUTO
    report: bool = True
    on_collapse: str = "rollback"
    metadata: bool = True
    pages: str | None = None
    follow_links: bool | None = None
    start: str | Path | None = None
    modules: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", place_of(self.data))
        if self.run is not None:
            require_path(self.run, "run")
        if self.start is not None:
            require_path(self.start, "start")
        _ = self.own
        for name, example in TEXTS.items():
            if getattr(self, name) is not None:
                require_text(getattr(self, name), name, example)
        if self.seed is not None:
            object.__setattr__(self, "seed", whole(self.seed, "seed", most=SEEDS))

    @cached_property
    def own(self) -> frozenset[str]:
        """Names of the user's own modules that the files of the run may name."""
        return recipes.modules_of(None if self.recipe == auto.AUTO else self.recipe) | recipes.trusted(self.modules)

    @property
    def place(self) -> str | Path:
        """Path of the data."""
        assert is_path(self.data)  # since the initialisation
        return self.data if isinstance(self.data, str) else Path(self.data)

    @cached_property
    def chosen(self) -> DefaultRun:
        """Run folder, with a note if its name differs from the data's. Determined once, before
        anything is written.
        """
        return DefaultRun(RunFolder(self.run)) if self.run is not None else default_run(self.place)

    @property
    def folder(self) -> RunFolder:
        """Run folder."""
        return self.chosen.folder

    @property
    def length(self) -> str:
        """Budget of a new run."""
        vectors = not is_remote(self.place) and is_vectors(self.place)
        return self.budget or (BUDGET_OF_VECTORS if vectors else BUDGET)

    def wishes(self) -> dict[str, Any]:
        """Return the data settings as recipe.json keeps them."""
        size = None if self.size is None else str(parse_size(str(self.size)))
        labels = None if self.labels is None else from_anywhere(self.labels)
        return {name: getattr(self, name) for name in WISHES} | {"size": size, "labels": labels}
