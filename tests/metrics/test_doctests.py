"""Every example in the metrics' docstrings runs."""

import doctest
import pkgutil
from importlib import import_module

import pytest

from organza import metrics


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(metrics.__path__)])
def test_examples(name: str):
    failed, tried = doctest.testmod(import_module(f"organza.metrics.{name}"))
    assert tried
    assert not failed
