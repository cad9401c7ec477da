"""Organza: generative adversarial networks, from a folder of images to a generator and an honest
evaluation.

>>> import organza
>>> run = organza.train("photos", budget="10m")        # doctest: +SKIP
>>> organza.load("runs/photos").sample(16, seed=7)     # doctest: +SKIP
"""

import os
import sys

if sys.argv[:1] == ["-m"] and "-m organza" in " ".join(sys.orig_argv) and not sys.flags.safe_path:
    # `python -m organza` would prefer a torch.py or PIL.py in the current folder to the real one, and that folder may be a
    # stranger's. The user's own module, as given with --recipe, is still found there.
    del sys.path[0]

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from organza.version import __version__ as __version__

__path__.append(os.path.join(os.path.dirname(__file__), "deprecated"))  # noqa: PTH118, PTH120 (module names of the previous version)
logging.getLogger("organza").addHandler(logging.NullHandler())  # whoever wants its records adds a handler

if TYPE_CHECKING:
    from organza.data import Source as Source
    from organza.data import open_data as open_data
    from organza.data.batches import Batches as Batches
    from organza.data.batches import Images as Images
    from organza.data.labels import Labelled as Labelled
    from organza.data.pairs import Pairs as Pairs
    from organza.data.pairs import Unpaired as Unpaired
    from organza.data.volumes import Volumes as Volumes
    from organza.errors import UserError as UserError
    from organza.evaluation.evaluate import evaluate as evaluate
    from organza.evaluation.results import Evaluation as Evaluation
    from organza.inference.load import Run as Run
    from organza.inference.load import load as load
    from organza.recipe import Recipe as Recipe
    from organza.recipes import get_recipe as get_recipe
    from organza.recipes import list_recipes as list_recipes
    from organza.training.launch import train as train
    from organza.training.launch import train_events as train_events
    from organza.training.request import TrainArgs as TrainArgs

_PUBLIC = {
    "Batches": "organza.data.batches",
    "Evaluation": "organza.evaluation.results",
    "Images": "organza.data.batches",
    "Labelled": "organza.data.labels",
    "Pairs": "organza.data.pairs",
    "Recipe": "organza.recipe",
    "Run": "organza.inference.load",
    "Source": "organza.data",
    "TrainArgs": "organza.training.request",
    "Unpaired": "organza.data.pairs",
    "UserError": "organza.errors",
    "Volumes": "organza.data.volumes",
    "evaluate": "organza.evaluation.evaluate",
    "get_recipe": "organza.recipes",
    "list_recipes": "organza.recipes",
    "load": "organza.inference.load",
    "open_data": "organza.data",
    "train": "organza.training.launch",
    "train_events": "organza.training.launch",
}
_MODULES = "gan", "studio", "widgets"
__all__ = [
    "Batches",
    "Evaluation",
    "Images",
    "Labelled",
    "Pairs",
    "Recipe",
    "Run",
    "Source",
    "TrainArgs",
    "Unpaired",
    "UserError",
    "Volumes",
    "evaluate",
    "get_recipe",
    "list_recipes",
    "load",
    "open_data",
    "train",
    "train_events",
]


if not TYPE_CHECKING:  # a type checker reports names that do not exist

    def __getattr__(name: str) -> Any:
        # Imported on first use: torch takes seconds to import, and `organza --help` must be fast.
        if name in _PUBLIC:
            return getattr(import_module(_PUBLIC[name]), name)
        if name in _MODULES:
            return import_module(f"organza.{name}")
        if name == "Request":
            forwarding = import_module("organza.deprecated").forwarding
            return forwarding("organza", {name: "organza.training.request:TrainArgs"}, calls=2)(name)
        raise AttributeError(f"module organza has no attribute {name}")


def __dir__() -> list[str]:
    return [*__all__, *_MODULES, "__version__"]
