"""Features: the same whatever the batches, stated rules for every kind of image, and numbers that follow what the eye sees."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from organza.errors import UserError
from organza.metrics.extractors.efficientnet_lite import WEIGHTS
from organza.metrics.extractors.features import Extractor, at_once, cached_features, offline_extractor, pixels
from organza.metrics.kernels import gaussian_mmd
from organza.metrics.suite import evaluate


def face(seed: int, size: int = 64) -> np.ndarray:
    """A cartoon face drawn with PIL: head, hair, eyes, mouth, in colours that vary."""
    rng = np.random.default_rng(seed)
    skin, hair, eyes = (
        tuple(int(v) for v in rng.integers(low, high, 3)) for low, high in ((150, 250), (0, 200), (0, 120))
    )
    image = Image.new("RGB", (4 * size, 4 * size), "white")  # drawn large, shrunk: smooth edges
    pen, s = ImageDraw.Draw(image), 4 * size / 64
    x, y, width, height = rng.uniform([28, 30, 14, 17], [36, 38, 19, 22])

    def oval(left: float, top: float, right: float, bottom: float, colour) -> None:
        pen.ellipse([s * left, s * top, s * right, s * bottom], fill=colour)

    oval(x - width - 3, y - height - 5, x + width + 3, y + rng.uniform(-5, 12), hair)
    oval(x - width, y - height, x + width, y + height, skin)
    gap, eye, mouth = rng.uniform(5, 8), rng.uniform(1.5, 3), rng.uniform(3, 8)
    for side in (-1, 1):
        oval(x + side * gap - eye, y - 4 - eye, x + side * gap + eye, y - 4 + eye, eyes)
    pen.arc(
        [s * (x - mouth), s * (y + 3), s * (x + mouth), s * (y + 11)], 10, 170, fill=(120, 20, 30), width=int(1.5 * s)
    )
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))


def faces(count: int, first: int = 0) -> np.ndarray:
    return np.stack([face(seed) for seed in range(first, first + count)])


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return offline_extractor(64)


@pytest.fixture(scope="module")
def real(extractor: Extractor) -> Tensor:
    return extractor(faces(120))


def test_batches_and_order_do_not_matter(extractor: Extractor):
    images = faces(at_once(64) + 5)
    whole = extractor(images)
    assert whole.dtype == torch.float32
    assert whole.shape == (len(images), extractor.dimension)
    for parts in ([1] * len(images), [3, at_once(64), 2]):
        apart = torch.cat([extractor(part) for part in torch.split(torch.from_numpy(images), parts)])
        assert (apart - whole).abs().max() < 1e-5 * whole.abs().max()
    assert (extractor(images[::-1]).flip(0) - whole).abs().max() < 1e-5 * whole.abs().max()


@torch.no_grad()
def test_features_are_the_published_network_s(extractor: Extractor):
    network: Any = EfficientNet.from_name("efficientnet-lite0", image_size=64)
    network.load_state_dict(WEIGHTS.published())
    images = torch.from_numpy(faces(4))
    # The preprocessing its authors publish: (pixel - 127) / 128.
    expected = network.eval().extract_features((images.movedim(3, 1) - 127.0) / 128.0).mean((2, 3))
    assert (extractor(images) - expected).abs().max() < 1e-4 * expected.max()


def test_no_pictures_have_no_features(extractor: Extractor):
    assert extractor(faces(1)[:0]).shape == (0, extractor.dimension)


def test_the_caller_s_pictures_are_left_alone(extractor: Extractor):
    images = torch.from_numpy(faces(2))
    before = images.clone()
    extractor(images)
    assert torch.equal(images, before)


def test_grey_is_repeated_and_transparency_is_laid_on_white():
    grey = torch.from_numpy(faces(2)[..., :1])
    assert torch.equal(pixels(grey, 48), pixels(grey.expand(-1, -1, -1, 3), 48))

    rgb, opacity = torch.from_numpy(faces(2)), torch.full((2, 64, 64, 1), 255, dtype=torch.uint8)
    assert torch.allclose(pixels(torch.cat([rgb, opacity], 3), 64), rgb.movedim(3, 1).float(), atol=1e-3)
    halved = pixels(torch.cat([rgb, opacity // 2], 3), 64)
    assert torch.allclose(halved, rgb.movedim(3, 1) * (127 / 255) + 128, atol=1e-3)
    assert (pixels(torch.cat([rgb, opacity * 0], 3), 64) == 255).all()


@pytest.mark.parametrize(("width", "height", "resolution"), [(64, 64, 96), (200, 120, 96), (30, 90, 64)])
def test_resized_as_pillow_does(width: int, height: int, resolution: int):
    image = np.array(Image.fromarray(face(0, 256)).resize((width, height), Image.Resampling.BICUBIC))
    # In Pillow's floating-point mode: its 8-bit one rounds and clamps between rows and columns, too.
    planes = [Image.fromarray(image[..., c].astype(np.float32)) for c in range(3)]
    expected = np.stack(
        [np.asarray(plane.resize((resolution, resolution), Image.Resampling.BICUBIC)) for plane in planes]
    )
    [ours] = pixels(torch.from_numpy(image)[None], resolution)
    assert (ours - torch.from_numpy(expected).clamp(0, 255)).abs().max() < 0.01


def test_rectangles_and_grey_are_measured(extractor: Extractor):
    assert extractor(np.zeros((3, 20, 50, 1), np.uint8)).isfinite().all()


@pytest.mark.parametrize(
    ("images", "word"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), "uint8"),
        (np.zeros((8, 8, 3), np.uint8), r"\[8, 8, 3\]"),
        (np.zeros((2, 8, 8, 2), np.uint8), "2 channels"),
        (np.zeros((2, 0, 8, 3), np.uint8), "uint8"),
        (np.zeros((2, 8, 8, 8, 1), np.uint8), "uint8"),
    ],
)
def test_other_arrays_are_refused_in_words(images: np.ndarray, word: str, extractor: Extractor):
    with pytest.raises(UserError, match=word):
        extractor(images)


def test_resolution_must_be_seen():
    with pytest.raises(UserError, match="32 or more"):
        offline_extractor(16)


def test_features_are_kept_and_checked(extractor: Extractor, tmp_path: Path):
    asked: list[int] = []

    class Counting:
        name, dimension = "counting", extractor.dimension

        def card(self) -> dict:
            return extractor.card() | {"resolution": resolution}

        def __call__(self, images: np.ndarray | Tensor) -> Tensor:
            asked.append(len(images))
            return extractor(images)

    resolution, images = 64, faces(3)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    folder = tmp_path / "features"
    first = cached_features(Counting(), mapped, "three faces", folder)
    assert torch.equal(cached_features(Counting(), mapped, "three faces", folder), first)
    assert asked == [3]

    [path] = folder.iterdir()
    body = bytearray(path.read_bytes())
    body[-10] ^= 1
    path.write_bytes(body)
    assert torch.equal(cached_features(Counting(), mapped, "three faces", folder), first)
    assert asked == [3, 3]

    cached_features(Counting(), mapped, "other faces", folder)
    resolution = 65
    cached_features(Counting(), mapped, "three faces", folder)
    cached_features(Counting(), mapped[:2], "three faces", folder)
    assert asked == [3, 3, 3, 3, 2]
    assert len(list(folder.iterdir())) == 4


def blurred(images: np.ndarray, radius: float) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))) for image in images])


def noisy(images: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, images.shape)
    return (images + noise).clip(0, 255).round().astype(np.uint8)


def upside_down(images: np.ndarray, share: float) -> np.ndarray:
    """A share of the faces is replaced by upside-down ones."""
    count = int(share * len(images))
    return np.concatenate([images[:count, ::-1], images[count:]])


@pytest.mark.parametrize(
    ("damage", "levels"), [(blurred, (0.7, 1.5, 3)), (noisy, (6, 20, 60)), (upside_down, (0.4, 0.7, 1.0))]
)
def test_more_damage_is_more_distance(damage, levels: tuple[float, ...], extractor: Extractor, real: Tensor):
    others = faces(120, first=1000)
    same = evaluate(real, extractor(others))
    damaged = [evaluate(real, extractor(damage(others, level))) for level in levels]
    for name in ("mmd", "kid"):
        distances = [same[name], *(scores[name] for scores in damaged)]
        assert abs(distances[0].value) < 3 * distances[0].error
        assert all(y.value - x.value > 2 * (x.error**2 + y.error**2) ** 0.5 for x, y in pairwise(distances))


def test_nothing_is_farther_than_poor_faces(extractor: Extractor, real: Tensor):
    """The order of early training, where the cubic kernel goes wrong: poor faces before a flat grey before one mean face."""
    images = faces(120, first=1000)
    flat = np.full_like(images, 128)
    mean = np.repeat(images.mean(0, keepdims=True).round().astype(np.uint8), len(images), 0)
    poor, nothing, one = (gaussian_mmd(real, extractor(x)).value for x in (blurred(noisy(images, 25), 1), flat, mean))
    assert poor < nothing - 0.1
    assert poor < one - 0.1
