"""What the Python interface refuses, and the few things that it takes for images beside an array of bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import organza
from organza.config.arguments import as_bytes, as_image
from organza.errors import UserError
from organza.inference.load import Run
from organza.recipes import get
from tests.contracts.discovery import small

SHAPE = (4, 6, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (IMAGES / 255, "0 to 1"),
        (IMAGES / 127.5 - 1, "-1 to 1"),
        (IMAGES.astype(np.float32), "0 to 255"),
        (IMAGES.astype(np.float64) * 7, "1,7"[:1]),
        (np.where(IMAGES > 3, IMAGES / 255, np.nan), "not finite"),
        (IMAGES.astype(np.int64), "astype('uint8')"),
        (IMAGES.astype(np.uint16) * 257, "scale"),
        (IMAGES > 100, "convert them to uint8"),
        (IMAGES.astype(object), "uint8 images"),
        (IMAGES.astype(str), "convert them to uint8"),
        (np.moveaxis(IMAGES, -1, 1), "numpy.moveaxis(images, 1, -1)"),
        (IMAGES[0], "images[None]"),
        (IMAGES[..., 0], "not [5, 4, 6]"),
        (IMAGES[..., :1], "1 channels and 3 are needed"),
        (IMAGES[:, :3], "not [5, 3, 6, 3]"),
        (IMAGES[:0], "no images"),
        ([], "none was given"),
        ([IMAGES[0], IMAGES[0, :2]], "different sizes"),
        ("pictures", "not a str"),
        (None, "not a NoneType"),
        (torch.from_numpy(IMAGES).movedim(-1, 1) / 127.5 - 1, "-1 to 1"),
        (torch.from_numpy(IMAGES).bfloat16() / 255, "0 to 1"),
        ([Image.new("P", (6, 4))], "image.convert('RGB')"),
        (Image.new("L", (6, 4)), "image.convert('RGB')"),
        (Image.new("RGB", (9, 9)), "[1, 9, 9, 3]"),
    ],
)
def test_what_would_be_misread_is_refused_with_the_remedy(given: object, words: str):
    with pytest.raises(UserError) as told:
        as_bytes(given, SHAPE, "judge")
    assert words in str(told.value)
    assert str(told.value).startswith("judge ")


@pytest.mark.parametrize(
    "given",
    [
        IMAGES, list(IMAGES), torch.from_numpy(IMAGES), list(torch.from_numpy(IMAGES)), [Image.fromarray(one) for one in IMAGES],
        IMAGES[:, ::-1][:, ::-1],
    ],
)  # fmt: skip
def test_what_is_bytes_in_another_wrapping_is_taken(given: object):
    assert np.array_equal(as_bytes(given, SHAPE, "judge"), IMAGES)


def test_the_remedy_for_another_range_gives_the_bytes_back():
    for images in (IMAGES / 255, IMAGES / 127.5 - 1, IMAGES.astype(float)):
        with pytest.raises(UserError) as told:
            as_bytes(images, SHAPE, "judge")
        remedy = str(told.value).rpartition(": ")[2].removesuffix(".")
        assert np.array_equal(eval(remedy, {"images": images}), IMAGES)


def test_grey_images_single_images_and_volumes():
    grey = IMAGES[..., :1]
    with pytest.raises(UserError, match=r"images\[\.\.\., None\]"):
        as_bytes(grey[..., 0], (4, 6, 1), "judge")
    assert np.array_equal(as_bytes([Image.fromarray(grey[0, ..., 0])], (4, 6, 1), "judge"), grey[:1])
    assert np.array_equal(as_image(IMAGES[0], SHAPE, "interpolate"), IMAGES[0])
    with pytest.raises(UserError, match="single images"):
        as_image(IMAGES, SHAPE, "interpolate")
    volumes = np.zeros((2, 4, 4, 4, 1), bool)
    volumes[0, 0] = True
    assert as_bytes(volumes, (4, 4, 4, 1), "judge").max() == 255
    with pytest.raises(UserError, match="multiply them by 255"):
        as_bytes(volumes.astype(np.uint8), (4, 4, 4, 1), "judge")


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("arguments") / "run"
    return organza.train(
        pictures, place, recipe=small(get("mlp")), size=16, budget="16img", evaluate=False, report=False
    )


@pytest.mark.parametrize(
    "wishes",
    [
        {"count": 0}, {"count": -1}, {"count": True}, {"count": 2.5}, {"count": "3"}, {"count": 10**30}, {"count": None}, {"count": 2**31},
        {"first": -1}, {"first": 0.5}, {"first": 10**40}, {"seed": 0.5}, {"seed": 10**400}, {"seed": None},
        {"labels": {"class": "dress"}}, {"labels": "dress"}, {"labels": {"class": None}}, {"labels": {3: "dress"}},
    ],
    ids=lambda wishes: str(wishes)[:40],
)  # fmt: skip
def test_samples_of_impossible_numbers_are_refused(wishes: dict, run: Run):
    with pytest.raises(UserError):
        run.sample(**{"count": 2} | wishes)


def test_whole_numbers_of_numpy_are_numbers(run: Run):
    assert np.array_equal(run.sample(np.int64(3), np.uint8(1)), run.sample(3, 1))
    assert len(run.sample(37)) == 37


@pytest.mark.parametrize(
    "z",
    [
        torch.zeros(100), torch.zeros(2, 99), torch.zeros(0, 100), torch.zeros(2, 100, dtype=torch.int64),
        torch.full((2, 100), float("nan")),
        "noise", None, np.zeros((2, 100), complex), [[1.0], [1.0, 2.0]],
        torch.zeros(2, 100, device="meta"), torch.zeros(2, 100).to_sparse(),
    ],
    ids=lambda z: str(getattr(z, "shape", z)),
)  # fmt: skip
def test_latents_that_are_none_are_refused(z: object, run: Run):
    with pytest.raises(UserError, match="latents"):
        run.generate(z)  # type: ignore[arg-type]


def test_latents_of_another_precision_are_taken(run: Run):
    z = torch.randn(3, len(run.latent(0, 0)), dtype=torch.float64)
    assert torch.equal(run.generate(z), run.generate(z.float()))
    assert torch.equal(run.generate(z.numpy()), run.generate(z))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no labels"):
        run.generate(z, torch.zeros(3, 2))


def test_every_function_that_takes_images_looks_at_them(run: Run):
    images = run.sample(3)
    assert np.array_equal(run.judge([Image.fromarray(one) for one in images]), run.judge(images))  # type: ignore[arg-type]
    for function in (run.judge, run.verdicts):
        with pytest.raises(UserError, match="0 to 1"):
            function(images / 255)
    with pytest.raises(UserError, match="judges images without labels"):
        run.judge_labelled(images, np.zeros((3, 2)))
    for target in (images, 5, [run.path]):
        with pytest.raises(UserError, match="evaluate takes a run, or the path"):
            organza.evaluate(target)  # type: ignore[arg-type]


def test_an_encoder_and_a_conditional_run_look_too(material, tmp_path: Path):
    recipe = small(get("bigan"))
    coded = organza.train(
        material(recipe), tmp_path / "coded", recipe=recipe, budget="16img", evaluate=False, report=False
    )
    images = coded.sample(3)
    for function in (coded.encode, coded.reconstruct):
        with pytest.raises(UserError, match="0 to 1"):
            function(images / 255)
    with pytest.raises(UserError, match="0 to 1"):
        coded.interpolate(images[0] / 255, images[1])
    with pytest.raises(UserError, match="steps"):
        coded.interpolate(images[0], images[1], 1)
    recipe = small(get("cgan"))
    known = organza.train(
        material(recipe), tmp_path / "known", recipe=recipe, budget="16img", evaluate=False, report=False
    )
    images, rows = known.sample(3), known.label_rows(range(3))
    assert len(known.judge_labelled(images, rows)) == 3
    for wrong in (rows[:2], rows[:, :-1], rows * float("inf"), rows.long()):
        with pytest.raises(UserError, match="label"):
            known.judge_labelled(images, wrong)
    with pytest.raises(UserError, match="0 to 1"):
        known.judge_labelled(images / 255, rows)
    with pytest.raises(UserError, match="needs a label row"):
        known.generate(torch.zeros(2, len(known.latent(0, 0))))


@pytest.mark.parametrize(
    "path", [None, 5, b"runs", "a\0b", "\ud800", ["runs"], "a" * 5000], ids=lambda path: repr(path)[:20]
)
def test_what_is_no_path_is_refused_in_words(path: object, pictures: Path):
    for asks in (organza.load, organza.train, organza.evaluate, lambda run: organza.train(pictures, run)):
        if path is None and asks not in (organza.load, organza.train, organza.evaluate):
            continue
        with pytest.raises(UserError, match=r"path of (a|one)"):
            asks(path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wish",
    [{"budget": 5}, {"recipe": 5}, {"labels": 5}, {"device": b"cpu"}, {"seed": b"0"}, {"seed": 0.5}, {"pages": 1}],
    ids=str,
)
def test_wishes_for_a_training_of_another_kind_are_refused(wish: dict, pictures: Path, tmp_path: Path):
    with pytest.raises(UserError, match=f"{next(iter(wish))} is .*; it must be"):
        organza.train(pictures, tmp_path / "run", **wish)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_and_a_recipe_of_another_kind_are_refused(run: Run):
    with pytest.raises(UserError, match="which is None"):
        organza.load(run.path, None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="recipe is 5"):
        organza.load(run.path, recipe=5)  # type: ignore[arg-type]
