"""The trainer: the only loop.

`Trainer.events()` is an iterator: each `next` trains on, and yields what happened, for a display or nobody. All that decides the next
step is a function of the weights and of the images seen, so a run that was killed goes on as if nothing had been.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from organza import checkpoint
from organza.checkpoint import Checkpoint
from organza.data.batches import Batches, to_uint8
from organza.ema import Average, decay, half_life, recalibrate
from organza.events import Busy, Evaluated, Event, Sampled, Saved, Stopped, Tick
from organza.game import Batch, Moment, NonFinite, discriminator_loss, generator_loss, update
from organza.networks.layers import channels_last
from organza.optimizers import set_rate
from organza.pictures import grid, save_png
from organza.plan import Plan
from organza.recipe import Recipe
from organza.referee import Referee, accuracy
from organza.run import RunFolder
from organza.schedule import at
from organza.seeding import MICROBATCH, seed_of, stream
from organza.stop import Check, best

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Trainer:
    """One run: the game, its optimisers, its average, and where it stands.

    Args:
        recipe: what is trained and how.
        data: the batches.
        folder: where everything is written.
        plan: for how long, and how often to look.
        seed: of everything random.
        referee: measures the samples; None never evaluates.
    """

    def __init__(
        self, recipe: Recipe, data: Batches, folder: RunFolder, plan: Plan, seed: int, referee: Referee | None
    ):
        self.recipe, self.data, self.folder, self.plan, self.seed, self.referee = (
            recipe,
            data,
            folder,
            plan,
            seed,
            referee,
        )
        torch.manual_seed(seed_of(seed, "weights"))
        self.game = channels_last(recipe.build(data))
        self.game.requires_grad_(False)
        self.average = Average(self.game.G)
        self.optimizers = {
            "generator": recipe.generator_optimizer.build(self.game.G.parameters()),
            "discriminator": recipe.discriminator_optimizer.build(self.game.D.parameters()),
        }
        self.images = self.steps = 0
        self.seconds = 0.0
        self.saved_at = self.calibrated_at = -1
        self.history: list[Check] = []
        self.sums: dict[str, list[float]] = {}
        self.asked: str | None = None

    # ---- one step -------------------------------------------------------------------------------------------------------------

    def step(self) -> dict[str, float]:
        """D's turns, then G's: the losses and readings of the step, as numbers.

        Raises:
            NonFinite: before any weight was changed by a term that is not finite.
        """
        recipe, game = self.recipe, self.game
        moment = Moment(self.steps, self.images, self.plan.images)
        torch.manual_seed(seed_of(self.seed, "step", self.images))  # for dropout and penalties
        set_rate(
            self.optimizers["discriminator"], at(recipe.discriminator_optimizer.rate, self.images, self.plan.images)
        )
        set_rate(self.optimizers["generator"], at(recipe.generator_optimizer.rate, self.images, self.plan.images))
        game.train()
        numbers: dict[str, float] = {}
        batch, made = {}, {}
        for turn in range(recipe.discriminator_turns):
            batch = self.batch(range(self.images, self.images + recipe.batch))
            # G's turn uses the fakes of D's last turn, as the tutorial does: one forward pass of G serves both.
            last = turn == recipe.discriminator_turns - 1 and moment.images >= recipe.warmup
            with torch.set_grad_enabled(last):
                game.G.requires_grad_(last)
                made = game.play(batch)
            result = update(
                game.D, self.optimizers["discriminator"], partial(discriminator_loss, game, batch, made, moment)
            )
            numbers |= result.numbers()
            self.images += recipe.batch
        if moment.images >= recipe.warmup:
            result = update(game.G, self.optimizers["generator"], partial(generator_loss, game, batch, made, moment))
            numbers |= result.numbers()
            self.average.update(game.G, decay(recipe.batch, half_life(self.images, recipe.average)))
        self.steps += 1
        return numbers

    def batch(self, positions: range) -> Batch:
        """The real data and the latents of these positions of the run."""
        return self.data.at(positions) | self.game.latents([stream(self.seed, "z", position) for position in positions])

    # ---- the loop -------------------------------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Train until a rule, the budget or a signal ends it, yielding what happens."""
        torch.set_flush_denormal(True)  # numbers near zero would otherwise slow a CPU down many times
        begun = time.perf_counter() - self.seconds
        with self._signals():
            if self.images == 0:
                save_png(grid(to_uint8(self.data.referenced(64)["image"]).numpy()), self.folder.samples / "real.png")
                yield from self._sample()
            reason = None
            while reason is None:
                before = self.images
                try:
                    numbers = self.step()
                except NonFinite as trouble:
                    reason = ("non-finite", f"{trouble} after {before:,} images")
                    break
                self.seconds = time.perf_counter() - begun
                yield self._tick(numbers)
                reason = self._ended()
                crossed = self.plan.crossed(before, self.images)
                if crossed.stats or reason:
                    self._write_stats()
                if crossed.sample and not reason:
                    yield from self._sample()
                if crossed.evaluate and not reason:
                    yield from self._evaluate()
                    reason = self._ruled()
                if (crossed.save or crossed.evaluate) and not reason:
                    yield from self._save()
                self.seconds = time.perf_counter() - begun
            yield from self._finish(*reason)

    def _tick(self, numbers: Mapping[str, float]) -> Tick:
        for name, value in numbers.items():
            self.sums.setdefault(name, []).append(value)
        rate = self.images / max(self.seconds, 1e-9)
        left = (
            (self.plan.images - self.images) / rate if self.plan.seconds is None else self.plan.seconds - self.seconds
        )
        means = {name: float(np.mean(values)) for name, values in self.sums.items()}
        return Tick(
            self.images, self.plan.images, self.seconds, max(left, 0.0), rate, means, self.images < self.recipe.warmup
        )

    def _ended(self) -> tuple[str, str] | None:
        if self.asked:
            return self.asked, f"asked to stop by {self.asked}"
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

    def _finish(self, kind: str, reason: str) -> Iterator[Event]:
        if kind != "non-finite":
            if kind not in (s.name for s in SIGNALS):
                yield from self._sample()
                if not self.history or self.history[-1].images != self.images:
                    yield from self._evaluate()
            yield from self._save()
        self.folder.event("stopped", reason, kind=kind, images=self.images, seconds=round(self.seconds, 1))
        yield Stopped(kind, reason, self.images)

    # ---- looking --------------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def draw(self, first: int, count: int) -> np.ndarray:
        """What the averaged generator makes of fixed latents first, first + 1, ...: uint8 [count, H, W, C]."""
        sampled = []
        with self._averaged():
            for start in range(first, first + count, MICROBATCH):
                batch = self.game.latents([stream(self.seed, "sample", start + i) for i in range(MICROBATCH)])
                made = self.game.play(self.data.referenced(MICROBATCH) | batch)
                sampled.append(to_uint8(next(iter(made.values()))))
        return torch.cat(sampled)[:count].numpy()

    @contextmanager
    def _averaged(self) -> Iterator[None]:
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
        pictures = self.draw(0, 64)
        path = self.folder.samples / f"{checkpoint.name_for(self.images)}.png"
        save_png(grid(pictures), path)
        yield Sampled(self.images, pictures, path)

    def _evaluate(self) -> Iterator[Event]:
        if self.referee is None:
            return
        yield Busy("measuring the samples")
        # Latents from a million on: those of the sample grids stay out of the measurement.
        scores = self.referee.scores(self.draw(1_000_000, self.referee.samples))
        with self._averaged(), torch.no_grad():
            count = self.referee.judged
            latents = self.game.latents([stream(self.seed, "judged", i) for i in range(count)])
            right, error = accuracy(self.game, self.data.referenced(count) | latents)
        check = Check(self.images, scores["mmd"].value, scores["mmd"].error, right, error)
        self.history.append(check)
        line = {"images": self.images, "seconds": round(self.seconds, 1)}
        line |= {name: {"value": estimate.value, "error": estimate.error} for name, estimate in scores.items()}
        line |= {"D accuracy": {"value": right, "error": error}, "card": self.referee.card(self.seed)}
        self.folder.append(self.folder.evaluations, line)
        yield Evaluated(check, line, best(self.history) is check)

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
        if self.saved_at == self.images:
            return
        path = checkpoint.save(self.folder.checkpoints, self.images, self.state(), self.facts())
        self.saved_at = self.images
        keep = set()
        if self.history:
            chosen = best(self.history)
            keep = {checkpoint.name_for(chosen.images)}
            why = f"smallest distance to real images: {chosen.distance:.4f} ± {chosen.error:.4f}"
            checkpoint.write_json(
                self.folder.best,
                {"checkpoint": checkpoint.name_for(chosen.images), "images": chosen.images, "why": why},
            )
        checkpoint.write_json(self.folder.latest, {"checkpoint": path.name, "images": self.images})
        checkpoint.retain(self.folder.checkpoints, keep)
        yield Saved(self.images, path)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """All tensors that the next step depends on, by file."""
        with self._averaged():
            averaged = (
                dict(self.average.network.state_dict()) if self.recipe.average else dict(self.game.G.state_dict())
            )
        return {
            "generator": averaged,  # what is sampled and shared
            "generator_training": dict(self.game.G.state_dict()),
            "discriminator": dict(self.game.D.state_dict()),
            "generator_optimizer": checkpoint.optimizer_tensors(self.optimizers["generator"]),
            "discriminator_optimizer": checkpoint.optimizer_tensors(self.optimizers["discriminator"]),
        }

    def facts(self) -> dict[str, Any]:
        """The rest of the state, and what those who only sample or judge need to know."""
        return {
            "images": self.images,
            "steps": self.steps,
            "seconds": self.seconds,
            "history": [list(check) for check in self.history],
            "neutral": self._neutral(),
        }

    @torch.no_grad()
    def _neutral(self) -> float:
        """The logit of an even chance: the loss's own, or half-way between held-out reals and fakes where only differences count."""
        if self.game.adversarial.neutral is not None:
            return self.game.adversarial.neutral
        with self._averaged():
            batch = self.data.referenced(256) | self.game.latents([stream(self.seed, "judged", i) for i in range(256)])
            duel = self.game.duels(batch, self.game.play(batch))[0]
            return (duel.judge(duel.real).mean() + duel.judge(duel.fake).mean()).item() / 2

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            Damaged: where its weights do not fit or are not finite.
        """
        networks: dict[str, nn.Module] = {"generator_training": self.game.G, "discriminator": self.game.D}
        if self.recipe.average:
            networks["generator"] = self.average.network
        for name, network in networks.items():
            checkpoint.restore_network(network, saved.tensors[name], str(saved.directory / f"{name}.safetensors"))
        for name, optimizer in self.optimizers.items():
            checkpoint.restore_optimizer(optimizer, saved.tensors[f"{name}_optimizer"])
        self.images, self.steps, self.seconds = (saved.facts[key] for key in ("images", "steps", "seconds"))
        self.history = [Check(*values) for values in saved.facts["history"]]
        self.saved_at = self.images
        self.folder.rewind(self.images)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and its kin ask for an orderly stop after the step; a second Ctrl-C stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: Any) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = signal.Signals(number).name

        before = {number: signal.signal(number, ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
