"""Copies that were planted are found, what D knows by heart shows, and files say that they are synthetic unless that is turned off."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from organza import cli
from organza.evaluation.evaluate import evaluate
from organza.media.provenance import MADE, XMP, Provenance
from organza.media.volume_files import gif
from organza.metrics.membership import membership
from organza.metrics.memorisation import memorisation, thumbnails
from organza.recipes import get
from organza.run.checkpoint import MANIFEST
from tests.contracts.discovery import small
from tests.drawings import drawing
from tests.helpers import train


def pictures_of(seeds: range) -> np.ndarray:
    return np.stack([np.asarray(drawing(seed)) for seed in seeds])


def test_planted_copies_are_found_in_pixels_and_fresh_pictures_are_not_accused():
    training, unseen, fresh = (thumbnails(pictures_of(range(start, start + 300))) for start in (0, 1000, 2000))
    found = memorisation(training, fresh, unseen)
    assert found.copies.value <= 0.03
    planted = fresh.clone()
    planted[:30] = training[:30] + 0.002 * torch.randn(
        30, training.shape[1], generator=torch.Generator().manual_seed(0)
    )
    found = memorisation(training, planted, unseen)
    assert found.copies.value >= 0.1
    assert found.nearest[:30].tolist() == list(range(30))  # each by name


def test_membership_by_a_discriminator_that_knows_its_images_by_heart():
    draw = torch.Generator().manual_seed(0)
    one, other = torch.randn(500, generator=draw), torch.randn(400, generator=draw)
    found = membership(one, other)
    assert abs(found.value - 0.5) < 3 * found.error
    found = membership(one + 1, other)
    assert abs(found.value - 0.7602) < 3 * found.error  # Phi(1 / sqrt 2)
    assert membership(one + 100, other).value == 1.0


@pytest.fixture(scope="module")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    train(pictures, run, small(get("dcgan-r1"), 4), budget="40img")
    return run


def test_an_evaluation_holds_the_audit(trained: Path):
    metrics = evaluate(trained, count=30)[0].metrics
    assert {"nearness", "copies", "pixel nearness", "pixel copies", "membership"} <= set(metrics)
    assert 0 <= metrics["membership"].value <= 1


def sample(run: Path, out: Path, *more: str) -> Path:
    with pytest.raises(SystemExit) as end:
        cli.main(["sample", str(run), "--count", "3", "--seed", "5", "--out", str(out), *more])
    assert not end.value.code
    return out


def test_files_say_that_they_are_synthetic_by_which_weights_and_from_which_seed(trained: Path, tmp_path: Path):
    out = sample(trained, tmp_path / "out")
    manifest = next((trained / "checkpoints").glob("*/" + MANIFEST)).parent.parent / "00000040" / MANIFEST
    for file in out.glob("*.png"):
        info = Image.open(file).info
        assert f"<Iptc4xmpExt:DigitalSourceType>{MADE}<" in info[XMP]
        assert info["Seed"] == "5"
        assert info["Model"] in manifest.read_text()
        assert "recipe dcgan-r1" in info[XMP]
    plain = sample(trained, tmp_path / "plain", "--no-metadata")
    for file in plain.glob("*.png"):
        assert Image.open(file).info == {}
        assert np.array_equal(np.asarray(Image.open(file)), np.asarray(Image.open(out / file.name)))


def test_the_sheets_of_a_run_say_so_too(trained: Path):
    last = sorted(file for file in (trained / "samples").glob("*.png") if file.stem != "real")[-1]
    info = Image.open(last).info
    assert f"<Iptc4xmpExt:DigitalSourceType>{MADE}<" in info[XMP]
    assert info["Model"] in (trained / "checkpoints" / last.stem / MANIFEST).read_text()
    assert XMP not in Image.open(trained / "samples" / "real.png").info  # nobody made those up


def test_a_turntable_says_so_in_its_comment():
    frames = [np.full((8, 8, 3), shade, np.uint8) for shade in (0, 255)]
    made_by = Provenance("ab", "00000001", "gan3d", 1)
    said = Image.open(io.BytesIO(gif(frames, made_by=made_by))).info["comment"]
    assert made_by.text.encode() in said
    assert MADE.encode() in said
    assert "comment" not in Image.open(io.BytesIO(gif(frames))).info


def test_the_packet_is_sound_xml():
    from xml.etree import ElementTree

    packet = Provenance("ab", "00000001", "<&>", 1).xmp()
    root = ElementTree.fromstring(re.sub(r"<\?.*?\?>", "", packet))
    assert "<&>" in "".join([*root.itertext(), *(value for node in root.iter() for value in node.attrib.values())])
