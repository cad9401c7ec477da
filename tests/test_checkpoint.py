"""Checkpoints: whole or absent, and no damage goes unnoticed."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
import torch
from torch import nn

from organza.errors import UserError
from organza.optimizers import SGD, Adam, RMSprop
from organza.run import checkpoint
from organza.run.checkpoint import Damaged
from organza.run.moments import optimizer_tensors, restore_optimizer
from organza.run.weights import restore_network

TENSORS = {"generator": {"w": torch.arange(600.0).reshape(20, 30), "n": torch.tensor(7)}, "other": {"b": torch.ones(3)}}
FACTS = {"images": 1200, "history": [[1200, 0.5, 0.1, 0.6, 0.01]]}


def save(parent: Path, images: int = 1200) -> Path:
    return checkpoint.save(parent, images, TENSORS, FACTS)


def test_round_trip(tmp_path: Path):
    found = checkpoint.load(save(tmp_path))
    assert found.facts == FACTS
    assert all(torch.equal(found.tensors[f][n], value) for f, values in TENSORS.items() for n, value in values.items())
    assert set(checkpoint.load(save(tmp_path, 5), {"other"}).tensors) == {"other"}


@pytest.mark.parametrize("damage", ["bit", "sector", "cut", "junk"])
def test_every_damage_to_any_file_is_noticed(damage: str, tmp_path: Path):
    rng = random.Random(5)
    folder = save(tmp_path)
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        for _ in range(25):
            content = bytearray(whole)
            place = rng.randrange(len(content))
            if damage == "bit":
                content[place] ^= 1 << rng.randrange(8)
            elif damage == "sector":
                content[place : place + 512] = bytes(len(content[place : place + 512]))
            elif damage == "cut":
                del content[place:]
            else:
                content += b"junk"
            if bytes(content) == whole:
                continue
            file.write_bytes(content)
            with pytest.raises(Damaged, match=file.name):
                checkpoint.load(folder)
        file.write_bytes(whole)
    checkpoint.load(folder)


def test_swapped_files_and_missing_files_are_noticed(tmp_path: Path):
    one, two = save(tmp_path), save(tmp_path, 2400)
    (two / "generator.safetensors").write_bytes((one / "other.safetensors").read_bytes())
    with pytest.raises(Damaged, match="00002400/generator"):
        checkpoint.load(two)
    (one / "other.safetensors").unlink()
    with pytest.raises(Damaged, match="other"):
        checkpoint.load(one)


def test_the_newest_good_one_is_found_and_the_damage_named(tmp_path: Path):
    save(tmp_path)
    newer = save(tmp_path, 2400)
    (newer / "manifest.json").write_text("{}")
    found, wrong = checkpoint.newest_good(tmp_path)
    assert found is not None
    assert found.directory.name == "00001200"
    assert len(wrong) == 1
    assert "00002400/manifest.json" in wrong[0]
    assert checkpoint.newest_good(tmp_path / "nothing") == (None, [])


def test_a_newer_format_is_refused_in_words(tmp_path: Path):
    folder = save(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["format"] = 99
    manifest["self"] = checkpoint._own_digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="newer organza"):
        checkpoint.load(folder)


def test_retention_keeps_the_newest_two_and_the_best_and_sweeps_leftovers(tmp_path: Path):
    for images in (1, 2, 3, 4, 5):
        save(tmp_path, images)
    (tmp_path / ".00000009.123").mkdir()
    checkpoint.retain(tmp_path, {"00000002"})
    assert [folder.name for folder in sorted(tmp_path.iterdir())] == ["00000002", "00000004", "00000005"]


@pytest.mark.parametrize("broken", range(6))
def test_a_write_that_fails_anywhere_leaves_the_older_one_whole(
    broken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save(tmp_path)
    calls = {"count": 0}
    genuine = os.fsync

    def failing(descriptor: int) -> None:
        calls["count"] += 1
        if calls["count"] > broken:
            raise OSError(28, "No space left on device")
        genuine(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    try:
        save(tmp_path, 2400)
        assert broken > 4  # two weight files, the manifest, the folder, its parent
    except UserError as error:
        assert "disk is full" in str(error)  # noqa: PT017
    monkeypatch.undo()
    found, wrong = checkpoint.newest_good(tmp_path)
    assert found is not None
    assert not wrong
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("optimizer", [Adam(), RMSprop(), SGD(momentum=0.9), SGD()], ids=str)
def test_optimizers_go_on_to_the_same_bits(optimizer, tmp_path: Path):
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 1)).to(memory_format=torch.channels_last)

    def steps(net: nn.Module, opt: torch.optim.Optimizer, seeds: range) -> None:
        for seed in seeds:
            x = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
            opt.zero_grad()
            net(x).square().mean().backward()
            opt.step()

    whole = network()
    steps(whole, optimizer.build(whole.parameters()), range(6))
    first = network()
    before = optimizer.build(first.parameters())
    steps(first, before, range(3))
    folder = checkpoint.save(tmp_path, 3, {"net": first.state_dict(), "opt": optimizer_tensors(before)}, {})
    found = checkpoint.load(folder)
    second = network()
    restore_network(second, found.tensors["net"], "net")
    after = optimizer.build(second.parameters())
    restore_optimizer(after, found.tensors["opt"])
    steps(second, after, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_weights_that_are_not_finite_or_do_not_fit_are_refused():
    net = nn.Linear(2, 2)
    with pytest.raises(Damaged, match="not finite"):
        restore_network(net, {"weight": torch.full((2, 2), float("nan")), "bias": torch.zeros(2)}, "x")
    with pytest.raises(Damaged, match="does not fit"):
        restore_network(net, {"weight": torch.zeros(3, 3), "bias": torch.zeros(2)}, "x")
