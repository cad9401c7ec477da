"""Translation: images to images, of any size that fits into memory."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from organza.config.arguments import as_bytes
from organza.data.batches import to_float
from organza.errors import UserError
from organza.inference.networks import Networks
from organza.inference.sampler import bytes_of
from organza.inference.tiles import strips
from organza.memory import require_memory
from organza.networks.layers import NetworkDict, Translator
from organza.seeding import MICROBATCH


class Translation(Networks):
    """A trained run that translates images."""

    @torch.no_grad()
    def translate(self, pictures: np.ndarray, to: str = "b") -> NDArray[np.uint8]:
        """Translate images, uint8 [N, H, W, C] to [N, H, W, C'], of any height and width.

        The translation of an image does not depend on the others in the batch: it has the same
        bytes as in the samples of the training. A run that enlarges returns [N, f H, f W, C]; one
        that fills takes [N, H, W, C + 1], the last channel a mask, 255 in the hole.

        Args:
            pictures: images with the channels of the training images.
            to: "b", as trained; "a" for the reverse direction, in runs that learned both.

        Raises:
            UserError: if the run does not translate, or not in this direction, or channels are
                different.
        """
        network = self.translator(to)
        channels = self.source_channels(to)
        pictures = as_bytes(pictures, (None, None, channels), "translate")
        # The last bits of a convolution depend on the batch, so the batch size is constant: for images of the training
        # size, that of the trainer's samples; for others, which may be large, one.
        at_once = MICROBATCH if pictures.shape[1:3] == self.source_sides(to) else 1
        if at_once == 1 and network.reach:
            return np.stack([np.concatenate(list(strips(network, picture))) for picture in pictures])
        self.require_room(pictures.shape[1], pictures.shape[2], to)
        made = []
        for start in range(0, len(pictures), at_once):
            some = pictures[start : start + at_once]
            padded = np.concatenate([some, np.repeat(some[-1:], at_once - len(some), 0)])
            made.append(bytes_of(network.translate(to_float(padded).to(self.device)))[: len(some)])
        return np.concatenate(made)

    def require_room(self, height: int, width: int, to: str = "b") -> None:
        """Check that there is memory to translate an image before allocating any; images up to the
        training size are always allowed.

        Raises:
            UserError: if there is not.
        """
        if height * width > self.height * self.width:
            needed = height * width * self._room_by_pixel(to)
            require_memory(needed, f"{width}x{height} pixels", "translate them smaller, as with `size='512x512'`")

    @torch.no_grad()
    def _room_by_pixel(self, to: str) -> int:
        """Return the bytes that a translation needs for each pixel, at least: those of the largest
        layer with its input and output.
        """
        if to not in self._rooms:
            largest = 0

            def look(_: nn.Module, given: tuple, made: object) -> None:
                nonlocal largest
                largest = max(largest, sum(value.nbytes for value in (*given, made) if isinstance(value, Tensor)))

            network = self.translator(to)
            hooks = [layer.register_forward_hook(look) for layer in network.modules() if not any(layer.children())]
            try:
                x = torch.zeros(1, self.source_channels(to), self.height, self.width, device=self.device)
                ends = x.nbytes + network.translate(x).nbytes
            finally:
                for hook in hooks:
                    hook.remove()
            self._rooms[to] = math.ceil((largest + ends) / (self.height * self.width))
        return self._rooms[to]

    def source_channels(self, to: str = "b") -> int:
        """Return the channels of images to translate to b, or back to a."""
        return self.content["data"].get("source_shape", self.shape)[0] if to == "b" else self.channels

    def source_sides(self, to: str = "b") -> tuple[int, int]:
        """Return height and width, in training, of images to translate to b, or back to a."""
        shape = self.content["data"].get("source_shape", self.shape) if to == "b" else self.shape
        return shape[-2], shape[-1]

    def translator(self, to: str = "b") -> Translator:
        """Return the network that translates to b, or back to a: see `translate`."""
        player = self.player
        networks = dict(player.items()) if isinstance(player, NetworkDict) else {"b": player}
        ways = {name: network for name, network in networks.items() if isinstance(network, Translator)}
        if not ways:
            raise UserError(
                f"{self.path} generates images from noise and translates none; use `sample` (organza sample RUN)."
            )
        if not isinstance(to, str) or to not in ways:
            raise UserError(
                f"{self.path} translates to {' and '.join(ways)}, not to {to}; runs of cyclegan recipes learn both directions."
            )
        return ways[to]
