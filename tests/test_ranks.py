"""Runs on several processes by the command line: --processes, what it refuses, and what one process never pays."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch
from torch import nn

from organza.cli.options import processes_asked
from organza.distributed.launched import exit_code, size, speaks
from organza.distributed.world import ALONE, World, numbered
from organza.errors import UserError
from organza.networks.synchronised import SynchronisedBatchNorm, synchronise
from organza.recipes import get
from organza.training.preparation import require_shares
from tests.forks import Forked, forked


def test_shares_of_all_ranks_are_the_batch():
    batch = torch.arange(12)
    for ranks in (1, 2, 3, 4):
        worlds = [numbered(rank, ranks) for rank in range(ranks)]
        assert sorted(chain.from_iterable(world.share(range(12)) for world in worlds)) == list(range(12))
        rows = [world.rows(batch) for world in worlds]
        assert torch.equal(torch.stack(rows, 1).flatten(), batch)
        for share in (0.1, 0.25, 0.5, 1.0):
            firsts = [world.first(12 // ranks, share) for world in worlds]
            values = [row[first.items].float().mean() * first.weight for row, first in zip(rows, firsts, strict=True)]
            assert torch.stack(values).mean() == batch[: firsts[0].whole].float().mean()
            assert all(
                torch.equal(batch[w.items(f.items)], w.rows(batch)[f.items])
                for w, f in zip(worlds, firsts, strict=True)
            )


@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
def test_moments_of_all_ranks_are_those_of_the_items_that_count(share: float, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    batch = torch.randn(12, 3, dtype=torch.float64) + 100
    for ranks in (2, 3, 4):
        worlds = [numbered(rank, ranks) for rank in range(ranks)]
        firsts = [world.first(12 // ranks, share) for world in worlds]
        own = [world.rows(batch)[first.items] for world, first in zip(worlds, firsts, strict=True)]
        sent = torch.stack([torch.cat([x.mean(0), x.var(0, correction=0)]) for x in own])
        whole = batch[: firsts[0].whole]
        for world, first, x in zip(worlds, firsts, own, strict=True):
            monkeypatch.setattr(world, "gather", lambda _, every=sent: every)
            with world.counting(first):
                mean, variance = world.pooled(x.mean(0), x.var(0, correction=0))
                assert world.passing(len(x)) == len(whole)
            torch.testing.assert_close(mean, whole.mean(0))
            torch.testing.assert_close(variance, whole.var(0, correction=0))


def test_one_process_keeps_torchs_layers():
    game = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    synchronise(game, ALONE)
    assert [type(layer) for layer in game] == [nn.Conv2d, nn.BatchNorm2d, nn.Dropout]
    names = list(game.state_dict())
    synchronise(game, numbered(0, 2))
    assert [type(layer) for layer in game][1:] != [nn.BatchNorm2d, nn.Dropout]
    assert list(game.state_dict()) == names


@pytest.mark.parametrize("momentum", [0.1, None])
def test_the_synchronised_batch_norm_is_torchs(momentum: float | None):
    torch.manual_seed(0)
    x = torch.randn(6, 3, 4, 4, requires_grad=True)
    theirs = nn.BatchNorm2d(3, momentum=momentum)
    ours = SynchronisedBatchNorm(3, momentum=momentum)
    for layer in (theirs, ours):
        nn.init.uniform_(layer.weight)
    ours.load_state_dict(theirs.state_dict())
    for _ in range(2):
        torch.testing.assert_close(ours(x), theirs(x))
    seconds = []
    for layer in (theirs, ours):  # penalties differentiate twice
        (slope,) = torch.autograd.grad(layer(x).pow(3).sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(slope.square().sum(), layer.weight)[0])
    torch.testing.assert_close(*seconds, rtol=1e-4, atol=1e-3)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_a_batch_that_cannot_be_shared_names_numbers_that_can():
    recipe = get("swift")
    require_shares(recipe, World())
    with pytest.raises(UserError, match=r"16, which 3 processes .* use 2 processes, or .*batch=18"):
        require_shares(recipe, numbered(0, 3))


@pytest.mark.parametrize("asked", ["0", "two", "-1", "2000", "1.5", ""])
def test_impossible_numbers_of_processes_are_refused(asked: str):
    with pytest.raises(UserError, match="--processes is"):
        processes_asked(asked)


def test_a_launchers_variables_count_only_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "3")
    assert size() == 1
    assert speaks()
    assert exit_code(143) == 143
    for name, value in {"WORLD_SIZE": "4", "MASTER_ADDR": "a", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert size() == 4
    assert not speaks()


def test_one_process_imports_no_group_and_no_compiler(pictures: Path, tmp_path: Path):
    code = (
        "import sys, organza\n"
        "asked = dict(evaluate=False, report=False, progress=False)\n"
        "small = ['generator.width=4', 'discriminator.width=4', 'batch=8']\n"
        "organza.train(*sys.argv[1:], recipe='swift', size=16, budget='16img', settings=small, **asked)\n"
        "assert organza.train(*sys.argv[1:], budget='32img', **asked).images == 32\n"  # which resumes
        "assert not {'organza.distributed.group', 'torch._dynamo'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, pictures, tmp_path / "run"], check=False).returncode == 0


def as_ranks(*words: object, size: int = 2) -> list[int]:
    """Run a command in forked processes with the variables that a launcher sets, and return their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def be(rank: int) -> None:
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in told.items()}

    processes = [Forked(*words, before=lambda rank=rank: be(rank)) for rank in range(size)]
    for process in processes:
        process.communicate()
    return [process.wait() for process in processes]


@pytest.mark.slow
def test_processes_train_sample_and_pass_on_the_exit_code(pictures: Path, tmp_path: Path):
    run = tmp_path / "run"
    train = ("train", pictures, "--run", run, "--recipe", "mlp", "--budget", "200img", "--size", "16", "--no-report")
    done = forked(*train, "--processes", "2")  # the ranks are Python's processes, as the launcher starts them
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"stopped at 200 images") == 1
    assert json.loads((run / "recipe.json").read_text())["versions"]["processes"] == 2
    assert forked("sample", run, "--count", "40", "--out", tmp_path / "one.npy").returncode == 0
    assert as_ranks("sample", run, "--count", "40", "--out", tmp_path / "two.npy") == [0, 0]
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()
    refused = forked(*train[:3], tmp_path / "odd", *train[4:], "--set", "batch=15", "--processes", "2")
    assert refused.returncode == 2
    assert refused.stderr.count(b"2 processes cannot share") == 1
    assert b"Traceback" not in refused.stderr
    again = forked(*train[:7], "300img", *train[8:])
    assert again.returncode == 0, again.stderr
    assert b"processes was 2 when the run began and is now 1" in again.stdout
