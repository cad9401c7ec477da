"""Machines without having them: which is chosen, what is refused, that all tensors of a step are in one place, and in which precision."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode

import organza
from organza.augment import Augment
from organza.cli import main
from organza.distributed.group import Group
from organza.distributed.world import World
from organza.errors import UserError
from organza.game import Game, StepOutput, TrainProgress, discriminator_loss, generator_loss, numbers
from organza.games.image_pool import Pool
from organza.networks.synchronised import synchronise
from organza.penalties import Penalty, dragan, r1, r1_finite, r2_finite, wgan_gp
from organza.recipe import Recipe
from organza.recipes import get
from organza.run.events import Warned
from organza.run.moments import restore_optimizer
from organza.training import snapshot, speed
from organza.training.accelerator import CPU, Accelerator, choose
from organza.training.plan import Plan
from organza.training.sampling import samples
from organza.training.state import TrainState
from organza.training.step import train_step
from tests.contracts.discovery import COVERING, RECIPES, small
from tests.contracts.material import Material

META = Accelerator(torch.device("meta"))
HALF = replace(CPU, precision=torch.bfloat16)
CUDA = torch.device("cuda:0")


# ---- which machine ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """torch as it would be on a computer with these devices."""

    def has(cuda: tuple[tuple[int, int], ...] = (), mps: bool = False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cuda))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: cuda[torch.device(device).index])
        # Volta and Turing emulate bfloat16; without the argument torch says yes to that.
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return has


@pytest.mark.parametrize(
    ("devices", "asked", "device", "precision"),
    [
        ({}, "auto", "cpu", torch.float32),
        ({"mps": True}, "auto", "mps", torch.float32),
        ({"mps": True}, "cpu", "cpu", torch.float32),
        ({"cuda": ((8, 0),), "mps": True}, "auto", "cuda:0", torch.bfloat16),
        ({"cuda": ((7, 5),)}, "auto", "cuda:0", torch.float32),
        ({"cuda": ((7, 5), (9, 0))}, "cuda:1", "cuda:1", torch.bfloat16),
        ({"cuda": ((7, 5), (9, 0))}, "cuda", "cuda:0", torch.float32),
        ({"cuda": ((8, 6),)}, "cpu", "cpu", torch.float32),
    ],
)
def test_the_device_and_its_fast_precision_are_chosen(devices, asked, device, precision, computer):
    computer(**devices)
    assert choose(asked) == Accelerator(torch.device(device), precision, compiled=False)


@pytest.mark.parametrize(
    ("rank", "asked", "device"), [(0, "auto", 0), (1, "auto", 1), (1, "cuda", 1), (1, "cuda:0", 0)]
)
def test_each_process_of_a_machine_takes_a_gpu_of_its_own_unless_one_is_named(rank, asked, device, computer):
    computer(cuda=((8, 0), (7, 5)))
    assert choose(asked, rank).device == torch.device("cuda", device)
    assert choose(asked, rank).precision is (torch.float32 if device else torch.bfloat16)


def test_more_processes_than_gpus_are_refused_in_one_sentence(computer):
    computer(cuda=((8, 0), (8, 0)))
    with pytest.raises(UserError, match="cuda:2"):
        choose("auto", 2)


def test_bfloat16_that_torch_does_not_confirm_is_not_used(computer, monkeypatch: pytest.MonkeyPatch):
    computer(cuda=((8, 0),))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert choose("cuda").precision is torch.float32


@pytest.mark.parametrize(
    ("devices", "asked", "said"),
    [
        (
            {},
            "cuda",
            "`device` is cuda; torch .* finds cpu here: leave `device` out .* a torch that is built for your GPU",
        ),
        ({}, "cuda:1", "`device` is cuda:1; torch .* finds cpu here"),
        ({"cuda": ((8, 0),)}, "cuda:1", "finds cuda:0, cpu here: leave `device` out to use the best available[.]$"),
        ({}, "mps", "`device` is mps; torch .* finds cpu here"),
        ({"mps": True}, "cuda", "finds mps, cpu here"),
        ({}, "gpu", "`device` is gpu; it must be auto, cpu, cuda, cuda:1 or mps"),
        ({}, "cuda:", "`device` is cuda:; .* Did you mean cuda"),
        ({}, "", "`device` is ; it must be"),
    ],
)
def test_a_device_that_is_not_there_is_refused_in_one_sentence(devices, asked, said, computer):
    computer(**devices)
    with pytest.raises(UserError, match=said):
        choose(asked)


def test_the_command_line_tells_it_before_anything_is_written(
    pictures: Path, tmp_path: Path, computer, capsys: pytest.CaptureFixture
):
    computer()
    with pytest.raises(SystemExit) as end:
        main(["train", str(pictures), "--run", str(tmp_path / "run"), "--device", "cuda"])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("--device is cuda; torch")
    assert not (tmp_path / "run").exists()


# ---- everything in one place ------------------------------------------------------------------------------------------------------


class OnePlace(TorchDispatchMode):
    """Lets no operation look at tensors of two devices. Copies may; so may numbers, which torch lets pass anywhere."""

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        named = named or {}
        flat = torch.utils._pytree.tree_leaves((arguments, named))
        places = {value.device.type for value in flat if isinstance(value, Tensor) and value.ndim}
        if function._opname not in ("copy_", "_to_copy"):
            assert len(places) <= 1, f"{function} was given tensors on {' and '.join(sorted(places))}"
        return function(*arguments, **named)


def elsewhere(recipe: Recipe, material: Material) -> tuple[Game, dict[str, Tensor]]:
    """A game on the meta device, and a batch that was made on the CPU and taken there."""
    data = material.opened(recipe)
    game = small(recipe).build(data)
    META.settle(game)
    game.requires_grad_(False)
    batch = data.at(range(8)) | game.latents([torch.Generator().manual_seed(item) for item in range(8)])
    return game, META.take(batch)


VARIANTS = {name: RECIPES[name] for name in COVERING} | {
    "augmented": lambda: replace(get("dcgan-r1"), augment=Augment())
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_makes_no_tensor_on_another_device_than_the_players(name: str, material: Material):
    game, batch = elsewhere(VARIANTS[name](), material)
    with OnePlace():
        pools = any(isinstance(module, Pool) for module in game.modules())
        for turn in range(3 if pools else 1):  # pools fill up, and give back
            game.G.requires_grad_(True)
            made = game.play(batch)
            for player, loss in ((game.D, discriminator_loss), (game.G, generator_loss)):
                game.D.requires_grad_(player is game.D)
                told: StepOutput = loss(game, batch, made, TrainProgress(step=0, images=8 * turn, planned=100))
                assert {value.device.type for value in told.values().values()} == {"meta"}
                torch.stack(list(told.terms.values())).sum().backward()
        game.eval()
        for picture in game.shown(batch, game.make(batch)):
            assert picture.is_meta


@pytest.fixture
def two() -> Iterator[World]:
    """The first of two ranks, the other of which torch pretends to be there, on any device."""
    dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    yield Group(0, 2, 0, FakeStore(), 60)
    dist.destroy_process_group()


@pytest.mark.parametrize("name", ["dcgan", "wgan-gp", "ragan", "acgan", "cyclegan", "latent"])
def test_ranks_share_a_step_on_the_device_of_the_players(name: str, material: Material, two: World):
    game, batch = elsewhere(RECIPES[name](), material)
    game.world = two
    synchronise(game, two)
    with OnePlace():
        made = game.play(batch)
        game.requires_grad_(True)
        told = discriminator_loss(game, batch, made)
        torch.stack(list(told.terms.values())).sum().backward()
        gradients = [weight.grad for weight in game.D.parameters() if weight.grad is not None]
        two.average(gradients)
        assert gradients
        assert {value.device.type for value in told.values().values()} == {"meta"}


@pytest.mark.parametrize("penalty", [r1, dragan, wgan_gp, r1_finite, r2_finite], ids=lambda penalty: penalty.__name__)
def test_penalties_draw_where_the_data_is(penalty, material: Material):
    game, batch = elsewhere(replace(get("dcgan-r1"), penalties=(Penalty(penalty),)), material)
    game.D.requires_grad_(True)
    with OnePlace():
        discriminator_loss(game, batch, game.play(batch)).terms[penalty.__name__].backward()


def test_the_guard_sees_a_tensor_on_the_wrong_device():
    with OnePlace(), pytest.raises(AssertionError, match="cpu and meta"):
        torch.cat([torch.zeros(1), torch.zeros(1, device="meta")])


def test_a_pool_on_a_device_keeps_its_count_where_it_is_asked_for():
    pool = Pool(4, (1,)).to("meta")
    assert pool.items.is_meta
    for exchange in (pool.exchange, pool.half_of):
        assert exchange(torch.zeros(2, 1, device="meta")).is_meta
    assert int(pool.filled) == 3
    assert pool.filled.device.type == "cpu"
    assert set(pool.state_dict()) == {"items", "filled"}


def test_batches_are_pinned_on_their_way_to_cuda_and_not_waited_for():
    class Watched:
        steps: tuple[Any, ...] = ()

        def pin_memory(self) -> Watched:
            self.steps += ("pinned",)
            return self

        def to(self, device: torch.device, non_blocking: bool) -> Watched:
            self.steps += (device, non_blocking)
            return self

    batch: Any = {"image": Watched()}
    assert Accelerator(CUDA).take(batch)["image"].steps == ("pinned", CUDA, True)


def test_the_moments_of_an_optimiser_come_back_where_its_weights_are():
    weight = nn.Parameter(torch.zeros(3, device="meta"))
    optimizer = torch.optim.RMSprop([weight], momentum=0.5)
    saved = {"0.step": torch.tensor(4.0), "0.square_avg": torch.ones(3), "0.momentum_buffer": torch.ones(3)}
    restore_optimizer(optimizer, saved)
    assert {name: value.device.type for name, value in optimizer.state[weight].items()} == {
        "step": "cpu",
        "square_avg": "meta",
        "momentum_buffer": "meta",
    }
    optimizer.param_groups[0]["fused"] = True  # as Adam is
    restore_optimizer(optimizer, saved)
    assert {value.device.type for value in optimizer.state[weight].values()} == {"meta"}


# ---- one step ---------------------------------------------------------------------------------------------------------------------


def begun(recipe: Recipe, material: Material, accelerator: Accelerator = CPU) -> TrainState:
    data = material.opened(recipe)
    plan = Plan("80img", 80, None, 80, 80, 80, 80)
    return TrainState(small(recipe), data, plan, 0, accelerator)


class Waits(TorchDispatchMode):
    """Counts how often a number is asked of a device, for which everything before it must be done."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        self.count += function._opname in ("_local_scalar_dense", "nonzero", "is_nonzero")
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("name", ["dcgan", "resize-r1", "cgan", "infogan", "pix2pix", "aae"])
def test_a_step_waits_for_the_device_once_a_turn_and_once_for_the_log(name: str, material: Material):
    one = begun(RECIPES[name](), material)
    batch = one.batch(range(8))
    one.batch = lambda positions: batch  # what is drawn on the CPU waits for nothing
    with Waits() as waits:
        train_step(one)
    assert waits.count == 2  # is the loss finite? The log's numbers come as one array, which is not counted here.


def test_numbers_are_those_of_the_tensors():
    values = {"a": torch.tensor(0.1), "b": torch.tensor(1e-30), "c": torch.tensor(float("nan"))}
    assert str(numbers(values)) == str({name: value.item() for name, value in values.items()})
    assert numbers({}) == {}


@pytest.mark.parametrize(
    "name", ["swift", "latent", "cgan-projection-paper"]
)  # all on a GPU: a CPU may be 90 times slower in it
def test_steps_in_bfloat16_stay_finite(name: str, material: Material):
    one = begun(RECIPES[name](), material, HALF)
    for _ in range(5 if one.recipe.warmup or one.recipe.generator_warmup else 2):  # past the warm-ups
        told = train_step(one)
        assert all(abs(value) < float("inf") for value in told.values())
    assert all(weight.dtype is torch.float32 and weight.isfinite().all() for weight in one.game.parameters())
    assert samples(one, range(3)).dtype is torch.uint8


def test_penalties_are_computed_in_float32_and_other_turns_are_not(material: Material):
    seen: dict[str, list[torch.dtype]] = {"D": [], "G": [], "penalty": [], "logits": []}

    def watched(duel: Any, real: Tensor, fake: Tensor) -> Tensor:
        before = len(seen["D"])
        values = r1_finite(duel, real, fake)
        seen["penalty"] += seen["D"][before:]
        seen["logits"] += [real.dtype, fake.dtype]
        assert not torch.is_autocast_enabled("cpu")
        return values

    recipe = replace(get("dcgan-r1"), penalties=(Penalty(watched, every=2),))
    one = begun(recipe, material, HALF)
    for name, network in (("D", one.game.D.features[0]), ("G", one.game.G.layers[0])):  # type: ignore[index,union-attr]
        network.register_forward_hook(lambda layer, given, made, name=name: seen[name].append(made.dtype))
    train_step(one)
    full, half = torch.float32, torch.bfloat16
    # Real and fake of D's turn, and the moved images, in float32; in G's turn, fakes and the reals they are compared with, not.
    assert seen == {"D": [full] * 3 + [half] * 2, "G": [half], "penalty": [full], "logits": [full] * 2}
    for kind in seen.values():
        kind.clear()
    train_step(one)  # no penalty is due
    assert seen == {"D": [half] * 4, "G": [half], "penalty": [], "logits": []}


def test_on_a_cpu_no_autocast_is_entered(material: Material, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **named: pytest.fail("autocast was entered"))
    train_step(begun(get("resize-r1"), material))


# ---- compiled networks ------------------------------------------------------------------------------------------------------------


def test_compiled_networks_keep_their_names_and_learn_the_same(material: Material, monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []

    def stub(function: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[..., Any]:
        def compiled(*given: Any, **further: Any) -> Any:
            calls.append(type(function.__self__).__module__)  # type: ignore[attr-defined]
            return function(*given, **further)

        return compiled

    monkeypatch.setattr(torch, "compile", stub)
    for name in ("resize-r1", "cyclegan"):
        plain = begun(RECIPES[name](), material)
        compiled = begun(RECIPES[name](), material, replace(CPU, compiled=True))
        calls.clear()
        assert [train_step(plain), train_step(plain)] == [train_step(compiled), train_step(compiled)]
        assert set(calls) == {type(network).__module__ for network in some_networks(compiled.game)}
        one, other = snapshot.tensors(plain), snapshot.tensors(compiled)
        assert {file: list(tensors) for file, tensors in one.items()} == {
            file: list(tensors) for file, tensors in other.items()
        }
        for file, tensors in one.items():
            assert all(torch.equal(value, other[file][key]) for key, value in tensors.items())


def some_networks(game: Game) -> list[nn.Module]:
    return [network for player in (game.G, game.D) for network in organza.networks.layers.networks_of(player)]


def test_networks_are_compiled_only_where_that_measures_faster(material: Material, monkeypatch: pytest.MonkeyPatch):
    rates = {False: 100.0, True: 150.0}
    measured: list[bool] = []

    def measure(accelerator: Accelerator, seconds: float) -> float:
        measured.append(accelerator.compiled)
        if rates[accelerator.compiled] < 0:
            raise RuntimeError("no compiler")
        return rates[accelerator.compiled]

    monkeypatch.setattr(speed, "measure", measure)
    monkeypatch.setattr(speed, "trial", lambda recipe, data, accelerator: accelerator)
    recipe, data, there = get("resize-r1"), None, Accelerator(CUDA, torch.bfloat16)
    assert speed.faster(recipe, data, there) == replace(there, compiled=True)  # type: ignore[arg-type]
    for slow in (101.0, 90.0, -1.0):
        rates[True] = slow
        assert speed.faster(recipe, data, there) == there  # type: ignore[arg-type]
    rates[True], measured[:] = 150.0, []
    for exact in ("wgan-gp", "dragan", "rpgan-r1-r2"):
        assert speed.faster(get(exact), data, there) == there  # type: ignore[arg-type]
    for place in ("cpu", "mps"):
        assert speed.faster(recipe, data, Accelerator(torch.device(place))) == Accelerator(torch.device(place))  # type: ignore[arg-type]
    assert not measured


# ---- a run that moves -------------------------------------------------------------------------------------------------------------


def test_a_run_says_where_it_was_trained_and_goes_on_elsewhere_with_a_warning(pictures: Path, tmp_path: Path):
    def train(budget: str) -> list[str]:
        told: list[str] = []
        organza.train(
            pictures,
            tmp_path / "run",
            on_event=lambda event: told.append(event.text) if isinstance(event, Warned) else None,
            recipe=small(get("dcgan-r1")),
            budget=budget,
            size=32,
            stop=(),
            evaluate=False,
            report=False,
            device="cpu",
        )
        return [text for text in told if "bit-for-bit" in text]

    assert not train("16img")
    file = tmp_path / "run" / "recipe.json"
    content = json.loads(file.read_text())
    assert content["versions"] | choose("cpu").facts() == content["versions"]
    there = {"device": "cuda:0", "precision": "bfloat16", "compiled": True}
    file.write_text(json.dumps(content | {"versions": content["versions"] | there}))
    said = train("32img")
    assert (
        said[0]
        == "device was cuda:0 when the run began and is now cpu: the run continues, but not bit-for-bit reproducibly"
    )
    assert [text.partition(" ")[0] for text in said] == ["device", "precision", "compiled"]
    for name in there:  # a run of a version that knew only the CPU
        del content["versions"][name]
    file.write_text(json.dumps(content))
    assert not train("48img")
