"""Runs for tests: train by the library's one entry, stop at a position, and compare the weights byte for byte."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

import organza
from organza import Batches
from organza.recipe import Recipe
from organza.run import checkpoint
from organza.run.events import Event, Tick
from organza.run.folder import RunFolder

WHOLE = "ORGANZA_WHOLE" in os.environ
"""True in `make faults`, where trials that `make test` makes small are made whole."""


def enough(few: int, whole: int) -> int:
    """Return how often to try: `few` times in `make test`, `whole` in `make faults`."""
    return whole if WHOLE else few


def look_little(patch: pytest.MonkeyPatch) -> None:
    """Four samples in a grid, 16 logits in a checkpoint and batch norms of four batches of 16, not 64, 256 and 64: those take most of so
    short a run. A hole is smoothed in one round of each size, as each adds some hundred operations to a file.
    """
    patch.setattr("organza.networks.filler.ROUNDS", 1)
    patch.setattr("organza.training.evaluator.JUDGED", 16)
    patch.setattr("organza.training.state.TOGETHER", 16)
    patch.setattr(Batches, "rows", 2)
    patch.setattr(Batches, "columns", 2)


def train(data: Path, run: Path, recipe: Recipe | None = None, until: float = float("inf"), **request) -> list:
    """Return the events of a run; with `until`, of one that Ctrl-C stops after so many images.

    There is no report unless `report=True` asks for it: it costs as much as ten steps.
    """
    events: list = []

    def show(event: Event) -> None:
        events.append(event)
        if isinstance(event, Tick) and event.images >= until:
            signal.raise_signal(signal.SIGINT)

    request = {"budget": "160img", "size": 32, "stop": (), "evaluate": False, "report": False} | request
    with suppress(KeyboardInterrupt):
        organza.train(data, run, on_event=show, recipe=recipe, progress=False, **request)
    return events


def weights(run: Path, images: int | None = None) -> dict[str, bytes]:
    """Return the files of a checkpoint, byte for byte; of the last one unless a position is given."""
    folder = RunFolder(run)
    chosen = (
        checkpoint.existing(folder.checkpoints)[-1]
        if images is None
        else folder.checkpoints / checkpoint.name_for(images)
    )
    return {file.name: file.read_bytes() for file in sorted(chosen.glob("*.safetensors"))}
