"""The trainer: the only loop.

`Trainer.events()` is an iterator: each `next` trains on, and yields what happened, for a display or nobody. All that decides the next
step is a function of the weights and of the images seen, so a run that was killed goes on as if nothing had been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.data.batches import Batches
from organza.game import (
    Batch,
    Moment,
    NonFinite,
    Turn,
    discriminator_loss,
    due,
    full,
    generator_alone,
    generator_loss,
    numbers,
    update,
)
from organza.media.images import grid, save_png
from organza.networks.layers import channels_last, networks_of
from organza.optimizers import set_rate
from organza.recipe import Recipe
from organza.run import checkpoint
from organza.run.events import NAMES, Busy, Evaluated, Event, Sampled, Saved, Stopped, Tick
from organza.run.folder import RunFolder
from organza.run.health import Pulse, Vitals, findings, words
from organza.schedule import at
from organza.seeding import seed_of, stream
from organza.stop import Check, best
from organza.training import snapshot
from organza.training.accelerator import CPU, Machine
from organza.training.diagnostics import change, examined, glimpse
from organza.training.ema import Average, decay, half_life, recalibrate
from organza.training.evaluator import JUDGED, Duels, Referee, accuracy, middle, tried
from organza.training.plan import Plan
from organza.training.rollback import Reason, Rollback, answered, factor, seen_ill, strictness, taken_back, treated
from organza.training.sampling import gallery, samples, targets
from organza.training.signals import Wish

ASIDE = 1 << 40
"""Further turns of G in a step look at data and latents from positions that the run itself never reaches."""
PULSE = ("G step", "D step", "G gradient", "spread")


class Trainer:
    """One run: the game, its optimisers, its average, and where it stands.

    Args:
        recipe: what is trained and how.
        data: the batches.
        folder: where everything is written.
        plan: for how long, and how often to look.
        seed: of everything random.
        referee: measures the samples; None never evaluates.
        machine: what the players compute on; weights, data and latents are made on the CPU, the same for every machine.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Batches,
        folder: RunFolder,
        plan: Plan,
        seed: int,
        referee: Referee | None,
        machine: Machine = CPU,
    ):
        self.recipe, self.data, self.folder, self.plan, self.seed, self.referee = (
            recipe,
            data,
            folder,
            plan,
            seed,
            referee,
        )
        self.machine = machine
        self.rollbacks: list[Rollback] = []
        self.on_collapse, self.metadata = "rollback", True
        self.fallback: Callable[[], tuple[Recipe, float]] | None = None  # another recipe, and its images a second
        self.wish = Wish()
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
        self.duels: Duels = []
        self.history: list[Check] = []
        self.sums: dict[str, list[float]] = {}
        self.vitals: list[Vitals] = []
        self.pulse = Pulse()
        self.unwell = 0  # glances in a row that found an illness
        self.look()

    # ---- one step -------------------------------------------------------------------------------------------------------------

    def step(self) -> dict[str, float]:
        """D's turns, then G's: the losses and readings of the step, as numbers.

        Raises:
            NonFinite: before any weight was changed by a term that is not finite.
        """
        recipe, game = self.recipe, self.game
        moment = Moment(self.steps, self.images, self.plan.images)
        torch.manual_seed(seed_of(self.seed, "step", self.images))  # for dropout and penalties
        for optimizer, chosen in zip(self.optimizers.values(), recipe.optimizers, strict=True):
            rate = at(chosen.rate, self.images, self.plan.images)
            set_rate(optimizer, rate * factor(self.rollbacks, self.images))
        game.strictness = strictness(self.rollbacks, self.images)
        game.train()
        for_D, for_G = recipe.turns(self.images)
        for_penalties = self.machine.exact if due(game, moment) else self.machine
        told: dict[str, Tensor] = {}
        batch, made = {}, {}
        for turn in range(for_D):
            # G's first turn uses the fakes of D's last turn, as the tutorial does: one forward pass of G serves both.
            batch, made = self.played(self.images, graph=turn == for_D - 1 and for_G > 0)
            loss = partial(for_penalties.forward, discriminator_loss, game, batch, made, moment)
            told |= self._turn("D", loss, recipe.discriminator_limit)
            self.images += recipe.batch
        for turn in range(for_G):
            if turn or not for_D:
                batch, made = self.played(moment.images + turn * ASIDE, graph=True)
            alone = partial(generator_alone, game, batch, made)
            loss = partial(generator_loss, game, batch, made, moment) if for_D else alone
            told |= self._turn("G", partial(self.machine.forward, loss))
        if for_G:
            self.average.update(game.G, decay(recipe.batch, half_life(moment.images + recipe.batch, recipe.average)))
        self.images = max(self.images, moment.images + recipe.batch)
        self.steps += 1
        before, self.glimpses = self.glimpses, self._glimpsed()
        turns = {"G": for_G, "D": for_D}  # who sits out stands still for no illness
        told |= {f"{who} step": change(before[who], now) for who, now in self.glimpses.items() if turns[who]}
        return numbers(told)

    def _turn(self, who: str, loss: Callable[[], Turn], strongest: float = 1.0) -> dict[str, Tensor]:
        """A player's turn: its terms and readings."""
        player, name = (self.game.G, "generator") if who == "G" else (self.game.D, "discriminator")
        try:
            values = update(player, self.optimizers[name], loss, strongest).values()
        except NonFinite as trouble:
            raise NonFinite(f"{trouble} in the {name}'s turn") from None
        return {f"{who} gradient" if reading == "gradient" else reading: value for reading, value in values.items()}

    def look(self) -> None:
        """Take in the weights as they are, for the next step to be compared with."""
        self.glimpses = self._glimpsed()

    def _glimpsed(self) -> dict[str, Tensor]:
        """Some of the weights of each player, to see by how much they change."""
        return {"G": glimpse(self.game.G), "D": glimpse(self.game.D)}

    def played(self, start: int, graph: bool) -> tuple[Batch, Batch]:
        """The batch that begins at a position, and what G makes of it; with a graph where G's turn will want one."""
        batch = self.batch(range(start, start + self.recipe.batch))
        self.game.G.requires_grad_(graph)
        with torch.set_grad_enabled(graph):
            made = self.machine.forward(self.game.rehearse if self.rehearsing else self.game.play, batch)
        return batch, {name: full(value) for name, value in made.items()}  # D may look in another precision

    @property
    def rehearsing(self) -> bool:
        """Does G train alone, before the game begins? What it would sample then is not looked at."""
        return not self.recipe.turns(self.images)[0]

    def batch(self, positions: range) -> Batch:
        """The real data and the latents of these positions of the run, on the device."""
        return self.machine.take(self.data.at(positions) | self.latents("z", positions))

    def latents(self, purpose: str, positions: Iterable[int]) -> Batch:
        """The latents of a purpose, each from a stream of its own."""
        return self.game.latents([stream(self.seed, purpose, position) for position in positions])

    # ---- the loop -------------------------------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Train until a rule, the budget or a signal ends it, yielding what happens."""
        torch.set_flush_denormal(True)  # numbers near zero would otherwise slow a CPU down many times
        begun = time.perf_counter() - self.seconds
        with self.wish.heard():
            if self.images == 0:
                save_png(grid(gallery(self, real=True), self.data.columns), self.folder.samples / "real.png")
                yield from self._sample()
            reason = self._ended() if self.images else None  # a signal may have come with the last step of all
            if not reason and self._owed():
                yield from self._looked()
                reason = self._ruled()
            while reason is None:
                before = self.images
                try:
                    numbers = self.step()
                except NonFinite as trouble:
                    reason = yield from taken_back(self, "non-finite", f"{trouble} after {before:,} images")
                    continue
                self.seconds = time.perf_counter() - begun
                yield self._tick(numbers)
                reason = self._ended()
                crossed = self.plan.crossed(before, self.images)
                if crossed.save or crossed.evaluate:
                    self.planned_at = self.images  # where a rollback may lead: not to where a signal happened to come
                signal = (
                    reason is not None and reason[0] in NAMES
                )  # what it cuts short is taken up again, to the same bits
                if (signal or not reason) and (ill := seen_ill(self, before, crossed.stats)):
                    reason = (yield from answered(self, ill, self.vitals)) or reason
                    if self.images < before:  # back at an earlier point
                        continue
                if crossed.stats or (reason and not signal):
                    self._write_stats()
                if crossed.sample and not reason:
                    yield from self._sample()
                if crossed.evaluate and not reason and not self.rehearsing:
                    yield from self._evaluate()
                    reason = self._ruled() or (yield from treated(self))
                if (crossed.save or crossed.evaluate) and not reason:
                    reason = yield from self._kept()
                self.seconds = time.perf_counter() - begun
            yield from self._finish(*reason)

    def _kept(self) -> Generator[Event, None, Reason]:
        """Save; or go back, where something is not finite, which is never saved."""
        if sick := checkpoint.not_finite(snapshot.tensors(self)):
            return (yield from taken_back(self, "non-finite", f"{sick} is not finite after {self.images:,} images"))
        yield from self._save()
        return None

    def _owed(self) -> bool:
        """Was the run left between a step and the evaluation that was due after it?"""
        last = self.history[-1].images if self.history else self.recipe.last_rehearsal
        return self.referee is not None and not self.rehearsing and self.plan.crossed(last, self.images).evaluate

    def _tick(self, numbers: Mapping[str, float]) -> Tick:
        beats = {name: value for name, value in numbers.items() if name in PULSE}
        if "D(x)" in numbers:
            beats["apart"] = abs(numbers["D(x)"] - numbers["D(G(z))"])
        self.pulse.beat(beats)
        for name, value in numbers.items():
            self.sums.setdefault(name, []).append(value)
        rate = self.images / max(self.seconds, 1e-9)
        left = (
            (self.plan.images - self.images) / rate if self.plan.seconds is None else self.plan.seconds - self.seconds
        )
        means = {name: fmean(values) for name, values in self.sums.items()}
        for_D, for_G = self.recipe.turns(self.images - 1)
        who = "" if for_D and for_G else "the discriminator" if for_D else "the generator"
        return Tick(self.images, self.plan.images, self.seconds, max(left, 0.0), rate, means, who)

    def _ended(self) -> tuple[str, str] | None:
        if self.wish.asked:
            return self.wish.asked, self.wish.reason
        if self.plan.seconds is not None and self.seconds >= self.plan.seconds:
            return "budget", f"the budget of {self.plan.budget} is spent"
        if self.plan.seconds is None and self.images >= self.plan.images:
            return "budget", f"the budget of {self.plan.budget} is spent"
        return None

    def _ruled(self) -> tuple[str, str] | None:
        for rule in self.recipe.stop:
            if reason := rule(self.history):
                return type(rule).__name__.lower(), reason
        return None

    def _news(self) -> bool:
        """Is there more to measure than a few steps, which the clock allowed after an evaluation?"""
        return not self.history or self.images - self.history[-1].images > self.plan.evaluate_every / 20

    def _finish(self, kind: str, reason: str) -> Iterator[Event]:
        if kind != "non-finite":
            if kind not in NAMES:
                yield from self._sample()
                if self._news():
                    yield from self._evaluate()
            if sick := checkpoint.not_finite(snapshot.tensors(self)):  # nothing that is not finite is ever kept
                kind, reason = "non-finite", f"{sick} is not finite after {self.images:,} images"
            else:
                yield from self._save()
        self.folder.event("stopped", reason, kind=kind, images=self.images, seconds=round(self.seconds, 1))
        yield Stopped(kind, reason, self.images)

    # ---- looking --------------------------------------------------------------------------------------------------------------

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The game in evaluation mode, with the averaged generator in the place of the trained one."""
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

    def _sample(self) -> Iterator[Event]:
        pictures = gallery(self)
        self.folder.require_there()
        path = self.folder.samples / f"{checkpoint.name_for(self.images)}.png"
        save_png(grid(pictures, self.data.columns), path, snapshot.made_by(self) if self.metadata else None)
        yield Sampled(self.images, pictures, path)

    def _evaluate(self) -> Iterator[Event]:
        if self.referee is None:
            return
        yield Busy("measuring the samples")
        # Latents from a million on: those of the sample grids stay out of the measurement.
        measured = range(1_000_000, 1_000_000 + self._measurable())
        made = samples(self, measured)
        scores = self.referee.scores(made, targets(self, measured) if self.game.paired else None)
        right, error = accuracy(self.verdicts(), self.game.adversarial.neutral)
        check = Check(self.images, *scores["mmd"], right, error, self.pulse.mean("G gradient"))
        self.history.append(check)
        line = {"images": self.images, "seconds": round(self.seconds, 1)}
        line |= {name: {"value": estimate.value, "error": estimate.error} for name, estimate in scores.items()}
        card = self.referee.card(self.seed) | {"fake": len(made)}
        self.vitals.append(examined(self, check, scores, made))
        found = findings(self.vitals)
        health = self.vitals[-1]._asdict() | {"findings": [one._asdict() for one in found], "text": words(found)}
        line |= {"D accuracy": {"value": right, "error": error}, "card": card, "health": health}
        self.pulse, self.saved_at = Pulse(), -1
        self.folder.append(self.folder.evaluations, line)
        yield Evaluated(check, line, best(self.history) is check)

    def _measurable(self) -> int:
        """How many samples are measured: where nothing is drawn, each reference input has one output; repeats would count twice."""
        assert self.referee is not None
        drawn = self.game.latents([stream(self.seed, "drawn", 0)])
        return self.referee.samples if drawn else min(self.referee.samples, self.data.inputs)

    def _looked(self) -> Iterator[Event]:
        """Evaluate and save: what was due when the run was left."""
        yield from self._evaluate()
        yield from self._save()

    def _write_stats(self) -> None:
        line: dict[str, Any] = {
            "images": self.images,
            "seconds": round(self.seconds, 2),
            "rate": round(self.images / max(self.seconds, 1e-9), 2),
        }
        line |= {name: {"mean": float(np.mean(v)), "std": float(np.std(v))} for name, v in self.sums.items()}
        self.folder.append(self.folder.stats, line)
        self.sums = {}

    # ---- saving and going on --------------------------------------------------------------------------------------------------

    def _save(self) -> Iterator[Event]:
        if self.saved_at != self.images:
            self.plan = self.plan.corrected(self.images, self.seconds)  # before the save, which keeps it
            self.folder.require_there()
            yield Saved(self.images, snapshot.save(self))

    def neutral(self) -> float:
        """The logit of an even chance: the loss's own, or half-way between held-out reals and fakes where only differences count."""
        neutral = self.game.adversarial.neutral
        return middle(*self.verdicts()[0]) if neutral is None else neutral

    def verdicts(self) -> Duels:
        """What D says of reference items and of fakes, once for each position: an evaluation asks for it, and the checkpoint behind it."""
        if self.tried_at != self.images:
            positions = range(JUDGED)
            with self.averaged():
                batch = self.machine.take(self.data.referenced(positions) | self.latents("judged", positions))
                self.duels = tried(self.game, batch)
            self.tried_at = self.images
        return self.duels
