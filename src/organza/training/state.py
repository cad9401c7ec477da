"""The state of training: all that a step changes and depends on.

A step is a function of the weights, of what the optimizers remember and of the images seen, so a run that was killed goes on as if
nothing had been. Only this file assigns the attributes of a `TrainState`: see `step` for the step, `snapshot` for what a checkpoint keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from organza.data.batches import Batches
from organza.game import Batch
from organza.networks.layers import channels_last, networks_of
from organza.recipe import Recipe
from organza.run import checkpoint
from organza.run.health import Pulse, Vitals
from organza.seeding import seed_of, stream
from organza.stop import Check
from organza.training.accelerator import CPU, Machine
from organza.training.ema import Average, recalibrate
from organza.training.plan import Plan

GLANCED = 4096  # weights of a player that are compared from step to step: enough to see it move, and no work
PULSE = ("G step", "D step", "G gradient", "spread")
"""Readings of a step that the next evaluation asks for."""
STRICTER = 3.0
"""What the penalties' weights are multiplied by where D was blind or samples grew alike: one step of the usual grid of their weights."""


class Rollback(NamedTuple):
    """One time that a run was taken back.

    Args:
        to: images seen at the checkpoint that it went on from; 0 is the beginning.
        at: images seen when it fell ill.
        why: in words.
        stricter: the penalties are stricter from then on.
        recipe: name of the recipe that was taken from then on; "" keeps it.
    """

    to: int
    at: int
    why: str
    stricter: bool = False
    recipe: str = ""


class TrainState:
    """A game in training: its networks, optimizers, average, counters, and the history of its evaluations and health.

    Args:
        recipe: what is trained and how.
        data: the batches.
        plan: for how long; schedules are fractions of it.
        seed: random seed.
        machine: what the players compute on; weights, data and latents are made on the CPU, the same for every machine.
    """

    def __init__(self, recipe: Recipe, data: Batches, plan: Plan, seed: int, machine: Machine = CPU):
        self.recipe, self.data, self.plan, self.seed, self.machine = recipe, data, plan, seed, machine
        self.rollbacks: list[Rollback] = []
        self.begin()

    def begin(self) -> None:
        """Stand at the first image, with fresh weights."""
        recipe, machine = self.recipe, self.machine
        torch.manual_seed(seed_of(self.seed, "weights"))
        self.game = channels_last(recipe.build(self.data))
        self.game.fit(self.data)
        self.game.requires_grad_(False)
        machine.settle(self.game)
        self.average = Average(self.game.G)
        machine.compile(*networks_of(self.game.G), *networks_of(self.game.D))
        self.optimizers = {
            "generator": recipe.generator_optimizer.build(self.game.G.parameters()),
            "discriminator": recipe.discriminator_optimizer.build(self.game.D.parameters()),
        }
        self.images = self.steps = self.planned_at = 0
        self.seconds = 0.0
        self.saved_at = self.calibrated_at = self.tried_at = -1
        self.duels: list[tuple[Tensor, Tensor]] = []
        self.history: list[Check] = []
        self.sums: dict[str, list[float]] = {}
        self.vitals: list[Vitals] = []
        self.pulse = Pulse()
        self.unwell = 0  # glances in a row that found an illness
        self.look()

    def begin_with(self, players: Mapping[str, Mapping[str, Tensor]], source: str) -> None:
        """Take the weights of another run, of its averaged generator and, where it is there, of its discriminator.

        Args:
            players: tensors by player and name.
            source: where they are from, for the error.

        Raises:
            Damaged: they are of other networks.
        """
        networks = {"generator": self.game.G, "discriminator": self.game.D}
        for name, network in networks.items():
            if name in players:
                checkpoint.restore_network(network, players[name], f"{source}/{name}.safetensors")
        self.average.network.load_state_dict(self.game.G.state_dict())
        self.look()

    # ---- what a step looks at -------------------------------------------------------------------------------------------------

    @property
    def rehearsing(self) -> bool:
        """True if G trains alone, before the game begins. What it would sample then is not looked at."""
        return not self.recipe.turns(self.images)[0]

    def batch(self, positions: range) -> Batch:
        """Return the real data and the latents of these positions of the run, on the device."""
        return self.machine.take(self.data.at(positions) | self.latents("z", positions))

    def latents(self, purpose: str, positions: Iterable[int]) -> Batch:
        """Return the latents of a purpose, each from a stream of its own."""
        return self.game.latents([stream(self.seed, purpose, position) for position in positions])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the game in evaluation mode, with the averaged generator in the place of the trained one."""
        generator = self.game.G
        if self.recipe.average:
            self.game.G = self.average.network
            if self.calibrated_at != self.images:
                recalibrate(self.game.G, lambda turn: self.game.play(self.batch(range(turn * 64, turn * 64 + 64))))
                self.calibrated_at = self.images
        self.game.eval()
        try:
            yield
        finally:
            self.game.G = generator
            self.game.train()

    # ---- what changes it ------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Take in the weights as they are, for the next step to be compared with."""
        self.glimpses = {"G": glimpse(self.game.G), "D": glimpse(self.game.D)}

    def count(self, images: int) -> None:
        """Count images that D saw."""
        self.images += images

    def stepped(self, least: int) -> dict[str, Tensor]:
        """Count a step, and return the change of each player's weights over their size.

        Args:
            least: images seen after it, where D sat out.
        """
        self.images = max(self.images, least)
        self.steps += 1
        before = self.glimpses
        self.look()
        return {who: change(before[who], now) for who, now in self.glimpses.items()}

    def record(self, numbers: Mapping[str, float]) -> None:
        """Take in the losses and readings of a step, for the next line of statistics and the next evaluation."""
        beats = {name: value for name, value in numbers.items() if name in PULSE}
        if "D(x)" in numbers:
            beats["apart"] = abs(numbers["D(x)"] - numbers["D(G(z))"])
        self.pulse.beat(beats)
        for name, value in numbers.items():
            self.sums.setdefault(name, []).append(value)

    def clear_sums(self) -> None:
        """Begin the next line of statistics."""
        self.sums = {}

    def set_clock(self, seconds: float) -> None:
        """Set the seconds that the run has taken."""
        self.seconds = seconds

    def correct_plan(self) -> None:
        """Plan anew, where the guess at the speed was wrong."""
        self.plan = self.plan.corrected(self.images, self.seconds)

    def mark_planned(self) -> None:
        """Note that the plan leads here: a rollback may, too, but not to where a signal happened to come."""
        self.planned_at = self.images

    def mark_saved(self) -> None:
        """Note that a checkpoint of this instant is on the disk."""
        self.saved_at = self.images

    def mark_evaluated(self) -> None:
        """Note that the steps until here were evaluated, which the checkpoint of this instant does not know yet."""
        self.pulse, self.saved_at = Pulse(), -1

    def keep_duels(self, duels: list[tuple[Tensor, Tensor]]) -> None:
        """Keep what D says of reference items and of fakes at this instant."""
        self.duels, self.tried_at = duels, self.images

    def count_illness(self, ill: bool) -> None:
        """Count glances in a row that found an illness."""
        self.unwell = self.unwell + 1 if ill else 0

    def begin_anew(self, recipe: Recipe, plan: Plan) -> None:
        """Stand at the first image of another recipe."""
        self.recipe, self.plan = recipe, plan
        self.begin()

    def stand_at(
        self,
        *,
        images: int,
        steps: int,
        seconds: float,
        history: list[Check],
        sums: dict[str, list[float]],
        vitals: list[Vitals],
        pulse: Pulse,
        planned_at: int,
        unwell: int,
        plan: Plan,
    ) -> None:
        """Stand where a checkpoint was saved, once its tensors are in their places."""
        self.images, self.steps, self.seconds, self.plan = images, steps, seconds, plan
        self.history, self.sums, self.vitals, self.pulse = history, sums, vitals, pulse
        self.planned_at, self.unwell = planned_at, unwell
        self.saved_at, self.calibrated_at, self.tried_at = images, -1, -1
        self.look()


@torch.no_grad()
def glimpse(player: nn.Module) -> Tensor:
    """Return some weights of a player, evenly spaced, [about 4,096]: a copy."""
    weights = list(player.parameters())
    if not weights:
        return torch.zeros(1)
    every = max(1, sum(weight.numel() for weight in weights) // GLANCED)
    return torch.cat([weight.detach().flatten()[::every] for weight in weights]).float()


def change(before: Tensor, now: Tensor) -> Tensor:
    """Return the distance of two glimpses over the size of the first: the update-to-weight ratio, where a step lies between.

    >>> change(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])).item()
    0.10000000149011612
    """
    return (now - before).norm() / before.norm().clamp_min(1e-12)


def current(rollbacks: Sequence[Rollback]) -> Sequence[Rollback]:
    """Return the rollbacks since another recipe was taken, or all.

    >>> [one.at for one in current([Rollback(0, 9, "ill"), Rollback(0, 8, "ill", recipe="swift"), Rollback(4, 7, "ill")])]
    [7]
    """
    last = max((k + 1 for k, one in enumerate(rollbacks) if one.recipe), default=0)
    return rollbacks[last:]


def strictness(rollbacks: Sequence[Rollback], images: int) -> float:
    """Return what the penalties' weights are multiplied by.

    >>> strictness([Rollback(100, 150, "alike", stricter=True)], 120)
    3.0
    """
    return STRICTER ** sum(one.stricter and one.to <= images for one in current(rollbacks))


def factor(rollbacks: Sequence[Rollback], images: int) -> float:
    """Return what the learning rates are multiplied by: a half for each rollback to an earlier point.

    >>> factor([Rollback(100, 150, "nan"), Rollback(200, 250, "nan")], 120)
    0.5
    """
    return 0.5 ** sum(one.to <= images for one in current(rollbacks))


def abandoned(images: int, known: int, rollbacks: Sequence[Rollback]) -> bool:
    """Return True if a checkpoint was left behind by a later rollback.

    Args:
        images: images seen at the checkpoint.
        known: number of rollbacks before it was written.
        rollbacks: all rollbacks of the run.

    >>> abandoned(140, 0, [Rollback(100, 150, "nan")]), abandoned(140, 1, [Rollback(100, 150, "nan")])
    (True, False)
    """
    return any(one.to < images for one in rollbacks[known:])
