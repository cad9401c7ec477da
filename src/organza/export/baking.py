"""Baking: replace layers that compute constants of their weights or sizes by plain layers with those constants.

`skips.Doubling` computes its kernel from its weights in every pass, which the older exporters, quantisers and some runtimes cannot take;
`unet.Dropout` draws the same mask in every pass, which no exporter can take. Both are constants once training is over.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from organza.networks.skips import Doubling
from organza.networks.unet import Dropout


class Masked(nn.Module):
    """h -> h * mask, the mask of a share that is left out in use.

    Args:
        mask: [C, H, W].
    """

    mask: Tensor

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, h: Tensor) -> Tensor:
        return h * self.mask


@torch.no_grad()
def baked(module: nn.Module, *example: Tensor) -> nn.Module:
    """Return a copy of a module in which all that depends on weights and sizes alone is a constant; it computes the same.

    Args:
        module: network in evaluation mode.
        example: inputs of the size that it will be used with.

    >>> layer = Doubling(3, 5)
    >>> x = torch.randn(2, 3, 6, 6)
    >>> torch.equal(baked(nn.Sequential(layer), x)(x), layer(x))
    True
    """
    network = copy.deepcopy(module).float().eval().requires_grad_(False)
    sizes = _sizes(network, example)
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Doubling):
                setattr(parent, name, _transposed(layer))
            elif isinstance(layer, Dropout):
                setattr(parent, name, _masked(layer, sizes[layer]) if layer.use else nn.Identity())
            elif parametrize.is_parametrized(layer):
                setattr(parent, name, _unconstrained(layer))
    for weight in network.parameters():
        weight.data = weight.data.contiguous()
    return network


def _sizes(network: nn.Module, example: tuple[Tensor, ...]) -> dict[nn.Module, Tensor]:
    """Return the input of each `Dropout`, of one item."""
    seen: dict[nn.Module, Tensor] = {}

    def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen[layer] = given[0][:1]

    hooks = [layer.register_forward_pre_hook(look) for layer in network.modules() if isinstance(layer, Dropout)]
    if hooks:
        network(*example)
    for hook in hooks:
        hook.remove()
    return seen


def _unconstrained(layer: nn.Module) -> nn.Module:
    """Return a plain layer with the weights that its parametrisation, such as a spectral norm, computes.

    torch.nn.utils.parametrize removes one from a class that copies of a layer share, so the original would lose it, too.
    """
    plain = object.__new__(type(layer).__bases__[0])
    plain.__dict__.update(layer.__dict__, _modules={}, _parameters=dict(layer._parameters))
    for name, _ in layer.get_submodule("parametrizations").named_children():
        plain._parameters[name] = nn.Parameter(getattr(layer, name).detach().clone(), requires_grad=False)
    return plain


def _masked(layer: Dropout, given: Tensor) -> Masked:
    return Masked(layer(torch.ones_like(given))[0])


def _transposed(layer: Doubling) -> nn.ConvTranspose2d:
    """Return the transposed convolution whose kernel `Doubling` computes."""
    w = F.pad(layer.weight, (1, 1, 1, 1))
    kernel = w[..., 1:, 1:] + w[..., 1:, :-1] + w[..., :-1, 1:] + w[..., :-1, :-1]
    wide, narrow = layer.weight.shape[1], layer.weight.shape[0]
    plain = nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)
    plain.weight = nn.Parameter(kernel.transpose(0, 1).flip(2, 3).contiguous(), requires_grad=False)
    return plain
