"""Dry run: the resolved recipe with its size, cost, memory and time, measured on a few steps."""

from __future__ import annotations

import json
from typing import Any

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from organza.config import encode
from organza.data.batches import Batches
from organza.memory import peak_memory
from organza.progress import Progress, words
from organza.recipe import Recipe
from organza.run.folder import RunFolder
from organza.training.accelerator import choose
from organza.training.feasibility import feasible
from organza.training.plan import Budget
from organza.training.preparation import earlier, open_data, resolve
from organza.training.request import TrainArgs
from organza.training.speed import faster, rates, trial
from organza.training.step import train_step


def dry_run(asked: TrainArgs, progress: Progress | None = None) -> str:
    """Return the resolved recipe as JSON, and its figures in words."""
    accelerator = choose(asked.device)
    before = earlier(asked)
    recipe, reasons = resolve(asked, accelerator, before, progress)
    data = open_data(asked, recipe, before, progress)
    feasible(recipe, data)
    budget = Budget.parse(asked.budget or before["plan"]["budget"] if before else asked.length)
    accelerator = faster(recipe, data, accelerator)
    rate = max(rates(recipe, data, accelerator, 1.5).values())
    planned = budget.planned(len(data.parts.train), rate)
    game = recipe.build(data)
    channels, *space = data.shape
    size = f"of {'x'.join(map(str, reversed(space)))}, {channels} channels" if space else f"of {channels} columns"
    lines = [
        json.dumps(encode(recipe), indent=2),
        "",
        *reasons,
        f"data            {data.count:,} {data.unit} {size} ({len(data.parts.held_out):,} held out)",
        f"generator       {count(game.G):,} weights",
        f"discriminator   {count(game.D):,} weights",
        f"cost            {cost(recipe, data) / 1e9:.2f} GFLOP an image, both players, all passes",
        f"device          {accelerator}",
        f"speed           {rate:.1f} images/s on this machine now",
        f"memory          {peak_memory() / 1e6:,.0f} MB at the peak so far",
        f"budget          {budget.text}: about {planned:,} images ({planned / len(data.parts.train):.1f} passes), {words(planned / rate)}",
        f"run folder      {asked.folder.path}"
        + (" (it holds a run, which would be resumed)" if RunFolder(asked.folder.path).exists else ""),
        *filter(None, [asked.chosen.note]),
        "Nothing was written.",
    ]
    return "\n".join(lines)


def count(network: nn.Module) -> int:
    """Return the number of weights."""
    return sum(weight.numel() for weight in network.parameters())


def cost(recipe: Recipe, data: Batches) -> float:
    """Count the floating-point operations that a training step spends on each image."""
    state = trial(recipe, data)
    with Counter() as counter:
        train_step(state)
    return counter.total / state.images


class Counter(TorchDispatchMode):
    """Counter of floating-point operations. torch's own FlopCounterMode also hooks every module,
    which gradient penalties forbid.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        named = named or {}
        result = function(*arguments, **named)
        if (formula := flop_registry.get(function._overloadpacket)) is not None:
            self.total += formula(*arguments, **named, out_val=result)
        return result
