"""Play with a run: images of points in the space of latents, clips, inversion, translation, judgement.

Runs in the worker process, which loads a run once and answers until the run's weights change.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from organza.data.batches import to_uint8
from organza.data.decode import Unreadable, decode, size_of
from organza.data.size import Size
from organza.disk import make_folder, rename, write
from organza.errors import UserError
from organza.inference.load import Run, load
from organza.latents.directions import Direction
from organza.latents.interpolate import between, walk
from organza.latents.law import Law
from organza.latents.levels import Levelled
from organza.latents.truncation import truncated
from organza.media.images import grid, to_image
from organza.media.provenance import CHANGED
from organza.media.volumes import View, render
from organza.networks.layers import Several, Translator
from organza.progress import Progress
from organza.seeding import MICROBATCH
from organza.studio.points import Point
from organza.untrusted import read_bytes

LOADED, MOST_POINTS, MOST_FRAMES = 3, 128, 480
DIRECTIONS = 8
LATENTS = ".studio/latents"
"""Folder of kept latents, in the run."""
KEPT_BYTES = 2**28
SMALLEST, LARGEST_SIDE = 256, 1024
"""Sides of a clip and of a dropped image, in pixels."""


class Latent(NamedTuple):
    """A latent with what belongs to it.

    Args:
        z: latent, [1, z_dim].
        row: label row, [1, width]; None for a run without labels.
        offsets: offsets of the generator's levels, [1, ...] each; () for a latent that was drawn.
    """

    z: Tensor
    row: Tensor | None
    offsets: tuple[Tensor, ...] = ()


class Player:
    """A loaded run, ready to play with."""

    def __init__(self, path: Path, which: str = "best"):
        self.run: Run = load(path, which)
        self.sign = sign_of(path)

    @property
    def draws(self) -> bool:
        """True if it generates from noise."""
        return hasattr(self.run.generator, "latent")

    @cached_property
    def law(self) -> Law:
        """Law of the latents."""
        return Law.of(tuple(self.run.generator.prior))  # type: ignore[arg-type]

    @cached_property
    def levels(self) -> Levelled | None:
        """The generator with its levels, for style mixing and inversion; None if it has none."""
        generator: Any = self.run.generator
        return Levelled(generator) if getattr(generator, "levels", ()) else None

    @cached_property
    def directions(self) -> tuple[Direction, ...]:
        """The directions kept in the run, or else the axes of the largest change."""
        return self.run.directions(DIRECTIONS)[:24] if self.draws else ()

    def latent(self, point: Point) -> Latent:
        """Return the latent of a point."""
        if not self.draws:
            raise UserError(f"{self.run.path.name} translates images and draws none from noise.")
        z, row, offsets = self._origin(point)
        for seed, index, share in point.toward:
            z = between(self.law, z, self.run.latent(seed, index)[None], share)
        for step, direction in zip(point.moves, self.directions if any(point.moves) else (), strict=False):
            z = self.law.moved(z, direction.axis, step)
        if point.psi != 1:
            z = truncated(self.law, z, point.psi)
        codes: Any = getattr(self.run.generator, "codes", None)
        if point.codes and codes is not None:
            z = coded(codes, z, point.codes)
        return Latent(z, row, offsets)

    def _origin(self, point: Point) -> Latent:
        kept = self._kept(point.kept) if point.kept else None
        labelled = self.run.labels is not None and bool(getattr(self.run.generator, "labels", 0))
        row = kept.row if kept is not None else None
        if labelled and (row is None or point.labels):
            row = self.run.label_rows(range(point.index, point.index + 1), point.seed, point.labels)
        elif not labelled and point.labels:
            raise UserError(f"{self.run.path.name} has no labels.")
        return kept._replace(row=row) if kept is not None else Latent(self.run.latent(point.seed, point.index)[None].clone(), row)

    def _kept(self, name: str) -> Latent:
        file = self.run.path / LATENTS / f"{name}.safetensors"
        try:
            found = safetensors.torch.load(read_bytes(file, KEPT_BYTES, inside=self.run.path))
        except (OSError, ValueError, RuntimeError, safetensors.SafetensorError):
            raise UserError(f"The kept latent {name} of {self.run.path.name} is gone; find the image again.") from None
        offsets = tuple(found[key] for key in sorted(found) if key.startswith("offset."))
        z = found.get("z")
        fits = z is not None and z.shape == (1, *self.law.centre.shape) and all(bool(part.isfinite().all()) for part in found.values())
        if not fits or (offsets and (self.levels is None or len(offsets) != len(self.levels.levels))):
            raise UserError(f"The kept latent {name} does not fit {self.run.path.name}; find the image again.")
        return Latent(z, found.get("row"), offsets)  # type: ignore[arg-type]

    @torch.no_grad()
    def draw(self, latents: Sequence[Latent], mixes: Sequence[tuple[int, ...]] = ()) -> np.ndarray:
        """Return images of latents, uint8 [N, H, W, C], or volumes [N, D, H, W, C]."""
        parts = []
        for start in range(0, len(latents), MICROBATCH):
            some = latents[start : start + MICROBATCH]
            rows = [one.row for one in some if one.row is not None]
            made = self.run.generate(torch.cat([one.z for one in some]), torch.cat(rows) if rows else None)
            for at, one in enumerate(some):
                given = () if one.row is None else (one.row,)
                if one.offsets and self.levels is not None:
                    made[at] = self.levels.shifted(one.z, *given, offsets=one.offsets)[0]
                if start + at < len(mixes) and (mix := mixes[start + at]) and self.levels is not None:
                    other = self.run.latent(mix[0], mix[1])[None]
                    made[at] = self.levels.mixed(one.z, *given, other=other, at=mix[2])[0]
            parts.append(to_uint8(made).numpy())
        return np.concatenate(parts)

    def pictures(self, points: Sequence[Point], view: View | None = None) -> np.ndarray:
        """Return the images of points, uint8 [N, H, W, C]; volumes are rendered."""
        items = self.draw([self.latent(point) for point in points], [point.mix for point in points])
        return render(items, 160, view or View()) if items.ndim == 5 else items


_players: dict[tuple[str, str], Player] = {}


def opened(given: dict[str, Any]) -> Player:
    """Return the run that a call names, loaded before or now."""
    path, which = Path(given["run"]), str(given.get("checkpoint") or "best")
    key = str(path), which
    if key in _players and _players[key].sign == sign_of(path):
        _players[key] = _players.pop(key)  # the latest are last
        return _players[key]
    _players.pop(key, None)
    while len(_players) >= LOADED:
        _players.pop(next(iter(_players)))
    _players[key] = Player(path, which)
    return _players[key]


def sign_of(path: Path) -> tuple[int, ...]:
    """Return what changes when a run's checkpoints do."""
    found = []
    for name in ("best.json", "latest.json", "manifest.json", "directions.json"):
        with suppress(OSError):
            found.append(os.stat(path / name).st_mtime_ns)  # noqa: PTH116
    return tuple(found)


def coded(codes: Any, z: Tensor, values: dict[str, float]) -> Tensor:
    """Return latents with an InfoGAN's codes set: category-1 to a number from 0, code-1 to a value."""
    at = codes.noise
    for number, count in enumerate(codes.categories, 1):
        if (chosen := values.get(f"category-{number}")) is not None:
            z[:, at : at + count] = torch.eye(count)[min(max(int(chosen), 0), count - 1)]
        at += count
    for number in range(1, codes.continuous + 1):
        if (value := values.get(f"code-{number}")) is not None:
            z[:, at] = value
        at += 1
    return z


def describe(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the controls that a run has."""
    run, network = player.run, player.run.player
    parts = dict(network.items()) if isinstance(network, Several) else {"b": network}
    ways = [name for name, part in parts.items() if isinstance(part, Translator)]
    found: dict[str, Any] = {
        "shape": list(run.shape), "images": run.images, "checkpoint": run.made_by().checkpoint, "place": shown_place(run.path), "draws": player.draws,
        "translates": ways, "encodes": "encoder" in parts, "notes": list(run.notes), "labels": [], "codes": None,
        "judges": judges(run), "levels": 0,
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
    """Return the images of points in one sheet, PNG, without gaps."""
    points = [Point.of(one) for one in given["points"][:MOST_POINTS]]
    view = View(float(given["azimuth"]), float(given.get("elevation") or 25)) if given.get("azimuth") is not None else None
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
        drawn.append(enlarged(to_image(picture)))
        progress("drawing the clip", number + 1, frames)
    out = io.BytesIO()
    rate = min(max(int(given.get("rate") or 25), 5), 50)
    xmp = player.run.made_by().xmp().encode()
    drawn[0].save(out, "webp", save_all=True, append_images=drawn[1:], duration=round(1000 / rate), loop=0, quality=88, method=2, xmp=xmp)
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


def enlarged(image: Image.Image) -> Image.Image:
    """Return an image with each pixel as a square, so that its shorter side has at least `SMALLEST` pixels."""
    factor = max(1, SMALLEST // min(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST) if factor > 1 else image


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
    kept = {"z": found.latents} | {"row": row for row in found.rows[:1]} | {f"offset.{n:02d}": part for n, part in enumerate(found.offsets)}
    content = safetensors.torch.save({key: value.contiguous() for key, value in kept.items()})
    name = hashlib.sha256(content).hexdigest()[:16]
    folder = run.folder.place(LATENTS)
    make_folder(folder)
    write(folder / f".{name}.part", content)
    rename(folder / f".{name}.part", folder / f"{name}.safetensors")
    both = np.concatenate([x, found.images])
    told: dict[str, Any] = {"kept": name, "psnr": round(float(found.psnr[0]), 1), "psnr_of_mean": round(float(found.mean_psnr[0]), 1)}
    return told | {"width": run.width, "height": run.height}, png(grid(both, 2, gap=0))


def encode(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return a dropped image and its reconstruction through the encoder, side by side as PNG."""
    x = dropped(player, blob)
    return {"width": player.run.width, "height": player.run.height}, png(grid(np.concatenate([x, player.run.reconstruct(x)]), 2, gap=0))


def translate(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return a dropped image as it was read and its translation, side by side as PNG."""
    run, to = player.run, str(given.get("to") or "b")
    run.translator(to)
    try:
        size = size_of(blob)
        shrink = min(1.0, LARGEST_SIDE / max(size.width, size.height))
        wanted = Size(run.width, run.height) if given.get("fit") else Size(*(max(8, round(side * shrink)) for side in (size.width, size.height)))
        x = decode(blob, wanted, run.source_channels(to))
    except Unreadable as reason:
        raise UserError(f"This is not a usable image: {reason}.") from None
    made = run.translate(x[None], to)[0]
    out = io.BytesIO()
    to_image(made).save(out, "png", pnginfo=run.made_by(kind=CHANGED).png())
    return {"width": made.shape[1], "height": made.shape[0]}, out.getvalue()


def judge(player: Player, given: dict[str, Any], blob: bytes, progress: Progress) -> tuple[Any, bytes]:
    """Return the probability that a dropped image is authentic."""
    labels = given.get("labels") or {}
    chances, kinds = player.run.verdicts(dropped(player, blob), {str(k): str(v) for k, v in labels.items()} or None)
    return {"probability": round(float(chances[0]), 4), "as": kinds[0]}, b""


CALLS: dict[str, Callable[[Player, dict[str, Any], bytes, Progress], tuple[Any, bytes]]] = {
    "describe": describe, "directions": directions, "images": images, "clip": clip, "invert": invert, "translate": translate, "judge": judge, "encode": encode,
}  # fmt: skip
