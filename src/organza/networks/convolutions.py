"""Convolutions and transposed ones whose gradient with respect to large weights on small maps is a matrix product.

Symbols: x [N, C, H, W], y [N, K, h, w], weights [K, C, k, k]; X [N h w, k k C] the patches of x, a row for each place of y; Y [N h w, K].

    y = x * w    is    Y = X W^T,    and    dL/dW = (dL/dY)^T X

oneDNN takes the gradient from a convolution over the batch, with a kernel as large as y. Where y is 4x4 that runs at 24 to 50 % of the
rate of the forward pass on a CPU with AVX2; the product of matrices keeps up with it (benchmarks/roofline.py). With AVX-512 oneDNN's
convolutions are the faster ones, and are left alone. The numbers are the same but for rounding.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAVY = 1 << 19
"""Weights of a layer from which on the product pays; with fewer both ways take the same time."""
SMALL = 64
"""Places of y up to which it pays: the patches of a large map are many times the map, and fall out of the caches."""


def patches(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """X, [N h w, kernel kernel C], each row a square of x in channels-last order.

    >>> x = torch.randn(2, 3, 8, 8); w = torch.randn(5, 3, 4, 4)
    >>> product = patches(x, 4, 2, 1) @ w.permute(0, 2, 3, 1).flatten(1).T
    >>> torch.allclose(product.view(2, 4, 4, 5).permute(0, 3, 1, 2), F.conv2d(x, w, stride=2, padding=1), atol=1e-4)
    True
    """
    x = F.pad(x, (padding,) * 4).permute(0, 2, 3, 1).contiguous()
    n, height, width, channels = x.shape
    high, wide = ((side - kernel) // stride + 1 for side in (height, width))
    item, row, column, channel = x.stride()
    places = (n, high, wide, kernel, kernel, channels)
    squares = x.as_strided(places, (item, row * stride, column * stride, row, column, channel))
    return squares.reshape(n * high * wide, kernel * kernel * channels)


def weight_gradient(x: Tensor, y: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """dL/dw [K, C, kernel, kernel] of y = x * w, from x and dL/dy."""
    rows = y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])
    product = rows.T @ patches(x, kernel, stride, padding)
    return product.view(y.shape[1], kernel, kernel, x.shape[1]).permute(0, 3, 1, 2)


class Conv2d(nn.Conv2d):
    """torch's convolution, with the weight gradient of the module's text where that is faster.

    >>> ours, plain = Conv2d(256, 512, 4, 2, 1, bias=False), nn.Conv2d(256, 512, 4, 2, 1, bias=False)
    >>> _ = plain.load_state_dict(ours.state_dict()); x = torch.randn(2, 256, 8, 8)
    >>> for layer in (ours, plain): layer(x).square().mean().backward()
    >>> torch.allclose(ours.weight.grad, plain.weight.grad, atol=1e-5)
    True
    """

    def forward(self, x: Tensor) -> Tensor:
        if not _pays(self, x, x.shape[-2] // self.stride[0] * (x.shape[-1] // self.stride[1])):
            return super().forward(x)
        y = _Convolution.apply(x, self.weight, self.stride[0], int(self.padding[0]), False)
        return y if self.bias is None else y + self.bias.view(-1, 1, 1)


class ConvTranspose2d(nn.ConvTranspose2d):
    """torch's transposed convolution, with the weight gradient of the module's text where that is faster."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or not _pays(self, x, x.shape[-2] * x.shape[-1]):
            return super().forward(x, output_size)
        y = _Convolution.apply(x, self.weight, self.stride[0], int(self.padding[0]), True)
        return y if self.bias is None else y + self.bias.view(-1, 1, 1)


@cache
def products_keep_up() -> bool:
    """Is a product of matrices as fast as a convolution here? Not with AVX-512: 0.38 of it on an AMD EPYC, whose AVX2 had 0.84."""
    return torch.backends.cpu.get_cpu_capability() != "AVX512"


def _pays(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, places: int) -> bool:
    return (
        products_keep_up()
        and layer.weight.requires_grad
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype == layer.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and layer.weight.numel() >= HEAVY
        and places <= SMALL
        and layer.kernel_size[0] == layer.kernel_size[1]
    )


class _Convolution(torch.autograd.Function):
    """x * w, or transposed; backwards the weight's part is a product of matrices."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int, transposed: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.numbers = stride, padding, transposed
        convolve = F.conv_transpose2d if transposed else F.conv2d
        return convolve(x, weight, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """dL/dx by a convolution, dL/dw by a product of matrices, each where it is asked for."""
        (of_y,) = gradients
        x, weight = ctx.saved_tensors
        stride, padding, transposed = ctx.numbers
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            mask = [True, False, False]
            both = [stride, stride], [padding, padding], [1, 1], transposed, [0, 0], 1
            of_x = torch.ops.aten.convolution_backward(of_y, x, weight, None, *both, mask)[0]
        if ctx.needs_input_grad[1]:
            small, large = (x, of_y) if transposed else (of_y, x)
            of_weight = weight_gradient(large, small, weight.shape[-1], stride, padding)
        return of_x, of_weight, None, None, None
