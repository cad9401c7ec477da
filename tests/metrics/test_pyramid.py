"""Several looks at an image see what one does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from organza.data import open_data, parse_size, render_faces
from organza.metrics.extractors import efficientnet_lite
from organza.metrics.extractors.features import offline_extractor, planes
from organza.metrics.extractors.multiscale import LEAST, Pyramid, as_they_are, looks_of, reduced
from organza.metrics.kernels import gaussian_mmd
from organza.metrics.paired import faithfulness
from organza.metrics.suite import by_class, distance, evaluate, thorough


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder = render_faces(tmp_path_factory.mktemp("rendered") / "faces", count=200, size=64)
    return np.array(open_data(folder, size=parse_size("64")).images)


@pytest.fixture(scope="module")
def features(faces: np.ndarray) -> torch.Tensor:
    return Pyramid(offline_extractor)(faces)


def test_what_lost_its_colours_is_farther_by_several_looks_than_by_one(faces: np.ndarray, features: torch.Tensor):
    """Beside a blur that the eye minds less."""
    pyramid, (real, fake) = Pyramid(offline_extractor), features.split(100)
    grey = np.broadcast_to(faces[100:].mean(3, keepdims=True), faces[100:].shape).round().astype(np.uint8)
    small = reduced(faces[100:], 2)
    blurred = np.asarray(small).repeat(2, 1).repeat(2, 2)
    of_grey, of_blurred = pyramid(grey), pyramid(blurred)
    alone = [gaussian_mmd(as_they_are(real), as_they_are(x)).value for x in (of_grey, of_blurred)]
    several = [distance(real, x).value for x in (of_grey, of_blurred)]
    assert several[0] / several[1] > 1.5 * alone[0] / alone[1]
    assert abs(distance(real, fake).value) < 3 * distance(real, fake).error


def test_distance_is_the_mean_of_the_looks(features: torch.Tensor):
    real, fake = features.split(100)
    parts = [gaussian_mmd(x, y + 0.1) for x, y in zip(looks_of(real), looks_of(fake), strict=True)]
    found = distance(real, fake + 0.1)
    assert found.value == pytest.approx(np.mean([part.value for part in parts]))
    assert found.error == pytest.approx(np.mean([part.error for part in parts]))
    assert evaluate(real, fake)["mmd"] == distance(real, fake)


def test_all_but_the_distance_is_of_the_first_look(faces: np.ndarray, features: torch.Tensor):
    real, fake = features.split(100)
    several, alone = thorough(real, fake), thorough(as_they_are(real), as_they_are(fake))
    assert {name for name in several if several[name] != alone[name]} == {"mmd"}
    classes = np.arange(100) % 2
    assert by_class(real, classes, fake, classes, ["a", "b"]).keys() == {"a", "b"}
    pair = torch.from_numpy(faces[:4])
    found = faithfulness(pair, pair.flip(2), Pyramid(offline_extractor))["perceptual"]
    assert found == faithfulness(pair, pair.flip(2), offline_extractor())["perceptual"]


@pytest.mark.parametrize(
    ("shape", "left"), [((64, 64, 3), (8, 8)), ((28, 28, 1), (4, 4)), ((9, 30, 4), (4, 4)), ((3, 64, 1), (3, 8))]
)
def test_pictures_of_any_size_are_reduced(shape: tuple[int, ...], left: tuple[int, int]):
    pictures = np.random.default_rng(0).integers(0, 256, (300, *shape), np.uint8)
    found = reduced(pictures, 8)
    shown = planes(torch.from_numpy(pictures)) if shape[2] == 4 else torch.from_numpy(pictures)
    assert tuple(found.shape) == (300, *left, min(shape[2], 3))
    assert min(left) >= min(LEAST, *shape[:2])
    assert abs(float(found.float().mean()) - shown.float().mean()) < 2
    assert reduced(pictures, 1) is pictures


def test_colours_that_cannot_be_seen_do_not_count_at_any_size():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 4), np.uint8)
    pictures[:, :9, :, 3] = 0
    other = pictures.copy()
    other[:, :9, :, :3] = 255
    for by in (2, 8):
        assert torch.equal(torch.as_tensor(reduced(pictures, by)), torch.as_tensor(reduced(other, by)))


def test_card_names_every_look():
    one, other = Pyramid(offline_extractor).card(), Pyramid(offline_extractor, {1: 96, 4: 32}).card()
    assert one != other
    assert one["also at"] == {"1/2": 48, "1/8": 32}
    assert one["name"] == offline_extractor().name


def test_its_looks_share_one_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    loaded = []
    monkeypatch.setenv("ORGANZA_CACHE", str(tmp_path))  # which no other extractor reads from
    monkeypatch.setattr(efficientnet_lite, "pretrained", lambda: loaded.append(nn.Identity()) or loaded[-1])
    looks = list(Pyramid(offline_extractor).looks.values())
    assert len(loaded) == 1
    assert all(look.network is loaded[0] for look in looks)  # type: ignore[attr-defined]
