"""Two unpaired domains rendered from vector artwork: faces in two styles, without matching pairs."""

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
    """Render faces of one style in out/a and others of another style in out/b, for `Unpaired`; each with its ATTRIBUTION.txt.

    Args:
        out: new or empty folder, or one of an interrupted rendering, which is completed or extended.
        a: DiceBear style of domain a.
        b: DiceBear style of domain b.
        count: number of faces in each.
        size: pixels on each side, 8 to 4096.
        seed: random seed of both series, which differ from each other.
        workers: number of processes; one for each core by default.
        progress: callback (task, done, total).

    Raises:
        UserError: if both styles are the same; also as in `render_faces`.

    >>> render_styles("styles", count=500)    # doctest: +SKIP
    PosixPath('styles')
    """
    if a == b:
        raise UserError(f"a and b are both {a}, so there is nothing to translate; name two styles.")
    for style in (a, b):
        style_definition(style)  # reports a misspelt second style before the first one is rendered
    folder = Path(out)
    if folder.is_dir() and (others := sorted(item.name for item in folder.iterdir() if item.name not in ("a", "b"))):
        raise UserError(f"{folder} holds other files ({', '.join(others[:3])}); name a new folder for the two styles.")
    for name, style, series in (("a", a, 2 * seed), ("b", b, 2 * seed + 1)):
        render_faces(folder / name, count, size, style, series, workers, progress)
    return folder
