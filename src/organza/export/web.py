"""The page: one HTML file that runs a generator by a double click, offline, and can talk to nobody.

Style, script, onnxruntime-web (`runtime`), the ONNX files and what the page needs to know are inside it. Its policy names its own style
and script by their digests and permits no other, no request and no frame; WebAssembly needs a word of its own, 'wasm-unsafe-eval'.
Module scripts that are files of their own, and every fetch, are refused for a page from the disk, so there is no other form of it.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from organza.export import runtime
from organza.export.graphs import Graph, Trained
from organza.latents.directions import Direction, jacobian_axes
from organza.media.html import html, policy
from organza.version import __version__

SHOWN = 16
"""Images of the sheet."""
LATENTS = 64
"""Latents of the training's own sheet that go along: 26 kB."""
LOOKED = 6
"""Latents from which the directions are looked for."""
WASM = "'wasm-unsafe-eval'"
REACH = 3.0
"""Deviations to each side of a slider."""
SCRIPTS = "start", "latents", "picture"


@cache
def asset(name: str) -> str:
    """Return a file of the folder `page`."""
    return files("organza.export").joinpath("page", name).read_text(encoding="utf-8")


def page(run: Trained, models: Mapping[str, tuple[Graph, bytes]], name: str, xmp: str) -> str:
    """Return a whole page.

    Args:
        run: what is exported.
        models: graphs and their files by name.
        name: what to call the generator.
        xmp: what saved images say of where they come from.
    """
    generator = models["generator"][0]
    noise = "prior" in generator.facts
    known = {"name": name, "unit": generator.output, "shape": _last(run.shape), "xmp": xmp}
    known |= _of_noise(run, models) if noise else _of_images(run, models)
    more = ("volume", "noise") if noise else ("translate",)
    script = runtime.script() + "\n".join(asset(f"{part}.js") for part in (*SCRIPTS, *more, "main"))
    body = _room(run, known) if noise else _table(known)
    parts = [_data("facts", json.dumps(known).replace("</", "<\\/"), "application/json")]
    parts += [_data("runtime", _text(runtime.packed()))]
    parts += [_data(f"model-{key}", _text(gzip.compress(content, 9, mtime=0))) for key, (_, content) in models.items()]
    return _framed(name, run, body, parts, script)


def _framed(name: str, run: Trained, body: str, data: Sequence[str], script: str) -> str:
    style = asset("page.css") + f":root {{ --shape: {run.shape[-1]} / {run.shape[-2]}; }}\n"
    unit = "shapes" if len(run.shape) == 4 else "images"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy(style, script, WASM)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noai, noimageai">',
            f'<title>{html(name)}</title><link rel="icon" href="data:,"><style>{style}</style></head><body><main>',
            f'<h1>{html(name)}</h1><p class="lead">All {unit} that this page makes are synthetic: a neural network draws them, '
            "on your device.</p>",
            f'<p id="status" role="status">Unpacking the network...</p>{body}',
            f'<p class="rule"><span id="speed"></span> Generator: recipe {html(run.content["recipe"]["name"])}, '
            f"{run.saved.facts['images']:,} images seen; made by Organza {html(__version__)} and run by onnxruntime-web "
            f"{runtime.VERSION} (MIT). This file is whole: it loads nothing, sends nothing, and can be passed on.</p></main>",
            *data,
            f'<script type="module">{script}</script></body></html>',
            "",
        ]
    )


def _data(name: str, text: str, kind: str = "text/plain") -> str:
    return f'<script type="{kind}" id="{name}">{text}</script>'


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _numbers(values: Tensor) -> str:
    """Float32 in little-endian order, as text."""
    return _text(np.ascontiguousarray(values.numpy(), dtype="<f4").tobytes())


def _last(shape: tuple[int, ...]) -> list[int]:
    """Channels, then the other sides."""
    return list(shape)


def _of_noise(run: Any, models: Mapping[str, tuple[Graph, bytes]]) -> dict[str, Any]:
    """What a page of a generator from noise knows: the law, latents of the training's own sheet, directions, labels and codes."""
    from organza.export.onnx import session

    graph, content = models["generator"]
    seed = int(run.content["asked"].get("seed") or 0)
    z = torch.stack([run.latent(seed, index) for index in range(LATENTS)])
    rows = run.label_rows(range(LATENTS), seed) if "labels" in graph.facts else None
    given = {"z": z[:1].numpy()} | ({"label": rows[:1].numpy()} if rows is not None else {})
    first = np.asarray(session(content).run(None, given)[0]).ravel()[:8]
    step = _deviation(graph.facts["prior"])
    found = [] if "codes" in graph.facts else directions(run, graph, z, rows)
    return {
        "prior": graph.facts["prior"],
        "latents": _numbers(z),
        "rows": None if rows is None else _numbers(rows),
        "first": first.tolist(),
        "labels": graph.facts.get("labels"),
        "codes": graph.facts.get("codes"),
        "directions": [
            {"axis": [round(value, 4) for value in one.axis.tolist()], "step": step, "strength": round(one.strength, 2)}
            for one in found
        ],
    }


def directions(run: Any, graph: Graph, z: Tensor, rows: Tensor | None) -> list[Direction]:
    """Return the axes that the page has sliders for."""
    free = torch.cat([torch.full((part["size"],), part["law"] != "one-hot") for part in graph.facts["prior"]])
    row = [] if rows is None else [rows[:1]]

    def generate(some: Tensor) -> Tensor:
        return run.generator(some, *(one.expand(len(some), -1) for one in row))

    return jacobian_axes(generate, z[:LOOKED], free, _deviation(graph.facts["prior"]))


def _deviation(prior: Sequence[Mapping[str, Any]]) -> float:
    """The standard deviation of a latent's first numbers."""
    law = prior[0]
    return law["deviation"] if law["law"] == "normal" else (law.get("high", 1.0) - law.get("low", 0.0)) / 12**0.5


def _of_images(run: Trained, models: Mapping[str, tuple[Graph, bytes]]) -> dict[str, Any]:
    """What a page of a translator knows: its ways, and a pattern to begin with, since no image of the training leaves."""
    ways = []
    for key, (graph, _) in models.items():
        pattern = drawn_pattern(run.shape[-1], run.shape[-2], graph.facts["channels"])
        ways.append(
            graph.facts
            | {"model": f"model-{key}", "example": _text(pattern.tobytes()), "exampleSides": list(pattern.shape[:2])}
        )
    return {"ways": ways}


def drawn_pattern(width: int, height: int, channels: int) -> np.ndarray:
    """Return a pattern of plain shapes, uint8 [H, W, C]: something to translate before an image is dropped."""
    image = Image.new("RGB", (width * 4, height * 4), "white")
    pen = ImageDraw.Draw(image)
    w, h = image.size
    pen.ellipse((0.2 * w, 0.16 * h, 0.8 * w, 0.84 * h), fill=(236, 190, 150), outline=(40, 30, 30), width=max(w // 40, 1))
    pen.pieslice((0.18 * w, 0.1 * h, 0.82 * w, 0.7 * h), 180, 360, fill=(96, 58, 40), outline=(40, 30, 30), width=max(w // 40, 1))
    for x in (0.38, 0.62):
        pen.ellipse(((x - 0.05) * w, 0.48 * h, (x + 0.05) * w, 0.58 * h), fill=(40, 30, 30))
    pen.arc((0.38 * w, 0.55 * h, 0.62 * w, 0.73 * h), 20, 160, fill=(170, 50, 50), width=max(w // 30, 1))
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    if channels < 3:
        small = small.convert("L" if channels == 1 else "LA")
    elif channels == 4:
        small = small.convert("RGBA")
    return np.asarray(small, np.uint8).reshape(height, width, channels)


def _room(run: Trained, known: Mapping[str, Any]) -> str:
    """The page of a generator from noise: the sheet, the image in hand and its controls, what was kept and the way between."""
    noun = "shape" if known["unit"] == "volume" else "image"
    tile = f'<button class="tile" type="button" disabled aria-label="A {noun} that is not drawn yet"><canvas></canvas></button>'
    turn = (
        '<div class="slide"><label for="turn">Turn</label><input type="range" id="turn" min="0" max="6.283" step="0.01" value="0.6"></div>'
        '<label class="tick"><input type="checkbox" id="spin" checked> keep turning</label>'
        if noun == "shape"
        else ""
    )
    return (
        '<div class="room"><div><div class="bar">'
        f'<button class="main" type="button" id="new">New {noun}s<kbd>N</kbd></button>'
        '<button type="button" id="report">The training\'s own<kbd>R</kbd></button></div>'
        f'{_labels(known.get("labels"))}<div class="sheet" id="sheet">{tile * SHOWN}</div>'
        f'<section class="group"><h2>Kept</h2><p class="small" id="keep-more">Keep two {noun}s, and go the way between them.</p>'
        '<div class="kept" id="kept"></div><div class="walk" id="way" hidden>'
        f'<canvas id="walked" role="img" aria-label="A synthetic {noun} on the way between those kept"></canvas>'
        '<div><label for="along">The way through all kept, and back</label>'
        '<input type="range" id="along" min="0" max="1" step="0.001" value="0">'
        '<div class="bar"><button type="button" id="play">Play</button><button type="button" id="save-walked">Save PNG</button></div>'
        "</div></div></section></div>"
        f'<section class="hand"><h2>In hand</h2><div class="look"><canvas id="large" role="img" aria-label="The synthetic {noun} in hand"></canvas></div>'
        f'{turn}<div class="bar"><button type="button" id="keep">Keep<kbd>K</kbd></button>'
        '<button type="button" id="save">Save PNG<kbd>S</kbd></button><button type="button" id="reset">Undo</button></div>'
        f"{_codes(known.get('codes'))}{_sliders(known['directions'])}</section></div>"
    )


def _sliders(found: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f'<div class="slide"><label for="direction-{n}">Direction {n}</label>'
        f'<input type="range" id="direction-{n}" min="{-REACH}" max="{REACH}" step="0.05" value="0"></div>'
        for n in range(1, len(found) + 1)
    )
    about = "Where images change most: found in the network, not named by anybody. In standard deviations."
    return f'<div class="group" id="directions"{"" if found else " hidden"}><h2>Change it</h2><p class="small">{about}</p>{rows}</div>'


def _codes(codes: Mapping[str, Any] | None) -> str:
    """Controls for the codes of an InfoGAN, each at its place in the latent."""
    if not codes:
        return ""
    rows, at = [], codes["noise"]
    for number, count in enumerate(codes["categories"], 1):
        options = "".join(f'<option value="{n}">{n + 1}</option>' for n in range(count))
        rows.append(
            f'<div class="slide"><label for="category-{number}">Category {number}</label><select id="category-{number}" data-at="{at}">{options}</select></div>'
        )
        at += count
    for number in range(1, codes["continuous"] + 1):
        rows.append(
            f'<div class="slide"><label for="code-{number}">Code {number}</label>'
            f'<input type="range" id="code-{number}" data-at="{at}" min="-2" max="2" step="0.02" value="0"></div>'
        )
        at += 1
    about = "What the network was told to use: each category a kind, each code a change. It was trained from -1 to 1."
    return f'<div class="group" id="codes"><h2>Codes</h2><p class="small">{about}</p>{"".join(rows)}</div>'


def _labels(fields: Sequence[Mapping[str, Any]] | None) -> str:
    """Controls for what images shall show: a menu for a class, ticks for tags, a slider for a number."""
    parts = []
    for number, field in enumerate(fields or ()):
        name = html(field["name"])
        if field["several"]:
            ticks = "".join(f'<label><input type="checkbox"> {html(value)}</label>' for value in field["values"])
            parts.append(
                f'<fieldset id="label-{number}"><legend>{name}</legend><label class="tick"><input type="checkbox" id="any-{number}" checked> '
                f'as in the data</label><div class="tags">{ticks}</div></fieldset>'
            )
        elif field["values"]:
            options = "".join(f'<option value="{n}">{html(value)}</option>' for n, value in enumerate(field["values"]))
            parts.append(
                f'<span><label for="label-{number}">{name}</label> <select id="label-{number}"><option value="">as in the data</option>'
                f"{options}</select></span>"
            )
        else:
            mean, spread = field["shares"]
            parts.append(
                f'<span><label for="label-{number}">{name}</label> <input type="range" id="label-{number}" min="{mean - 2 * spread:g}" '
                f'max="{mean + 2 * spread:g}" step="any" value="{mean:g}"></span>'
            )
    return f'<div class="bar">{"".join(parts)}</div>' if parts else ""


def _table(known: Mapping[str, Any]) -> str:
    """The page of a translator: a place to drop an image, which never leaves the page, and its translation beside it."""
    ways = known["ways"]
    radios = "".join(
        f'<label class="tick"><input type="radio" name="to" value="{way["to"]}"{" checked" if n == 0 else ""}> to {way["to"]}</label>'
        for n, way in enumerate(ways)
    )
    sides = "".join(
        f'<option value="{side}"{" selected" if side == 256 else ""}>{side}</option>' for side in (64, 128, 256, 384, 512, 768)
    )
    size = " hidden" if all("fixed" in way for way in ways) else ""
    return (
        '<section id="drop"><p>Drop an image here, paste one, or choose a file. It stays on this device.</p><div class="bar">'
        '<label class="file main">Choose a file<input type="file" id="file" accept="image/*"></label>'
        f'<span{size}><label for="longest">Longest side</label> <select id="longest">{sides}</select></span>'
        f'<fieldset{" hidden" if len(ways) < 2 else ""}><legend>Translate</legend>{radios}</fieldset></div></section>'
        '<div class="pair"><figure><canvas id="original" role="img" aria-label="The original image"></canvas><figcaption>Original</figcaption></figure>'
        '<figure><canvas id="translation" role="img" aria-label="No translation yet"></canvas><figcaption>Translation, a synthetic image</figcaption></figure></div>'
        '<div class="bar group"><button type="button" id="save" disabled>Save PNG<kbd>S</kbd></button></div>'
    )
