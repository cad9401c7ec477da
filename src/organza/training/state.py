"""The training state: everything that a step changes and depends on.

A step is a function of the weights, the optimizers' moments and the images seen, so a killed run
resumes as if it had not been interrupted. Only this file assigns attributes of a `TrainState`: see
`step` for the step, `snapshot` for checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from organza.data.batches import Batches
from organza.distributed.world import ALONE, World
from organza.game import Batch
from organza.networks.layers import channels_last, networks_of
from organza.networks.synchronised import synchronise
from organza.recipe import Recipe
from organza.run.health import RunningStats, Vitals
from organza.run.weights import restore_network
from organza.seeding import seed_of, stream
from organza.stop import Check
from organza.training.accelerator import CPU, Accelerator
from organza.training.ema import Average, recalibrate
from organza.training.plan import Crossed, Plan
from organza.training.uncompiled import built

COMPARED = 4096  # weights of a player that are compared between steps: enough to detect a change, at no cost
TOGETHER = 64
"""Items in each of the batches that the batch-norm statistics of the average are recomputed from."""
TRACKED = ("G step", "D step", "G gradient", "spread")
"""Readings of a step that the next evaluation uses."""
STRICTER = 3.0
"""Factor of the penalties' weights after mode collapse or a blind discriminator: one step of the
usual grid of their weights."""


class Rollback(NamedTuple):
    """One rollback of a run.

    Args:
        to: images seen at the checkpoint that it resumed from; 0 is the beginning.
        at: images seen when the fault was found.
        why: reason in words.
        stricter: True if the penalties are stricter from then on.
        recipe: name of the recipe used from then on; "" for no change.
    """

    to: int
    at: int
    why: str
    stricter: bool = False
    recipe: str = ""


class TrainState:
    """State of a game in training: networks, optimizers, average, counters, and the history of its
    evaluations and health.

    Args:
        recipe: recipe of the run.
        data: training batches.
        plan: length of the run; schedules are fractions of it.
        seed: random seed.
        accelerator: device of the players; weights, data and latents are drawn on the CPU, equal
            for every machine.
        world: ranks that share the batches. Each holds the whole state, with equal bytes.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Batches,
        plan: Plan,
        seed: int,
        accelerator: Accelerator = CPU,
        world: World = ALONE,
    ):
        self.recipe, self.data, self.plan, self.seed, self.accelerator = recipe, data, plan, seed, accelerator
        self.world = world
        self.rollbacks: list[Rollback] = []
        self.begin()

    def begin(self) -> None:
        """Reset to the first image, with new weights."""
        recipe, accelerator = self.recipe, self.accelerator
        torch.manual_seed(seed_of(self.seed, "weights"))
        self.game = channels_last(recipe.build(self.data))
        self.game.fit(self.data)
        self.game.requires_grad_(False)
        accelerator.settle(self.game)
        self.world.spread(list(self.game.state_dict().values()))  # initial weights differ with the version of torch
        self.average = Average(self.game.G)
        synchronise(self.game, self.world)
        accelerator.compile(*networks_of(self.game.G), *networks_of(self.game.D))
        self.optimizers = {
            "generator": built(recipe.generator_optimizer, self.game.G.parameters()),
            "discriminator": built(recipe.discriminator_optimizer, self.game.D.parameters()),
        }
        self.images = self.steps = self.planned_at = 0
        self.alone = recipe.alone(self.plan.images)  # images of the generator's warm-up
        self.seconds = 0.0
        self.saved_at = self.calibrated_at = self.tried_at = -1
        self.duels: list[tuple[Tensor, Tensor]] = []
        self.history: list[Check] = []
        self.sums: dict[str, list[float]] = {}
        self.vitals: list[Vitals] = []
        self.running = RunningStats()
        self.unwell = 0  # consecutive checks that found a fault
        self.look()

    def begin_with(self, players: Mapping[str, Mapping[str, Tensor]], source: str) -> None:
        """Load the weights of another run: its averaged generator and, if given, its discriminator.

        Args:
            players: tensors by player and name.
            source: folder of the weights, for the error.

        Raises:
            Damaged: if they do not fit the networks.
        """
        networks = {"generator": self.game.G, "discriminator": self.game.D}
        for name, network in networks.items():
            if name in players:
                restore_network(network, players[name], f"{source}/{name}.safetensors")
        self.average.network.load_state_dict(self.game.G.state_dict())
        self.look()

    # ---- inputs of a step -----------------------------------------------------------------------------------------------------

    @property
    def warming_up(self) -> bool:
        """True during the autoencoder warm-up, before the game begins. Its samples are not
        evaluated.
        """
        return not self.recipe.turns(self.images, self.alone)[0]

    @property
    def last_warm_up(self) -> int:
        """Images seen when the last step of the generator's warm-up begins; 0 if there is none."""
        return max(0, self.alone - 1) // self.recipe.batch * self.recipe.batch

    def due(self, before: int) -> Crossed:
        """Return the work that is due since `before` images seen.

        A run by the clock also saves in the middle of the generator's warm-up, as its length is
        corrected then.
        """
        crossed, middle = self.plan.crossed(before, self.images), self.alone // 2
        timed = self.plan.seconds is not None and callable(self.recipe.generator_warmup)
        return crossed._replace(save=True) if timed and before < middle <= self.images else crossed

    def batch(self, positions: range) -> Batch:
        """Return the real data and the latents of these positions of the run, on the device."""
        return self.accelerator.take(self.data.at(positions) | self.latents("z", positions))

    def latents(self, purpose: str, positions: Iterable[int]) -> Batch:
        """Return the latents for a purpose, each from its own stream."""
        return self.game.latents([stream(self.seed, purpose, position) for position in positions])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the game in evaluation mode, with the averaged generator instead of the trained one."""
        generator = self.game.G
        if self.recipe.average:
            self.game.G = self.average.network
            if self.calibrated_at != self.images:
                recalibrate(
                    self.game.G, lambda turn: self.game.play(self.batch(range(turn * TOGETHER, (turn + 1) * TOGETHER)))
                )
                self.calibrated_at = self.images
        self.game.eval()
        try:
            yield
        finally:
            self.game.G = generator
            self.game.train()

    # ---- changes --------------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Record the current weights, for comparison after the next step."""
        self.sampled_weights = {"G": sample_weights(self.game.G), "D": sample_weights(self.game.D)}

    def count(self, images: int) -> None:
        """Count images that D saw."""
        self.images += images

    def stepped(self, least: int) -> dict[str, Tensor]:
        """Count a step, and return the change of each player's weights relative to their norm.

        Args:
            least: images seen after it, if D skipped its turn.
        """
        self.images = max(self.images, least)
        self.steps += 1
        before = self.sampled_weights
        self.look()
        return {who: change(before[who], now) for who, now in self.sampled_weights.items()}

    def record(self, numbers: Mapping[str, float]) -> None:
        """Record the losses and metrics of a step, for the next line of statistics and the next
        evaluation.
        """
        tracked = {name: value for name, value in numbers.items() if name in TRACKED}
        if "D(x)" in numbers:
            tracked["apart"] = abs(numbers["D(x)"] - numbers["D(G(z))"])
        self.running.update(tracked)
        for name, value in numbers.items():
            self.sums.setdefault(name, []).append(value)

    def clear_sums(self) -> None:
        """Start the next line of statistics."""
        self.sums = {}

    def set_clock(self, seconds: float) -> None:
        """Set the training time of the run in seconds."""
        self.seconds = seconds

    def correct_plan(self) -> None:
        """Correct the plan if the estimated speed was wrong, and with it a warm-up of G that is not over."""
        alone, ahead = self.alone, self.images + self.recipe.batch
        unfinished = self.images < alone
        self.plan = self.plan.corrected(
            self.images, self.seconds, self.recipe.alone if unfinished else lambda planned: alone
        )
        if unfinished:
            self.alone = max(ahead, self.recipe.alone(self.plan.images))

    def mark_planned(self) -> None:
        """Record that this position is in the plan, and so a possible target of a rollback, unlike
        the position of a signal.
        """
        self.planned_at = self.images

    def mark_saved(self) -> None:
        """Record that a checkpoint of this position is on disk."""
        self.saved_at = self.images

    def mark_evaluated(self) -> None:
        """Record that the steps so far are evaluated, which the checkpoint at this position does
        not know yet.
        """
        self.running, self.saved_at = RunningStats(), -1

    def keep_duels(self, duels: list[tuple[Tensor, Tensor]]) -> None:
        """Record D's logits of reference items and of fakes at this position."""
        self.duels, self.tried_at = duels, self.images

    def count_illness(self, ill: bool) -> None:
        """Count consecutive checks that found a fault."""
        self.unwell = self.unwell + 1 if ill else 0

    def begin_anew(self, recipe: Recipe, plan: Plan) -> None:
        """Reset to the first image of another recipe."""
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
        running: RunningStats,
        planned_at: int,
        unwell: int,
        plan: Plan,
        alone: int,
    ) -> None:
        """Set the counters and histories of a checkpoint, after its tensors are loaded."""
        self.images, self.steps, self.seconds, self.plan = images, steps, seconds, plan
        self.history, self.sums, self.vitals, self.running = history, sums, vitals, running
        self.planned_at, self.unwell, self.alone = planned_at, unwell, alone
        self.saved_at, self.calibrated_at, self.tried_at = images, -1, -1
        self.look()


@torch.no_grad()
def sample_weights(player: nn.Module) -> Tensor:
    """Return a copy of some weights of a player, evenly spaced, [about 4,096]."""
    weights = list(player.parameters())
    if not weights:
        return torch.zeros(1)
    every = max(1, sum(weight.numel() for weight in weights) // COMPARED)
    return torch.cat([weight.detach().flatten()[::every] for weight in weights]).float()


def change(before: Tensor, now: Tensor) -> Tensor:
    """Return the distance of two samples of weights relative to the norm of the first: after one step, the
    update-to-weight ratio.

    >>> change(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])).item()
    0.10000000149011612
    """
    return (now - before).norm() / before.norm().clamp_min(1e-12)


def current(rollbacks: Sequence[Rollback]) -> Sequence[Rollback]:
    """Return the rollbacks since the last change of recipe, or all.

    >>> [one.at for one in current([Rollback(0, 9, "ill"), Rollback(0, 8, "ill", recipe="swift"), Rollback(4, 7, "ill")])]
    [7]
    """
    last = max((k + 1 for k, one in enumerate(rollbacks) if one.recipe), default=0)
    return rollbacks[last:]


def strictness(rollbacks: Sequence[Rollback], images: int) -> float:
    """Return the factor of the penalties' weights: once, as at nine and more D sees little and G draws one image again and again.

    >>> strictness([Rollback(100, 150, "alike", stricter=True)], 120)
    3.0
    """
    return STRICTER if any(one.stricter and one.to <= images for one in current(rollbacks)) else 1.0


def factor(rollbacks: Sequence[Rollback], images: int) -> float:
    """Return the factor of the learning rates: a half for each rollback to an earlier point.

    >>> factor([Rollback(100, 150, "nan"), Rollback(200, 250, "nan")], 120)
    0.5
    """
    return 0.5 ** sum(one.to <= images for one in current(rollbacks))


def abandoned(images: int, known: int, rollbacks: Sequence[Rollback]) -> bool:
    """Return True if a checkpoint was abandoned by a later rollback.

    Args:
        images: images seen at the checkpoint.
        known: number of rollbacks before it was written.
        rollbacks: all rollbacks of the run.

    >>> abandoned(140, 0, [Rollback(100, 150, "nan")]), abandoned(140, 1, [Rollback(100, 150, "nan")])
    (True, False)
    """
    return any(one.to < images for one in rollbacks[known:])
