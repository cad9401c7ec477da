"""Conditional runs end to end: what is asked for is what is drawn, judged and refused in words; what the players are told."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import organza
from organza.data.batches import to_uint8
from organza.data.labels import Field, Labels
from organza.errors import UserError
from organza.games.acgan import misread
from organza.games.conditional import Conditional
from organza.losses import nonsaturating
from organza.networks import conditional, dcgan, mlp
from organza.recipes import get
from organza.run.events import Warned
from tests.contracts.discovery import small
from tests.contracts.material import Material
from tests.drawings import drawing
from tests.helpers import train
from tests.test_cli import call


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, material: Material) -> Path:
    """Of drawings in three classes: flipped, grey, plain."""
    recipe, folder = replace(small(get("cgan-projection")), batch=16), tmp_path_factory.mktemp("runs") / "classes"
    train(material(recipe), folder, recipe, budget="3200img", size=16)
    return folder


@pytest.fixture(scope="module")
def attributes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of drawings with a table: kind (a, b), age (a number)."""
    data = tmp_path_factory.mktemp("attributes")
    for item in range(60):
        drawing(item).save(data / f"{item:02d}.png")
    rows = [f"{item:02d}.png,{'ab'[item % 2]},{item}" for item in range(60)]
    (data / "labels.csv").write_text("\n".join(["file,kind,age", *rows]))
    folder = tmp_path_factory.mktemp("runs") / "attributes"
    train(data, folder, small(get("cgan")), budget="40img")
    return folder


def test_fakes_share_the_labels_of_the_real_batch():
    told = []

    class G(nn.Module):
        def forward(self, z, y):
            return y

    class D(nn.Module):
        def forward(self, x, y):
            told.append((x, y))
            return x.sum(1)

    game = Conditional(G(), D(), nonsaturating)
    batch = {"z": torch.zeros(2, 3), "image": torch.zeros(2, 4), "label": torch.eye(4)[:2]}
    made = game.play(batch)
    assert torch.equal(made["image"], batch["label"])
    (duel,) = game.duels(batch, made)
    duel.judge(duel.real)
    duel.judge(duel.fake[1:], slice(1, 2))
    assert torch.equal(told[0][1], batch["label"])
    assert torch.equal(told[1][1], batch["label"][1:])


def test_projection_is_a_verdict_of_its_own_for_each_class():
    torch.manual_seed(0)
    D = conditional.Projection((1, 32, 32), labels=3, width=4).eval()
    x = torch.randn(5, 1, 32, 32)
    h = D.backbone.features(x).flatten(1)
    head = D.backbone.head.weight.flatten()
    for kind in range(3):
        own = head + D.embedding.weight[:, kind]
        torch.testing.assert_close(D(x, torch.eye(3)[[kind] * 5]), h @ own, rtol=1e-4, atol=1e-5)
    assert (D(x, torch.zeros(5, 3)) == D.backbone(x)).all()


def test_any_generator_can_be_the_backbone_and_keeps_its_latent():
    G = conditional.Generator((1, 8, 8), labels=3, width=8, z_dim=20, backbone=mlp.Generator)
    z = G.latent(torch.Generator().manual_seed(0))
    assert z.shape == (20,)
    assert z.abs().max() <= 1  # uniform, as the backbone's own
    assert G(z[None], torch.eye(3)[:1]).shape == (1, 1, 8, 8)


def test_misread_adds_class_tags_and_number():
    labels = Labels(
        (
            Field("class", ("a", "b"), (0.5, 0.5)),
            Field("tags", ("x", "y", "z"), (0.5, 0.5, 0.5), several=True),
            Field("age", (), (0.0, 1.0)),
        )
    )
    guesses = torch.tensor([[0.0, math.log(3), 0.0, 0.0, 0.0, 2.0]])
    rows = torch.tensor([[0.0, 1.0, 1.0, 0.0, 1.0, 5.0]])
    by_hand = -math.log(3 / 4) + 3 * math.log(2) + (5 - 2) ** 2 / 2
    assert misread(labels, guesses, rows).item() == pytest.approx(by_hand, rel=1e-6)


def test_acgan_has_label_terms_on_both_sides_and_a_verdict_that_needs_no_label(material: Material, tmp_path: Path):
    recipe = small(get("acgan-paper"))
    train(material(recipe), tmp_path / "run", recipe, budget="24img")
    line = json.loads((tmp_path / "run" / "stats.jsonl").read_text().splitlines()[-1])
    assert {"label of x", "label of G(z)", "label"} <= set(line)
    assert line["label"]["mean"] == pytest.approx(math.log(3), abs=0.7)
    trained = organza.load(tmp_path / "run")
    assert trained.judge(trained.sample(3, labels={"class": "grey"})).shape == (3,)
    with pytest.raises(UserError, match="judges images without labels"):
        trained.judge(trained.sample(3), {"class": "grey"})


def test_a_class_that_is_asked_for_is_drawn(run: Path):
    trained = organza.load(run)
    made = {kind: trained.sample(24, labels={"class": kind}).astype(float) for kind in ("grey", "plain")}
    assert not np.array_equal(made["grey"], made["plain"])
    colour = {kind: (pictures.max(3) - pictures.min(3)).mean() for kind, pictures in made.items()}
    assert colour["grey"] < 0.8 * colour["plain"], colour  # learned after 3,200 images, with weights for eight maps
    rows = trained.label_rows(range(24), labels={"class": "grey"})
    assert rows.tolist() == [[0, 1, 0]] * 24
    assert np.array_equal(
        trained.sample(24, labels={"class": "grey"})[5:9], trained.sample(4, first=5, labels={"class": "grey"})
    )


def test_without_a_wish_classes_come_as_often_as_in_the_data(run: Path):
    trained = organza.load(run)
    rows = trained.label_rows(range(600), seed=3)
    assert rows.mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.08)
    fixed = trained.generate(torch.stack([trained.latent(3, item) for item in range(16)]), rows[:16])
    assert np.array_equal(trained.sample(16, seed=3), to_uint8(fixed).numpy())


def test_judging_without_a_label_is_judging_as_the_most_favourable_class(run: Path):
    trained = organza.load(run)
    pictures = trained.sample(20)
    each = np.stack([trained.judge(pictures, {"class": kind}) for kind in ("flipped", "grey", "plain")])
    chances, names = trained.verdicts(pictures)
    assert np.array_equal(trained.judge(pictures), each.max(0))
    assert names == [("flipped", "grey", "plain")[k] for k in each.argmax(0)]
    assert trained.verdicts(pictures, {"class": "grey"})[1] == [""] * 20
    assert (chances > 0).all()


def test_judging_with_numbers_needs_them(attributes: Path):
    trained = organza.load(attributes)
    pictures = trained.sample(2)
    with pytest.raises(UserError, match="give kind, age as `labels"):
        trained.judge(pictures)
    as_either = trained.judge(pictures, {"age": "30"})
    assert np.array_equal(as_either, np.maximum(*(trained.judge(pictures, {"age": "30", "kind": k}) for k in "ab")))


def test_the_command_line_draws_and_judges_by_class(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, out, error = call(capsys, "sample", run, "--class", "grey", "--count", "4")
    assert code == 0, error
    folder = run / "generated" / "seed-0-grey"  # beside, not over, the images of other classes
    assert len(list(folder.glob("0000?.png"))) == 4
    code, out, error = call(capsys, "judge", run, folder, "--json")
    assert code == 0, error
    assert all(verdict["note"].startswith("as ") for verdict in json.loads(out))
    code, told, error = call(capsys, "judge", run, folder, "--class", "grey", "--json")
    assert code == 0, error
    assert not any(verdict["note"].startswith("as ") for verdict in json.loads(told))


def test_mistakes_with_labels_get_one_sentence(
    run: Path, attributes: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    plain = tmp_path / "unconditional"
    train(pictures, plain, small(get("dcgan")), budget="16img")
    light = ["--recipe", "cgan", "--size", "32", "--run", tmp_path / "new"]
    for arguments, said in (
        (["sample", run, "--class", "gray"], "no class gray; choose from flipped, grey, plain. Did you mean grey?"),
        (["sample", run, "--label", "clas=grey"], "Did you mean class?"),
        (["sample", run, "--label", "grey"], "field=value"),
        (["sample", attributes, "--class", "a"], "choose from kind, age, given as --label kind=a."),
        (["sample", attributes, "--label", "age=old"], "age is 'old'; it must be a number"),
        (["sample", plain, "--class", "a"], "has no labels"),
        (["judge", plain, pictures, "--class", "a"], "judges images without labels"),
        (["judge", run, pictures, "--class", "gray"], "Did you mean grey?"),
        (["train", pictures, *light], "put each class into a subfolder"),
        (["train", pictures, *light, "--labels", "hair"], "there is no table"),
    ):
        code, _, error = call(capsys, *arguments)
        assert code == 2, error
        assert said in error
        assert len(error.strip().splitlines()) == 1


def test_splitting_dcgans_discriminator_kept_what_it_computes():
    D = dcgan.Discriminator((3, 64, 64), width=8).eval()
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(D(x), nn.Sequential(*D.features, D.head)(x).flatten())
    assert sum(weight.numel() for weight in dcgan.Discriminator((3, 64, 64)).parameters()) == 2_765_568


def test_a_run_does_not_go_on_with_other_labels(attributes: Path, tmp_path: Path):
    data = Path(json.loads((attributes / "data.json").read_text())["path"])
    table = (data / "labels.csv").read_text()
    try:
        (data / "labels.csv").write_text(table.replace("00.png,a", "00.png,b"))
        with pytest.raises(UserError, match="changed since"):
            train(data, attributes, budget="80img")
    finally:
        (data / "labels.csv").write_text(table)


def test_other_label_layouts_play_acgan(tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    for item in range(40):
        drawing(item).save(data / f"{item:02d}.png")
    rows = [f"{k:02d}.png,{'ab'[k % 2]},{['', 'x', 'x;y'][k % 3]},{k}" for k in range(40)]
    (data / "labels.csv").write_text("\n".join(["file,kind,tags,age", *rows]))
    recipe = replace(small(get("acgan-paper")), average=0)
    events = train(data, tmp_path / "run", recipe, budget="16img")
    told = [event.text for event in events if isinstance(event, Warned)]
    assert "age is read as a number (0 to 39); `labels='age:class'` reads it as classes" in told
    assert organza.load(tmp_path / "run").sample(2, labels={"tags": "x;y", "age": "20"}).shape == (2, 32, 32, 3)
