"""Agreement with torch-fidelity and torchmetrics from files of images on, and of the networks that papers measure with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.references import COUNT, clip_weights, dinov2_weights, folder, inception_weights, pictures
from torch import Tensor, nn

from organza.evaluation.evaluate import evaluate
from organza.evaluation.results import Evaluation
from organza.metrics.extractors import inception, vit
from organza.metrics.extractors.downloaded_weights import loaded
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.reference import KINDS, Known

TOLD = json.loads((Path(__file__).parent.parent / "fixtures" / "fidelity.json").read_text())
"""What torch-fidelity said: benchmarks/fidelity.py."""
WEIGHTS = {"inception": inception_weights, "clip": clip_weights, "dinov2": dinov2_weights}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("pictures")
    return folder("fake", place), folder("real", place)


@pytest.fixture(scope="module")
def measured(folders: tuple[Path, Path]) -> Evaluation:
    """Our whole way from two folders to numbers, by one look at each image."""
    [found] = evaluate(folders[0], folders[1], extractors=[offline_extractor()])
    return found


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("frechet", "frechet_inception_distance"), ("kid", "kernel_inception_distance_mean"), ("precision",) * 2, ("recall",) * 2],
)  # fmt: skip
def test_torch_fidelity_says_the_same_of_the_same_files(measured: Evaluation, ours: str, theirs: str):
    """Its own reading of PNG files, a registered extractor around the same network; KID over all pairs, balls of five neighbours."""
    assert measured.metrics[ours].value == pytest.approx(TOLD["folders"][theirs], rel=1e-5)


class Seeing(nn.Module):
    """The offline network as torchmetrics wants it: uint8 [N, 3, H, W] to features."""

    num_features = 1280

    def forward(self, x: Tensor) -> Tensor:
        return offline_extractor()(x.movedim(1, -1))


def test_torchmetrics_says_the_same_of_the_same_files(measured: Evaluation, folders: tuple[Path, Path]):
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    fid = FrechetInceptionDistance(feature=Seeing()).set_dtype(torch.float64)
    kid = KernelInceptionDistance(feature=Seeing(), subsets=1, subset_size=COUNT)
    for path, real in zip(folders, (False, True), strict=True):
        files = [np.asarray(Image.open(file).convert("RGB")) for file in sorted(path.glob("*.png"))]
        for metric in (fid, kid):
            metric.update(torch.from_numpy(np.stack(files)).movedim(-1, 1), real=real)
    assert measured.metrics["frechet"].value == pytest.approx(fid.compute().item(), rel=1e-5)
    assert measured.metrics["kid"].value == pytest.approx(kid.compute()[0].item(), rel=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_the_networks_of_papers_see_what_theirs_see(name: str):
    """With the same weights by chance, under the published names, torch-fidelity's features: resizing, layers and names are right."""
    kind = KINDS[name]
    extractor = Known(kind, loaded(kind.network(), kind.weights.converted(WEIGHTS[name]())))
    expected = torch.tensor(TOLD["features"][name])
    found = extractor(pictures("real")[: len(expected)])
    assert found.shape == (len(expected), kind.dimension)
    assert torch.allclose(found[:, : expected.shape[1]], expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert not torch.allclose(found[0], found[1], rtol=0.01)  # it looks at its images


def test_the_resizing_of_tensorflow_is_not_that_of_others():
    """It adds no half pixel, so the first pixel stays and the last repeats; an image that is large enough comes through unchanged."""
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert torch.equal(inception.resized(x.expand(1, 1, 2, 3), 6)[0, 0, 0], torch.tensor([0, 0.5, 1, 1.5, 2, 2]))
    same = torch.rand(1, 3, 9, 9)
    assert torch.equal(inception.resized(same, 9), same)
    assert inception.resized(torch.rand(2, 3, 40, 10), vit.SIDE).shape == (2, 3, 224, 224)
