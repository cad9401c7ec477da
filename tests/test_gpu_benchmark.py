"""benchmarks/gpu.py at toy size: every part of it runs and tells what it measured, on the CPU."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from tests.drawings import drawing

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
def test_it_measures_all_that_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu
    import scaling

    fork = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")  # a start takes seconds
    monkeypatch.setattr(scaling.mp, "get_context", lambda kind: fork)
    data = tmp_path / "data"
    data.mkdir()
    for seed in range(24):
        drawing(seed).resize((64, 64)).save(data / f"{seed}.png")
    toy = "--device cpu --width 2 --batch 2 --sizes 32 --seconds 0.01 --budget 8img --processes 2"
    gpu.main([str(data), *toy.split(), "--out", str(tmp_path / "gpu.json")])
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["right"] is True
    assert {"discriminator", "generator", "gradient of D", "gradient of G"} <= set(found["differences"])
    assert [one["precision"] for one in found["rates"]] == list(gpu.PRECISIONS)
    assert all(one["images/s"] > 0 and one["TFLOP/s"] > 0 for one in found["rates"])
    assert all(value > 0 for one in found["best"].values() for value in one.values())
    assert found["training"]["recipe"] == "latent"
    one, two = found["together"]
    assert (one["processes"], two["processes"]) == (1, 2)
    assert min(one["images/s"], two["images/s"]) > 0
    assert one["bytes a step"] == 0 < two["bytes a step"]
    assert two["of as many alone"] == pytest.approx(two["images/s"] / (2 * one["images/s"]))
    assert "| 32 | bfloat16 | eager |" in capsys.readouterr().out
    for name in ("gpu", "scaling"):
        sys.modules.pop(name)


def test_a_way_that_fails_is_told_in_its_row(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    told = {"size": 64, "precision": "TF32", "mode": "graphs", "trouble": "no compiler"}
    assert gpu.row(told, {}) == "| 64 | TF32 | graphs | no compiler |"
    sys.modules.pop("gpu")
