"""The training state and its step: the moving average by hand, its statistics, seeds, schedules, and what needs no graph."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from organza.recipes import get
from organza.run import checkpoint
from organza.run.folder import RunFolder
from organza.schedule import Cosine, Linear, at
from organza.training import snapshot
from organza.training.ema import Average, decay, half_life, recalibrate
from organza.training.plan import Plan
from organza.training.state import Rollback, TrainState
from organza.training.step import played, train_step
from organza.training.trainer import Trainer
from tests.contracts.discovery import small
from tests.contracts.material import Material


def begun(material: Material, seed: int = 0, **changes) -> TrainState:
    recipe = replace(small(get("dcgan-r1"), 4), **changes)
    return TrainState(recipe, material.opened(recipe), Plan("80img", 80, None, 80, 80, 80, 80), seed)


def filled(value: float) -> nn.Module:
    """A linear map and a batch norm, with every number equal but for the count of batches."""
    network = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    with torch.no_grad():
        for number in (*network.parameters(), *network.buffers()):
            number.fill_(value)
    return network


def test_the_average_moves_by_one_minus_beta_in_weights_and_in_float_buffers():
    average = Average(filled(1.0))
    average.update(filled(5.0), 0.75)
    numbers = [*average.network.parameters(), *(b for b in average.network.buffers() if b.is_floating_point())]
    assert len(numbers) == 6
    assert all(number.item() == 2.0 for number in numbers)  # 0.75 * 1 + 0.25 * 5
    assert not average.network.training
    assert not any(weight.requires_grad for weight in average.network.parameters())


def test_a_step_averages_with_the_half_life_of_the_images_seen_after_it(
    material: Material, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[int, float]] = []

    def eight(images: int, longest: float) -> float:
        asked.append((images, longest))
        return 8.0  # one batch: the average then forgets half of its past in a step

    monkeypatch.setattr("organza.training.step.half_life", eight)
    state = begun(material)
    for _ in range(2):
        before = [weight.clone() for weight in state.average.network.parameters()]
        train_step(state)
        for old, new, now in zip(before, state.average.network.parameters(), state.game.G.parameters(), strict=True):
            torch.testing.assert_close(new, (old + now) / 2, rtol=1e-5, atol=1e-9)
    assert asked == [(8, state.recipe.average), (16, state.recipe.average)]
    assert half_life(8, 10_000) == pytest.approx(0.4)
    assert decay(8, 16.0) == pytest.approx(0.5**0.5)


def test_statistics_made_anew_are_the_plain_mean_of_the_batches_and_leave_the_momentum():
    network = nn.BatchNorm1d(2, momentum=0.1).eval()
    network(torch.randn(8, 2))
    batches = torch.randn(3, 16, 2) * 3 + 5
    recalibrate(network, lambda turn: network(batches[turn]), times=3)
    torch.testing.assert_close(network.running_mean, batches.mean((0, 1)))
    torch.testing.assert_close(network.running_var, torch.stack([x.var(0) for x in batches]).mean(0))
    assert network.momentum == 0.1
    assert not network.training


def test_a_step_takes_its_rates_from_the_schedule_and_the_rollbacks(material: Material):
    state = begun(material)
    state.images = 40  # of 80
    state.rollbacks += [Rollback(0, 8, "nan"), Rollback(48, 56, "nan")]  # one behind this step, one before it
    train_step(state)
    for optimizer, chosen in zip(state.optimizers.values(), state.recipe.optimizers, strict=True):
        wanted = at(chosen.rate, 40, 80) / 2
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
            [wanted] * len(optimizer.param_groups)
        )
        assert wanted > 0


def test_new_weights_follow_from_the_seed_alone(material: Material):
    one, same, other = (next(begun(material, seed).game.G.parameters()) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_fakes_that_only_the_discriminator_sees_have_no_graph(material: Material):
    state = begun(material)
    for graph in (False, True):
        _, made = played(state, 0, graph=graph)
        assert made["image"].requires_grad == graph


def test_a_line_of_statistics_that_has_begun_goes_on_behind_a_checkpoint(material: Material, tmp_path: Path):
    folder, state, again = RunFolder(tmp_path / "run"), begun(material), begun(material)  # a line in 80 images
    folder.begin()
    trainer = Trainer(state, folder, None)
    for _event in trainer.events():
        if state.images >= 16:
            break
    list(trainer._save())
    snapshot.restore(again, checkpoint.load(checkpoint.existing(folder.checkpoints)[-1]), folder)
    assert again.images == 16
    assert len(state.sums["discriminator"]) == 2
    assert again.sums == state.sums


@pytest.mark.parametrize("schedule", [Linear(1.0, 0.2, begin=0.25, end=0.75), Cosine(1.0, 0.2, begin=0.25, end=0.75)])
def test_schedules_go_from_start_to_stop_and_are_constant_outside(schedule):
    values = [schedule(images, 100) for images in range(101)]
    assert values[:26] == [1.0] * 26
    assert values[75:] == pytest.approx([0.2] * 26)
    assert values[50] == pytest.approx(0.6)
    assert all(later <= earlier for earlier, later in pairwise(values))


def test_half_a_cosine_is_flat_at_both_ends():
    schedule = Cosine(1.0, 0.0)
    assert schedule(25, 100) == pytest.approx((1 + 0.5**0.5) / 2)
    assert schedule(75, 100) == pytest.approx((1 - 0.5**0.5) / 2)
