"""Shape statistics: what they see, what they do not care for, and that a generator of one cube is caught."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.drawings import table

from organza.errors import UserError
from organza.metrics.shapes import ShapeStatistics, blocks, pieces, variety
from organza.metrics.suite import evaluate


def tables(first: int, count: int, side: int = 32) -> np.ndarray:
    return np.stack([table(item, side) for item in range(first, first + count)])[..., None] * np.uint8(255)


def cubes(sides: list[int]) -> np.ndarray:
    made = np.zeros((len(sides), 32, 32, 32, 1), np.uint8)
    for volume, side in zip(made, sides, strict=True):
        low = 16 - side // 2
        volume[low : low + side, 32 - side :, low : low + side] = 255
    return made


measured = ShapeStatistics()


def test_features_do_not_depend_on_the_batch_and_are_of_the_promised_width():
    volumes = tables(0, 40)
    features = measured(volumes)
    assert features.shape == (40, measured.dimension)
    assert features.dtype == torch.float32
    assert torch.allclose(features[7:9], measured(volumes[7:9]), atol=1e-6)
    assert measured(tables(0, 2, 16)).shape == measured(tables(0, 2, 64)).shape == (2, measured.dimension)


def test_an_empty_or_full_volume_is_finite():
    extremes = np.concatenate([np.zeros((1, 16, 16, 16, 1), np.uint8), np.full((1, 16, 16, 16, 1), 255, np.uint8)])
    assert measured(extremes).isfinite().all()
    assert measured(extremes[:0]).shape == (0, measured.dimension)


def test_statistics_by_hand():
    half = np.zeros((1, 16, 16, 16, 1), np.uint8)
    half[:, :, 8:] = 255  # the lower half
    found = blocks(half)
    assert found["occupancy"].reshape(4, 4, 4)[:, :2].max() == 0
    assert found["occupancy"].reshape(4, 4, 4)[:, 2:].min() == 1
    assert found["profiles"][0, 16:32].tolist() == [0.0] * 8 + [1.0] * 8  # along the height
    assert found["symmetry"][0].tolist() == [1.0, 0.0, 1.0]
    assert found["parts"][0, :2].tolist() == pytest.approx([np.log(2), 1.0])
    assert found["extent"][0].tolist() == [1.0, 0.5, 1.0, 0.5, 1.0]
    assert found["distances"].sum().item() == pytest.approx(1, abs=1e-6)


def test_pieces_are_counted():
    volume = torch.zeros(1, 16, 16, 16)
    volume[0, 2:4, 2:4, 2:4] = volume[0, 10:14, 10:14, 10] = volume[0, 15, 15, 0] = 1
    count, largest = pieces(volume)
    assert count.item() == 3
    assert largest.item() == pytest.approx(16 / 25)


def test_a_generator_that_always_makes_a_cube_is_caught():
    """A known fault of the books' 3-D GANs: every sample is the same cube, and nothing says so."""
    real, other = measured(tables(0, 120)), measured(tables(1000, 60))
    always, nearly = measured(cubes([14] * 60)), measured(cubes([14] * 57 + [13, 14, 15]))
    assert variety(real, other).value == pytest.approx(1, abs=0.15)
    assert variety(real, always).value == pytest.approx(0, abs=1e-6)
    assert variety(real, nearly).value < 0.25
    assert evaluate(real, other)["mmd"].value < 0.1
    assert evaluate(real, always)["mmd"].value > 0.5
    repeated = measured(np.repeat(tables(0, 1), 60, 0))  # one good table again and again
    assert variety(real, repeated).value == pytest.approx(0, abs=1e-6)
    assert evaluate(real, repeated)["mmd"].value > 5 * evaluate(real, other)["mmd"].value


def test_damage_moves_the_distance_in_its_order():
    real, held = measured(tables(0, 120)), tables(1000, 60)
    rng = np.random.default_rng(0)
    distances = []
    for share in (0.0, 0.01, 0.05, 0.2):
        noise = rng.random(held.shape) < share
        distances.append(evaluate(real, measured(np.where(noise, 255 - held, held)))["mmd"].value)
    assert distances == sorted(distances)
    assert distances[1] > distances[0] + 0.05


def test_varietys_error_is_that_of_repetition():
    torch.manual_seed(0)
    real = torch.randn(2000, 5)
    found = [variety(real, torch.randn(50, 5)) for _ in range(200)]
    spread = np.std([estimate.value for estimate in found])
    assert np.mean([estimate.error for estimate in found]) == pytest.approx(spread, rel=0.2)


def test_pictures_are_refused_in_words():
    with pytest.raises(UserError, match=r"uint8 volumes \[N, D, H, W, 1\], not uint8 \[2, 8, 8, 3\]"):
        measured(np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="float32"):
        measured(torch.zeros(2, 8, 8, 8, 1))
