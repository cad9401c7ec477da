"""Two folders without pairs: what is missing is said, each domain has its own order, and nothing of one depends on the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from organza import Pairs, Source, Unpaired, UserError
from tests.drawings import drawing


def domains(folder: Path, a: int = 120, b: int = 150, grey: bool = False) -> Path:
    for name, count, first in (("a", a, 0), ("b", b, 5000)):
        (folder / name).mkdir(parents=True)
        for item in range(count):
            picture = drawing(first + item)
            (picture.convert("L") if grey and name == "a" else picture).save(folder / name / f"{item:03d}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return domains(tmp_path_factory.mktemp("domains"))


def opened(folder: Path, **more) -> Unpaired:
    return Unpaired(Source(folder, size=32), **more)


def which(pictures: torch.Tensor, images: np.ndarray) -> list[int]:
    """The numbers of images in a domain."""
    flat = torch.as_tensor(np.array(images)).flatten(1).float()
    return [int((flat - x).abs().sum(1).argmin()) for x in ((pictures + 1) * 127.5).round().movedim(1, -1).flatten(1)]


@pytest.mark.parametrize(("gone", "said"), [("a", "lacks a"), ("b", "lacks b"), ("ab", "lacks a and b")])
def test_a_missing_domain_is_named(gone: str, said: str, folder: Path, tmp_path: Path):
    for name in {"a", "b"} - set(gone):
        shutil.copytree(folder / name, tmp_path / name)
    with pytest.raises(UserError, match=f"{said}\\.$"):
        opened(tmp_path)


@pytest.mark.parametrize("empty", ["a", "b"])
def test_an_empty_domain_is_named(empty: str, folder: Path, tmp_path: Path):
    for name in "ab":
        shutil.copytree(folder / name, tmp_path / name)
    for file in (tmp_path / empty).iterdir():
        file.unlink()
    with pytest.raises(UserError, match=f"{tmp_path}/{empty}"):
        opened(tmp_path)


def test_each_domain_is_held_out_and_gone_through_by_itself(folder: Path):
    data = opened(folder)
    assert data.count == 150
    assert data.facts()["source_count"] == 120
    batches = [data.at(range(start, start + 54)) for start in (0, 54)]
    seen_a = [k for batch in batches for k in which(batch["a"], data.images[0])]
    assert sorted(seen_a) == sorted(data.others.train)  # 108 of 120: a whole pass, each once
    batch = data.at(range(135))
    assert sorted(which(batch["b"], data.images[1])) == sorted(data.parts.train)
    held = data.referenced(range(15))
    assert sorted(which(held["b"], data.images[1])) == sorted(data.parts.held_out)
    assert set(which(held["a"], data.images[0])) == set(data.others.held_out)
    assert set(which(held["a"], data.images[0])).isdisjoint(seen_a)


def test_the_orders_of_both_domains_differ_and_meet_anew_in_each_pass(tmp_path: Path):
    data = opened(domains(tmp_path, a=120, b=120))
    first, second = data.at(range(108)), data.at(range(108, 216))
    a, b = which(first["a"], data.images[0]), which(first["b"], data.images[1])
    again_a, again_b = which(second["a"], data.images[0]), which(second["b"], data.images[1])
    assert a != b
    assert a != again_a
    met = dict(zip(a, b, strict=True))
    assert sum(met[x] == y for x, y in zip(again_a, again_b, strict=True)) < 10


def test_any_position_is_the_same_picture_whatever_the_batch(folder: Path):
    data, other = opened(folder, jitter=4, mirror=True), opened(folder, jitter=4, mirror=True)
    whole = data.at(range(200, 216))
    for name in "ab":
        parts = torch.cat([other.at(range(start, start + 4))[name] for start in (212, 208, 204, 200)][::-1])
        assert torch.equal(parts, whole[name])
        assert whole[name].shape == (16, 3, 32, 32)


def test_half_of_each_domain_is_mirrored_with_coins_of_its_own(folder: Path):
    plain, turned = opened(folder).at(range(100)), opened(folder, mirror=True).at(range(100))
    coins = {}
    for name in "ab":
        same = (plain[name] == turned[name]).flatten(1).all(1)
        assert ((plain[name].flip(-1) == turned[name]).flatten(1).all(1) | same).all()
        assert 30 < int(same.sum()) < 70
        coins[name] = same
    assert not torch.equal(coins["a"], coins["b"])


def test_what_is_measured_is_never_moved_or_mirrored(folder: Path):
    plain, jittered = opened(folder), opened(folder, jitter=6, mirror=True)
    assert torch.equal(plain.referenced(range(15))["b"], jittered.referenced(range(15))["b"])
    assert np.array_equal(plain.real(), jittered.real())
    assert jittered.shape == jittered.source_shape == (3, 32, 32)


def test_a_grey_domain_is_read_in_colour_where_the_other_has_colours(tmp_path: Path):
    data = opened(domains(tmp_path, a=12, b=12, grey=True))
    assert data.source_shape == data.shape == (3, 32, 32)
    a = data.at(range(4))["a"]
    assert torch.equal(a[:, 0], a[:, 2])
    assert Unpaired(Source(tmp_path, size=32, channels=1)).shape == (1, 32, 32)


def test_the_same_folder_read_as_pairs_is_other_data(tmp_path: Path):
    folder = domains(tmp_path, a=12, b=12)
    assert opened(folder).fingerprint != Pairs(Source(folder, size=32)).fingerprint
