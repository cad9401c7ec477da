"""Pairs and domains: what belongs together stays together, whatever is done to it; what does not is told by name."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from organza import Pairs, Source, Unpaired
from organza.data.batches import to_uint8
from organza.errors import UserError


def paint(k: int, width: int = 32, height: int = 32) -> Image.Image:
    """Noise in blocks, so that any shift, flip or mix-up shows."""
    blocks = np.random.default_rng(k).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(blocks.repeat(4, 0).repeat(4, 1))


def write(folder: Path, count: int = 40, width: int = 32, height: int = 32) -> Path:
    """Pairs of an image in a/ and its negative in b/: a + b = 255 wherever both are looked at alike."""
    for name in "ab":
        (folder / name).mkdir(parents=True)
    for k in range(count):
        image = paint(k, width, height)
        image.save(folder / "a" / f"{k:02d}.png")
        Image.fromarray(255 - np.asarray(image)).save(folder / "b" / f"{k:02d}.png")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "pairs")


def negatives(batch: dict[str, torch.Tensor], tolerance: int = 2) -> bool:
    a, b = (to_uint8(batch[name]).int() for name in "ab")
    return bool(((a + b - 255).abs() <= tolerance).all())  # enlarging rounds and clips


def sides(folder: Path, **settings) -> Pairs:
    return Pairs(Source(folder, size=32), **settings)


def test_a_batch_holds_both_halves_of_each_pair(folder: Path):
    data = sides(folder)
    assert (data.unit, data.count, data.shape, data.source_shape) == ("pairs", 40, (3, 32, 32), (3, 32, 32))
    batch = data.at(range(40))
    assert negatives(batch, 0)
    assert len({bytes(item.numpy().tobytes()) for item in to_uint8(batch["a"])}) == 40
    assert data.facts()["source_shape"] == [3, 32, 32]


def test_mirroring_and_jitter_treat_both_halves_alike_and_differ_from_item_to_item(folder: Path):
    for settings in ({"mirror": True}, {"jitter": 8}, {"jitter": 8, "mirror": True}):
        data = sides(folder, **settings)
        batch = data.at(range(80))  # two passes
        assert batch["a"].shape == (80, 3, 32, 32)
        assert negatives(batch, 60 if "jitter" in settings else 0)
        plain = to_uint8(sides(folder).at(range(80))["a"])
        changed = (to_uint8(batch["a"]) != plain).flatten(1).any(1).float().mean().item()
        assert changed == 1.0 if "jitter" in settings else 0.3 < changed < 0.7
        again = data.at(range(40, 60))
        assert torch.equal(again["b"], batch["b"][40:60])  # by position alone


def test_a_jittered_half_is_the_part_at_its_corner(folder: Path):
    data = sides(folder, jitter=8)
    batch, which = data.at(range(20)), data.order.at(range(20))
    corners = []
    for name, grown in zip("ab", data.grown, strict=True):
        for row, item in enumerate(which):
            shown = to_uint8(batch[name][row : row + 1])[0].numpy()
            places = [
                (y, x) for y in range(9) for x in range(9) if np.array_equal(shown, grown[item][y : y + 32, x : x + 32])
            ]
            corners.append(places[0])
    assert corners[:20] == corners[20:]
    assert len(set(corners)) > 10


def test_what_is_looked_at_and_measured_is_the_picture_as_it_is(folder: Path):
    data = sides(folder, jitter=30, mirror=True)
    batch = data.referenced(range(3))
    for row, item in enumerate(data.reference[:3]):
        file = np.asarray(Image.open(folder / "a" / f"{item:02d}.png"))
        assert np.array_equal(to_uint8(batch["a"])[row].numpy(), file)
    assert np.array_equal(data.real()[:3], to_uint8(batch["b"]).numpy())


def test_a_grey_half_and_a_coloured_one_keep_their_channels(folder: Path):
    for file in (folder / "a").iterdir():
        Image.open(file).convert("L").save(file)
    data = sides(folder, jitter=4, mirror=True)
    assert (data.source_shape, data.shape) == ((1, 32, 32), (3, 32, 32))
    batch = data.at(range(4))
    assert (batch["a"].shape, batch["b"].shape) == ((4, 1, 32, 32), (4, 3, 32, 32))


def test_names_match_without_their_endings(folder: Path):
    for file in list((folder / "a").iterdir()):
        Image.open(file).save(file.with_suffix(".bmp"))
        file.unlink()
    assert negatives(sides(folder).at(range(40)), 0)


def test_pictures_without_a_partner_are_named(folder: Path):
    (folder / "b" / "07.png").rename(folder / "b" / "seven.png")
    (folder / "a" / "09.png").unlink()
    with pytest.raises(UserError, match=r"3 images in .* have no partner, for example a/07.png, b/09.png, b/seven.png"):
        sides(folder)


def test_a_broken_half_takes_its_partner_along_and_is_told(folder: Path):
    (folder / "b" / "03.png").write_bytes(b"not an image")
    data = sides(folder)
    assert data.count == 39
    assert [name for name, _ in data.broken] == ["b/03.png"]
    assert negatives(data.at(range(39)), 0)


def test_mistakes_are_told(folder: Path, tmp_path: Path):
    shutil.copy(folder / "a" / "01.png", folder / "a" / "01.jpeg.png")
    (folder / "a" / "01.jpeg.png").rename(folder / "a" / "01.bmp")
    with pytest.raises(UserError, match=r"a holds 01.bmp, 01.png, which differ only by extension"):
        sides(folder)
    (folder / "a" / "01.bmp").unlink()
    shutil.rmtree(folder / "b")
    with pytest.raises(UserError, match="only one of the folders a and b"):
        sides(folder)
    with pytest.raises(UserError, match=r"needs two folders.*it lacks b"):
        Unpaired(Source(folder, size=32))
    single = tmp_path / "single"
    shutil.copytree(folder / "a", single)
    with pytest.raises(
        UserError, match=r"no folders a and b, and its images are not two halves of 32x32 .*: one is 32x32"
    ):
        sides(single)
    (folder / "b").mkdir()
    with pytest.raises(UserError, match="no images"):
        sides(folder)


def test_side_by_side(tmp_path: Path):
    folder = tmp_path / "double"
    folder.mkdir()
    for k in range(40):
        left = np.asarray(paint(k, 48, 32))
        Image.fromarray(np.concatenate([left, 255 - left], 1)).save(folder / f"{k:02d}.png")
    (folder / "40.png").write_bytes(b"not an image")
    data = Pairs(Source(folder, size="48x32"), mirror=True)
    assert (data.count, data.shape, data.source_shape) == (40, (3, 32, 48), (3, 32, 48))
    assert [name for name, _ in data.broken] == ["40.png"]
    assert negatives(data.at(range(80)), 0)
    assert negatives(Pairs(Source(folder, size="48x32"), jitter=8).at(range(40)), 60)
    assert np.array_equal(data.real()[0], to_uint8(data.referenced([0])["b"])[0].numpy())
    with pytest.raises(UserError, match=r"one is 96x32; if they are pairs, use `size='48x32'`"):
        Pairs(Source(folder, size=32))
    assert negatives(Pairs(Source(folder, size="40x32")).at(range(40)), 0)  # each half is cropped by itself


def test_the_recipes_size_counts_where_the_user_has_no_wish(folder: Path):
    assert Pairs(Source(folder), size=24).shape == (3, 24, 24)
    assert Pairs(Source(folder, size=16), size=24).shape == (3, 16, 16)
    assert Unpaired(Source(folder), size=24).shape == (3, 24, 24)


def test_unpaired_domains_are_shuffled_cropped_and_mirrored_apart(folder: Path):
    data = Unpaired(Source(folder, size=32), jitter=4, mirror=True)
    batch = data.at(range(36))
    assert batch["a"].shape == batch["b"].shape == (36, 3, 32, 32)
    assert not negatives(batch, 100)
    fixed = data.referenced(range(2))
    assert np.array_equal(data.real()[:2], to_uint8(fixed["b"]).numpy())


def test_names_match_whatever_their_unicode_form_and_capitals(folder: Path):
    for k, (a, b) in enumerate([("\u00fc.png", unicodedata.normalize("NFD", "\u00fc.png")), ("X.PNG", "x.png")]):
        (folder / "a" / f"{k:02d}.png").rename(folder / "a" / a)
        (folder / "b" / f"{k:02d}.png").rename(folder / "b" / b)
    data = sides(folder)
    assert data.count == 40
    assert negatives(data.at(range(40)), 0)
    shutil.copy(
        folder / "a" / "\u00fc.png", folder / "a" / unicodedata.normalize("NFD", "\u00fc.png")
    )  # now b's is its own
    with pytest.raises(UserError, match=r"1 image in .* has no partner"):
        sides(folder)


def test_folders_of_pairs_may_have_splits(folder: Path):
    for name in "ab":
        for split, digits in (("train", "0123456789"), ("test", "xyz")):
            (folder / name / split).mkdir()
            for file in (folder / name).glob("*.png"):
                if file.name[1] in digits[:5] or split == "test":
                    file.rename(folder / name / split / file.name)
    data = sides(folder)
    assert negatives(data.at(range(40)), 0)
    assert data.notes == (
        "test/ and train/ are treated as splits of one data set, not as classes; the images of all are used",
    )


def test_folders_left_out_are_told(folder: Path):
    for name in "ab":
        (folder / name).rename(folder / f"train{name.upper()}")
        shutil.copytree(folder / f"train{name.upper()}", folder / f"test{name.upper()}")
    for layout in (Pairs, Unpaired):
        assert layout(Source(folder, size=32)).notes == ("testA/ and testB/ are left out",)
    inner = folder / "set" / "train"
    inner.mkdir(parents=True)
    for name in "AB":
        (folder / f"train{name}").rename(inner / name.lower())
    for layout in (Pairs, Unpaired):
        with pytest.raises(UserError, match=f"{inner} has both: use it instead"):
            layout(Source(folder / "set", size=32))


def test_what_follows_a_dot_is_part_of_a_name_unless_it_is_the_ending_of_an_image(tmp_path: Path):
    write(tmp_path, 4)
    for side in "ab":
        for k, path in enumerate(sorted((tmp_path / side).iterdir())):
            path.rename(path.with_name(f"scene.{k}"))
    assert negatives(sides(tmp_path).at(range(4)), 0)
    for k, path in enumerate(sorted((tmp_path / "b").iterdir())):
        path.rename(path.with_name(f"scene.{k + 4}"))
    with pytest.raises(UserError, match=r"8 images in .* have no partner, for example a/scene\.0"):
        sides(tmp_path)


def test_pages_of_two_files_belong_together_by_their_numbers(tmp_path: Path):
    for side in "ab":
        (tmp_path / side).mkdir()
        pages = [paint(k) if side == "a" else Image.fromarray(255 - np.asarray(paint(k))) for k in range(4)]
        pages[0].save(tmp_path / side / "scan.tif", save_all=True, append_images=pages[1:])
    data = Pairs(Source(tmp_path, size=32, pages="all"))
    assert data.count == 4
    assert negatives(data.at(range(4)), 0)


def test_other_proportions_within_a_pair_and_images_beside_the_folders_are_told(tmp_path: Path):
    write(tmp_path, 4)
    assert not sides(tmp_path).notes
    paint(9).save(tmp_path / "stray.png")
    (tmp_path / "notes.txt").write_text("x")
    paint(2, 64).save(tmp_path / "b" / "02.png")
    left, cut = sides(tmp_path).notes
    assert left == "stray.png is left out"
    assert "a/02.png is 32x32 and b/02.png is 64x32" in cut
    assert "do not match" in cut
