"""Checks of arguments of the Python interface: ambiguous values are refused, with the code that
converts them.

Images are uint8 [N, H, W, C]. Numbers from 0 to 1 look like very dark bytes, and another layout
like other images, if only the numbers are considered; so nothing is guessed.
"""

from __future__ import annotations

import errno
import math
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from organza.errors import UserError

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's modes of images by their number of channels."""
LARGEST = 2**31
"""Largest number of images in one call, and largest index in a series."""
Sides = tuple[int | None, ...]


def as_bytes(images: Any, shape: Sides, who: str) -> np.ndarray:
    """Return images as uint8 [N, *shape] from an array, a tensor, a Pillow image, or a list of
    those.

    Args:
        images: uint8 [N, *shape]; Pillow images of the right mode and size. Volumes may be bool,
            too.
        shape: shape of one image, (H, W, C) or (D, H, W, C); None for a side of any length.
        who: name of the calling function.

    Raises:
        UserError: if type, layout, size or number of channels are different, or there are no
            images; the message gives the remedy.

    >>> as_bytes([np.zeros((4, 6, 3), np.uint8)], (4, 6, 3), "judge").shape
    (1, 4, 6, 3)
    """
    array = _as_array(images, shape, who)
    if array.dtype == bool and len(shape) == 4:
        array = array * np.uint8(255)
    fits = array.ndim == len(shape) + 1 and all(
        wanted in (None, given) for wanted, given in zip(shape, array.shape[1:], strict=True)
    )
    if array.dtype != np.uint8:
        raise UserError(f"{who} takes {_wanted(shape)}; {array.dtype} was given: {_bytes_of(array)}.")
    if not fits:
        raise UserError(f"{who} takes {_wanted(shape)}, not {list(array.shape)}{_layout(array, shape)}.")
    if not array.size:
        raise UserError(f"{who} was given no images, {list(array.shape)}; it takes at least one.")
    if len(shape) == 4 and array.max() == 1:
        raise UserError(f"{who} takes volumes of 0 and 255; these are of 0 and 1: multiply them by 255.")
    return array


def as_vectors(values: Any, names: Sequence[str], who: str) -> np.ndarray:
    """Return vectors as float64 [N, D] from an array, a tensor or a list of rows, in their own units.

    Args:
        values: numbers [N, D].
        names: printable names of the D columns.
        who: name of the calling function.

    Raises:
        UserError: if there are other columns, no rows, or values that are not finite numbers.

    >>> as_vectors([[1, 2]], ("a", "b"), "judge")
    array([[1., 2.]])
    """
    wanted = f"{who} takes vectors [N, {len(names)}] of the columns {', '.join(names)[:80]}"
    try:
        array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    except (TypeError, ValueError):
        raise UserError(f"{wanted}; {type(values).__name__} is no array of numbers.") from None
    if array.dtype.kind not in "biuf":
        raise UserError(f"{wanted}; {array.dtype} {list(array.shape)} holds no numbers.")
    if array.ndim != 2 or array.shape[1] != len(names) or not len(array):
        more = ": for one vector, values[None]" if array.shape == (len(names),) else ""
        raise UserError(f"{wanted}, not {list(array.shape)}{more}.")
    if not np.isfinite(array).all():
        raise UserError(f"{wanted}; {int((~np.isfinite(array)).sum()):,} of the values are not finite.")
    return array.astype(np.float64)


def as_image(image: Any, shape: Sides, who: str) -> np.ndarray:
    """Return one image as uint8 [*shape]: see `as_bytes`."""
    if isinstance(image, Image.Image):
        return as_bytes([image], shape, who)[0]
    array = _as_array(image, shape, who)
    if array.ndim != len(shape):
        sides = ", ".join("any" if side is None else str(side) for side in shape)
        raise UserError(f"{who} takes single images, uint8 [{sides}], not {list(array.shape)}.")
    return as_bytes(array[None], shape, who)[0]


def require_path(value: Any, name: str) -> None:
    """Check that a value can be the path of a file or folder.

    Raises:
        UserError: if it is not a text or a path, or no system accepts it as a name.

    >>> require_path(None, "run")
    Traceback (most recent call last):
    ...
    organza.errors.UserError: run is None; it must be the path of a file or folder, such as 'runs/photos'.
    """
    try:
        possible = isinstance(name_ := os.fspath(value), str) and b"\0" not in os.fsencode(name_)
    except (TypeError, UnicodeEncodeError):
        possible = False
    if not possible:
        raise UserError(
            f"{name} is {repr(value)[:60]}; it must be the path of a file or folder, such as 'runs/photos'."
        )
    try:
        os.lstat(value)
    except OSError as error:  # the path need not exist yet
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(
                f"{name} is {str(value)[:60]}..., which is too long for this system; give a shorter path of a file or folder."
            ) from None


def require_text(value: Any, name: str, example: str) -> None:
    """Check that a value is a text.

    Raises:
        UserError: if it is not.
    """
    if not isinstance(value, str):
        raise UserError(f"{name} is {repr(value)[:60]}; it must be a text, such as {example!r}.")


def as_latents(z: Any, shape: tuple[int, ...], device: torch.device, name: str = "latents") -> Tensor:
    """Return numbers as float32 [N, *shape] on a device.

    Args:
        z: array or tensor of floating-point numbers, [N, *shape].
        shape: shape of one latent.
        device: device of the network.
        name: name of the argument, for the error.

    Raises:
        UserError: if shape or type are different, or numbers are not finite.
    """
    try:
        values = torch.as_tensor(z)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{name} are not an array of numbers ({_first_line(error)}); give a float tensor.") from None
    _require_dense(values, name)
    if values.ndim != len(shape) + 1 or tuple(values.shape[1:]) != shape or not len(values):
        raise UserError(f"{name} are {list(values.shape)}; they must be [N, {', '.join(map(str, shape))}].")
    if not values.dtype.is_floating_point:
        raise UserError(f"{name} are {str(values.dtype).removeprefix('torch.')}; they must be floating-point numbers.")
    values = values.detach().to(device, torch.float32)
    if not bool(values.isfinite().all()):
        raise UserError(f"{name} hold numbers that are not finite; leave those rows out.")
    return values


def whole(value: Any, name: str, least: int | None = None, most: int = LARGEST) -> int:
    """Return a value as an integer.

    Raises:
        UserError: if it is not a whole number, or is below `least` or above `most`.

    >>> whole(np.int64(3), "count", least=1)
    3
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise UserError(f"{name} is {value!r}; it must be a whole number.") from None
    if (least is not None and number < least) or abs(number) > most:
        raise UserError(
            f"{name} is {_short(number)}; it must be {f'at least {least} and ' if least is not None else ''}at most {most:,}."
        )
    return number


def as_labels(labels: Any) -> dict[str, str]:
    """Return labels by field, {} for None.

    Raises:
        UserError: if it is not a table of texts.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping) or not all(isinstance(name, str) for name in labels):
        raise UserError(
            f"labels is {str(labels)[:60]!r}; it must be a dict of fields and values, such as {{'class': 'dress'}}."
        )
    for name, value in labels.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise UserError(f"labels[{name!r}] is a {type(value).__name__}; write it as a text, such as 'dress'.")
    return {name: str(value) for name, value in labels.items()}


def room(count: int, shape: Sequence[int], dtype: Any = np.uint8) -> np.ndarray:
    """Allocate memory for images, uint8 [count, *shape], or for vectors.

    Raises:
        UserError: if there is not enough.
    """
    try:
        return np.empty((count, *shape), dtype)
    except (MemoryError, ValueError):
        needed = count * math.prod(shape) * np.dtype(dtype).itemsize / 1e9
        raise UserError(
            f"{count:,} images of {list(shape)} need {needed:,.1f} GB of memory; generate fewer at a time, with first=."
        ) from None


def _as_array(images: Any, shape: Sides, who: str) -> np.ndarray:
    """Return images of any supported type as an array."""
    if isinstance(images, Image.Image):
        images = [images]
    if isinstance(images, Tensor):
        _require_dense(images, f"The images for {who}")
        return (
            images.detach().cpu().numpy() if images.dtype != torch.bfloat16 else images.detach().float().cpu().numpy()
        )
    if isinstance(images, np.ndarray) and images.dtype != object:
        return images
    if isinstance(images, Sequence | np.ndarray) and not isinstance(images, str | bytes):
        items = [_from_pillow(one, shape, who) if isinstance(one, Image.Image) else one for one in images]
        try:
            return np.stack(
                [_as_array(one, shape, who) if isinstance(one, Tensor) else np.asarray(one) for one in items]
            )
        except ValueError as error:
            reason = "they are of different sizes" if items else "none was given"
            raise UserError(f"{who} takes {_wanted(shape)}: {reason} ({_first_line(error)}).") from None
    raise UserError(f"{who} takes {_wanted(shape)}, not a {type(images).__name__}.")


def _require_dense(values: Tensor, name: str) -> None:
    """Refuse a tensor that has no values, or is not dense."""
    if values.is_meta or values.layout != torch.strided or values.is_nested or values.is_quantized:
        how = "on the meta device, without numbers" if values.is_meta else "sparse, nested or quantized"
        raise UserError(f"{name} are {how}; give a dense tensor, as from z.to_dense().")


def _from_pillow(image: Image.Image, shape: Sides, who: str) -> np.ndarray:
    """Return a Pillow image as uint8 [H, W, C], if its bytes are pixel values, unlike those of a
    palette image.
    """
    mode = MODES.get(shape[-1] or 0, "RGB")
    if image.mode != mode or len(shape) != 3:
        raise UserError(
            f"{who} takes {_wanted(shape)}: a Pillow image of mode {image.mode} was given; convert it: image.convert({mode!r})."
        )
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _wanted(shape: Sides) -> str:
    names = dict(enumerate("HWC" if len(shape) == 3 else "DHWC"))
    sides = ", ".join(names[place] if side is None else str(side) for place, side in enumerate(shape))
    return f"uint8 {'volumes' if len(shape) == 4 else 'images'} [N, {sides}], as this run was trained on"


def _bytes_of(array: np.ndarray) -> str:
    """Return the remedy for images of another type, by their values."""
    if array.dtype.kind not in "fiu" or not array.size:
        return "images are numbers from 0 to 255; convert them to uint8"
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return "some of the values are not finite; remove them first"
    if array.dtype.kind in "iu":
        if low >= 0 and high <= 255:
            return "images.astype('uint8') if these are bytes"
        return f"the values go from {low:,.0f} to {high:,.0f}; scale them to 0 to 255, and convert to uint8"
    if low < 0 and low >= -1.01 and high <= 1.01:
        return "for values from -1 to 1: ((images + 1) * 127.5).clip(0, 255).round().astype('uint8')"
    if low >= 0 and high <= 1.01:
        return "for values from 0 to 1: (images * 255).clip(0, 255).round().astype('uint8')"
    if low >= 0 and high <= 255:
        return "for values from 0 to 255: images.round().astype('uint8')"
    return f"the values go from {low:g} to {high:g}; scale them to 0 to 255, and convert to uint8"


def _layout(array: np.ndarray, shape: Sides) -> str:
    """Return the remedy for images of another layout, if it is clear."""

    def fits(sides: tuple[int, ...]) -> bool:
        return len(sides) == len(shape) and all(w in (None, g) for w, g in zip(shape, sides, strict=True))

    sides = array.shape
    if fits(sides):
        return ": for one image, images[None]"
    if array.ndim == len(shape) + 1 and fits((*sides[2:], sides[1])):
        return ": for channels first, numpy.moveaxis(images, 1, -1)"
    if array.ndim == len(shape) and shape[-1] == 1 and fits((*sides[1:], 1)):
        return ": for grey images, images[..., None]"
    if array.ndim == len(shape) + 1 and sides[-1] != shape[-1] and fits((*sides[1:-1], shape[-1] or 0)):
        return f": they have {sides[-1]} channels and {shape[-1]} are needed"
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _short(number: int) -> str:
    return f"{number:,}" if abs(number) < 10**15 else f"{'-' * (number < 0)}10^{int(math.log10(abs(number)))} or more"
