"""A pytest plugin that tells the CPU seconds of each test: on a shared machine the wall clock tells what others do.

python -m pytest -p tests.cpu_seconds -n 2 tests/test_runs.py     # what its fixtures and its processes took is counted too
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

MOST = 40
"""Tests that are listed, the longest first."""
SPENT: Counter[str] = Counter()


def seconds() -> float:
    """Return the CPU seconds of this process and of the children that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _measured(item: pytest.Item) -> Iterator[None]:
    before = seconds()
    yield
    item.user_properties.append(("cpu", seconds() - before))  # travels from a worker to the process that reports


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    yield from _measured(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield from _measured(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield from _measured(item)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        SPENT[report.nodeid] = sum(float(value) for name, value in report.user_properties if name == "cpu")  # type: ignore[arg-type]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    files = Counter[str]()
    for name, spent in SPENT.items():
        files[name.partition("::")[0]] += spent
    for title, counts in (("files", files), ("tests", SPENT)):
        terminalreporter.section(
            f"CPU seconds of {title}: {sum(counts.values()):.0f} in all, starts of processes apart"
        )
        for name, spent in counts.most_common(MOST):
            terminalreporter.line(f"{spent:7.2f}  {name}")
