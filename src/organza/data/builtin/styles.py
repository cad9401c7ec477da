"""Two unpaired domains, rendered from vector artwork: the same kind of image in two styles, and no image has a twin in the other."""

from __future__ import annotations

from pathlib import Path

from organza.data.builtin.faces import render_faces, style_definition
from organza.errors import UserError
from organza.progress import Progress


def render_styles(
    out: str | Path,
    a: str = "open-peeps",
    b: str = "lorelei",
    count: int = 5_000,
    size: int = 64,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Render faces of one style in out/a and others of another style in out/b, as `Unpaired` wants them; each with its ATTRIBUTION.txt.

    Args:
        out: a new or empty folder, or one that an interrupted rendering left: it is finished, or made longer.
        a, b: DiceBear styles.
        count: faces in each.
        size: pixels of a side, 8 to 4096.
        seed: of both series, which differ from each other.
        workers: processes; one for each core by default.
        progress: is told (what, done, total).

    Raises:
        UserError: for one style twice, and whatever `render_faces` raises.

    >>> render_styles("styles", count=500)    # doctest: +SKIP
    PosixPath('styles')
    """
    if a == b:
        raise UserError(f"Both domains would be {a}, and there would be nothing to translate; name two styles.")
    for style in (a, b):
        style_definition(style)  # a misspelt second style is told before the first one is rendered
    folder = Path(out)
    if folder.is_dir() and (others := sorted(item.name for item in folder.iterdir() if item.name not in ("a", "b"))):
        raise UserError(f"{folder} holds other things ({', '.join(others[:3])}); name a new folder for the two styles.")
    for name, style, series in (("a", a, 2 * seed), ("b", b, 2 * seed + 1)):
        render_faces(folder / name, count, size, style, series, workers, progress)
    return folder
