"""Damaged real images as a measure of distances: what is done to them, and that it tells data sets apart as the eye does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from organza import Images, Source
from organza.data import render_faces
from organza.metrics.damage import UNIT, Damage, blurred, damage, pieces
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.multiscale import Pyramid


@pytest.mark.parametrize("shape", [(9, 9, 3), (10, 31, 4), (3, 8, 1)])
def test_pieces_come_each_from_another_image_at_their_place(shape: tuple[int, ...]):
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    made = pieces(images)
    assert np.array_equal(np.sort(made, 0), np.sort(images, 0))
    assert not np.array_equal(made, images)
    assert np.array_equal(made, pieces(images))


def test_a_blur_is_a_gaussian():
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    ours = blurred(image)[0, 16:48, 16:48].astype(int)
    theirs = np.asarray(Image.fromarray(image[0]).filter(ImageFilter.GaussianBlur(4)))[16:48, 16:48].astype(int)
    assert np.abs(ours - theirs).mean() < 2  # Pillow's is three box blurs


def test_the_unit_is_the_lesser_damage_of_those_that_do_any():
    assert Damage(0.13, 0.3).unit == 0.13
    assert Damage(-0.001, 0.4).unit == 0.4
    assert Damage(0.001, 0.002).unit == UNIT


def test_faces_in_pieces_stand_far_from_faces(tmp_path: Path):
    folder = render_faces(tmp_path / "faces", 120, 64)
    real = np.array(Images(Source(folder, size=64)).pack.images[:100])
    extractor = Pyramid(offline_extractor)
    found = damage(extractor, real, extractor(real), "faces", tmp_path)
    assert 0.08 < found.pieces < 0.25
    assert found.blurred > found.pieces
    noise = np.random.default_rng(0).integers(0, 256, real.shape, np.uint8)
    same = damage(extractor, noise, extractor(noise), "noise", tmp_path)
    assert same.pieces < 0.01  # noise in pieces is noise
