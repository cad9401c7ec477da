"""A lesson: a game on points in the plane, with the losses, penalties, optimizers and training step of every run, seen from above."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from organza import losses, penalties
from organza.config import Partial
from organza.data.points import PLACES, Points, covered, drawn
from organza.errors import UserError, nearest
from organza.game import NonFinite
from organza.games.unconditional import Unconditional
from organza.losses import Adversarial
from organza.networks import mlp
from organza.optimizers import SGD, Adam
from organza.penalties import Penalty
from organza.recipe import Recipe
from organza.seeding import stream
from organza.training.plan import Plan
from organza.training.state import TrainState
from organza.training.step import train_step

COUNT, SHOWN, ARROWS, SIDE, REACH = 4_000, 512, 96, 40, 1.25
"""Points of the data; points to show; arrows; places of a side of the surface; half of its length."""
LONGEST = 100_000
LOSSES: dict[str, Adversarial] = {
    name: getattr(losses, name)
    for name in ("minimax", "nonsaturating", "lsgan", "hinge", "wasserstein", "relativistic")
}
PENALTIES = {
    "none": (),
    "R1": (penalties.r1,),
    "R1 and R2": (penalties.r1, penalties.r2),
    "gradient penalty": (penalties.wgan_gp,),
}


@dataclass(frozen=True)
class Settings:
    """Choices of a learner.

    Args:
        shape: ring, grid, moons, spiral, or drawn.
        loss: pair of losses, one of LOSSES.
        penalty: penalties on D, one of PENALTIES.
        weight: their weight.
        optimizer: optimizer of G, Adam or SGD; D has Adam.
        rate_g: learning rate of G.
        rate_d: learning rate of D.
        turns: turns of D for each of G.
        warmup: steps that D learns alone at first.
        width: units of each hidden layer.
        batch: points of a batch.
        seed: random seed.
    """

    shape: str = "ring"
    loss: str = "nonsaturating"
    penalty: str = "none"
    weight: float = 1.0
    optimizer: str = "Adam"
    rate_g: float = 1e-3
    rate_d: float = 1e-3
    turns: int = 1
    warmup: int = 0
    width: int = 64
    batch: int = 128
    seed: int = 0

    LIMITS = {  # noqa: RUF012
        "weight": (0.0, 100.0), "rate_g": (1e-6, 1.0), "rate_d": (1e-6, 1.0), "turns": (1, 20), "warmup": (0, 2_000),
        "width": (4, 256), "batch": (8, 512), "seed": (0, 2**31),
    }  # fmt: skip
    CHOICES = {  # noqa: RUF012
        "shape": ("ring", "grid", "moons", "spiral", "drawn"), "loss": tuple(LOSSES), "penalty": tuple(PENALTIES),
        "optimizer": ("Adam", "SGD"),
    }  # fmt: skip

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Settings:
        """Return settings from a page, checked.

        Raises:
            UserError: for an unknown name, or a value out of its range.
        """
        known = {one.name: type(one.default) for one in fields(cls)}
        made: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                raise UserError(
                    f"There is no setting {name[:40]}; choose from {', '.join(known)}.{nearest(name, known)}"
                )
            if name in cls.CHOICES and value not in cls.CHOICES[name]:
                raise UserError(f"{name} is {str(value)[:40]}; choose from {', '.join(cls.CHOICES[name])}.")
            if name in cls.LIMITS:
                least, most = cls.LIMITS[name]
                if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                    raise UserError(f"{name} is {str(value)[:40]}; it must be from {least:g} to {most:g}.")
                value = known[name](value)
            made[name] = value
        return cls(**made)

    def recipe(self) -> Recipe:
        """Return the recipe that plays this game."""
        chosen = PENALTIES[self.penalty]
        adam = Adam(self.rate_d, 0.5, 0.99)
        return Recipe(
            name="lesson",
            source="Goodfellow et al. 2014, arXiv:1406.2661, on points in the plane.",
            expect="",
            game=Partial(Unconditional),
            generator=Partial(mlp.Generator, z_dim=8, width=self.width),
            discriminator=Partial(mlp.Discriminator, width=self.width, dropout=0.0),
            adversarial=LOSSES[self.loss],
            penalties=tuple(Penalty(of, weight=self.weight) for of in chosen),
            generator_optimizer=replace(adam, rate=self.rate_g) if self.optimizer == "Adam" else SGD(self.rate_g),
            discriminator_optimizer=adam,
            batch=self.batch,
            discriminator_turns=self.turns,
            warmup=self.warmup * self.batch,
            average=0,
            stop=(),
        )


class Lesson:
    """A game in training.

    Args:
        settings: choices of the learner.
        points: a drawing of theirs, [N, 2] in [-1, 1]; None for a shape.
    """

    def __init__(self, settings: Settings, points: np.ndarray | None = None):
        self.settings = settings
        if settings.shape == "drawn":
            if points is None or len(points) < 8:
                raise UserError("Draw at least eight points first.")
            rng = np.random.default_rng(settings.seed)
            points = points[rng.integers(len(points), size=COUNT)] + rng.normal(0, 0.02, (COUNT, 2))
        else:
            points = drawn(settings.shape, COUNT, settings.seed)
        self.data = Points(np.asarray(points, np.float32), settings.seed)
        endless = 2**40
        plan = Plan("", endless, None, endless, endless, endless, endless)
        self.state = TrainState(settings.recipe(), self.data, plan, settings.seed)
        self.readings: dict[str, float] = {}
        self.failed = ""

    def advance(self, steps: int, seconds: float = 1.0) -> int:
        """Take steps, as many as fit into the time, and return their number."""
        begun, done = time.perf_counter(), 0
        while done < steps and not self.failed and time.perf_counter() - begun < seconds:
            try:
                self.readings = train_step(self.state)
            except NonFinite as trouble:
                self.failed = (
                    f"{trouble}: the players diverged. Choose smaller learning rates or a penalty, and begin anew."
                )
            done += 1
        return done

    @property
    def steps(self) -> int:
        """Steps taken."""
        return self.state.steps

    @torch.no_grad()
    def made(self, count: int = SHOWN) -> np.ndarray:
        """Return points that G draws from fixed latents, [count, 2]."""
        z = self._latents(count)
        return self.state.game.G(z).numpy()

    def view(self) -> dict[str, Any]:
        """Return all that the page shows. JSON."""
        made = self.made()
        places = PLACES.get(self.settings.shape)
        return {
            "steps": self.steps,
            "real": _rounded(self.data.points[:SHOWN].numpy()),
            "made": _rounded(made),
            "surface": _rounded(self._surface()),
            "arrows": self._arrows(),
            "readings": {name: round(float(value), 5) for name, value in self.readings.items()},
            "covered": None if places is None else [covered(made, places), len(places)],
            "failed": self.failed,
        }

    def _latents(self, count: int) -> torch.Tensor:
        game = self.state.game
        return game.latents([stream(self.settings.seed, "lesson", k) for k in range(count)])["z"]

    @torch.no_grad()
    def _surface(self) -> np.ndarray:
        """Return D's probability of real at SIDE x SIDE places, row by row from below."""
        line = torch.linspace(-REACH, REACH, SIDE)
        y, x = torch.meshgrid(line, line, indexing="ij")
        logits = self.state.game.D(torch.stack([x, y], -1).view(-1, 2))
        return torch.sigmoid(logits - self._even()).view(SIDE, SIDE).numpy()

    def _even(self) -> float:
        """Return the logit of an even chance; for losses without one, the middle of real and fake."""
        neutral = self.state.recipe.adversarial.neutral
        if neutral is not None:
            return neutral
        game = self.state.game
        with torch.no_grad():
            real = game.D(self.data.points[:SHOWN]).mean()
            return float((real + game.D(game.G(self._latents(SHOWN))).mean()) / 2)

    def _arrows(self) -> list[list[float]]:
        """Return where G is told to move its points: -dL_G/dx for some of them, (x, y, dx, dy)."""
        game = self.state.game
        x = game.G(self._latents(ARROWS)).detach().requires_grad_(True)
        fake = game.D(x)
        real = game.D(self.data.points[:ARROWS]).detach()
        (gradient,) = torch.autograd.grad(game.adversarial.generator(real, fake).sum(), x)
        return _rounded(torch.cat([x.detach(), -gradient], 1).numpy())


def _rounded(values: np.ndarray) -> list[Any]:
    return np.round(np.nan_to_num(values.astype(np.float64), posinf=1e6, neginf=-1e6), 4).tolist()
