"""Names of the version before: they work for one version more, and say so."""

from __future__ import annotations

from importlib import import_module

import pytest

import organza
from organza import recipes
from organza.config import Partial
from organza.inference.load import load
from organza.media.images import grid
from organza.networks.layers import NetworkDict
from organza.overrides import apply
from organza.recipes.swift import latent
from organza.run.events import Tick
from organza.training.loggers import tensorboard

MOVED = [
    ("organza", "Request", organza.TrainArgs),
    ("organza.infer", "load", load),
    ("organza.infer", "Run", organza.Run),
    ("organza.events", "Tick", Tick),
    ("organza.pictures", "grid", grid),
    ("organza.part", "Part", Partial),
    ("organza.loggers", "tensorboard", tensorboard),
    ("organza.recipe", "find", recipes.get),
    ("organza.recipe", "everything", recipes.everything),
    ("organza.recipe", "apply", apply),
    ("organza.recipes.swift", "coded", latent),
    ("organza.gan", "Several", NetworkDict),
]


@pytest.mark.parametrize(("module", "name", "now"), MOVED, ids=lambda value: value if isinstance(value, str) else "")
def test_an_old_name_gives_what_moved_and_warns(module: str, name: str, now: object):
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} is now organza") as warned:
        assert getattr(import_module(module), name) is now
    assert warned[0].filename == __file__


def test_a_name_that_never_was_is_an_attribute_error():
    for module in ("organza.infer", "organza.recipe"):
        with pytest.raises(AttributeError):
            _ = import_module(module).nothing_of_the_kind
