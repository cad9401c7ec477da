"""SimGAN: half of D's fakes are old ones, R is no identity, the warm-ups and the loop end, and the pool survives a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

import organza
from organza import Source, Unpaired
from organza.config import Partial
from organza.data.batches import to_float
from organza.game import discriminator_loss, generator_loss, warm_up_loss
from organza.games.image_pool import Pool
from organza.games.simgan import SimGAN
from organza.losses import nonsaturating
from organza.metrics.kernels import gaussian_mmd
from organza.networks import refiner
from organza.optimizers import Adam
from organza.recipe import Recipe
from organza.recipes import get
from organza.run import checkpoint
from organza.run.folder import RunFolder, lines_of
from tests.contracts.discovery import small
from tests.contracts.material import Material
from tests.helpers import train

SHAPE = (1, 16, 16)


class Witness(nn.Module):
    """A discriminator that remembers the numbers written into the images it was shown."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.ones(())), []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x[:, 0, 0, 0].tolist())
        return self.weight * x.mean((1, 2, 3))


def numbered(turn: int, count: int = 8) -> Tensor:
    """A batch whose images carry their turn and row: turn + row / 100."""
    return (turn + torch.arange(count) / 100).reshape(-1, 1, 1, 1).expand(-1, *SHAPE)


def played(pool: int = 32) -> tuple[SimGAN, Witness, dict[str, Tensor]]:
    torch.manual_seed(0)
    witness = Witness()
    game = SimGAN(refiner.Refiner(SHAPE, width=4, blocks=1), witness, nonsaturating, pool=pool)
    return game, witness, {"a": torch.zeros(8, *SHAPE), "b": torch.full((8, *SHAPE), -1.0)}


def test_in_its_turn_half_of_the_discriminators_fakes_are_earlier_ones():
    game, witness, batch = played()
    for turn in range(20):
        discriminator_loss(game, batch, {"b": numbered(turn)})
        assert witness.seen[-2] == [-1.0] * 8  # all of the real ones are new
        turns = [int(number) for number in witness.seen[-1]]
        assert turns[:4] == [turn] * 4
        assert all(earlier < turn for earlier in turns[4:]) if turn else turns == [0] * 8
        assert len(set(witness.seen[-1])) == 8  # none is shown twice in a batch


def test_the_generators_turn_evaluation_and_warm_up_leave_the_pool_alone():
    game, witness, batch = played()
    discriminator_loss(game, batch, {"b": numbered(1)})
    before = game.pool.items.clone()
    generator_loss(game, batch, {"b": numbered(2)})
    assert [int(number) for number in witness.seen[-1]] == [2] * 8
    for duel in game.duels(batch, {"b": numbered(3)}):  # as the evaluator and the judge see it
        assert torch.equal(duel.fake, numbered(3))
    warm_up_loss(game, batch, {"b": numbered(4)})
    assert torch.equal(game.pool.items, before)


def test_the_refiner_is_held_to_its_input_by_the_mean_absolute_difference():
    game, _, batch = played()
    made = {"b": batch["a"] + torch.tensor([0.5, 0.0]).repeat(4).reshape(8, 1, 1, 1)}
    (term,) = game.extra_generator_terms(batch, made).values()
    assert term.item() == pytest.approx(game.fidelity * 0.25)


def test_half_a_batch_takes_the_room_that_is_left_then_that_of_earlier_ones_at_random():
    torch.manual_seed(0)
    pool, lives = Pool(16, (1,)), []
    for turn in range(200):
        before = pool.items.clone()
        filled = int(pool.filled)
        pool.half_of(numbered(turn)[:, 0, 0, :1])
        assert int(pool.filled) == min(filled + 4, 16)
        assert int((pool.items != before).sum()) == 4 or turn == 0
        lives.append(turn - pool.items.floor().min().item())
    assert 10 < np.mean(lives[20:]) < 40  # at random: the oldest lives long, but not for ever (in turn it would be 4)


def test_an_odd_batch_and_no_pool_at_all():
    assert torch.equal(Pool(0, (1,)).half_of(torch.ones(5, 1)), torch.ones(5, 1))
    pool = Pool(3, (1,))
    pool.half_of(torch.ones(5, 1))
    assert pool.half_of(2 * torch.ones(5, 1)).flatten().tolist() == [2, 2, 2, 1, 1]


def squares(folder: Path, grey: int, count: int = 60) -> None:
    """Squares at random places, of one grey, on black."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(grey)
    for item in range(count):
        image = Image.new("L", (16, 16))
        x, y = rng.integers(1, 7, 2)
        ImageDraw.Draw(image).rectangle((x, y, x + 7, y + 7), fill=grey)
        image.save(folder / f"{item:03d}.png")


@pytest.fixture(scope="module")
def grey_squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """White squares (synthetic) and dark grey ones (real)."""
    folder = tmp_path_factory.mktemp("squares")
    squares(folder / "a", 255)
    squares(folder / "b", 100)
    return folder


def tiny(**changes) -> Recipe:
    return replace(
        get("simgan"),
        game=Partial(SimGAN, fidelity=0.5, pool=32),
        generator=Partial(refiner.Refiner, width=8, blocks=1),
        discriminator=Partial(refiner.Discriminator, width=16),
        generator_optimizer=Adam(4e-3, 0.5, 0.99),
        discriminator_optimizer=Adam(2e-3, 0.5, 0.99),
        batch=8,
        generator_warmup=160,
        warmup=80,
        average=200,
        **changes,
    )


def distance(real: Tensor, pictures: Tensor) -> float:
    return gaussian_mmd(real.flatten(1), pictures.flatten(1)).value


def test_the_refiner_is_no_identity_and_what_it_makes_is_nearer_to_the_real(grey_squares: Path, tmp_path: Path):
    request = {"budget": "1600img", "size": 16, "stop": (), "evaluate": False, "report": False}
    before = organza.train(grey_squares, tmp_path / "run", recipe=tiny(), **{**request, "budget": "160img"}).generator
    after = organza.train(grey_squares, tmp_path / "run", recipe=tiny(), **request).generator
    data = Unpaired(Source(grey_squares, size=16))
    a, b = (to_float(np.array(images)) for images in data.images)
    with torch.no_grad():
        copied, made = before(a), after(a)
    inside = a > 0
    assert (copied - a).abs()[inside].mean() < 0.25  # pre-trained alone, it copies
    assert (made - a).abs()[inside].mean() > 0.5  # the squares have changed, by much more than noise
    assert distance(b, made) < distance(b, a) / 2
    assert (made - a).abs()[~inside].mean() < 0.15  # and are where they were: the annotation is kept
    assert made[inside].mean() - made[~inside].mean() > 0.5


def test_the_warm_ups_are_one_player_alone_and_the_run_ends_with_its_budget(grey_squares: Path, tmp_path: Path):
    request = {"size": 16, "stop": (), "evaluate": False, "report": False, "recipe": tiny()}
    folder = RunFolder(tmp_path / "run")

    def last() -> tuple[set[str], dict]:
        saved = checkpoint.load(checkpoint.existing(folder.checkpoints)[-1])
        return set(list(lines_of(folder.stats))[-1]), saved.tensors | {"facts": saved.facts}

    organza.train(grey_squares, tmp_path / "run", budget="160img", **request)
    terms, first = last()
    assert "self-regularisation" in terms
    assert not terms & {"generator", "discriminator"}
    assert first["facts"]["steps"] == 20
    organza.train(grey_squares, tmp_path / "run", budget="240img", **request)
    terms, second = last()
    assert "discriminator" in terms
    assert not terms & {"generator", "self-regularisation"}
    same = {
        name: torch.equal(value, second["generator_training"][name])
        for name, value in first["generator_training"].items()
    }
    assert all(same.values())  # D alone
    moved = {name: torch.equal(value, second["discriminator"][name]) for name, value in first["discriminator"].items()}
    assert not any(moved.values())
    organza.train(grey_squares, tmp_path / "run", budget="320img", **request)
    terms, third = last()
    assert {"generator", "discriminator", "self-regularisation"} <= terms
    assert third["facts"]["images"] == 320  # the loop has ended: 20 + 10 + 10 steps
    assert third["facts"]["steps"] == 40
    turns = {player: third[f"{player}_optimizer"] for player in ("generator", "discriminator")}
    updates = {player: max(float(v) for n, v in state.items() if n.endswith("step")) for player, state in turns.items()}
    assert updates == {"generator": 2 * (20 + 10), "discriminator": 10 + 10}  # two turns of R to one of D


def test_the_pool_survives_a_stop_bit_for_bit(material: Material, tmp_path: Path):
    recipe = small(get("simgan-paper"), 4, blocks=2)
    recipe = replace(recipe, generator_warmup=16, warmup=16, game=recipe.game.given(pool=12))
    train(material(recipe), tmp_path / "whole", recipe, budget="96img")
    for images in (24, 64, 96):  # the same budget throughout, since schedules are fractions of it
        train(material(recipe), tmp_path / "parts", recipe, until=images, budget="96img")
    whole, parts = (
        checkpoint.load(checkpoint.existing(tmp_path / run / "checkpoints")[-1]).tensors for run in ("whole", "parts")
    )
    assert int(whole["memory"]["pool.filled"]) == 12
    assert whole["memory"]["pool.items"].std() > 0
    for file, tensors in whole.items():
        assert all(torch.equal(value, parts[file][key]) for key, value in tensors.items()), file


def test_the_papers_numbers():
    recipe = get("simgan-paper")
    assert (recipe.batch, recipe.generator_turns, recipe.discriminator_turns) == (512, 2, 1)
    steps = recipe.generator_warmup // recipe.batch
    assert steps * recipe.generator_turns == 1000  # updates of R alone
    assert recipe.warmup // recipe.batch == 200  # of D
    R, D = recipe.generator(shape=(1, 35, 55)), recipe.discriminator(shape=(1, 35, 55))
    x = torch.zeros(2, 1, 35, 55)
    assert R(x).shape == x.shape
    assert D(x).shape == (2, 1, 9, 14)
    convolutions = [m for m in D.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [96, 64, 32, 32, 1]
    assert [c.kernel_size[0] for c in convolutions] == [3, 3, 3, 1, 1]
    assert sum(isinstance(m, refiner.Block) for m in R.modules()) == 4


def test_each_logit_judges_a_patch_and_no_more():
    D = refiner.Discriminator((1, 64, 64), width=8)
    x = torch.zeros(1, 1, 64, 64, requires_grad=True)
    D(x + torch.rand(1, 1, 64, 64))[0, 0, 8, 8].backward()
    rows = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert 7 <= rows.max() - rows.min() + 1 <= 23


def test_pretraining_does_not_get_stuck_on_a_blank_picture():
    """|R(a) - a| alone cannot bring a saturated tanh back: mostly black images once came out all black, for ever."""
    torch.manual_seed(0)
    a = torch.full((8, 1, 16, 16), -1.0)
    a[:, :, 6:10, 4:12] = 1
    R = refiner.Refiner(SHAPE, width=16, blocks=3)
    optimizer = torch.optim.Adam(R.parameters(), 1e-3, (0.5, 0.99))
    for _ in range(60):
        optimizer.zero_grad()
        loss = (R(a) - a).abs().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.1  # all black would be 0.25


def test_grey_and_coloured_pictures_are_brought_to_the_same_channels(grey_squares: Path, tmp_path: Path):
    for side in "ab":
        (tmp_path / side).mkdir()
        for file in sorted((grey_squares / side).glob("*.png"))[:4]:
            image = Image.open(file)
            (image if side == "a" else Image.merge("RGB", (image, Image.new("L", image.size, 7), image))).save(
                tmp_path / side / file.name
            )
    data = Unpaired(Source(tmp_path, size=16))
    assert data.source_shape == data.shape == (3, 16, 16)
