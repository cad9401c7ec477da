"""Whole images enlarged and filled: tiles without seams, opacity, orientation, profiles and known pixels kept, mistakes in a sentence."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import organza
from organza.data.batches import to_float, to_uint8
from organza.data.patches import with_hole
from organza.errors import UserError
from organza.game import discriminator_loss
from organza.inference.tiles import strips
from organza.inference.translate_files import translate_files
from organza.inference.whole_images import bled
from organza.media.png import save_strips
from organza.metrics.methods import compare
from organza.networks import enlarger, filler
from organza.networks.layers import Translator
from organza.recipes import get
from organza.studio.play_calls import restored
from tests.contracts.discovery import small
from tests.contracts.material import SIZE, Material
from tests.drawings import drawing


def trained(name: str, material: Material, place: Path) -> organza.Run:
    recipe = small(get(name), blocks=1)
    return organza.train(
        material(recipe), place, recipe=recipe, size=SIZE, budget="32img", evaluate=False, report=False
    )


@pytest.fixture(scope="module")
def enlarging(material: Material, tmp_path_factory: pytest.TempPathFactory) -> organza.Run:
    return trained("enlarge-light", material, tmp_path_factory.mktemp("runs") / "enlarge")


@pytest.fixture(scope="module")
def filling(material: Material, tmp_path_factory: pytest.TempPathFactory) -> organza.Run:
    return trained("fill-light", material, tmp_path_factory.mktemp("runs") / "fill")


def waves(height: int, width: int, channels: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [np.sin(x / (3 + k)) * np.cos(y / (4 + k)) for k in range(channels)]
    return ((np.stack(planes, 2) + 1) * 127.5).astype(np.uint8)


@torch.no_grad()
def test_tiles_have_no_seams():
    torch.manual_seed(0)
    large = enlarger.Generator((3, 64, 64), factor=2, width=6, blocks=2).eval()
    image = waves(71, 93, 3)
    whole = to_uint8(large.translate(to_float(image[None])))[0].numpy()
    parts = np.concatenate(list(strips(large, image, tile=32)))
    assert parts.shape == (142, 186, 3)
    assert np.abs(parts.astype(int) - whole).max() <= 1


@torch.no_grad()
def test_holes_are_filled_in_tiles_as_in_the_whole():
    torch.manual_seed(0)
    network = filler.Generator((1, 64, 64), width=4).eval()
    for weight in network.leave.parameters():
        weight.mul_(10)  # details, not only the smooth filling
    hole = np.zeros((500, 470), bool)
    hole[180:300, 200:280] = True
    given = with_hole(waves(500, 470, 1), hole)
    whole = to_uint8(network.translate(to_float(given[None])))[0].numpy()
    parts = np.concatenate(list(strips(network, given, tile=64)))
    assert np.abs(parts.astype(int) - whole).max() <= 1
    assert np.array_equal(parts[~hole], given[~hole][:, :1])


@torch.no_grad()
def test_an_output_depends_on_no_more_than_its_reach():
    networks: list[tuple[Translator, int]] = [
        (enlarger.Generator((1, 32, 32), factor=2, width=4, blocks=2), 1),
        (filler.Generator((1, 32, 32), width=4), 2),
    ]
    for network, channels in networks:
        x = torch.zeros(1, channels, 512, 512)
        if network.masked:
            x[:, -1] = 1
        other = x.clone()
        other[:, 0, :, 256:] = 0.7
        if network.masked:
            other[:, 1, :, 256:] = -1
        apart = (network(x) - network(other)).abs().sum((0, 1, 2))
        changed = int(apart.nonzero().min()) // network.factor
        assert 256 - network.reach <= changed < 256


def test_a_large_image_is_written_strip_by_strip(tmp_path: Path):
    for channels in (1, 3, 4):
        image = waves(50, 37, channels)
        save_strips((image[k : k + 7] for k in range(0, 50, 7)), image.shape, tmp_path / "x.png")  # type: ignore[arg-type]
        assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")).reshape(image.shape), image)
    assert [file.name for file in tmp_path.iterdir()] == ["x.png"]


def test_enlarged_files_keep_opacity_orientation_profile_and_names(enlarging: organza.Run, tmp_path: Path):
    given, out = tmp_path / "in", tmp_path / "out"
    given.mkdir()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = drawing(2).resize((40, 30))
    image.save(given / "plain.png", icc_profile=profile)
    turned = Image.Exif()
    turned[0x112] = 6
    image.save(given / "turned.jpg", exif=turned)
    image.convert("L").save(given / "grey.png")
    image.crop((0, 0, 3, 2)).save(given / "tiny.png")
    clear = image.convert("RGBA")
    clear.putalpha(Image.fromarray(np.where(np.arange(40) < 20, 255, 0).astype(np.uint8)[None].repeat(30, 0)))
    clear.save(given / "clear.png")
    written, notes = translate_files(enlarging.path, given, out)
    made = {file.name: Image.open(file) for file in written}
    assert not notes
    assert {name: (one.mode, one.size) for name, one in made.items()} == {
        "plain.png": ("RGB", (160, 120)), "turned.png": ("RGB", (120, 160)), "grey.png": ("L", (160, 120)),
        "tiny.png": ("RGB", (12, 8)), "clear.png": ("RGBA", (160, 120)),
    }  # fmt: skip
    assert made["plain.png"].info["icc_profile"] == profile
    assert set(np.unique(np.asarray(made["clear.png"])[..., 3])) == {0, 255}
    assert np.array_equal(np.asarray(made["plain.png"]), enlarging.translate(np.array(image)[None])[0])


def test_colours_of_invisible_pixels_come_from_visible_ones():
    image = np.zeros((8, 8, 4), np.uint8)
    image[:, :3] = (200, 10, 30, 255)
    assert np.abs(bled(image).astype(int) - (200, 10, 30)).max() <= 1


def test_known_pixels_are_returned_to_the_bit(filling: organza.Run, tmp_path: Path):
    draw = np.random.default_rng(0)
    for channels in (1, 3, 4):
        pixels = draw.integers(0, 256, (45, 70, channels), np.uint8)
        hole = np.zeros((45, 70), bool)
        hole[10:30, 20:33] = True
        image, mask = tmp_path / f"{channels}.png", tmp_path / "mask.png"
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(image)
        Image.fromarray(hole).save(mask)
        [path], _ = translate_files(filling.path, image, tmp_path / f"{channels}-filled.png", mask=mask)
        made = np.asarray(Image.open(path)).reshape(pixels.shape)
        assert np.array_equal(made[~hole], pixels[~hole])
        assert not np.array_equal(made[hole], pixels[hole])


def test_without_a_mask_transparent_pixels_are_filled(filling: organza.Run, tmp_path: Path):
    pixels = np.dstack([waves(40, 40, 3), np.full((40, 40), 255, np.uint8)])
    pixels[5:15, 5:15, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "x.png")
    [path], _ = translate_files(filling.path, tmp_path / "x.png", tmp_path / "y.png")
    made = np.asarray(Image.open(path))
    assert (made[..., 3] == 255).all()
    assert np.array_equal(made[pixels[..., 3] == 255], pixels[pixels[..., 3] == 255])


def test_mistakes_with_masks_are_one_sentence(filling: organza.Run, enlarging: organza.Run, tmp_path: Path):
    drawing(0).resize((40, 30)).save(tmp_path / "x.png")
    for name, size, value in (("other", (30, 40), 255), ("black", (40, 30), 0), ("white", (40, 30), 255)):
        Image.new("L", size, value).save(tmp_path / f"{name}.png")
    for mask, said in (
        (None, r"has no transparent pixels to fill; give `mask`"),
        ("absent.png", r"There is no .*absent.png"),
        ("other.png", r"other.png is 30x40 and .* is 40x30; give a mask of the image's size"),
        ("black.png", r"has no white pixels, so there is nothing to fill"),
        ("white.png", r"All of .*x.png is to be filled"),
    ):
        with pytest.raises(UserError, match=said):
            translate_files(filling.path, tmp_path / "x.png", tmp_path / "y.png", mask=mask and tmp_path / mask)
    with pytest.raises(UserError, match="does not fill holes"):
        translate_files(enlarging.path, tmp_path / "x.png", tmp_path / "y.png", mask=tmp_path / "white.png")
    assert not (tmp_path / "y.png").exists()


def test_patches_that_do_not_touch_the_hole_count_for_nothing(material: Material):
    recipe = small(get("fill-light"))
    data = recipe.opened(organza.Source(material(recipe), size=64))
    game, batch = recipe.build(data), data.at(range(2))
    hole = np.zeros((64, 64), bool)
    hole[:8, :8] = True
    batch["a"] = to_float(np.stack([with_hole(image, hole) for image in to_uint8(batch["b"]).numpy()]))
    made = game.play(batch)
    [duel] = game.duels(batch, made)
    assert duel.weight is not None
    assert 0 < duel.weight.mean() < 1
    apart = (duel.judge(batch["b"]) - duel.judge(made["b"])).abs()
    assert apart[duel.weight == 0].max() == 0
    assert apart[duel.weight > 0].max() > 0
    turn = discriminator_loss(game, batch, made)
    assert turn.terms["discriminator"].isfinite()
    real, fake = (duel.counted(duel.judge(x)) for x in (batch["b"], made["b"]))
    own = game.adversarial.neutral
    even = (real.mean() + fake.mean()) / 2 if own is None else own
    authentic, faked = torch.sigmoid(real - even), torch.sigmoid(fake - even)
    right = torch.cat([authentic > 0.5, faked < 0.5]).float()
    for name, wanted in (("D(x)", authentic), ("D(G(z))", faked), ("D accuracy", right)):
        assert turn.metrics[name].item() == pytest.approx(wanted.mean().item(), rel=1e-5), name


def test_methods_are_compared_on_the_same_inputs(enlarging: organza.Run, material: Material):
    class Mean:
        name, dimension = "mean", 3

        def card(self) -> dict:
            return {}

        def __call__(self, images: np.ndarray | torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(np.asarray(images)).float().mean((1, 2))

    wanted = np.stack([np.asarray(drawing(k).resize((16, 16))) for k in range(24)])
    found = compare(Mean(), {"same": wanted, "dark": wanted // 2}, wanted, ["x", "y"] * 12, border=2)  # type: ignore[arg-type]
    assert list(found) == ["x", "y"]
    assert found["x"]["same"]["psnr"].value == 100
    assert found["x"]["same"]["psnr y"].value == 100
    assert found["x"]["dark"]["psnr"].value < 20
    assert "mmd" not in found["x"]["same"]  # 12 items are too few
    assert "mmd" in compare(Mean(), {"same": wanted}, wanted)["all"]["same"]  # type: ignore[arg-type]


def as_png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def dropped(run: organza.Run, content: bytes) -> np.ndarray:
    """What the studio answers to a dropped image, as the browser shows it."""
    told, made = restored(run, run.translator("b"), content, lambda *_: None)
    image = np.asarray(Image.open(io.BytesIO(made)))
    assert (told["width"], told["height"]) == (image.shape[1], image.shape[0])
    return image


def test_the_studio_enlarges_and_fills_what_is_dropped_as_the_command_does(
    enlarging: organza.Run, filling: organza.Run, tmp_path: Path
):
    pixels = np.concatenate([waves(40, 50, 3), np.full((40, 50, 1), 255, np.uint8)], 2)
    pixels[10:20, 15:30, 3] = 0
    for run, way in ((enlarging, "large"), (filling, "filled")):
        (tmp_path / "given.png").write_bytes(as_png(pixels))
        translate_files(run.path, tmp_path / "given.png", tmp_path / f"{way}.png")
        assert np.array_equal(dropped(run, as_png(pixels)), np.asarray(Image.open(tmp_path / f"{way}.png")))
    for content, said in ((as_png(pixels[..., :3]), "Erase what"), (b"no image", "not a usable image")):
        with pytest.raises(UserError, match=said):
            dropped(filling, content)
    with pytest.raises(UserError, match="too large to be enlarged here; `organza translate` takes it"):
        dropped(enlarging, as_png(waves(600, 500, 3)))
