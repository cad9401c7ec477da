"""Degradations: small images from large ones, as inputs to learn enlarging from. Each is a value of a recipe.

    bicubic   a = (k * b) sampled every f pixels, k the cubic kernel of Keys 1981, a = -1/2, stretched f times (antialiased)
    nearest   a = one of the f x f pixels of each cell of b, the same for all cells: pixel art
    camera    a = J((r (k * b)) + n), twice: blur, resize, noise, JPEG.  Wang et al. 2021, Real-ESRGAN, arXiv:2107.10833, section 3

All random numbers come from the stream of the patch, so the same patch is always degraded alike.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter

Draw = Callable[[], float]
SIMPLE = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Bicubic:
    """Reduction by Pillow's bicubic filter with antialiasing, whose kernel has a = -1/2, as Matlab's has."""

    def __call__(self, image: np.ndarray, factor: int, stream: torch.Generator) -> np.ndarray:
        """Return uint8 [H, W, C] reduced to [H / factor, W / factor, C]."""
        return reduced(image, factor, Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Nearest:
    """Reduction by taking one pixel of each cell, for images of few plain colours: pixel art."""

    def __call__(self, image: np.ndarray, factor: int, stream: torch.Generator) -> np.ndarray:
        """Return uint8 [H, W, C] reduced to [H / factor, W / factor, C]."""
        return image[factor // 2 :: factor, factor // 2 :: factor]


@dataclass(frozen=True)
class Camera:
    """A chain of blur, resize, noise and JPEG, and on a share of the patches a second one: photographs as they come.

    Args:
        blur: least and largest standard deviation of the blur, in pixels.
        scale: least and largest factor of the first resize, by a filter drawn from box, bilinear and bicubic.
        noise: largest standard deviation of the noise, in levels of 255; on 40 % of the patches it is grey.
        quality: least and largest quality of JPEG.
        second: share of the patches that pass a second, weaker chain.
    """

    blur: tuple[float, float] = (0.2, 1.5)
    scale: tuple[float, float] = (0.5, 1.2)
    noise: float = 10.0
    quality: tuple[float, float] = (50.0, 95.0)
    second: float = 0.5

    def __call__(self, image: np.ndarray, factor: int, stream: torch.Generator) -> np.ndarray:
        """Return uint8 [H, W, C] reduced to [H / factor, W / factor, C]."""

        def draw() -> float:
            return torch.rand((), generator=stream).item()

        height, width = image.shape[0] // factor, image.shape[1] // factor
        first = _between(self.scale, draw())
        sides = (max(1, round(image.shape[1] * first)), max(1, round(image.shape[0] * first)))
        image = self._damaged(image, sides, 1.0, draw, stream)
        if draw() < self.second:
            return self._damaged(image, (width, height), 0.5, draw, stream)
        return np.asarray(_resized(image, (width, height), draw), np.uint8).reshape(height, width, -1)

    def _damaged(
        self, image: np.ndarray, sides: tuple[int, int], share: float, draw: Draw, stream: torch.Generator
    ) -> np.ndarray:
        """Blur, resize to `sides`, add noise and compress, all at a share of the strength."""
        channels = image.shape[2]
        soft = to_image(image).filter(ImageFilter.GaussianBlur(share * _between(self.blur, draw())))
        values = np.asarray(_resized(np.asarray(soft).reshape(image.shape), sides, draw), np.float32)
        values = values.reshape(sides[1], sides[0], channels)
        deviation, grey = share * self.noise * draw(), draw() < 0.4
        noise = torch.randn((sides[1], sides[0], 1 if grey else channels), generator=stream).numpy()
        noisy = np.clip(np.rint(values + deviation * noise), 0, 255).astype(np.uint8)
        low, high = self.quality
        return compressed(noisy, round(high - share * (high - low) * draw()))


def to_image(pixels: np.ndarray) -> Image.Image:
    """Return uint8 [H, W, C] as Pillow's image, grey for one channel."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    """Return uint8 [H, W, C] after JPEG of a quality from 1 to 95."""
    file = io.BytesIO()
    to_image(image).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file)).reshape(image.shape)


def reduced(image: np.ndarray, factor: int, kernel: Image.Resampling) -> np.ndarray:
    """Return uint8 [H, W, C] reduced to [H / factor, W / factor, C], antialiased.

    >>> reduced(np.full((8, 8, 3), 7, np.uint8), 4, Image.Resampling.BICUBIC).tolist()[0][0]
    [7, 7, 7]
    """
    height, width, channels = image.shape
    small = to_image(image).resize((width // factor, height // factor), kernel)
    return np.asarray(small).reshape(height // factor, width // factor, channels)


def enlarged(image: np.ndarray, factor: int, kernel: Image.Resampling) -> np.ndarray:
    """Return uint8 [H, W, C] enlarged to [factor H, factor W, C] by a filter of Pillow.

    >>> enlarged(np.full((2, 2, 1), 9, np.uint8), 4, Image.Resampling.LANCZOS).shape
    (8, 8, 1)
    """
    height, width, channels = image.shape
    large = to_image(image).resize((width * factor, height * factor), kernel)
    return np.asarray(large).reshape(height * factor, width * factor, channels)


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])


def _resized(image: np.ndarray, sides: tuple[int, int], draw: Draw) -> Image.Image:
    return to_image(image).resize(sides, SIMPLE[int(draw() * len(SIMPLE))])
