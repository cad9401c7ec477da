"""The calls of the worker that play with a run: images, clips, inversion, translation, judgement."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image

from organza.data.decode import Unreadable, decode, original, size_of
from organza.data.size import Size
from organza.disk import make_folder, rename, write
from organza.errors import UserError
from organza.inference.load import Run
from organza.inference.whole_images import OPAQUE, enlarged, filled
from organza.latents.interpolate import walk
from organza.media.images import grid, to_image
from organza.media.png import write_strips
from organza.media.provenance import CHANGED
from organza.media.volumes import View, render
from organza.networks.layers import NetworkDict, Translator
from organza.progress import Progress
from organza.studio.player import LATENTS, Latent, Player
from organza.studio.points import Point

MOST_POINTS, MOST_FRAMES = 128, 480
SMALLEST, LARGEST_SIDE = 256, 1024
"""Sides of a clip and of a dropped image, in pixels."""
MOST_PIXELS = 4 * LARGEST_SIDE**2
"""Largest enlarged or filled image: seconds of a core."""


def describe(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the controls that a run has."""
    run, network = player.run, player.run.player
    parts = dict(network.items()) if isinstance(network, NetworkDict) else {"b": network}
    ways = {name: part for name, part in parts.items() if isinstance(part, Translator)}
    found: dict[str, Any] = {
        "shape": list(run.shape), "images": run.images, "checkpoint": run.made_by().checkpoint, "place": shown_place(run.path),
        "draws": player.draws,
        "translates": [*ways], "encodes": "encoder" in parts, "notes": list(run.notes), "labels": [], "codes": None,
        "judges": judges(run), "levels": 0,
        "factor": max((way.factor for way in ways.values()), default=1), "fills": any(way.masked for way in ways.values()),
    }  # fmt: skip
    if player.draws:
        found["levels"] = len(player.levels.levels) if player.levels else 0
        if getattr(run.generator, "labels", 0) and run.labels:
            found["labels"] = run.labels.facts()
        codes: Any = getattr(run.generator, "codes", None)
        if codes is not None:
            found["codes"] = {"categories": list(codes.categories), "continuous": codes.continuous}
    return found, b""


def directions(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the strengths of a run's directions, which are found once."""
    found = [{"name": one.name, "source": one.source, "strength": round(one.strength, 2)} for one in player.directions]
    return {"directions": found}, b""


def shown_place(path: Path) -> str:
    """Return the folder of a run as a person in this directory would name it."""
    with suppress(ValueError):
        return path.relative_to(Path.cwd()).as_posix()
    return str(path)


def judges(run: Run) -> str:
    """Return "" if the discriminator can judge single images, else the reason why not."""
    try:
        run.require_judging()
    except UserError as error:
        return str(error)
    return ""


def images(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the images of points in one grid, PNG, without gaps."""
    points = [Point.of(one) for one in given["points"][:MOST_POINTS]]
    view = (
        View(float(given["azimuth"]), float(given.get("elevation") or 25)) if given.get("azimuth") is not None else None
    )
    pictures = player.pictures(points, view)
    columns = max(1, min(int(given.get("columns") or len(points)), len(points)))
    height, width = pictures.shape[1:3]
    seed = points[0].seed if len(points) == 1 else None
    return {"count": len(points), "columns": columns, "width": width, "height": height}, png(
        grid(pictures, columns, gap=0), player.run.made_by(seed).png() if len(points) == 1 else None
    )


def png(picture: np.ndarray, info: Any = None) -> bytes:
    """Return an image as PNG, compressed quickly."""
    out = io.BytesIO()
    to_image(picture).save(out, "png", compress_level=1, pnginfo=info)
    return out.getvalue()


def clip(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return a way through points as an animated WebP."""
    points = [Point.of(one) for one in given["points"][:32]]
    frames, closed = min(int(given["frames"]), MOST_FRAMES), bool(given.get("closed"))
    if len(points) < 2:
        raise UserError("A clip needs two images or more; pin another one.")
    latents = [player.latent(point) for point in points]
    keys = torch.stack([one.z for one in latents])
    ways = len(points) if closed else len(points) - 1
    drawn: list[Image.Image] = []
    for number, z in enumerate(walk(player.law, keys, frames, closed)):
        at = number / (frames if closed else max(frames - 1, 1)) * ways
        made = player.draw([blend(latents, at)._replace(z=z)])
        picture = render(made, 256, View(35 + 360 * number / frames))[0] if made.ndim == 5 else made[0]
        drawn.append(squared(to_image(picture)))
        progress("drawing the clip", number + 1, frames)
    out = io.BytesIO()
    rate = min(max(int(given.get("rate") or 25), 5), 50)
    xmp = player.run.made_by().xmp().encode()
    drawn[0].save(
        out,
        "webp",
        save_all=True,
        append_images=drawn[1:],
        duration=round(1000 / rate),
        loop=0,
        quality=88,
        method=2,
        xmp=xmp,
    )
    return {"frames": frames, "rate": rate}, out.getvalue()


def blend(latents: Sequence[Latent], at: float) -> Latent:
    """Return labels and offsets at a place of the way through latents: labels change halfway, offsets fade."""
    first, share = latents[int(at) % len(latents)], at % 1
    last = latents[(int(at) + 1) % len(latents)]
    size = max(len(first.offsets), len(last.offsets))
    zero = [torch.zeros_like(part) for part in first.offsets or last.offsets]
    ends = [one.offsets or zero for one in (first, last)]
    offsets = tuple(torch.lerp(ends[0][level], ends[1][level], share) for level in range(size))
    return Latent(first.z, (first if share < 0.5 else last).row, offsets)


def squared(image: Image.Image) -> Image.Image:
    """Return an image with each pixel as a square, so that its shorter side has at least `SMALLEST` pixels."""
    factor = max(1, SMALLEST // min(image.size))
    return (
        image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST) if factor > 1 else image
    )


def dropped(player: Player, blob: bytes) -> np.ndarray:
    """Return a dropped image as the training images were read, uint8 [1, H, W, C].

    Raises:
        UserError: if it is not a usable image.
    """
    run = player.run
    if len(run.shape) != 3:
        raise UserError(f"{run.path.name} makes volumes; images cannot be compared with them.")
    try:
        return decode(blob, Size(run.width, run.height), run.channels)[None].copy()
    except Unreadable as reason:
        raise UserError(f"This is not a usable image: {reason}.") from None


def invert(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Find the latent of a dropped image, keep it in the run, and return its name, with the image and its
    reconstruction side by side as PNG."""
    run, x = player.run, dropped(player, blob)
    found = run.invert(x, steps=min(int(given.get("steps") or 200), 1000), progress=progress)
    kept = {"z": found.latents} | dict(zip(["row"], found.rows, strict=False))
    kept |= {f"offset.{n:02d}": part for n, part in enumerate(found.offsets)}
    content = safetensors.torch.save({key: value.contiguous() for key, value in kept.items()})
    name = hashlib.sha256(content).hexdigest()[:16]
    folder = run.folder.place(LATENTS)
    make_folder(folder)
    write(folder / f".{name}.part", content)
    rename(folder / f".{name}.part", folder / f"{name}.safetensors")
    both = np.concatenate([x, found.images])
    told: dict[str, Any] = {
        "kept": name,
        "psnr": round(float(found.psnr[0]), 1),
        "psnr_of_mean": round(float(found.mean_psnr[0]), 1),
    }
    return told | {"width": run.width, "height": run.height}, png(grid(both, 2, gap=0))


def encode(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return a dropped image and its reconstruction through the encoder, side by side as PNG."""
    x = dropped(player, blob)
    return {"width": player.run.width, "height": player.run.height}, png(
        grid(np.concatenate([x, player.run.reconstruct(x)]), 2, gap=0)
    )


def translate(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the translation of a dropped image as PNG."""
    run, to = player.run, str(given.get("to") or "b")
    network = run.translator(to)
    if network.reach:
        return restored(run, network, blob, progress)
    try:
        size = size_of(blob)
        shrink = min(1.0, LARGEST_SIDE / max(size.width, size.height))
        wanted = Size(*(max(8, round(side * shrink)) for side in (size.width, size.height)))
        x = decode(blob, wanted, run.source_channels(to))
    except Unreadable as reason:
        raise UserError(f"This is not a usable image: {reason}.") from None
    made = run.translate(x[None], to)[0]
    out = io.BytesIO()
    to_image(made).save(out, "png", pnginfo=run.made_by(kind=CHANGED).png())
    return {"width": made.shape[1], "height": made.shape[0]}, out.getvalue()


def restored(run: Run, network: Translator, blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return a dropped image enlarged, or with its transparent pixels filled, as PNG of its own colours and opacity."""
    try:
        image = original(blob)
    except Unreadable as reason:
        raise UserError(f"This is not a usable image: {reason}.") from None
    pixels, factor, work = image.pixels, network.factor, "filled" if network.masked else "enlarged"
    height, width = (side * factor for side in pixels.shape[:2])
    if height * width > MOST_PIXELS:
        raise UserError(
            f"The image of {pixels.shape[1]}x{pixels.shape[0]} is too large to be {work} here; `organza translate` takes it."
        )
    if network.masked:
        hole = pixels[..., 3] < OPAQUE if pixels.shape[2] == 4 else np.zeros(pixels.shape[:2], bool)
        if not hole.any() or hole.all():
            raise UserError("Erase what should be filled, and leave some of the image: transparent pixels are filled.")
        strips = iter([filled(network, pixels, hole, run.channels)])
    else:
        strips = enlarged(network, pixels, run.channels, lambda done, of: progress("enlarging", done, of))
    out = io.BytesIO()
    write_strips(out, strips, (height, width, pixels.shape[2]), run.made_by(kind=CHANGED), image.profile)
    return {"width": width, "height": height}, out.getvalue()


def judge(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the probability that a dropped image is authentic."""
    labels = given.get("labels") or {}
    chances, kinds = player.run.verdicts(dropped(player, blob), {str(k): str(v) for k, v in labels.items()} or None)
    return {"probability": round(float(chances[0]), 4), "as": kinds[0]}, b""


CALLS: dict[str, Callable[[Player, dict[str, Any], bytes, Progress], tuple[Any, bytes]]] = {
    function.__name__: function for function in (describe, directions, images, clip, invert, encode, translate, judge)
}
