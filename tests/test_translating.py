"""Translation of files: the bytes of the training's samples, names, sizes, modes, and what is refused in words."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import organza
from organza import memory
from organza.config import Partial
from organza.data.size import Size
from organza.disk import FORBIDDEN
from organza.errors import UserError
from organza.games.pix2pix import Pix2Pix
from organza.inference.jobs import jobs_of, require_free
from organza.inference.translate_files import translate_files
from organza.networks import layers
from organza.recipe import Recipe
from organza.recipes import get
from organza.run import checkpoint
from organza.run.folder import RunFolder, lines_of
from tests.contracts.discovery import small
from tests.drawings import drawing
from tests.test_cli import call


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey drawings in a, the same in colour in b: enough of them that some are held out."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in "ab":
        (folder / name).mkdir()
    for k in range(110):
        drawing(k).convert("L").save(folder / "a" / f"{k:03d}.png")
        drawing(k).save(folder / "b" / f"{k:03d}.png")
    return folder


def trained(data: Path, run: Path, recipe: Recipe, **request) -> organza.Run:
    return organza.train(
        data,
        run,
        recipe=small(recipe),
        **({"size": 32, "evaluate": False, "report": False, "budget": "40img"} | request),
    )


@pytest.fixture(scope="module")
def run(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "light"
    trained(pairs, folder, get("pix2pix"), evaluate=True)
    return folder


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def columns(sheet: Path, item: int, size: int = 32) -> list[np.ndarray]:
    """Input, output and target of an item of a sample grid."""
    y, x = (item // 8) * (size + 2), (item % 8) * (3 * size + 2)
    cell = pixels(sheet)[y : y + size, x : x + 3 * size]
    return np.split(cell, 3, axis=1)


@pytest.mark.parametrize("name", ["pix2pix-paper", "pix2pix"])
def test_a_held_out_pictures_sample_and_its_translated_file_agree_to_the_byte(
    name: str, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With the paper's dropout in use as well as without, whatever the file is translated together with."""
    monkeypatch.setattr(organza.Batches, "rows", 8)  # a grid as a user's, which holds every held-out pair
    monkeypatch.setattr(organza.Batches, "columns", 8)
    recipe = get(name)
    trained(pairs, tmp_path / "run", recipe)
    sheet = tmp_path / "run" / "samples" / "00000040.png"
    held_out = recipe.data(organza.Source(pairs, size=32)).parts.held_out
    assert len(held_out) == 11
    translate_files(tmp_path / "run", pairs / "a", tmp_path / "all")
    for item, row in enumerate(held_out):
        file, (given, made, target) = f"{row:03d}.png", columns(sheet, item)
        assert np.array_equal(given[..., 0], pixels(pairs / "a" / file))
        assert np.array_equal(target, pixels(pairs / "b" / file))
        assert np.array_equal(made, pixels(tmp_path / "all" / file))
        assert made.std() > 1
    translate_files(tmp_path / "run", pairs / "a" / file, tmp_path / "one.png")
    assert np.array_equal(pixels(tmp_path / "one.png"), made)


def test_evaluations_of_pairs_hold_how_near_each_is_to_its_target(run: Path):
    *_, line = lines_of(RunFolder(run).evaluations)
    assert {"l1", "psnr", "ssim", "perceptual", "mmd"} <= set(line)
    assert 0 < line["l1"]["value"] < 1
    assert line["ssim"]["error"] > 0
    assert line["card"]["fake"] == 11  # each held-out pair once, since it has one translation


def test_any_size_keeps_its_size_and_does_not_depend_on_its_company(run: Path, tmp_path: Path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    sizes = [(32, 32), (50, 41), (96, 64), (5, 3), (1, 1)]
    for k, size in enumerate(sizes):
        drawing(k, 96, 64).resize(size).save(tmp_path / "in" / "deep" / f"{k}.png")
    written, notes = translate_files(run, tmp_path / "in", tmp_path / "out")
    assert notes == ()
    assert sorted(written) == [tmp_path / "out" / "deep" / f"{k}.png" for k in range(5)]
    for k, size in enumerate(sizes):
        assert Image.open(tmp_path / "out" / "deep" / f"{k}.png").size == size
        translate_files(run, tmp_path / "in" / "deep" / f"{k}.png", tmp_path / "alone")
        assert np.array_equal(pixels(tmp_path / "alone" / f"{k}.png"), pixels(tmp_path / "out" / "deep" / f"{k}.png"))
    translate_files(run, tmp_path / "in", tmp_path / "small", size=Size(48, 32))
    assert {Image.open(file).size for file in (tmp_path / "small").rglob("*.png")} == {(48, 32)}


def test_colour_transparency_and_turned_pictures_come_as_the_training_saw_them(run: Path, tmp_path: Path):
    grey = drawing(3).convert("L")
    grey.save(tmp_path / "grey.png")
    grey.convert("RGB").save(tmp_path / "colour.png")
    clear = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    Image.new("L", (32, 32), 255).save(tmp_path / "white.png")
    turned = drawing(4, 40, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    translate_files(run, tmp_path, tmp_path / "out")
    for one, other in (("grey", "colour"), ("clear", "white")):
        assert np.array_equal(pixels(tmp_path / "out" / f"{one}.png"), pixels(tmp_path / "out" / f"{other}.png"))
    assert Image.open(tmp_path / "out" / "turned.png").size == (20, 40)


def test_names_broken_files_and_zips(run: Path, tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("x.png", "x.jpg", "y.bmp"):
        drawing(1).save(folder / name)
    (folder / "cut.png").write_bytes((folder / "x.png").read_bytes()[:70])
    written, notes = translate_files(run, folder, tmp_path / "out")
    assert sorted(file.name for file in written) == ["x.jpg.png", "x.png.png", "y.png"]
    assert len(notes) == 1
    assert notes[0].startswith("cut.png is left out: it")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(folder / "y.bmp", "sub/y.bmp")
    translate_files(run, tmp_path / "in.zip", tmp_path / "unzipped")
    assert (tmp_path / "unzipped" / "sub" / "y.png").read_bytes() == (tmp_path / "out" / "y.png").read_bytes()


def test_what_exists_is_not_replaced_without_a_word_and_originals_never(run: Path, tmp_path: Path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    drawing(1).save(folder / "x.png")
    translate_files(run, folder, out)
    (out / "x.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"x.png exists already; add `overwrite`"):
        translate_files(run, folder, out)
    assert (out / "x.png").read_bytes() == b"mine"
    translate_files(run, folder, out, overwrite=True)
    assert Image.open(out / "x.png").size == (32, 32)
    before = (folder / "x.png").read_bytes()
    for source, target in ((folder, folder), (folder / "x.png", folder / "x.png"), (folder / "x.png", folder)):
        with pytest.raises(UserError, match="is an original"):
            translate_files(run, source, target, overwrite=True)
    assert (folder / "x.png").read_bytes() == before


def test_mistakes_are_told_in_one_sentence(run: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    drawing(1).save(tmp_path / "x.png")
    (tmp_path / "text.png").write_text("not an image")
    noise = tmp_path / "noise"
    organza.train(
        pairs / "b",
        noise,
        recipe=small(get("mlp")),
        budget="8img",
        size=32,
        evaluate=False,
        report=False,
        progress=False,
    )
    for arguments, said in (
        ([run, tmp_path / "nothing", tmp_path / "out"], "There is no"),
        ([run, tmp_path / "text.png", tmp_path / "out"], "not a JPEG"),
        ([run, tmp_path / "x.png", tmp_path / "out.jpg"], "out.png"),
        ([run, pairs / "a", tmp_path / "out.png"], "name an output folder"),
        ([run, tmp_path / "x.png", tmp_path / "out", "--direction", "a"], "translates to b, not to a"),
        ([run, tmp_path / "x.png", tmp_path / "out", "--size", "huge"], "--size"),
        (
            [noise, tmp_path / "x.png", tmp_path / "out"],
            "generates images from noise and translates none; use `sample` (organza sample RUN)",
        ),
    ):
        code, _, error = call(capsys, "translate", *arguments)
        assert (code, len(error.strip().splitlines())) == (2, 1), error
        assert said in error
    assert not (tmp_path / "out").exists()
    for arguments, said in (
        (["sample", run], "organza translate"),
        (["judge", run, tmp_path / "x.png"], "together with its input"),
    ):
        code, _, error = call(capsys, *arguments)
        assert (code, len(error.strip().splitlines())) == (2, 1), error
        assert said in error


def test_the_command_says_what_it_wrote(run: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "in"
    shutil.copytree(pairs / "a", folder, ignore=lambda _, names: [name for name in names if name >= "003"])
    (folder / "bad.png").write_text("no")
    code, out, error = call(capsys, "translate", run, folder, tmp_path / "out")
    assert code == 0
    assert f"3 translations in {tmp_path / 'out'}" in out
    assert "note: bad.png is left out" in error
    code, out, _ = call(capsys, "translate", run, folder / "000.png", tmp_path / "new.png")
    assert (code, out.strip()) == (0, str(tmp_path / "new.png"))


class Same(layers.Translator):
    """Returns its input, each pixel `factor` times in both directions; for sides that are multiples of 8."""

    stride, least = 8, 16

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def forward(self, x: layers.Tensor) -> layers.Tensor:
        assert all(side % 8 == 0 and side >= 16 for side in x.shape[2:])
        return x.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)


@pytest.mark.parametrize("factor", [1, 2])
def test_of_an_image_of_any_size_what_was_padded_is_cropped(factor: int):
    for height, width in ((16, 24), (13, 21), (3, 40), (17, 1)):
        x = layers.torch.rand(2, 3, height, width)
        wanted = x.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
        assert layers.torch.equal(Same(factor).translate(x), wanted), (height, width)


class Shift(layers.Translator):
    """Makes images lighter or darker by a fixed amount: a translator whose way can be read off its result."""

    def __init__(self, shape: layers.Shape, by: float, source: int = 0):
        super().__init__()
        self.bias = layers.nn.Parameter(layers.torch.tensor(by))

    def forward(self, x: layers.Tensor) -> layers.Tensor:
        return x + self.bias


def test_the_way_back_of_runs_that_learned_both(tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch):
    """A game with two translators, as CycleGAN's: layers.NetworkDict(b=..., a=...)."""
    network = Partial(
        layers.NetworkDict, b=Partial(Shift, shape=(1, 32, 32), by=0.4), a=Partial(Shift, shape=(1, 32, 32), by=-0.4)
    )
    recipe = get("pix2pix")

    def players(generator, discriminator, data):
        return network, discriminator.given(shape=tuple(data.shape), condition=1)

    monkeypatch.setattr(Pix2Pix, "players", staticmethod(players))
    monkeypatch.setattr(Pix2Pix, "play", lambda self, batch: {"b": self.G["b"](batch["a"])})
    recipe = replace(recipe, generator=Partial(Shift, shape=(1, 32, 32), by=0.0))
    run = trained(pairs, tmp_path / "run", recipe, channels=1, budget="8img")
    assert checkpoint.existing(tmp_path / "run" / "checkpoints")
    grey = np.full((2, 20, 30, 1), 128, np.uint8)
    assert abs(int(run.translate(grey)[0, 0, 0, 0]) - 179) <= 1
    assert abs(int(run.translate(grey, to="a")[0, 0, 0, 0]) - 77) <= 1
    with pytest.raises(UserError, match=r"\[N, H, W, 1\]"):
        run.translate(np.zeros((1, 8, 8, 3), np.uint8))


@pytest.mark.parametrize(("name", "ways"), [("cyclegan", "ba"), ("cut", "b")])
def test_runs_without_pairs_translate_files_of_any_size(name: str, ways: str, pairs: Path, tmp_path: Path):
    trained(pairs, tmp_path / "run", get(name), channels=3, budget="2img")
    (tmp_path / "in").mkdir()
    for width, height in ((1, 1), (3, 40), (33, 18), (32, 32)):
        drawing(width).resize((width, height)).save(tmp_path / "in" / f"{width}.png")
    for way in ways:
        translate_files(tmp_path / "run", tmp_path / "in", tmp_path / way, to=way)
        for original in (tmp_path / "in").iterdir():
            assert pixels(tmp_path / way / original.name).shape == pixels(original).shape


def test_names_that_not_every_system_takes_are_written_as_others_and_told(tmp_path: Path):
    source = tmp_path / "in"
    source.mkdir()
    for name in ("what?.png", "con.png", "fine.png", "k" * 251 + ".png"):
        drawing(1, 32, 32).save(source / name)
    jobs, notes = jobs_of(source, tmp_path / "out")
    names = sorted(job.result.name for job in jobs)
    assert "fine.png" in names
    assert "k" * 251 + ".png" in names
    assert not any(set(name) & FORBIDDEN for name in names)
    assert "con.png" not in names
    assert len([note for note in notes if "valid on every system" in note]) == 2


def test_results_that_would_be_one_file_are_told_before_any_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("a", "A"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        drawing(1, 32, 32).save(tmp_path / "in" / folder / "x.png")
    jobs, _ = jobs_of(tmp_path / "in", tmp_path / "out")
    require_free(jobs, overwrite=False)
    monkeypatch.setattr("organza.inference.jobs.folds_case", lambda _: True)
    with pytest.raises(UserError, match="this system ignores case"):
        require_free(jobs, overwrite=False)
    assert not (tmp_path / "out").exists()


def test_a_picture_that_there_is_no_memory_for_is_left_out_in_words(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "in").mkdir()
    drawing(1, 32, 32).save(tmp_path / "in" / "small.png")
    drawing(2).resize((400, 300)).save(tmp_path / "in" / "large.png")
    needed = 400 * 300 * organza.load(run)._room_by_pixel("b")
    assert needed > 400 * 300 * 4 * (3 + 3)  # more than what goes in and comes out
    monkeypatch.setattr(memory, "free_memory", lambda: needed - 1)
    written, notes = translate_files(run, tmp_path / "in", tmp_path / "out")
    assert [path.name for path in written] == ["small.png"]
    assert "large.png is left out: 400x300 pixels would take" in notes[-1]
    code, _, error = call(capsys, "translate", run, tmp_path / "in" / "large.png", tmp_path / "x.png")
    assert (code, len(error.strip().splitlines()), "--size" in error) == (2, 1, True), error
    assert translate_files(run, tmp_path / "in", tmp_path / "scaled", size=Size(64, 64))[1] == ()
    with pytest.raises(UserError, match="`size"):
        organza.load(run).translate(np.zeros((1, 300, 400, 1), np.uint8))


def test_a_direction_or_latent_that_is_none_is_refused(run: Path):
    trained = organza.load(run)
    with pytest.raises(UserError, match="not to"):
        trained.translate(np.zeros((1, 32, 32, 3), np.uint8), to=[2])  # type: ignore[arg-type]
    with pytest.raises(UserError, match="none from noise"):
        trained.latent(0, 0)
