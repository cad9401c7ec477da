"""Layers with stated initialisation, and the base classes of all networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from organza.distributed.world import ALONE, World
from organza.errors import UserError
from organza.losses import probability
from organza.networks.priors import Normal, Prior

Module = TypeVar("Module", bound=nn.Module)
Shape = tuple[int, ...]  # shape of one item, channels first: (C, H, W) for images
Constraint = Callable[[nn.Module], nn.Module]  # constraint on all weights of a network, in place


class Generator(nn.Module):
    """Base of generators: latent z [N, z_dim] to data in [-1, 1], [N, *shape]; conditional ones map
    z and a row of labels [N, labels].
    """

    z_dim: int
    labels: int = 0

    if TYPE_CHECKING:  # a module's call is Any to a type checker

        def __call__(self, *inputs: Tensor) -> Tensor: ...

    def latent(self, stream: torch.Generator) -> Tensor:
        """Draw one z ~ N(0, I) from its own stream, [z_dim]."""
        return torch.randn(self.z_dim, generator=stream)

    @property
    def prior(self) -> Prior:
        """The law of `latent`, for programs that draw latents of their own."""
        return (Normal(self.z_dim),)

    @property
    def levels(self) -> tuple[nn.Module, ...]:
        """The parts that z enters at, from the coarse to the fine, whose outputs later layers read: see `latents.levels`. Defaults
        to none.
        """
        return ()


class Translator(nn.Module):
    """Base of translators: data [N, C, H, W] in [-1, 1] to other data of the same height and width,
    or `factor` times as high and wide; convolutional, for any size.

    Sides that are not multiples of `stride`, or less than `least`, are padded by reflection before,
    and cropped afterwards.
    """

    stride: int = 1
    least: int = 1  # least pixels on each side; a multiple of the stride
    factor: int = 1  # height and width of the output, for one pixel of the input
    reach: int = 0  # pixels on each side that an output depends on, for work in tiles; 0 if on the whole image
    masked: bool = False  # True if the last channel of the input is a mask, above 0 where an output is wanted
    shape: Shape  # shape of its outputs in training, (C', H, W), for a pool of its fakes

    if TYPE_CHECKING:  # a module's call is Any to a type checker

        def __call__(self, *inputs: Tensor) -> Tensor: ...

    def translate(self, x: Tensor) -> Tensor:
        """Translate images of any size, [N, C, H, W] to [N, C', factor H, factor W]."""
        height, width = x.shape[-2:]
        below, right = (max(-side % self.stride, self.least - side) for side in (height, width))
        if not below and not right:
            return self(x)
        mode = "reflect" if below < height and right < width else "replicate"
        return self(nn.functional.pad(x, (0, right, 0, below), mode=mode))[
            ..., : self.factor * height, : self.factor * width
        ]


class Encoder(nn.Module):
    """Base of encoders: data [N, C, ...] in [-1, 1] to latents [N, z_dim], approximately the
    generator's inverse.
    """

    z_dim: int

    if TYPE_CHECKING:  # a module's call is Any to a type checker

        def __call__(self, *inputs: Tensor) -> Tensor: ...


class NetworkDict(nn.ModuleDict):
    """A player of several networks, by name. The first is the main one, which samples or
    translates.

    Args:
        networks: partials or functions that build them.

    >>> list(NetworkDict(b=lambda: nn.Identity(), a=lambda: nn.Identity()))
    ['b', 'a']
    """

    def __init__(self, **networks: Callable[[], nn.Module]):
        super().__init__({name: build() for name, build in networks.items()})


def main_network(player: nn.Module) -> nn.Module:
    """Return the main network of a player: itself, or the first of a `NetworkDict`."""
    return next(iter(player.values())) if isinstance(player, NetworkDict) else player


def networks_of(player: nn.Module) -> list[nn.Module]:
    """Return all networks of a player: itself, or those of a `NetworkDict`."""
    return list(player.values()) if isinstance(player, NetworkDict) else [player]


class Discriminator(nn.Module):
    """Base of discriminators: data [N, *shape] in [-1, 1] to logits [N, ...]; conditional ones take
    data and its labels [N, labels].
    """

    labels: int = 0

    if TYPE_CHECKING:  # a module's call is Any to a type checker

        def __call__(self, *inputs: Tensor) -> Tensor: ...

    def probability(self, x: Tensor, condition: Tensor | None = None, neutral: float = 0.0) -> Tensor:
        """Return the probability that each item is authentic (1 = real, 0 = fake): sigmoid(D(x) -
        neutral), mean over a logit map, [N].
        """
        return probability(self(x) if condition is None else self(x, condition), neutral)

    def evidence(self, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the input of the discriminator for data x: x itself, or its latent, or both, for
        discriminators of latents or pairs.

        Args:
            x: data, [N, *shape].
            encode: function from data to latents, [N, *shape] to [N, z_dim].
        """
        return x


def channels_last(network: Module) -> Module:
    """Convert a network's weights to channels-last memory, in which convolutions on a CPU are
    faster, and return the network.
    """
    for weight in network.parameters():
        if weight.ndim in (4, 5):
            weight.data = weight.data.contiguous(
                memory_format=torch.channels_last if weight.ndim == 4 else torch.channels_last_3d
            )
    return network


def normal(layer: Module, deviation: float = 0.02) -> Module:
    """Initialise weights ~ N(0, deviation^2), biases 0, batch-norm gains ~ N(1, deviation^2), as in
    Radford et al. 2016.
    """
    for module in layer.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.weight, 1.0, deviation)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            nn.init.normal_(module.weight, 0.0, deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return layer


def batch_norm(channels: int) -> nn.Module:
    """Return batch normalisation for feature maps [N, C, H, W]."""
    return nn.BatchNorm2d(channels)


class OneScale(nn.Module):
    """h -> (h - m) / s: m the mean of each map, s one deviation for all maps, of the batch; running
    ones in evaluation mode.

    Batch norm (Ioffe and Szegedy 2015, arXiv:1502.03167) without gain and shift, and with one
    scale: the relative strength of the maps does not change.

    Args:
        channels: number of maps of h [N, C, H, W].

    >>> h = torch.tensor([1.0, 3.0, 10.0, 30.0]).view(2, 2, 1, 1).transpose(0, 1)
    >>> round(OneScale(2)(h).square().mean().item(), 3)
    1.0
    """

    mean: torch.Tensor
    variance: torch.Tensor
    world: World = ALONE

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("variance", torch.ones(()))

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Standardise features h, [N, maps, H, W]: by the batch in training, by the running moments otherwise."""
        mean, variance = self.mean, self.variance
        if self.training:
            mean = h.mean((0, 2, 3), keepdim=True)
            if self.world.size == 1:
                variance = (h - mean).square().mean()
            else:
                whole, every = self.world.pooled(mean.flatten(), (h - mean).square().mean((0, 2, 3)))
                mean, variance = whole.view_as(mean), every.mean()
            if torch.is_grad_enabled():  # in training only: sampling changes no statistics
                self.mean.lerp_(mean.detach().to(self.mean), 0.1)
                self.variance.lerp_(variance.detach().to(self.variance), 0.1)
        return (h - mean) * (variance + 1e-6).rsqrt()


def one_scale(channels: int) -> nn.Module:
    """Return a normalisation to mean 0 for each map, and one deviation, 1, for all of them."""
    return OneScale(channels)


def no_norm(channels: int) -> nn.Module:
    """Return no normalisation, so that D scores each item independently in training."""
    return nn.Identity()


def free(network: nn.Module) -> nn.Module:
    """Leave the weights unconstrained."""
    return network


def spectral(network: nn.Module) -> nn.Module:
    """Divide every convolution and linear map by its largest singular value, estimated by one power
    iteration in each pass.

    Miyato et al. 2018, arXiv:1802.05957, algorithm 1.

    >>> layer = spectral(nn.Linear(8, 8)).train()
    >>> for _ in range(200): _ = layer(torch.zeros(1, 8))
    >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 3)
    1.0
    """
    for layer in list(network.modules()):
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            nn.utils.parametrizations.spectral_norm(layer)
    return network


LARGEST_BASE = 32


def halvings(height: int, width: int) -> tuple[int, tuple[int, int]]:
    """Return the number of halvings of an image until its shorter side is 4 to 7, and the remaining
    size.

    Sides without so many factors of 2 are halved as often as possible, with at most 32 pixels of
    the shorter one remaining.

    >>> halvings(64, 64), halvings(64, 96), halvings(48, 48), halvings(100, 100)
    ((4, (4, 4)), (4, (4, 6)), (3, (6, 6)), (2, (25, 25)))

    Raises:
        UserError: if more would remain, or nothing can be halved; names the nearest possible size.
    """
    short = min(height, width)
    most = max(short.bit_length() - 3, 0)
    times = next(times for times in range(most, -1, -1) if height % 2**times == 0 and width % 2**times == 0)
    if not times or short >> times > LARGEST_BASE:
        step = next(2**times for times in range(1, 16) if short >> times <= LARGEST_BASE)
        near = "x".join(str(max(round(side / step) * step, 8)) for side in (width, height))
        raise UserError(
            f"This network cannot make images of {width}x{height}: it must halve both sides at least once, until at most {LARGEST_BASE} "
            f"pixels of the shorter one remain; try `size='{near}'`."
        )
    return times, (height >> times, width >> times)
