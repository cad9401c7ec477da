"""Latent tools: ways that stay on the law, directions that are known beforehand, images that can be inverted, files that come back."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import organza
from organza import UserError, cli
from organza.data.batches import to_uint8
from organza.export.card import Statement
from organza.export.web import directions as on_the_page
from organza.latents import inversion, readers, saved
from organza.latents.attributes import Attribute, attributes_of
from organza.latents.directions import Direction, Scores
from organza.latents.interpolate import between, circle, slerp, walk
from organza.latents.inverting import chosen, invert
from organza.latents.labelled import labelled
from organza.latents.latent_files import Latents, load_latents, save_latents
from organza.latents.law import Law
from organza.latents.levels import Levelled
from organza.latents.search import search
from organza.latents.source import latents
from organza.latents.truncation import truncated
from organza.media.clips import save_clip
from organza.networks import layers, skips
from organza.networks.priors import Normal, OneHot, Uniform
from organza.seeding import stream
from tests.contracts.material import Material
from tests.test_infogan import trained

FIXTURES = Path(__file__).parent / "fixtures"
MIXED = Law.of((Normal(4, 5.0), Uniform(3, 0.0, 1.0), OneHot(2)))


@pytest.fixture
def run(tmp_path: Path) -> organza.Run:
    return organza.load(shutil.copytree(FIXTURES / "format-2", tmp_path / "run"))


@pytest.fixture
def levelled(tmp_path: Path) -> organza.Run:
    """A run whose generator has levels."""
    return organza.load(shutil.copytree(FIXTURES / "format-1-coded", tmp_path / "levelled"))


def mixed(seed: int) -> Tensor:
    """A latent of the law MIXED, [1, 9]."""
    torch.manual_seed(seed)
    return torch.cat([5 * torch.randn(4), torch.rand(3), torch.eye(2)[seed % 2]])[None]


# ---- ways ---------------------------------------------------------------------------------------------------------------------


def test_an_arc_keeps_the_length_that_a_straight_line_loses():
    a, b = torch.randn(50, 100), torch.randn(50, 100)
    for t in (0.0, 0.3, 0.5, 1.0):
        wanted = a.norm(dim=1) ** (1 - t) * b.norm(dim=1) ** t
        assert torch.allclose(slerp(a, b, t).norm(dim=1), wanted, rtol=1e-5)
    assert torch.lerp(a, b, 0.5).norm(dim=1).mean() < 7.5
    assert torch.allclose(slerp(a, a, 0.4), a, atol=1e-5)  # no angle


def test_uniform_numbers_go_straight_and_categories_change_halfway():
    a, b = mixed(0), mixed(1)
    for t in (0.2, 0.7):
        way = between(MIXED, a, b, t)
        assert torch.allclose(way[:, 4:7], torch.lerp(a, b, t)[:, 4:7])
        assert torch.equal(way[:, 7:], (a if t < 0.5 else b)[:, 7:])


@pytest.mark.parametrize("closed", [True, False])
def test_a_walk_passes_through_its_keys(closed: bool):
    keys = torch.stack([mixed(seed) for seed in (0, 2, 4)])
    path = torch.stack(list(walk(MIXED, keys, 13 if not closed else 12, closed)))
    places = (0, 4, 8) if closed else (0, 6, 12)
    assert torch.allclose(path[list(places)], keys, atol=1e-5)
    if closed:  # the last step is as short as the first
        assert (path[-1] - path[0]).norm() < (path[1] - path[0]).norm() * 2


def test_a_circle_begins_with_its_image_closes_and_stays_on_the_law():
    u, v = mixed(0), mixed(2)
    path = torch.stack(list(circle(MIXED, u, v, 8)))
    assert torch.allclose(path[0], u, atol=1e-5)
    assert torch.allclose(path[2, :, :4], v[:, :4], atol=1e-5)
    assert ((path[..., 4:7] >= 0) & (path[..., 4:7] <= 1)).all()
    assert (path[..., 7:] == u[..., 7:]).all()
    steps = (path.roll(-1, 0) - path)[:, 0, :4].norm(dim=1)
    assert steps.max() / steps.min() < 2


def test_truncation_shrinks_towards_the_centre_and_leaves_categories():
    z = mixed(1)
    assert torch.equal(truncated(MIXED, z, 1.0), z)
    middle = truncated(MIXED, z, 0.0)
    assert torch.equal(middle[:, :4], torch.zeros(1, 4))
    assert torch.allclose(middle[:, 4:7], torch.full((1, 3), 0.5))
    assert torch.equal(middle[:, 7:], z[:, 7:])


def test_truncated_samples_are_less_varied(run: organza.Run):
    spreads = [run.sample(16, truncate=psi).astype(float).std(0).mean() for psi in (1.0, 0.5, 0.0)]
    assert spreads[0] > spreads[1] > spreads[2] == 0
    assert np.array_equal(run.sample(3, truncate=1.0), run.sample(3))
    with pytest.raises(UserError, match="truncate is -1; it must be a number from 0 to 2"):
        run.sample(1, truncate=-1)


def test_frames_of_a_walk_begin_with_the_image_of_the_seed(run: organza.Run):
    frames = list(run.walk([3, 8], seconds=1, fps=4, cells=2))
    assert len(frames) == 4
    assert np.array_equal(frames[0], run.sample(2, seed=3))
    assert np.array_equal(frames[2], run.sample(2, seed=8))
    assert np.array_equal(next(run.walk([3], seconds=1, fps=4))[0], run.sample(1, seed=3)[0])
    for wrong, said in (
        ({"seconds": 0}, "0 frames"),
        ({"seconds": math.nan}, "seconds is nan"),
        ({"seeds": []}, "seeds is empty"),
    ):
        with pytest.raises(UserError, match=said):
            run.walk(**wrong)


# ---- levels -------------------------------------------------------------------------------------------------------------------


def test_levels_are_read_changed_and_left_as_they_were():
    generator = skips.Generator((3, 32, 32), width=4, z_dim=8).eval()
    a, b = torch.randn(2, 8), torch.randn(2, 8)
    levelled = Levelled(generator)
    plain = generator(a)
    outputs = levelled.outputs(a)
    assert len(outputs) == len(generator.levels) == 4
    assert torch.equal(levelled.shifted(a, offsets=[torch.zeros_like(h) for h in outputs]), plain)
    assert torch.equal(levelled.mixed(a, other=a, at=1), plain)
    assert torch.equal(levelled.mixed(a, other=b, at=0), generator(b))  # all levels: z acts through them alone
    assert not torch.equal(levelled.mixed(a, other=b, at=1), plain)
    assert not any(level._forward_hooks for level in (*generator.levels, *levelled.levels))


def test_mixed_images_have_a_row_for_each_coarse_seed(run: organza.Run, levelled: organza.Run):
    with pytest.raises(UserError, match="no place that is known, so it has no levels to mix"):
        run.mix([1], [2])
    run = levelled
    table = run.mix([1, 2], [3, 4, 1])
    assert table.shape == (2, 3, *run.sample(1).shape[1:])
    assert np.array_equal(table[0, 2], run.sample(1, seed=1)[0])
    with pytest.raises(UserError, match="level is 99"):
        run.mix([1], [2], level=99)


# ---- directions ---------------------------------------------------------------------------------------------------------------


class Linear(layers.Generator):
    """8x8 grey images: z[0] lightens the left half, z[1] the right one a little; the rest is faint noise."""

    def __init__(self):
        super().__init__()
        self.z_dim = 6
        maps = torch.zeros(6, 8, 8)
        maps[0, :, :4], maps[1, :, 4:] = 0.25, 0.1
        maps[2:] = 0.01 * torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(0))
        self.maps = nn.Parameter(maps, requires_grad=False)

    def forward(self, z: Tensor) -> Tensor:
        return torch.einsum("nz,zhw->nhw", z, self.maps).clamp(-1, 1)[:, None]


class Toy:
    """A source without a run."""

    path, labels, shape, content = Path("toy"), None, (1, 8, 8), {}

    def __init__(self):
        self.generator = self.player = Linear().eval()
        self.saved = SimpleNamespace(digests={"generator.safetensors": "0" * 64})
        self.folder = SimpleNamespace()

    def latent(self, seed: int, index: int) -> Tensor:
        return self.generator.latent(stream(seed, "sample", index))

    @torch.no_grad()
    def generate(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.generator(z)


class Flat:
    """The pixels themselves as features."""

    name, dimension = "pixels", 64

    def card(self) -> dict[str, Any]:
        return {"name": self.name}

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        return torch.as_tensor(np.asarray(images)).float().flatten(1) / 255


def marked(half: slice) -> tuple[np.ndarray, np.ndarray]:
    """Images of the toy whose half is light, and those whose half is dark."""
    toy: Any = Toy()
    images = to_uint8(toy.generate(latents(toy, 9, range(80)))).numpy()
    light = images[:, :, half].mean((1, 2, 3))
    order = light.argsort()
    return images[order[-25:]], images[order[:25]]


def test_marked_images_give_the_direction_that_made_them_and_chance_gives_none():
    toy: Any = Toy()
    images = np.concatenate(marked(slice(0, 4)))
    chance = images[::2][:20], images[1::2][:20]
    found = search(toy, None, {"left": marked(slice(0, 4)), "chance": chance}, samples=600, extractor=Flat())  # type: ignore[arg-type]
    first = found.directions[0]
    assert (first.name, first.source) == ("left", "marks")
    assert first.axis[0] > 0.95
    assert first.scores is not None
    assert first.scores.correlation > 0.9
    assert first.scores.monotone > 0.9
    assert [one.name for one in found.refused if one.name == "chance"] == ["chance"]
    axis = next(one for one in found.directions if one.source == "axis")
    assert axis.axis.abs()[0] > 0.95  # the strongest change of all
    with pytest.raises(UserError, match="few has 3 marked images"):
        search(toy, None, {"few": (chance[0][:3], chance[1])}, samples=200, extractor=Flat())  # type: ignore[arg-type]


def test_attributes_come_from_colours_numbers_classes_and_empty_cells():
    colours = ["#000000", "#ffffff", "#808080", ""] * 10
    found = {
        one.name: one.values
        for one in attributes_of(
            {
                "hair_color": colours, "age": [str(n) for n in range(40)], "hat": ["tall", "", "flat", ""] * 10,
                "one": ["same"] * 40, "side": ["left", "right"] * 20, "rare": ["x"] + ["y"] * 39, "tags": ["a;b", "b"] * 20,
            }
        )
    }  # fmt: skip
    assert found.keys() == {"hair-lightness", "age", "hat", "hat-tall", "hat-flat", "side-left", "tags-a"}
    assert found["hair-lightness"][:3].tolist() == pytest.approx([0, 1, 0.502], abs=1e-3)
    assert found["hair-lightness"][3].isnan()
    assert found["hat"][:4].tolist() == [1, 0, 1, 0]
    assert found["age"][7] == 7


def test_a_reader_sees_lightness_and_not_chance():
    rng = np.random.default_rng(0)
    light = rng.uniform(0, 1, 300).astype(np.float32)
    images = (light[:, None, None, None] * 200 + rng.uniform(0, 50, (300, 16, 16, 3))).astype(np.uint8)
    columns = [
        Attribute("light", "light", torch.tensor(light)),
        Attribute("chance", "chance", torch.tensor(rng.permutation(light))),
    ]
    for reader in (readers.learned(images, columns), readers.regressed(images, columns, Flat())):  # type: ignore[arg-type]
        assert reader.seen[0] > 0.9
        assert reader.seen[1] < 0.5
        assert reader.read(images[:5]).shape == (5, 2)


def test_an_infogans_codes_are_directions_and_the_axes_leave_them_alone(material: Material, tmp_path: Path):
    run = organza.load(trained("infogan", material, tmp_path, []))
    codes = run.generator.codes  # type: ignore[union-attr]
    found = run.find_directions(samples=200)
    names = {one.name for one in (*found.directions, *found.refused)}
    assert {f"code-{n}" for n in range(1, codes.continuous + 1)} <= names  # type: ignore[union-attr, operator]
    for one in run.directions():
        assert not one.axis[codes.noise :].any()  # type: ignore[union-attr, misc, index]


# ---- files --------------------------------------------------------------------------------------------------------------------


def two(size: int) -> tuple[Direction, ...]:
    return (
        Direction(torch.eye(size)[0], 0.0, "hair-lightness", "label", Scores(0.8, 0.9, 0.85, 0.2, "skin-lightness")),
        Direction(torch.eye(size)[1], 2.5, "direction-1"),
    )


def test_kept_directions_come_back_travel_with_exports_and_name_the_sliders(run: organza.Run, tmp_path: Path):
    size = len(run.latent(0, 0))
    assert all(one.source == "axis" for one in run.directions())
    run.keep_directions(two(size))
    out = run.export(tmp_path / "out", to=("folder",), statement=Statement("cc0-1.0")).folder
    half = run.export(tmp_path / "half", to=("folder",), precision="fp16", statement=Statement("cc0-1.0")).folder
    for opened in (run, organza.load(out), organza.load(half)):
        first, second = opened.directions()
        assert (first.name, first.source, second.name) == ("hair-lightness", "label", "direction-1")
        assert first.scores == two(size)[0].scores
        assert torch.equal(second.axis, torch.eye(size)[1])
        assert [one.name for one in on_the_page(opened)] == ["hair-lightness", "direction-1"]
    moved = run.edit(7, {"hair": 2})
    law = Law.of(run.generator.prior)  # type: ignore[arg-type]
    z = law.moved(run.latent(7, 0)[None], torch.eye(size)[0], 2.0)
    assert np.array_equal(moved, to_uint8(run.generate(z)).numpy())
    assert np.array_equal(run.edit(7, {"hair": 0}), run.sample(1, seed=7))


def test_directions_of_other_weights_are_left_out_and_damaged_files_refused(run: organza.Run):
    size = len(run.latent(0, 0))
    path = run.keep_directions(two(size))
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"sha256": "0" * 64}))
    assert saved.load(run) == ()  # type: ignore[arg-type]
    for wrong in (
        {"directions": 3}, {"format": 9}, {"directions": [{"name": "x"}]},
        {"directions": [content["directions"][0] | {"axis": [9.0] * size}]},
        {"directions": [content["directions"][0] | {"source": "elsewhere"}]},
    ):  # fmt: skip
        path.write_text(json.dumps(content | wrong))
        with pytest.raises(UserError, match=r"directions.json cannot be read .*; remove it"):
            run.directions()


def test_directions_of_the_packages_generator_are_kept_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    faces = organza.load("builtin:faces")
    path = faces.keep_directions(two(len(faces.latent(0, 0))))
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert [one.name for one in organza.load("builtin:faces").directions()] == ["hair-lightness", "direction-1"]


def test_a_name_or_its_beginning_chooses_one_direction():
    found = [*two(3), Direction(torch.eye(3)[2], 0.0, "hair-long")]
    assert chosen(found, "direction").name == "direction-1"
    assert chosen(found, "hair-long").name == "hair-long"
    with pytest.raises(UserError, match="hair can be hair-lightness, hair-long; give the whole name"):
        chosen(found, "hair")
    with pytest.raises(UserError, match=r"There is no direction hiar-long; choose from .* Did you mean hair-long"):
        chosen(found, "hiar-long")
    with pytest.raises(UserError, match="there are none; find some: organza directions"):
        chosen([], "hair")


# ---- inversion ----------------------------------------------------------------------------------------------------------------


def test_a_generators_own_images_are_found_again():
    toy: Any = Toy()
    pictures = to_uint8(toy.generate(latents(toy, 5, range(3)))).numpy()
    found = invert(toy, pictures, starts=2, steps=100, inner=False, extractor=Flat())  # type: ignore[arg-type]
    assert found.psnr.min() > 30
    assert (found.psnr > found.mean_psnr + 5).all()
    assert found.bound is None
    assert found.offsets == ()
    assert np.array_equal(found.images, to_uint8(toy.generate(found.latents)).numpy())


def test_inner_inputs_reach_further_and_the_file_brings_the_images_back(levelled: organza.Run, tmp_path: Path):
    run = levelled
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, run.sample(2).shape, np.uint8)  # nothing that it draws
    plain, inner = (run.invert(pictures, starts=1, steps=20, inner=within) for within in (False, True))
    assert (inner.psnr > plain.psnr).all()
    assert len(inner.offsets) == len(run.generator.levels)  # type: ignore[arg-type]
    path = tmp_path / "latents.safetensors"
    save_latents(run, Latents(inner.latents, inner.rows, inner.offsets, ("a", "b")), path)  # type: ignore[arg-type]
    back = load_latents(run, path)  # type: ignore[arg-type]
    assert back.names == ("a", "b")
    assert np.array_equal(run.edit(back, {}), inner.images)
    assert np.array_equal(run.edit(inner, {}), inner.images)
    path.write_bytes(b"\0" * 20)
    with pytest.raises(UserError, match="holds no latents of organza"):
        load_latents(run, path)  # type: ignore[arg-type]
    toy: Any = Toy()
    save_latents(toy, Latents(torch.zeros(1, len(run.latent(0, 0))), (), (), ("a",)), path)
    with pytest.raises(UserError, match="of other weights"):
        load_latents(run, path)  # type: ignore[arg-type]


def test_distances_by_hand():
    x = torch.zeros(1, 1, 8, 8)
    x[..., 0, 0] = 1.0
    assert inversion.distance(x, torch.zeros_like(x)).item() == pytest.approx(4 / 64)
    assert inversion.psnr(x, torch.zeros_like(x)).item() == pytest.approx(10 * math.log10(4 * 64))


# ---- clips and commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["webp", "avif", "mp4"])
def test_a_clip_has_its_frames_and_says_that_it_is_synthetic(ending: str, run: organza.Run, tmp_path: Path):
    sketches = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    frames = [sketch.repeat(8, 0).repeat(8, 1)[:31, :29] for sketch in sketches]  # odd sides
    path = tmp_path / f"clip.{ending}"
    if ending == "mp4":
        av = pytest.importorskip("av")
        save_clip(frames, path, 5, run.made_by(1))
        with av.open(str(path)) as file:
            assert "trainedAlgorithmicMedia" in file.metadata["DigitalSourceType"]
            assert file.metadata["comment"] == run.made_by(1).text
            shown = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    else:
        save_clip(frames, path, 5, run.made_by(1))
        with Image.open(path) as image:
            assert b"trainedAlgorithmicMedia" in image.info["xmp"]
            shown = []
            for number in range(image.n_frames):  # type: ignore[attr-defined]
                image.seek(number)
                shown.append(np.asarray(image.convert("RGB")))
    assert len(shown) == 5
    assert np.abs(shown[0][:31, :29].astype(int) - frames[0]).mean() < 20
    with pytest.raises(UserError, match=r"does not end in .webp, .mp4 or .avif"):
        save_clip(frames, tmp_path / "clip.gif")


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return ended.value.code, *capsys.readouterr()


def test_the_commands_write_what_they_say(
    run: organza.Run, levelled: organza.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    size = len(run.latent(0, 0))
    run.keep_directions(two(size))
    photo = tmp_path / "photo.png"
    Image.fromarray(run.sample(1, seed=4)[0, :, :, 0]).save(photo)
    code, told, _ = call(
        capsys, "walk", run.path, "--seeds", "1,2", "--seconds", 1, "--fps", 3, "--out", tmp_path / "w.webp"
    )
    assert code == 0
    assert "3 frames of 256x256" in told
    assert Image.open(tmp_path / "w.webp").size == (256, 256)
    assert call(capsys, "mix", levelled.path, "--coarse", 1, "--fine", "2,3", "--out", tmp_path / "mixed.png")[0] == 0
    code, told, _ = call(capsys, "directions", run.path, "--rename", "direction-1=glow")
    assert code == 0
    assert "glow" in told
    assert (run.path / "directions" / "glow.png").exists()
    code, told, _ = call(
        capsys, "invert", run.path, photo, "--steps", 3, "--starts", 1, "--json", "--out", tmp_path / "inv"
    )
    assert code == 0
    assert json.loads(told)["images"][0]["psnr"] > 5
    kept = tmp_path / "inv" / "latents.safetensors"
    for name, what in (("a", [photo, "--steps", 3, "--starts", 1]), ("b", ["--seed", 7]), ("c", ["--latents", kept])):
        assert call(capsys, "edit", run.path, *what, "--set", "glow=-1.5", "--out", tmp_path / name)[0] == 0
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "b" / "seed-7.png")), run.edit(7, {"glow": -1.5})[0, :, :, 0]
    )
    assert (tmp_path / "c" / "photo.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["walk", "RUN", "--seeds", "a"], "--seeds is a; it must be seeds separated by commas"),
        (["walk", "RUN", "--grid", "0x3"], "--grid is 0x3; it must be columns x rows"),
        (["walk", "RUN", "--out", "w.gif"], "w.gif does not end in .webp, .mp4 or .avif"),
        (["edit", "RUN", "--seed", "1"], "edit needs a direction and a number"),
        (["edit", "RUN", "--set", "x=2"], "edit needs one of: image files, --seed N, or --latents FILE"),
        (["edit", "RUN", "--seed", "1", "--set", "x"], "is not of the form NAME=NUMBER"),
        (["edit", "RUN", "--seed", "1", "--set", "x=2"], "There is no direction x"),
        (["directions", "RUN", "--has", "a.png"], "Give --has and --has-not together"),
        (["sample", "RUN", "--truncate", "-3"], "truncate is -3.0; it must be a number from 0 to 2"),
    ],
)
def test_mistakes_get_one_sentence(
    arguments: list[str], said: str, run: organza.Run, capsys: pytest.CaptureFixture[str]
):
    code, _, told = call(capsys, *[str(run.path) if part == "RUN" else part for part in arguments])
    assert code == 2
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_labels_of_a_folder_of_images_are_its_table_and_its_classes(run: organza.Run, tmp_path: Path):
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(30):
            Image.new("RGB", (32, 32), (number * 8, 0, 0)).save(tmp_path / "data" / name / f"{number}.png")
    found = labelled(run, tmp_path / "data")  # type: ignore[arg-type]
    assert [one.name for one in found.attributes] == ["class-cat"]
    assert len(found.images) == 60
