"""Bugs of ours keep their traceback; settings that cannot work are the user's mistake, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from organza.errors import UserError, told
from organza.losses import Adversarial
from organza.networks import mlp
from organza.recipes import get
from organza.training import speed
from tests.contracts.discovery import small
from tests.helpers import train


def products(real: Tensor, fake: Tensor) -> Tensor:
    return real[:, None] @ fake[:3]


WRONG = Adversarial(products, products)
"""Losses of shapes that do not fit."""


def test_a_bug_in_the_measurement_of_speed_keeps_its_traceback(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(speed, "time", None)
    with pytest.raises(AttributeError, match="perf_counter"):
        train(pictures, tmp_path / "run", small(get("dcgan"), 4), budget="1m")


def test_a_loss_that_cannot_be_taken_is_the_users_mistake(pictures: Path, tmp_path: Path):
    place = rf"test_bugs\.py, line {products.__code__.co_firstlineno + 1}, in products \(return real\[:, None\] @ fake\[:3\]\)"
    with pytest.raises(UserError, match=f"{place} raises RuntimeError: size mismatch"):
        train(pictures, tmp_path / "run", replace(small(get("dcgan"), 4), adversarial=WRONG), budget="1m")


def test_a_name_that_does_not_exist_is_never_the_settings_fault(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match="RuntimeError"), told("It cannot be made"):
        mlp.Generator((1, 8, 8), width=-1)
    monkeypatch.delattr(mlp, "nn")
    with pytest.raises(NameError, match="nn"), told("It cannot be made"):
        mlp.Generator((1, 8, 8))
