"""Every example in the metrics' docstrings runs."""

import doctest
import pkgutil
from importlib import import_module

import pytest

from organza import metrics

MODULES = [module.name for module in pkgutil.walk_packages(metrics.__path__, "organza.metrics.") if not module.ispkg]


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name.removeprefix("organza.metrics."))
def test_examples(name: str):
    failed, tried = doctest.testmod(import_module(name))
    assert tried
    assert not failed
