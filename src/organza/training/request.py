"""What a user asks for when a run is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from organza import recipes
from organza.config.arguments import require_path, require_text, whole
from organza.data.described import from_anywhere
from organza.data.size import parse_size
from organza.data.source import WISHES
from organza.inference.load import SEEDS
from organza.recipe import Recipe
from organza.run.folder import RunFolder
from organza.stop import Rule
from organza.training import auto
from organza.training.accelerator import AUTO
from organza.training.default_run import DefaultRun, default_run

TEXTS = {"budget": "10m", "labels": "labels.csv:class", "device": "cpu", "on_collapse": "stop", "pages": "first"}
"""Fields of a request that are texts, with examples."""


@dataclass(frozen=True)
class TrainArgs:
    """What a user asks for, on the command line or in Python. None means: as the run in the folder has it, else the default.

    Args:
        data: a folder, a zip or an array file of images.
        run: the run's folder; by default runs/<name of the data>, or runs/<name>-2 and so on where that belongs to other data.
        recipe: a recipe's name, or a Recipe; None or "auto" chooses one by the data, the budget and the machine.
        budget: a time (10m), images (500kimg) or passes (20epochs).
        settings: field=value changes to the recipe.
        size: 64 or 96x64, width x height.
        channels: 1, 3 or 4.
        labels: columns of labels.csv, or a table of labels: see `Source`.
        seed: random seed.
        stop: rules that may end the run before its budget; None leaves the recipe's.
        evaluate: measure the samples while training.
        device: auto, cpu, cuda, cuda:1 or mps: see `accelerator.choose`. It is not remembered: a run may go on elsewhere.
        report: write report.html at the end.
        on_collapse: what is done about a grave illness: rollback (to the last good checkpoint with half the rate, then with another recipe
            where auto chose this one, then the run ends), stop or continue. It is not remembered.
        metadata: the sheets of samples say in their files that they are synthetic, by which weights and from which seed.
        pages: of files with several pages or frames, "first" takes the first as an image, "all" each.
        follow_links: read what links in the data folder lead to outside of it.
        start: run or exported folder whose weights a new run begins with; recipe, size and channels are its own, too, by default.
    """

    data: str | Path
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

    def __post_init__(self) -> None:
        require_path(self.data, "data")
        if self.run is not None:
            require_path(self.run, "run")
        if self.start is not None:
            require_path(self.start, "start")
        recipes.modules_of(None if self.recipe == auto.AUTO else self.recipe)
        for name, example in TEXTS.items():
            if getattr(self, name) is not None:
                require_text(getattr(self, name), name, example)
        if self.seed is not None:
            object.__setattr__(self, "seed", whole(self.seed, "seed", most=SEEDS))

    @cached_property
    def chosen(self) -> DefaultRun:
        """The run's folder, and a note where it could not bear the data's name. It is looked for once, before anything is written."""
        return DefaultRun(RunFolder(self.run)) if self.run is not None else default_run(self.data)

    @property
    def folder(self) -> RunFolder:
        """The run's folder."""
        return self.chosen.folder

    def wishes(self) -> dict[str, Any]:
        """Return what the user asked of the data, as recipe.json keeps it."""
        size = None if self.size is None else str(parse_size(str(self.size)))
        labels = None if self.labels is None else from_anywhere(self.labels)
        return {name: getattr(self, name) for name in WISHES} | {"size": size, "labels": labels}
