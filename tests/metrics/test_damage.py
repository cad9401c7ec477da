"""Known damage to rendered faces moves each metric the right way, by both networks; agreement with torchmetrics on their features."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from organza.data import open_data, parse_size, render_faces
from organza.metrics.evaluate import thorough
from organza.metrics.features import Extractor, offline_extractor, second_opinion
from organza.metrics.frechet import frechet_distance
from organza.metrics.kernels import Estimate, kid
from organza.metrics.memorisation import memorisation

COUNT = 150  # on each side


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder = render_faces(tmp_path_factory.mktemp("rendered") / "faces", count=3 * COUNT, size=64)
    return np.array(open_data(folder, size=parse_size("64")).images)


@pytest.fixture(scope="module", params=[offline_extractor, second_opinion], ids=["lite0", "mobilenet"])
def extractor(request: pytest.FixtureRequest) -> Extractor:
    return request.param(64)


@pytest.fixture(scope="module")
def features(extractor: Extractor, faces: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Of the training images, of the unseen ones, and of those that stand for a perfect generator."""
    training, unseen, fake = extractor(faces).split(COUNT)
    return training, unseen, fake


def blurred(images: np.ndarray, radius: float) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))) for image in images])


def noisy(images: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, images.shape)
    return (images + noise).clip(0, 255).round().astype(np.uint8)


def surely_less(one: Estimate, other: Estimate) -> bool:
    return other.value - one.value > 2 * (one.error**2 + other.error**2) ** 0.5


def test_a_perfect_generator_scores_as_one(features: tuple[Tensor, Tensor, Tensor]):
    training, unseen, fake = features
    scores = thorough(unseen, fake)
    for name, expected in (("mmd", 0), ("kid", 0), ("diversity", 1)):
        assert abs(scores[name].value - expected) < 3.5 * scores[name].error
    for name in ("precision", "recall", "density", "coverage"):
        assert scores[name].value > 0.8
    copied = memorisation(training, fake, unseen)
    assert abs(copied.nearness.value - 1) < 0.15
    assert copied.copies.value < 0.06


@pytest.mark.parametrize(("damage", "levels"), [(blurred, (0.7, 1.5, 3)), (noisy, (8, 25, 60))])
def test_bad_pictures(damage, levels, extractor: Extractor, faces: np.ndarray, features: tuple[Tensor, Tensor, Tensor]):
    unseen, fake = features[1:]
    series = [thorough(unseen, fake), *(thorough(unseen, extractor(damage(faces[-COUNT:], x))) for x in levels)]
    for name in ("mmd", "frechet", "frechet_infinite"):
        assert all(surely_less(less, more) for less, more in pairwise(scores[name] for scores in series))
    for name in ("precision", "density", "coverage"):
        assert all(surely_less(series[k][name], series[0][name]) for k in (2, 3))


def test_dropped_modes(features: tuple[Tensor, Tensor, Tensor]):
    """A quarter of the faces, those most like one of them, four times each."""
    unseen, fake = features[1:]
    some = fake[(fake - fake[0]).norm(dim=1).argsort()[: COUNT // 4]].repeat(4, 1)
    whole, part = thorough(unseen, fake[: len(some)]), thorough(unseen, some)
    for name in ("recall", "coverage", "diversity"):
        assert surely_less(part[name], whole[name])
    assert part["precision"].value > 0.8  # each of them is a good face
    assert surely_less(whole["mmd"], part["mmd"])


def test_copies(extractor: Extractor, faces: np.ndarray, features: tuple[Tensor, Tensor, Tensor]):
    """Training images resaved as JPEG: not a pixel is the same, and every distance to unseen images is content."""
    training, unseen, fake = features
    honest = memorisation(training, fake, unseen)
    retouched = extractor(noisy(faces[: COUNT // 3], 1))
    some = memorisation(training, torch.cat([retouched, fake[COUNT // 3 :]]), unseen)
    assert some.copies.value > 0.3
    assert set(some.nearest[: COUNT // 3].tolist()) == set(range(COUNT // 3))
    every = memorisation(training, training, unseen)
    assert every.copies.value == 1.0
    assert every.nearness.value < 0.05
    assert surely_less(some.copies, every.copies)
    assert surely_less(honest.copies, some.copies)
    assert abs(thorough(unseen, training)["mmd"].value) < 0.02  # the distance sees nothing


def test_order_and_batches_do_not_matter(
    extractor: Extractor, faces: np.ndarray, features: tuple[Tensor, Tensor, Tensor]
):
    training, unseen, fake = features
    parts = [extractor(part) for part in np.array_split(faces[-COUNT:][::-1], [5, 70, 71])]
    again = torch.cat(parts)
    one, other = thorough(unseen, fake), thorough(unseen.flip(0), again)
    for name in one:
        if name != "frechet_infinite":  # its halves are other halves
            assert other[name].value == pytest.approx(one[name].value, rel=1e-3, abs=1e-5)
    assert abs(one["frechet_infinite"].value - other["frechet_infinite"].value) < 2 * one["frechet_infinite"].error
    first, second = memorisation(training, fake, unseen), memorisation(training.flip(0), again, unseen)
    assert first.nearness.value == pytest.approx(second.nearness.value, rel=1e-4)


class Passing(nn.Module):
    """Features that are there already."""

    num_features = 1280

    def forward(self, features: Tensor) -> Tensor:
        return features


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_torchmetrics_agrees_on_these_features(features: tuple[Tensor, Tensor, Tensor]):
    real, fake = (part.double() for part in features[1:])
    theirs = FrechetInceptionDistance(feature=Passing()).set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    assert frechet_distance(real, fake) == pytest.approx(theirs.compute().item(), rel=1e-5)
    published = KernelInceptionDistance(feature=Passing(), subsets=1, subset_size=COUNT).set_dtype(torch.float64)
    published.update(real, real=True)
    published.update(fake, real=False)
    assert kid(real, fake).value == pytest.approx(published.compute()[0].item(), rel=1e-5)
