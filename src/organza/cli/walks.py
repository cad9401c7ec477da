"""Commands that draw what lies between latents: walk, mix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from organza.cli.options import Label, RunPath, Trusted, Which, answer, arg, labels_asked, require_seed, tell
from organza.disk import safe_name
from organza.errors import UserError

if TYPE_CHECKING:
    import numpy as np

SEEDS = re.compile(r"\d{1,20}(,\d{1,20})*")


def seeds_of(option: str, text: str) -> list[int]:
    """Return seeds of a list such as 1,5,9.

    Raises:
        UserError: if it is none.
    """
    if not SEEDS.fullmatch(text):
        raise UserError(f"--{option} is {text[:40]}; it must be seeds separated by commas, such as 1,5,9.")
    found = [int(part) for part in text.split(",")]
    for seed in found:
        require_seed(seed)
    return found


def walk(
    run: RunPath,
    /,
    seeds: Annotated[str, arg("N,N ...", "0")] = "0",
    seconds: Annotated[float, arg("S", "8")] = 8.0,
    fps: Annotated[int, arg("N", "30")] = 30,
    grid: Annotated[str, arg("CxR", "1x1")] = "1x1",
    open: bool = False,
    truncate: Annotated[float, arg("PSI", "1")] = 1.0,
    of_class: Annotated[str | None, arg("NAME", "drawn once", name="class")] = None,
    settings: Label = (),
    enlarge: Annotated[int | None, arg("N", "to 256 pixels")] = None,
    out: Annotated[Path | None, arg("FILE", "RUN/walks/SEEDS.webp")] = None,
    no_metadata: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Write a walk through latents as a clip: a closed loop through the images of seeds.

    Args:
        run: run or exported folder.
        seeds: seeds of the images to pass through; one gives a circle through its image.
        seconds: length of the clip.
        fps: frames a second.
        grid: walks side by side, columns x rows.
        open: end at the last image instead of returning to the first.
        truncate: share of each latent's distance from the centre to keep.
        of_class: class of all images, for a conditional run.
        settings: labels of all images by field, for a conditional run.
        enlarge: factor by which each pixel is enlarged.
        out: output file: .webp, .mp4 (needs PyAV) or .avif.
        no_metadata: leave out the metadata that mark the file as synthetic.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    from organza.inference.load import load
    from organza.latents.walks import frames_of
    from organza.media.clips import require_writable, save_clip

    columns, rows = _grid(grid)
    chosen = seeds_of("seeds", seeds)
    if enlarge is not None and not 1 <= enlarge <= 64:
        raise UserError(f"--enlarge is {enlarge}; it must be 1 to 64.")
    if out is not None:
        require_writable(out)
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    path = out or trained.folder.place(f"walks/{safe_name('-'.join(map(str, chosen)))}.webp")
    parts = trained.walk(
        chosen, seconds=seconds, fps=fps, cells=columns * rows, closed=not open, truncate=truncate,
        labels=labels_asked(settings, of_class),
    )  # fmt: skip
    frames = _frames(parts, frames_of(seconds, fps), columns, enlarge)
    save_clip(frames, path, fps, None if no_metadata else trained.made_by(chosen[0]), loop=not open)
    size = f"{frames[0].shape[1]}x{frames[0].shape[0]}, {path.stat().st_size / 1e3:,.0f} kB"
    answer(f"{path}: {len(frames):,} frames of {size} (checkpoint {trained.saved.directory.name})")
    return 0


def _frames(parts: Iterator[np.ndarray], count: int, columns: int, enlarge: int | None) -> list[np.ndarray]:
    """Draw the frames of a clip, [H, W, C] each, with its walks side by side.

    Args:
        parts: images of each frame, [cells, H, W, C], or volumes.
        count: number of frames.
        columns: images beside each other.
        enlarge: factor by which each pixel of an image is enlarged; None for 256 pixels.
    """
    from organza.display.console import preparing
    from organza.media.clips import enlarged, times_for
    from organza.media.images import grid
    from organza.media.volumes import pictured
    from organza.memory import require_memory

    frames: list[np.ndarray] = []
    with preparing() as progress:
        for cells in parts:
            frame = grid(pictured(cells), columns=columns)
            frame = enlarged(frame, enlarge or times_for(cells[0]) if cells.ndim == 4 else 1)
            if not frames:
                size = f"{frame.shape[1]}x{frame.shape[0]}"
                require_memory(2 * count * frame.nbytes, f"A clip of {count:,} frames of {size}")
            frames.append(frame)
            progress("drawing frames", len(frames), count)
    return frames


def _grid(text: str) -> tuple[int, int]:
    """Return columns and rows of CxR."""
    match = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text)
    if not match or not 1 <= int(match[1]) * int(match[2]) <= 256:
        raise UserError(f"--grid is {text[:20]}; it must be columns x rows, such as 4x2, of at most 256 images.")
    return int(match[1]), int(match[2])


def mix(
    run: RunPath,
    /,
    coarse: Annotated[str, arg("N,N ...", "1,2,3,4")] = "1,2,3,4",
    fine: Annotated[str, arg("N,N ...", "5,6,7,8")] = "5,6,7,8",
    level: Annotated[int | None, arg("N", "1")] = None,
    of_class: Annotated[str | None, arg("NAME", "drawn once", name="class")] = None,
    settings: Label = (),
    out: Annotated[Path | None, arg("FILE", "RUN/mixed.png")] = None,
    no_metadata: bool = False,
    checkpoint: Which = "best",
    recipe: Trusted = None,
) -> int:
    """Mix the levels of latents: shapes of one image, colours of another. Writes a grid.

    Left: the images of the coarse seeds. Above: those of the fine ones.

    Args:
        run: run or exported folder.
        coarse: seeds of the rows, which give the levels below --level.
        fine: seeds of the columns, which give the others.
        level: first level of the fine seeds.
        of_class: class of all images, for a conditional run.
        settings: labels of all images by field, for a conditional run.
        out: output file.
        no_metadata: leave out the metadata that mark the file as synthetic.
        checkpoint: best, latest, or a checkpoint's name such as 00012000.
        recipe: your own modules that hold its networks, if you trust them.
    """
    import numpy as np

    from organza.inference.load import load
    from organza.media.images import grid, save_png

    rows, columns = seeds_of("coarse", coarse), seeds_of("fine", fine)
    trained = load(run, checkpoint, recipe)
    tell(trained.notes)
    labels = labels_asked(settings, of_class)
    table = trained.mix(rows, columns, level, labels)
    if table.ndim != 5:
        raise UserError(f"{run} generates volumes; mix them from Python: organza.load(RUN).mix.")
    left, above = (
        np.concatenate([trained.mix([seed], [seed], level, labels)[0] for seed in some]) for some in (rows, columns)
    )
    cells = [np.full_like(above[0], 255), *above]
    for one, row in zip(left, table, strict=True):
        cells += [one, *row]
    path = out or trained.folder.place("mixed.png")
    save_png(grid(np.stack(cells), columns=len(columns) + 1), path, None if no_metadata else trained.made_by(rows[0]))
    generator: Any = trained.generator
    answer(f"{path}: rows are seeds {coarse}, columns {fine}, of {len(generator.levels)} levels")
    return 0
