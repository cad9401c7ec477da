"""The trainer: the only training loop.

`Trainer.events()` is an iterator: each `next` continues the training and yields an event, for a
display or any other consumer. The next step is a function of the weights and of the images seen
only, so a killed run resumes as if it had not been interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from organza.game import NonFinite
from organza.media.images import grid, save_png
from organza.metrics.kernels import Estimate
from organza.run import checkpoint
from organza.run.events import NAMES, Busy, Evaluated, Event, Sampled, Saved, Stopped, Tick, Warned
from organza.run.folder import RunFolder
from organza.run.health import Vitals, findings, words
from organza.run.weights import not_finite
from organza.seeding import stream
from organza.stop import Check, best, kind_of
from organza.training import snapshot
from organza.training.diagnostics import examined
from organza.training.evaluator import Evaluator, accuracy, verdicts
from organza.training.rollback import Reason, Treatment, answered, seen_ill, taken_back, treated
from organza.training.sampling import gallery, samples, targets
from organza.training.signals import Wish, reason_of
from organza.training.state import TrainState
from organza.training.step import train_step

NOTABLE = 0.25
"""Change of the planned images, as a share, that the user is told."""


class Trainer:
    """The training loop of one run: steps, samples, evaluations, rollbacks, checkpoints, and
    stopping rules.

    Args:
        state: training state of the run.
        folder: run folder.
        evaluator: evaluator of the samples; None for no evaluations.
        treatment: actions on mode collapse and divergence; by default those of `Treatment`.
        metadata: True to mark the files of sample grids as synthetic.
    """

    def __init__(
        self,
        state: TrainState,
        folder: RunFolder,
        evaluator: Evaluator | None,
        treatment: Treatment | None = None,
        metadata: bool = True,
    ):
        self.state, self.folder, self.evaluator, self.metadata = state, folder, evaluator, metadata
        self.treatment = treatment or Treatment(folder)
        self.wish = Wish()
        self.announced = state.plan.images  # images that the user was told
        self.asked: str | None = None  # the signal that any rank has received

    # ---- the loop -------------------------------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Train until a rule, the budget or a signal ends the run, yielding events."""
        state = self.state
        torch.set_flush_denormal(True)  # numbers near zero would slow a CPU down many times
        begun = time.perf_counter() - state.seconds
        with self.wish.heard():
            if state.images == 0:
                self._draw("real.png", gallery(state, real=True))
                yield from self._sample()
            self._agree(time.perf_counter() - begun)
            reason = self._ended() if state.images else None  # a signal may have come with the last step
            if not reason and self._owed():
                yield from self._looked()
                reason = self._ruled()
            while reason is None:
                before = state.images
                try:
                    numbers = train_step(state)
                except NonFinite as trouble:
                    reason = yield from taken_back(
                        state, self.treatment, "non-finite", f"{trouble} after {before:,} images"
                    )
                    continue
                state.set_clock(seconds := time.perf_counter() - begun)
                yield self._tick(numbers)
                self._agree(seconds)  # after the tick, as a signal may come while it is shown
                reason = self._ended()
                crossed = state.due(before)
                if crossed.save or crossed.evaluate:
                    state.mark_planned()  # possible target of a rollback, unlike the position of a signal
                signal = reason is not None and reason[0] in NAMES  # interrupted work is resumed, to the same bits
                if (signal or not reason) and (ill := seen_ill(state, before, crossed.stats)):
                    reason = (yield from answered(state, self.treatment, ill, state.vitals)) or reason
                    if state.images < before:  # after a rollback
                        continue
                if crossed.stats or (reason and not signal):
                    self._write_stats()
                if crossed.sample and not reason:
                    yield from self._sample()
                if crossed.evaluate and not reason and not state.warming_up:
                    yield from self._evaluate()
                    reason = self._ruled() or (yield from treated(state, self.treatment))
                if (crossed.save or crossed.evaluate) and not reason:
                    reason = yield from self._kept()
                if any(crossed) or reason:
                    state.set_clock(state.world.clock(time.perf_counter() - begun))
            yield from self._finish(*reason)

    def _agree(self, seconds: float) -> None:
        """Set the clock of the run, and hear signals: all ranks alike, so that all end after the same step."""
        seconds, self.asked = self.state.world.agreed(seconds, self.wish.asked)
        self.state.set_clock(seconds)

    def _kept(self) -> Generator[Event, None, Reason]:
        """Save the state; or roll back if a value is not finite, as such a state is never saved."""
        state = self.state
        if sick := not_finite(snapshot.tensors(state)):
            return (
                yield from taken_back(
                    state, self.treatment, "non-finite", f"{sick} is not finite after {state.images:,} images"
                )
            )
        yield from self._save()
        return None

    def _owed(self) -> bool:
        """Return True if the run stopped after a step but before the evaluation due at that step."""
        state = self.state
        last = state.history[-1].images if state.history else state.last_warm_up
        return self.evaluator is not None and not state.warming_up and state.plan.crossed(last, state.images).evaluate

    def _tick(self, numbers: Mapping[str, float]) -> Tick:
        """Record a step, and return its event with rate, time left and mean losses."""
        state = self.state
        state.record(numbers)
        rate = state.images / max(state.seconds, 1e-9)
        left = (
            (state.plan.images - state.images) / rate
            if state.plan.seconds is None
            else state.plan.seconds - state.seconds
        )
        means = {name: fmean(values) for name, values in state.sums.items()}
        for_D, for_G = state.recipe.turns(state.images - 1, state.alone)
        who = "" if for_D and for_G else "the discriminator" if for_D else "the generator"
        return Tick(state.images, state.plan.images, state.seconds, max(left, 0.0), rate, means, who)

    def _ended(self) -> tuple[str, str] | None:
        """Return kind and reason of the end if a signal or the budget ends the run; else None."""
        state = self.state
        if self.asked:
            return self.asked, reason_of(self.asked)
        if state.plan.seconds is not None and state.seconds >= state.plan.seconds:
            return "budget", f"the budget of {state.plan.budget} is spent"
        if state.plan.seconds is None and state.images >= state.plan.images:
            return "budget", f"the budget of {state.plan.budget} is spent"
        return None

    def _ruled(self) -> tuple[str, str] | None:
        state = self.state
        for rule in state.recipe.stop:
            if reason := rule(state.history):
                return kind_of(rule), reason
        return None

    def _news(self) -> bool:
        """Return True if enough training happened since the last evaluation to be worth another."""
        state = self.state
        return not state.history or state.images - state.history[-1].images > state.plan.evaluate_every / 20

    def _finish(self, kind: str, reason: str) -> Iterator[Event]:
        """Yield the last samples, evaluation and checkpoint, then the end of the run."""
        state = self.state
        if kind != "non-finite":
            if kind not in NAMES:
                yield from self._sample()
                if self._news():
                    yield from self._evaluate()
            if sick := not_finite(snapshot.tensors(state)):  # such a state is never saved
                kind, reason = "non-finite", f"{sick} is not finite after {state.images:,} images"
            else:
                yield from self._save()
        self.folder.event("stopped", reason, kind=kind, images=state.images, seconds=round(state.seconds, 1))
        yield Stopped(kind, reason, state.images)

    # ---- evaluation -----------------------------------------------------------------------------------------------------------

    def _sample(self) -> Iterator[Event]:
        state = self.state
        pictures = gallery(state)
        path = self._draw(f"{checkpoint.name_for(state.images)}.png", pictures, self.metadata)
        yield Sampled(state.images, pictures, path)

    def _draw(self, name: str, pictures: np.ndarray, made: bool = False) -> Path:
        """Write a sample grid, and return its path. Rank 0 writes.

        Args:
            name: name of the file.
            pictures: uint8 [N, H, W, C].
            made: True to mark it as synthetic.
        """
        state, path = self.state, self.folder.samples / name
        if state.world.leads:
            self.folder.require_there()
            save_png(grid(pictures, state.data.columns), path, snapshot.made_by(state) if made else None)
        return path

    def _evaluate(self) -> Iterator[Event]:
        """Evaluate the samples and the health of the run, and record both."""
        state = self.state
        if self.evaluator is None:
            return
        yield Busy("evaluating the samples")
        # Latents from position one million: those of the sample grids are not evaluated.
        measured = range(1_000_000, 1_000_000 + self._measurable())
        made = samples(state, measured)
        features = self._features(made)
        measures = state.world.decide(lambda: self._measures(made, measured, features))
        scores = {name: Estimate(*score) for name, score in measures["scores"].items()}
        right, error = measures["accuracy"]
        check = Check(state.images, *scores["mmd"], right, error, state.running.mean("G gradient"))
        state.history.append(check)
        line = {"images": state.images, "seconds": round(state.seconds, 1)}
        line |= {name: {"value": estimate.value, "error": estimate.error} for name, estimate in scores.items()}
        card = self.evaluator.card(state.seed) | {"fake": len(made)}
        against = self.evaluator.against
        vitals = state.world.decide(lambda: examined(state, check, scores, made, against)._asdict())
        state.vitals.append(Vitals(**vitals))
        faults = findings(state.vitals)
        health = vitals | {"findings": [one._asdict() for one in faults], "text": words(faults)}
        line |= {"D accuracy": {"value": right, "error": error}, "card": card, "health": health}
        state.mark_evaluated()
        self.folder.append(self.folder.evaluations, line)
        yield Evaluated(check, line, best(state.history) is check)

    def _features(self, made: Tensor) -> Tensor | None:
        """Return the features of the samples, shared out over the ranks; None if one rank computes them by itself."""
        if self.state.world.size == 1:
            return None
        assert self.evaluator is not None
        extractor, world = self.evaluator.extractor, self.state.world
        count = -(-len(made) // world.size)
        equal = made[torch.arange(count * world.size) % len(made)].split(count)  # parts of equal size
        return torch.cat(world.map(lambda part: extractor(part.numpy()), equal))[: len(made)]

    def _measures(self, made: Tensor, measured: range, features: Tensor | None) -> dict[str, Any]:
        """Return the scores of samples and the accuracy of D, ready for JSON."""
        state = self.state
        assert self.evaluator is not None
        scores = self.evaluator.scores(made, targets(state, measured) if state.game.paired else None, features)
        return {
            "scores": {name: [estimate.value, estimate.error] for name, estimate in scores.items()},
            "accuracy": accuracy(verdicts(state), state.game.adversarial.neutral),
        }

    def _measurable(self) -> int:
        """Return the number of samples to evaluate: translations are unique for each reference
        input, so repeats would count twice.
        """
        state = self.state
        assert self.evaluator is not None
        drawn = state.game.latents([stream(state.seed, "drawn", 0)])
        return self.evaluator.samples if drawn else min(self.evaluator.samples, state.data.inputs)

    def _looked(self) -> Iterator[Event]:
        """Evaluate and save: work that was due when the run stopped."""
        yield from self._evaluate()
        yield from self._save()

    def _write_stats(self) -> None:
        """Append means and deviations since the last line to stats.jsonl."""
        state = self.state
        line: dict[str, Any] = {
            "images": state.images,
            "seconds": round(state.seconds, 2),
            "rate": round(state.images / max(state.seconds, 1e-9), 2),
        }
        line |= {name: {"mean": float(np.mean(v)), "std": float(np.std(v))} for name, v in state.sums.items()}
        self.folder.append(self.folder.stats, line)
        state.clear_sums()

    # ---- checkpoints ----------------------------------------------------------------------------------------------------------

    def _save(self) -> Iterator[Event]:
        """Save a checkpoint if there were steps since the last, with the plan corrected."""
        state = self.state
        if state.saved_at != state.images:
            state.correct_plan()  # before the save, which stores it
            if abs(state.plan.images / self.announced - 1) > NOTABLE:
                yield Warned(
                    f"about {state.plan.images:,} images fit into the budget of {state.plan.budget}, rather than {self.announced:,}: this "
                    f"machine takes {state.images / max(state.seconds, 1e-9):.0f} a second now"
                )
                self.announced = state.plan.images
            self.folder.require_there()
            yield Saved(state.images, snapshot.save(state, self.folder))
