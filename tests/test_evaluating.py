"""Evaluation end to end: runs of every layout and folders, what is said of them, and mistakes in words."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import organza
from organza import cli
from organza.distributed.world import World
from organza.errors import UserError
from organza.evaluation.evaluate import evaluate
from organza.evaluation.extractors import named_extractor, suited
from organza.evaluation.image_sets import ImageSet
from organza.evaluation.results import Evaluation
from organza.evaluation.run_with_data import RunWithData
from organza.evaluation.tables import as_json, as_table, shown, warnings
from organza.inference.load import load
from organza.metrics.extractors.features import Extractor, offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.kernels import Estimate
from organza.recipe import Recipe
from organza.run.folder import RunFolder, lines_of
from organza.seeding import MICROBATCH
from organza.training import preparation
from tests.contracts.discovery import RECIPES, small
from tests.contracts.exports import Exports
from tests.contracts.material import Material
from tests.drawings import drawing

FEATURES = ["mmd", "kid", "frechet", "frechet_infinite", "precision", "recall", "density", "coverage", "diversity"]
COPIES = ["nearness", "copies", "pixel nearness", "pixel copies"]


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return offline_extractor(32)


def trained(data: Path, run: Path, recipe: Recipe, **request) -> Path:
    organza.train(
        data,
        run,
        recipe=recipe,
        **{"budget": "48img", "size": 32, "stop": (), "evaluate": False, "report": False, **request},
    )
    return run


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(pictures, tmp_path_factory.mktemp("evaluated") / "run", small(RECIPES["dcgan"]()))


def drawings(
    folder: Path, seeds: range, change: Callable[[Image.Image], Image.Image] = lambda x: x, size: int = 32
) -> Path:
    folder.mkdir(parents=True)
    for seed in seeds:
        change(drawing(seed, size, size)).save(folder / f"{seed:04d}.png")
    return folder


def text(evaluations: list[Evaluation], width: int = 160) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(as_table(evaluations))
    return console.export_text()


def test_a_run_against_its_own_held_out_images(run: Path, pictures: Path, extractor: Extractor, tmp_path: Path):
    [found] = evaluate(run, count=40, extractors=[extractor])
    assert list(found.metrics) == [*FEATURES, *COPIES, "membership"]
    assert all(np.isfinite(estimate).all() for estimate in found.metrics.values())
    card = found.card
    assert (card.real, card.fake, card.split, card.seed) == (12, 40, "held-out", 0)
    assert card.real_size == card.fake_size == "32x32x3"
    assert card.extractor["weights"] == extractor.card()["weights"]
    assert {suspect.training for suspect in found.suspects} <= {path.name for path in pictures.iterdir()}


class Sharing(World):
    """A rank of two that computes the other's parts too, and notes how many parts were shared out."""

    size = 2

    def __init__(self, rank: int):
        self.rank, self.turns = rank, list[int]()

    def map(self, work, parts):
        self.turns.append(len(parts))
        return [work(part) for part in parts]


def test_ranks_share_the_images_and_their_features(run: Path, extractor: Extractor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("organza.evaluation.extractors.AT_ONCE", 16)
    alone = evaluate(run, count=70, extractors=[extractor])
    first, second = Sharing(0), Sharing(1)
    assert evaluate(run, count=70, extractors=[extractor], world=first) == alone
    assert evaluate(run, count=70, extractors=[extractor], world=second) == []
    generated, seen = (
        -(-70 // MICROBATCH),
        70 // 16,
    )  # the last features, of less than a whole part, are computed by each rank
    assert sum(first.turns) == sum(second.turns) == generated + seen
    assert max(first.turns) == 2


def test_the_same_numbers_as_in_training(pictures: Path, tmp_path: Path):
    """One definition: what `evaluate` says of a checkpoint is what training said of it, for as many images."""
    folder = trained(pictures, tmp_path / "run", small(RECIPES["dcgan-r1"]()), evaluate=True)
    line = list(lines_of(RunFolder(folder).evaluations))[-1]
    [found] = evaluate(folder, count=preparation.SAMPLES, extractors=[Pyramid(offline_extractor)], checkpoint="latest")
    assert line["images"] == load(folder, "latest").images
    for name in ("mmd", "kid"):
        assert found.metrics[name].value == pytest.approx(line[name]["value"], rel=1e-4)
    assert {name: line["card"][name] for name in ("real", "fake", "split", "extractor")} == {
        "real": found.card.real,
        "fake": found.card.fake,
        "split": found.card.split,
        "extractor": found.card.extractor,
    }


LAYOUTS = {recipe.data.make: name for name, recipe in ((name, make()) for name, make in RECIPES.items())}


@pytest.mark.parametrize("name", LAYOUTS.values())
def test_a_run_of_every_layout(name: str, exports: Exports):
    side = RunWithData(exports.trained(name))
    real, training = side.real(), side.training()
    made = side.made(len(real) + 20, seed=3)
    assert len(real) == len(side.data.reference)
    assert len(training) == len(side.data.parts.train)
    assert made.images.dtype == real.images.dtype == (np.uint8 if made.table is None else np.float64)
    assert made.images.shape[1:] == real.images.shape[1:] == training.images.shape[1:]
    assert np.array_equal(made.images[:20], side.made(20, seed=3).images)
    assert (made.targets is not None) == side.recipe.game.make.paired
    if made.targets is not None:
        assert made.targets.shape == made.images.shape
        assert len(made) == len(side.data.reference)  # each input once
    if side.run.labels is not None:
        assert real.classes().keys() == made.classes().keys() == training.classes().keys() != set()


def test_a_folder_against_another(extractor: Extractor, tmp_path: Path):
    one, other = drawings(tmp_path / "one", range(60)), drawings(tmp_path / "two", range(100, 160))
    grey = drawings(tmp_path / "grey", range(200, 260), lambda x: x.convert("L"))
    [same], [unlike] = (evaluate(folder, other, extractors=[extractor]) for folder in (one, grey))
    assert list(same.metrics) == FEATURES + COPIES
    assert abs(same.metrics["mmd"].value) < 3 * same.metrics["mmd"].error
    assert unlike.metrics["mmd"].value > same.metrics["mmd"].value + 3 * unlike.metrics["mmd"].error
    assert unlike.card.fake_size == "32x32x1"
    assert any("repeats grey" in note for note in unlike.notes)
    assert not any("repeats grey" in note for note in same.notes)


def test_copies_are_named(extractor: Extractor, tmp_path: Path):
    real = drawings(tmp_path / "real", range(60))
    fake = drawings(tmp_path / "fake", range(50, 110))  # ten of them are in the real ones
    [found] = evaluate(fake, real, extractors=[extractor])
    assert found.metrics["copies"].value == pytest.approx(10 / 60, abs=0.04)
    assert {suspect.sample for suspect in found.suspects} <= {f"{seed:04d}.png" for seed in range(50, 60)}
    assert all(suspect.sample == suspect.training for suspect in found.suspects)
    assert any("may copy" in warning and found.suspects[0].sample in warning for warning in warnings([found]))


def test_sizes_may_differ(extractor: Extractor, tmp_path: Path):
    small_ones = drawings(tmp_path / "small", range(40), lambda x: x.resize((32, 32)), size=96)
    large_ones = drawings(tmp_path / "large", range(40, 80), size=96)
    [found] = evaluate(small_ones, large_ones, extractors=[extractor])
    assert (found.card.fake_size, found.card.real_size) == ("32x32x3", "96x96x3")
    mixed = drawings(tmp_path / "mixed", range(30), size=48)
    drawing(5, 64, 32).save(mixed / "wide.png")
    assert evaluate(mixed, large_ones, extractors=[extractor])[0].card.fake_size == "96x96x3"


def test_classes_by_themselves(extractor: Extractor, material: Material, tmp_path: Path):
    labelled = material(RECIPES[LAYOUTS[organza.Labelled]]()) if organza.Labelled in LAYOUTS else None
    folder = labelled or tmp_path / "classes"
    if labelled is None:
        for name, change in (("plain", lambda x: x), ("grey", lambda x: x.convert("L").convert("RGB"))):
            drawings(folder / name, range(40), change)
    [found] = evaluate(folder, folder, extractors=[extractor])
    assert {"plain", "grey"} <= set(found.classes)
    assert abs(found.classes["grey"]["mmd"].value) < 0.05
    assert "by class" in text([found])


def test_both_networks_by_default_and_a_warning_that_scales_differ(run: Path):
    found = evaluate(run, count=20)
    assert len({evaluation.card.extractor["weights"] for evaluation in found}) == 2
    told = text(found)
    assert "different scales" in told
    assert all(evaluation.card.extractor["name"] in told for evaluation in found)


def test_unlike_cards_are_told_before_anyone_compares(run: Path, extractor: Extractor):
    [one] = evaluate(run, count=20, extractors=[extractor])
    [other] = evaluate(run, count=20, extractors=[extractor], seed=1)
    assert one.metrics["mmd"] != other.metrics["mmd"]
    assert not [text for text in warnings([one, other]) if "compared" in text]
    for change, word in (({"fake": 30}, "fake (20 and 30)"), ({"data": "x"}, "data"), ({"version": "9"}, "version")):
        [told] = [
            text for text in warnings([one, replace(other, card=replace(other.card, **change))]) if "compared" in text
        ]
        assert word in told


def test_json_is_json_and_says_it_all(run: Path, extractor: Extractor):
    [found] = evaluate(run, count=20, extractors=[extractor])
    odd = replace(found, metrics=found.metrics | {"odd": Estimate(float("nan"), float("inf"))})
    [read] = json.loads(as_json([odd]), parse_constant=lambda name: pytest.fail(name))
    assert read["metrics"]["odd"] == {"value": None, "error": None}
    assert read["metrics"]["mmd"]["value"] == found.metrics["mmd"].value
    assert read["card"]["extractor"] == extractor.card()


def test_numbers_are_shown_to_what_their_error_allows():
    assert shown(Estimate(0.0, 0.0)) == "0.000 ± 0.000"
    assert shown(Estimate(1234.5, 12.3)) == "1234 ± 12"
    assert shown(Estimate(-0.00123, 0.00045)) == "-0.00123 ± 0.00045"


def test_a_run_whose_data_is_gone(pictures: Path, extractor: Extractor, tmp_path: Path):
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    folder = trained(data, tmp_path / "run", small(RECIPES["dcgan"]()))
    shutil.move(data, tmp_path / "moved")
    with pytest.raises(UserError, match="`against`"):
        evaluate(folder, extractors=[extractor])
    [found] = evaluate(folder, tmp_path / "moved", count=20, extractors=[extractor])
    assert list(found.metrics) == FEATURES
    assert any("memorisation is not measured" in note for note in found.notes)
    drawing(999).save(tmp_path / "moved" / "new.png")
    shutil.move(tmp_path / "moved", data)
    with pytest.raises(UserError, match=r"or it has changed: it had 120 images and has 121 now"):
        evaluate(folder, extractors=[extractor])


def test_an_extractor_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_eyes.py").write_text(
        "import torch\n"
        "class Mean:\n"
        "    name, dimension = 'mean colour', 3\n"
        "    def card(self): return {'name': self.name}\n"
        "    def __call__(self, images): return torch.as_tensor(images.copy()).float().mean((1, 2))\n"
        "def make(): return Mean()\n"
    )
    monkeypatch.chdir(tmp_path)
    one, other = drawings(tmp_path / "one", range(40)), drawings(tmp_path / "two", range(40, 80))
    [found] = evaluate(one, other, extractors=[named_extractor("my_eyes:make")])
    assert found.card.extractor == {"name": "mean colour"}
    assert "mean colour" in text([found])
    with pytest.raises(UserError, match="my_eyes:makes"):
        named_extractor("my_eyes:makes")


def mistakes(run: Path, folder: Path) -> dict[str, tuple[dict, str]]:
    (folder / "empty").mkdir()
    few, real = drawings(folder / "few", range(5)), drawings(folder / "real", range(30))
    return {
        "no such place": ({"target": folder / "nowhere"}, "There is no .*nowhere"),
        "no reals named": ({"target": real}, "name the real images with `against`"),
        "empty folder": ({"target": folder / "empty", "against": real}, "no images"),
        "empty reals": ({"target": run, "against": folder / "empty"}, "no images"),
        "too few": ({"target": few, "against": real}, "5 images to evaluate"),
        "too few reals": ({"target": real, "against": few}, "5 images to compare with"),
        "count": ({"target": run, "count": 3}, "`count` is 3"),
        "against a run": ({"target": real, "against": run}, "is a run"),
        "checkpoint": ({"target": run, "checkpoint": "00000001"}, "has no checkpoint"),
    }


def test_mistakes_are_told_in_words(run: Path, tmp_path: Path, extractor: Extractor):
    for name, (asked, said) in mistakes(run, tmp_path).items():
        with pytest.raises(UserError) as told:
            evaluate(**asked, extractors=[extractor])
        assert re.search(said, str(told.value)), name
    with pytest.raises(UserError, match="Did you mean lite0"):
        named_extractor("lite")


def test_volumes_are_refused_until_an_extractor_sees_them():
    volumes = ImageSet("volumes", np.zeros((20, 4, 4, 4, 1), np.uint8))
    if find_spec("organza.metrics.shapes"):
        assert suited(volumes)[0](volumes.images).isfinite().all()
    else:
        with pytest.raises(UserError, match="Volumes"):
            suited(volumes)


def test_labels_are_judged_once_a_classifier_is_there(extractor: Extractor, tmp_path: Path):
    labels = pytest.importorskip("organza.metrics.label_accuracy")
    for name, change in (("plain", lambda x: x), ("flat", lambda x: Image.new("RGB", x.size))):
        drawings(tmp_path / "data" / name, range(40), change)
    [found] = evaluate(tmp_path / "data", tmp_path / "data", extractors=[extractor])
    asked = np.repeat([0, 1], 40)
    images = torch.zeros(80, 32, 32, 3, dtype=torch.uint8).numpy()
    names = labels.label_accuracy(images, asked, images, asked).keys()
    assert names <= found.metrics.keys()


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    one, other = drawings(tmp_path / "one", range(30)), drawings(tmp_path / "two", range(30, 60))

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(["evaluate", *map(str, arguments)])
        told = capsys.readouterr()
        return int(end.value.code or 0), told.out, told.err

    code, out, _ = call(one, "--against", other, "--extractor", "lite0", "--json")
    assert code == 0
    assert [read["of"] for read in json.loads(out)] == [str(one)]
    code, out, _ = call(one, other, "--against", other, "--extractor", "lite0")
    assert code == 0
    assert "may copy" in out  # the second is what it is held against
    for arguments, said in (
        ((one,), "name the real images with --against"),
        ((one, "--extractor", "lite"), "Did you mean lite0?"),
    ):
        code, _, told = call(*arguments)
        assert code == 2
        assert said in told
        assert len(told.strip().splitlines()) == 1
