# pyright: reportUnnecessaryTypeIgnoreComment=true
"""Material: a module as a user writes it, with the types that it sees; see tests/test_types.py. Nothing here is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn.functional import relu

import organza
from organza import gan
from organza.gan import (
    Adam,
    Adversarial,
    Batch,
    Discriminator,
    Duel,
    Generator,
    Judged,
    Partial,
    Penalty,
    Recipe,
    Shape,
    Unconditional,
)

hinge = Adversarial(lambda real, fake: relu(1 - real) + relu(1 + fake), lambda real, fake: -fake)


def drift(duel: Judged, real: Tensor, fake: Tensor) -> Tensor:
    assert_type(duel.judge(assert_type(duel.real, Tensor)), Tensor)
    return real.square()


class Painter(Generator):
    def __init__(self, shape: Shape, *, z_dim: int = 16):
        super().__init__()
        self.z_dim = z_dim
        self.layers = nn.Sequential(nn.Linear(z_dim, shape[0] * shape[1] * shape[2]), nn.Tanh(), nn.Unflatten(1, shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Critic(Discriminator):
    def __init__(self, shape: Shape):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 1), nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    def blurred(self, x: Tensor) -> Tensor:
        return self(x)


class Small(Unconditional[Painter, Critic]):
    def __init__(
        self, G: Painter, D: Critic, adversarial: Adversarial, penalties: Sequence[Penalty] = (), *, weight: float = 0.1
    ):
        super().__init__(G, D, adversarial, penalties)
        self.weight = weight

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        assert_type(self.G, Painter)
        assert_type(self.G(batch["z"]), Tensor)
        assert_type(self.D.blurred(made["image"]), Tensor)
        return [Duel(self.D.blurred, batch["image"], made["image"])]

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return {"size": self.weight * made["image"].square().mean()}


def small() -> Recipe:
    return Recipe(
        name="small",
        source="this file",
        expect="nothing: it is never trained",
        game=Partial(Small, weight=0.2),
        generator=Partial(Painter, z_dim=8),
        discriminator=Partial(Critic),
        adversarial=hinge,
        penalties=(Penalty(drift, weight=1e-3),),
        generator_optimizer=Adam(2e-4, 0.5),
        discriminator_optimizer=Adam(2e-4, 0.5),
        batch=16,
    )


def used() -> None:
    run = organza.train("photos", recipe=small(), budget="1m", seed=1, progress=False)
    assert_type(run, organza.Run)
    assert_type(run.sample(4), NDArray[np.uint8 | np.float64])
    assert_type(run.sample(4, output="pil"), list[Image])
    assert_type(run.sample(4, output="torch"), Tensor)
    assert_type(run.judge(run.sample(4)), NDArray[np.float32])
    assert_type(run.translate(run.sample(4)), NDArray[np.uint8])
    assert_type(run.encode(run.sample(4)), Tensor)
    assert_type(run.generate(torch.zeros(1, 8)), Tensor)
    assert_type(run.save_images("out", 4), list[Path])
    assert_type((run.path, run.shape, run.images, run.device), tuple[Path, tuple[int, ...], int, torch.device])
    assert_type(organza.load("runs/photos", recipe=small()).to("cpu"), organza.Run)
    assert_type(organza.evaluate("runs/photos")[0], organza.Evaluation)
    assert_type(organza.list_recipes(), list[str])
    assert_type(organza.get_recipe("dcgan"), Recipe)
    try:
        organza.train(torch.zeros(64, 3, 16, 16), budget="1m")
    except organza.UserError as error:
        assert_type(str(error), str)


def mistakes() -> None:
    """Make the mistakes that a type checker tells; each comment says what it says."""
    organza.train("photos", bugdet="1m")  # type: ignore[call-arg]
    organza.train("photos", budget=20)  # type: ignore[arg-type]
    organza.load("runs/photos").sample("4")  # type: ignore[call-overload]
    organza.tarin("photos")  # type: ignore[attr-defined]
    gan.Penatly(drift)  # type: ignore[attr-defined]
