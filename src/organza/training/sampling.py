"""What a trainer has to show: what its averaged generator makes, for people and for the referee."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import to_uint8
from organza.game import Batch
from organza.media.images import side_by_side
from organza.media.volumes import pictured
from organza.seeding import MICROBATCH

if TYPE_CHECKING:
    from organza.training.trainer import Trainer


@torch.no_grad()
def samples(trainer: Trainer, positions: range) -> Tensor:
    """What the averaged generator makes of the reference items and latents of these numbers: uint8 [N, ..., C]."""
    found = []
    with trainer.averaged():
        for some in _parts(positions):
            batch = trainer.machine.take(trainer.data.referenced(some) | trainer.latents("sample", some))
            found.append(to_uint8(trainer.game.make(batch)).cpu())
    return torch.cat(found)[: len(positions)]


def targets(trainer: Trainer, positions: range) -> Tensor:
    """What should have been made of these reference items: uint8 [N, ..., C]."""
    output = trainer.game.output
    found = [to_uint8(trainer.data.referenced(some)[output]) for some in _parts(positions)]
    return torch.cat(found)[: len(positions)]


@torch.no_grad()
def gallery(trainer: Trainer, real: bool = False) -> np.ndarray:
    """Pictures for people, uint8 [N, H, W, C]: what is made of fixed latents, or the real items in its place."""
    game, count = trainer.game, trainer.data.rows * trainer.data.columns
    sheets = []
    with trainer.averaged():
        for some in _parts(range(count)):
            batch = trainer.machine.take(trainer.data.gallery(some) | trainer.latents("sample", some))
            output = batch[game.output] if real else _drawn(trainer, batch)
            shown = [to_uint8(part).cpu().numpy() for part in game.shown(batch, output)]
            sheets.append(side_by_side([pictured(part) for part in shown]))
    return np.concatenate(sheets)[:count]


def _drawn(trainer: Trainer, batch: Batch) -> Tensor:
    """What is looked at: what the generator makes of a batch, or in a rehearsal what it makes there."""
    game = trainer.game
    return game.rehearse(batch)[game.output] if trainer.rehearsing else game.make(batch)


def _parts(positions: range) -> Iterator[range]:
    """A few at a time, the last as many as the others: each picture is the same to the bit, whatever is asked for beside it."""
    for start in range(positions.start, positions.stop, MICROBATCH):
        yield range(start, start + MICROBATCH)
