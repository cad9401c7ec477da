"""The weight gradient by a product of matrices is the one that torch computes, wherever it is taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from organza.networks import convolutions
from organza.networks.convolutions import Conv2d, ConvTranspose2d, _Convolution


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the processor's instructions are."""
    monkeypatch.setattr(convolutions, "products_keep_up", lambda: True)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "HEAVY", 0)


def by_product(y: Any) -> bool:
    return isinstance(getattr(y, "grad_fn", y), _Convolution._backward_cls)


PAIRS = [
    (Conv2d(3, 5, 4, 2, 1), nn.Conv2d(3, 5, 4, 2, 1), (2, 3, 8, 8)),
    (Conv2d(3, 5, 4, 2, 1, bias=False), nn.Conv2d(3, 5, 4, 2, 1, bias=False), (2, 3, 8, 12)),
    (Conv2d(3, 5, 3, 1, 0), nn.Conv2d(3, 5, 3, 1, 0), (2, 3, 7, 6)),
    (ConvTranspose2d(5, 3, 4, 2, 1), nn.ConvTranspose2d(5, 3, 4, 2, 1), (2, 5, 4, 6)),
    (ConvTranspose2d(7, 3, 4, 1, 0, bias=False), nn.ConvTranspose2d(7, 3, 4, 1, 0, bias=False), (2, 7, 1, 1)),
]


@pytest.mark.parametrize(("ours", "plain", "shape"), PAIRS)
def test_gradients_are_those_of_torch(always: None, ours: nn.Module, plain: nn.Module, shape: tuple[int, ...]) -> None:
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(shape, requires_grad=True)
    y, wanted = ours(x), plain(x)
    assert by_product(y if ours.bias is None else y.grad_fn.next_functions[0][0])
    assert torch.equal(y, wanted) or torch.allclose(y, wanted, atol=1e-6)
    direction = torch.randn_like(y)
    found = torch.autograd.grad(y, (x, *ours.parameters()), direction)
    expected = torch.autograd.grad(wanted, (x, *plain.parameters()), direction)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(("ours", "plain", "shape"), PAIRS)
def test_second_derivatives_are_those_of_torch(
    always: None, ours: nn.Module, plain: nn.Module, shape: tuple[int, ...]
) -> None:
    plain.load_state_dict(ours.state_dict())
    grown = []
    for layer in (ours, plain):
        x = torch.linspace(-1, 1, torch.Size(shape).numel()).view(shape).requires_grad_()
        (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
        grown.append(torch.autograd.grad(slope.square().sum(), (x, *layer.parameters())))
    for one, other in zip(*grown, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_light_layers_and_large_maps_stay_with_torch() -> None:
    x = torch.randn(1, 256, 8, 8)
    heavy = Conv2d(256, 128, 4, 2, 1, bias=False)
    assert by_product(heavy(x))
    assert not by_product(Conv2d(256, 64, 4, 2, 1, bias=False)(x))
    assert not by_product(heavy(torch.randn(1, 256, 32, 32)))
    with torch.no_grad():
        assert heavy(x).grad_fn is None
    with torch.autocast("cpu", torch.bfloat16):
        assert not by_product(heavy(x))


def test_where_convolutions_are_the_faster_ones_they_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "products_keep_up", lambda: False)
    assert not by_product(Conv2d(256, 128, 4, 2, 1, bias=False)(torch.randn(1, 256, 8, 8)))
