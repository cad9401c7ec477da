"""Patches of whole images: cut by position, held out by image, degraded alike each time; holes; misfits in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from organza.config import decode, encode
from organza.data.blocks import MOST_OF_ONE, middle, open_blocks
from organza.data.degradation import Bicubic, Camera, Nearest, enlarged, reduced
from organza.data.masks import WIDTHS, Masks
from organza.data.patches import Masked, Reduced, nearest_known, oriented
from organza.data.source import Source
from organza.errors import UserError
from organza.recipes import get
from tests.drawings import drawing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten noisy images of other sizes."""
    place = tmp_path_factory.mktemp("large")
    draw = np.random.default_rng(0)
    for k in range(10):
        coarse = draw.integers(0, 256, (10 + k, 13, 3), np.uint8)
        Image.fromarray(coarse).resize((130, 100 + 10 * k), Image.Resampling.BICUBIC).save(place / f"{k}.png")
    return place


def test_any_region_is_that_of_the_file(folder: Path):
    blocks = open_blocks(Source(folder))
    whole = np.asarray(Image.open(folder / "7.png"))
    first, (height, width) = int(blocks.firsts[7]), blocks.sizes[7].tolist()
    assert whole.shape == (height, width, 3)
    for top, left, rows, columns in ((0, 0, height, width), (63, 1, 2, 129), (64, 64, 64, 64), (100, 90, 70, 40)):
        wanted = whole[top : top + rows, left : left + columns]
        assert np.array_equal(blocks.region(first, width, top, left, rows, columns), wanted)
    assert open_blocks(Source(folder)).directory == blocks.directory


def test_a_batch_is_a_function_of_its_positions(folder: Path):
    data = Reduced(Source(folder, size=32), factor=4, degrade=Camera())
    batch, alone = data.at(range(5, 9)), data.at([7])
    assert torch.equal(batch["a"][2:3], alone["a"])
    assert torch.equal(batch["b"][2:3], alone["b"])
    assert not torch.equal(data.at([7 + data.count])["b"], alone["b"])
    again = data.referenced(range(3)), data.referenced([len(data.reference) + 1])
    assert torch.equal(again[0]["a"][1:2], again[1]["a"])


def test_images_are_held_out_whole(folder: Path):
    data = Reduced(Source(folder, size=32), factor=2)
    out, rest = (set(data.cells.image[part].tolist()) for part in (data.parts.held_out, data.parts.train))
    assert len(out) == 2
    assert out | rest == set(range(10))
    assert not out & rest
    real = data.real()
    batch = data.referenced(range(len(real)))
    assert np.array_equal(((batch["b"].movedim(1, -1) + 1) * 127.5).round().to(torch.uint8).numpy(), real)


def test_a_patch_is_reduced_with_its_neighbours(folder: Path):
    data = Reduced(Source(folder, size=32), factor=4)
    whole = np.asarray(Image.open(folder / "0.png"))  # 130 x 100: a reduction of all of it needs multiples of 4
    wanted = reduced(whole[:, :128], 4, Image.Resampling.BICUBIC)
    region, inner = data.region(0, 32, 48)
    small = data.given(region, inner, 0, torch.Generator())
    assert np.abs(small.astype(int) - wanted[8:16, 12:20]).max() <= 1


def test_the_pixel_that_is_kept_of_a_cell_has_the_same_place_in_all_patches(folder: Path):
    data = Reduced(Source(folder, size=32), factor=4, degrade=Nearest())
    for batch in (data.at(range(40)), data.referenced(range(8))):  # those of a training are mirrored and turned
        assert torch.equal(batch["a"], batch["b"][..., 2::4, 2::4])


def test_a_region_is_turned_with_the_place_of_its_patch():
    region = np.arange(5 * 7).reshape(5, 7, 1)
    patch = region[1:3, 4:6]
    for mirrored in (False, True):
        for turns in range(4):
            turned, (y, x) = oriented(region, (1, 4), 2, mirrored, turns)
            assert np.array_equal(turned[y : y + 2, x : x + 2], np.rot90(patch[:, ::-1] if mirrored else patch, turns))


@pytest.mark.parametrize("degrade", [Bicubic(), Nearest(), Camera()])
def test_a_degradation_is_a_value_of_a_recipe_and_depends_on_its_stream(degrade: object):
    assert decode(encode(degrade)) == degrade
    image = np.asarray(drawing(3).resize((48, 32)))
    one, other, third = (degrade(image, 4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))  # type: ignore[operator]
    assert one.shape == (8, 12, 3)
    assert np.array_equal(one, other)
    assert np.array_equal(one, third) == (not isinstance(degrade, Camera))


def test_pixel_art_keeps_its_colours():
    image = np.asarray(drawing(3).resize((32, 32)))
    small = Nearest()(enlarged(image, 4, Image.Resampling.NEAREST), 4, torch.Generator())
    assert np.array_equal(small, image)


@pytest.mark.parametrize(
    ("settings", "size", "said"),
    [
        (("game.factor=3",), 32, r"game.factor is 3; it must be 2 or 4."),
        ((), 34, r"`size` is 34x34; both sides must be multiples of the factor, 4."),
        ((), 256, r"No image in .* is as large as a patch of 256x256; the largest is 130x.*`size='128'`."),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(folder: Path, settings: tuple[str, ...], size: int, said: str):
    from organza.overrides import apply

    with pytest.raises(UserError, match=said):
        apply(get("enlarge-light"), settings).opened(Source(folder, size=size))


def test_small_images_are_left_out_with_a_reason_and_opacity_is_not_learned(folder: Path, tmp_path: Path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    drawing(1).resize((20, 90)).save(tmp_path / "small.png")
    data = Reduced(Source(tmp_path, size=32), factor=2)
    assert data.broken == (("small.png", "it is smaller than a patch of 32x32"),)
    with pytest.raises(UserError, match="`channels` is 4; it must be 1"):
        Reduced(Source(tmp_path, size=32, channels=4), factor=2)


def test_of_a_huge_image_the_middle_is_kept():
    assert middle(np.zeros((3000, 4000, 1), np.uint8), MOST_OF_ONE).shape[0] < 3000


def test_holes_are_as_wide_as_their_name_and_shown_in_turn(folder: Path):
    data = Masked(Source(folder, size=64))
    assert data.groups(range(4)) == ("narrow", "medium", "wide", "narrow")
    a = data.referenced(range(60))["a"]
    shares = (a[:, -1] > 0).float().mean((1, 2))
    means = [shares[k::3].mean().item() for k in range(3)]
    assert means == sorted(means)
    assert 0 < shares.min() <= shares.max() < 0.95
    assert a[:, :-1].movedim(1, -1)[a[:, -1] > 0].abs().max() < 0.01  # grey: nothing of the hole is given
    for name in WIDTHS:
        holes = [Masks().of(name).drawn(64, 64, torch.Generator().manual_seed(k)) for k in range(20)]
        assert all(0 < hole.mean() < 0.95 for hole in holes)


def test_simple_methods_keep_what_is_known(folder: Path):
    data = Masked(Source(folder, size=64))
    batch, simple = data.referenced(range(3)), data.simply(range(3))
    hole = (batch["a"][:, -1] > 0).numpy()
    wanted = data.real()[:3]
    for made in simple.values():
        assert np.array_equal(made[~hole], wanted[~hole])
    line = np.array([[[[5], [0], [0], [0], [8]]]], np.uint8)
    assert nearest_known(line, line[..., 0] == 0).ravel().tolist() == [5, 5, 5, 8, 8]
