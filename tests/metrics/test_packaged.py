"""Weights that come inside packages are never trusted unchecked, and converted once."""

import stat
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from organza.errors import UserError
from organza.metrics.extractors import bundled_weights, efficientnet_lite, mobilenet, weight_cache
from organza.metrics.extractors.bundled_weights import Weights, converted, pretrained

Source = tuple[Callable[[], nn.Module], Weights]
SOURCES: list[Source] = [
    (efficientnet_lite.Lite0, efficientnet_lite.WEIGHTS),
    (mobilenet.MobileNetV2, mobilenet.WEIGHTS),
]


@pytest.fixture(params=SOURCES, ids=lambda source: source[1].name, scope="module")
def source(request: pytest.FixtureRequest) -> Source:
    return request.param


@pytest.fixture(scope="module")
def state(source: Source) -> dict[str, Tensor]:
    make, weights = source
    return converted(make(), weights.published(), weights.epsilon)


def forbid(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setattr(Weights, "published", lambda self: pytest.fail(told))


def test_nothing_of_it_can_be_trained(source: Source):
    network = pretrained(*source)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_converted_once(source: Source, tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch):
    pretrained(*source, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [f"{source[1].name}.safetensors"]
    forbid(monkeypatch, "the package's file was read again")
    again = pretrained(*source, tmp_path).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def flip_a_bit(path: Path, weights: Weights) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def cut(path: Path, weights: Weights) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path, weights: Weights) -> None:
    path.write_bytes(b"")


def other_weights(path: Path, weights: Weights) -> None:
    weight_cache.write(path, {"weight": torch.zeros(3)}, {"format": bundled_weights.FORMAT, "source sha256": "0" * 64})


@pytest.mark.parametrize("damage", [flip_a_bit, cut, empty, other_weights])
def test_a_damaged_cache_is_made_again(
    damage, source: Source, tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
):
    pretrained(*source, tmp_path)
    [path] = tmp_path.iterdir()
    damage(path, source[1])
    mended = pretrained(*source, tmp_path).state_dict()
    assert all(torch.equal(mended[name], tensor) for name, tensor in state.items())
    forbid(monkeypatch, "the cache was not mended")
    pretrained(*source, tmp_path)


def test_wrong_weights_are_refused(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    weights = source[1]
    body = bytearray(weights.published_file().read_bytes())
    body[len(body) // 2] ^= 1
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(body)
    monkeypatch.setattr(Weights, "published_file", lambda self: wrong)
    with pytest.raises(UserError, match=f"expected {weights.sha256}"):
        pretrained(*source, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_missing_package_and_missing_file_are_told_in_words(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def missing(name: str):
        raise PackageNotFoundError(name)

    with monkeypatch.context() as patch:
        patch.setattr(bundled_weights, "distribution", missing)
        with pytest.raises(UserError, match=source[1].install):
            pretrained(*source, tmp_path)
    monkeypatch.setattr(Weights, "published_file", lambda self: tmp_path / "gone.pth")
    with pytest.raises(UserError, match="reinstall"):
        pretrained(*source, tmp_path)


def test_a_cache_that_cannot_be_written_costs_time_only(source: Source, tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.warns(UserWarning, match="could not be cached"):
        assert isinstance(pretrained(*source, blocked / "cache"), nn.Module)


def test_other_users_may_read_what_the_cache_holds_as_the_umask_says(tmp_path: Path):
    (tmp_path / "plain").touch()
    weight_cache.write(tmp_path / "x.safetensors", {"x": torch.zeros(1)}, {})
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "x.safetensors")]
    assert modes[0] == modes[1]
