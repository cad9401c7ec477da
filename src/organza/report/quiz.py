"""The human test: real and generated images one at a time, and how often the player is wrong.

The page does not reveal the answers: all images are encoded alike and have the same length, their
order is random, and the truth can only be computed from their bytes.
"""

from __future__ import annotations

import base64
import io
import json
import math
import secrets
from pathlib import Path
from typing import NamedTuple

import numpy as np

from organza.data.size import Size
from organza.errors import UserError
from organza.evaluation.run_with_data import RunWithData
from organza.media.images import to_image
from organza.media.volumes import pictured
from organza.recipe import Recipe
from organza.report.page import asset, html, page, written
from organza.run.folder import RunFolder
from organza.seeding import permutation

COUNT = 40
LEAST = 10
NORMAL = 1.959964
"""Standard deviations that cover 95 % of a normal distribution."""
LARGEST = Size(256, 256)
AGAIN = 1_000_000
"""Position of the quiz's latents, which neither the sample grids nor the evaluations use."""


class Interval(NamedTuple):
    """Confidence interval of a share."""

    low: float
    high: float


def wilson(wrong: int, count: int, z: float = NORMAL) -> Interval:
    """Compute the Wilson interval of a share observed `wrong` times in `count`: accurate for few
    and for extreme answers, too.

    (p + z^2/2n ± z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).  Wilson 1927, JASA 22, 209-212.

    Args:
        wrong: number of wrong answers, 0 <= wrong <= count.
        count: number of answers, count > 0.
        z: standard deviations; 95 % by default.

    >>> [round(end, 3) for end in wilson(10, 20)]
    [0.299, 0.701]
    """
    p, square = wrong / count, z * z / count
    middle, half = p + square / 2, z * math.sqrt(p * (1 - p) / count + square / (4 * count))
    return Interval(max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square)))


def write_quiz(
    path: str | Path,
    count: int = COUNT,
    seed: int | None = None,
    checkpoint: str = "best",
    data: str | Path | None = None,
    recipe: Recipe | str | None = None,
) -> Path:
    """Write RUN/quiz.html, a self-contained page, and return its path.

    Args:
        path: run folder.
        count: number of images, half of them real.
        seed: random seed of choice and order; None uses a new one each time, so that nobody has
            seen the images.
        checkpoint: best, latest, or a checkpoint's name.
        data: new location of the run's data, if it was moved.
        recipe: recipe of your own that the run was trained with: see `load`.

    Raises:
        UserError: if there are too few images, no data to take real ones from, or no such run.
    """
    if count < LEAST or count % 2:
        raise UserError(f"`count` is {count}; it must be an even number of at least {LEAST}.")
    trained = RunWithData(path, checkpoint, recipe=recipe, at=data)
    if missing := trained.missing():
        raise UserError(f"{missing} A quiz needs real images.")
    if trained.run.table is not None:
        raise UserError(
            f"{path} makes vectors, which nobody tells apart by eye; `organza evaluate` compares them with real ones."
        )
    chosen = secrets.randbelow(2**31) if seed is None else seed
    side = trained.real()
    half = count // 2
    if len(side) < half:
        raise UserError(
            f"{path} has {len(side)} real images to show and `count` {count} needs {half}; choose at most {2 * len(side)}."
        )
    real = side.images[permutation(len(side), "quiz", chosen).numpy()[:half]]
    made = trained.made(half, chosen + AGAIN).images
    if len(made) < half:
        raise UserError(
            f"{path} generates {len(made)} different images of its data and `count` {count} needs {half}; choose a smaller `count`."
        )
    pictures = np.concatenate([pictured(real), pictured(made)])
    name = RunFolder(path).path.resolve().name
    return written(RunFolder(path).quiz, quiz(pictures, np.arange(count) < half, name, side.split, chosen))


def quiz(pictures: np.ndarray, real: np.ndarray, name: str, split: str = "held-out", seed: int = 0) -> str:
    """Return the page as HTML.

    Args:
        pictures: uint8 [N, H, W, C].
        real: mask of the real images, bool [N].
        name: name of the run.
        split: part of the data that the real images are from.
        seed: random seed of the order.
    """
    order = permutation(len(pictures), "order of a quiz", seed).numpy()
    shown = alike([pictures[index] for index in order])
    marks = [bool(real[index]) ^ odd(text) for index, text in zip(order, shown, strict=True)]
    facts = {
        "pictures": shown,
        "marks": "".join("1" if mark else "0" for mark in marks),
        "wrong": [[round(end, 4) for end in wilson(wrong, len(shown))] for wrong in range(len(shown) + 1)],
    }
    seen = (
        "the real ones are not among its training images"
        if split == "held-out"
        else "the real ones are among its training images"
    )
    script = f"const quiz = {json.dumps(facts)};\n{asset('quiz.js')}"
    width = pictures.shape[2]
    body = [
        f'<p class="run"><b>{html(name)}</b>: {len(shown)} images, half real, half generated; {seen}</p>',
        '<section id="play"><h1 id="ask">Real or generated?</h1>'
        f'<figure class="card"><img id="picture" alt="" width="{width}"><figcaption id="place"></figcaption></figure>'
        '<div class="choice"><button id="real" type="button">Real <kbd>←</kbd></button>'
        '<button id="fake" type="button">Generated <kbd>→</kbd></button></div>'
        '<p class="small">Press R or the left arrow for real, G or the right arrow for generated; on a touch screen swipe to either side. '
        'Answers are shown at the end.</p><noscript><p class="warning">This page needs JavaScript.</p></noscript></section>',
        '<section id="end" hidden tabindex="-1"><div class="verdict" id="result"><div><h1 id="title"></h1><p class="why" id="why"></p>'
        '<p class="remedy" id="detail"></p></div></div>'
        '<h2>All of them</h2><p class="lead">The truth, and your answer.</p><ul class="cells" id="all"></ul>'
        '<p class="sub"><button id="again" type="button">Play again, in another order</button></p></section>',
    ]
    return page(f"{name}: real or generated?", body, script)


def alike(pictures: list[np.ndarray]) -> list[str]:
    """Return images as base64 PNG, all of one length, since the noise of generated images would
    make their files longer.
    """
    files = []
    for picture in pictures:
        content, image = io.BytesIO(), to_image(picture)
        image.thumbnail(LARGEST)
        image.save(content, "png")
        files.append(content.getvalue())
    longest = max(map(len, files))
    longest += -longest % 3
    # Decoders ignore bytes after the end of a PNG.
    return [base64.b64encode(file + secrets.token_bytes(longest - len(file))).decode() for file in files]


def odd(text: str) -> bool:
    """Return one bit of a text, by its 32-bit FNV-1a hash, as the page's script computes it.

    >>> [odd(text) for text in ("face", "shoe", "hat", "cat")]
    [True, True, True, False]
    """
    value = 0x811C9DC5
    for letter in text.encode():
        value = (value ^ letter) * 0x01000193 & 0xFFFFFFFF
    return bool(value >> 16 & 1)
