"""Samples of a run: the output of its averaged generator, for display and for evaluation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from organza.game import Batch
from organza.media.images import side_by_side
from organza.media.scatter import panels
from organza.media.volumes import pictured
from organza.seeding import MICROBATCH
from organza.training.state import TrainState


@torch.no_grad()
def samples(state: TrainState, positions: range) -> Tensor:
    """Generate samples with the averaged generator from the reference items and latents of these
    numbers: uint8 [N, ..., C], or vectors in their own units.
    """

    def sampled(some: range) -> Tensor:
        batch = state.accelerator.take(state.data.referenced(some) | state.latents("sample", some))
        return state.data.finished(state.game.make(batch)).cpu()

    with state.averaged():
        return torch.cat(state.world.map(sampled, list(_parts(positions))))[: len(positions)]


def targets(state: TrainState, positions: range) -> Tensor:
    """Return the targets of these reference items: uint8 [N, ..., C]."""
    output = state.game.output
    found = [state.data.finished(state.data.referenced(some)[output]) for some in _parts(positions)]
    return torch.cat(found)[: len(positions)]


@torch.no_grad()
def gallery(state: TrainState, real: bool = False) -> np.ndarray:
    """Return images for display, uint8 [N, H, W, C]: samples of fixed latents, or the real items
    instead; scatter plots of vectors.
    """
    game, count = state.game, state.data.rows * state.data.columns

    def drawn(some: range) -> Tensor:
        batch = state.accelerator.take(state.data.gallery(some) | state.latents("sample", some))
        output = batch[game.output] if real else _drawn(state, batch)
        shown = [state.data.finished(part).cpu().numpy() for part in game.shown(batch, output)]
        return torch.from_numpy(side_by_side([pictured(part) for part in shown]))

    with state.averaged():
        items = torch.cat(state.world.map(drawn, list(_parts(range(count))))).numpy()[:count]
    table = state.data.table
    return items if table is None else panels(items, state.data.real(), table.printable, real)


def _drawn(state: TrainState, batch: Batch) -> Tensor:
    """Return the images to display: the generator's output for a batch, also during its warm-up."""
    game = state.game
    return game.warm_up(batch)[game.output] if state.warming_up else game.make(batch)


def _parts(positions: range) -> Iterator[range]:
    """Yield parts of equal size, including the last: each image is then the same to the bit, for
    any number of images.
    """
    for start in range(positions.start, positions.stop, MICROBATCH):
        yield range(start, start + MICROBATCH)
