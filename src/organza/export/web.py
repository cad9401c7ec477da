"""The page: one HTML file that runs a generator offline in a browser, without any request.

Style, script, onnxruntime-web (`runtime`), the ONNX files and their facts are inside it. Its policy names its own style
and script by their digests and permits no other script, request or frame; WebAssembly needs a word of its own, 'wasm-unsafe-eval'.
Module scripts that are files of their own, and every fetch, are refused for a page from the disk, so there is no other form of it.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from organza.export import controls, runtime
from organza.export.graphs import Graph, Trained
from organza.latents import saved, search
from organza.latents.directions import Direction
from organza.latents.source import law_of
from organza.media.html import html, policy
from organza.version import __version__

SHOWN = 24
"""Number of images on the page."""
LATENTS = 64
"""Number of latents of the training's sample grid in the page: 26 kB."""
SLIDERS = 12
"""Largest number of sliders along directions."""
WASM = "'wasm-unsafe-eval'"
SIDES = 64, 128, 256, 384, 512, 768
"""Pixels that the longer side of an image to translate may have."""
SCRIPTS = "start", "latents", "picture"


@cache
def asset(name: str) -> str:
    """Return a file of the folder `page`."""
    return files("organza.export").joinpath("page", name).read_text(encoding="utf-8")


def page(run: Trained, models: Mapping[str, tuple[Graph, bytes]], name: str, xmp: str) -> str:
    """Return a whole page.

    Args:
        run: trained run.
        models: graphs and contents of their files, by name.
        name: name of the generator.
        xmp: provenance of saved images, an XMP packet.
    """
    generator = models["generator"][0]
    noise = "prior" in generator.facts
    known = {"name": name, "unit": generator.output, "shape": list(run.shape), "xmp": xmp}
    known |= _of_noise(run, models) if noise else _of_images(run, models)
    more = ("volume", "noise") if noise else ("translate",)
    style = asset("page.css") + f":root {{ --shape: {run.shape[-1]} / {run.shape[-2]}; }}\n"
    script = runtime.script() + "\n".join(asset(f"{part}.js") for part in (*SCRIPTS, *more, "main"))
    parts = [_data("facts", json.dumps(known).replace("</", "<\\/"), "application/json")]
    parts += [_data("runtime", _text(runtime.packed()))]
    parts += [_data(f"model-{key}", _text(gzip.compress(content, 9, mtime=0))) for key, (_, content) in models.items()]
    return _filled(
        "frame",
        policy=policy(style, script, WASM),
        title=html(name),
        style=style,
        unit="shapes" if len(run.shape) == 4 else "images",
        body=_room(known) if noise else _table(known),
        recipe=html(run.content["recipe"]["name"]),
        images=f"{run.saved.facts['images']:,}",
        version=html(__version__),
        runtime=runtime.VERSION,
        data="\n".join(parts),
        script=script,
    )


def _filled(name: str, **values: str) -> str:
    """Return a template of the folder `page`, filled with HTML."""
    return Template(asset(f"{name}.html")).substitute(values)


def _data(name: str, text: str, kind: str = "text/plain") -> str:
    return f'<script type="{kind}" id="{name}">{text}</script>'


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _numbers(values: Tensor) -> str:
    """Float32 in little-endian order, as text."""
    return _text(np.ascontiguousarray(values.numpy(), dtype="<f4").tobytes())


def _of_noise(run: Any, models: Mapping[str, tuple[Graph, bytes]]) -> dict[str, Any]:
    """Return the facts of a page of a generator from noise: the prior, the sample grid's latents, directions, labels and codes."""
    from organza.export.onnx import session

    graph, content = models["generator"]
    seed = int(run.content["asked"].get("seed") or 0)
    z = torch.stack([run.latent(seed, index) for index in range(LATENTS)])
    rows = run.label_rows(range(LATENTS), seed) if "labels" in graph.facts else None
    given = {"z": z[:1].numpy()} | ({"label": rows[:1].numpy()} if rows is not None else {})
    first = np.asarray(session(content).run(None, given)[0]).ravel()[:8]
    law = law_of(run)
    return {
        "prior": graph.facts["prior"],
        "latents": _numbers(z),
        "rows": None if rows is None else _numbers(rows),
        "first": first.tolist(),
        "labels": graph.facts.get("labels"),
        "codes": graph.facts.get("codes"),
        "directions": [
            {"name": one.name, "source": one.source, "step": [round(v, 4) for v in (law.deviation * one.axis).tolist()]}
            for one in directions(run)
        ],
    }


def directions(run: Any) -> list[Direction]:
    """Return the directions that the page has sliders for: those kept with the run, else the axes of its Jacobian. An InfoGAN's codes
    have controls of their own.
    """
    return [one for one in saved.load(run) or search.axes(run) if one.source != "code"][:SLIDERS]


def _of_images(run: Trained, models: Mapping[str, tuple[Graph, bytes]]) -> dict[str, Any]:
    """Return the facts of a page of a translator: its directions, and a drawn pattern, as no training image leaves."""
    ways = []
    for key, (graph, _) in models.items():
        masked = graph.facts.get("mask", False)
        pattern = drawn_pattern(run.shape[-1], run.shape[-2], graph.facts["channels"] - masked)
        if masked:  # opacity, as a canvas shows it: none in the hole
            hole = middle_hole(*pattern.shape[:2])[..., None]
            pattern = np.concatenate([pattern, np.where(hole, np.uint8(0), np.uint8(255))], 2)
        ways.append(
            graph.facts
            | {"model": f"model-{key}", "example": _text(pattern.tobytes()), "exampleSides": list(pattern.shape[:2])}
        )
    return {"ways": ways}


def middle_hole(height: int, width: int) -> np.ndarray:
    """Return a hole for the drawn pattern, bool [H, W]: a bar across one eye."""
    hole = np.zeros((height, width), bool)
    hole[height * 9 // 20 : height * 12 // 20, width * 9 // 20 : width * 15 // 20] = True
    return hole


def drawn_pattern(width: int, height: int, channels: int) -> np.ndarray:
    """Return a pattern of plain shapes, uint8 [H, W, C]: something to translate before an image is dropped."""
    image = Image.new("RGB", (width * 4, height * 4), "white")
    pen = ImageDraw.Draw(image)
    w, h = image.size
    pen.ellipse(
        (0.2 * w, 0.16 * h, 0.8 * w, 0.84 * h), fill=(236, 190, 150), outline=(40, 30, 30), width=max(w // 40, 1)
    )
    pen.pieslice(
        (0.18 * w, 0.1 * h, 0.82 * w, 0.7 * h), 180, 360, fill=(96, 58, 40), outline=(40, 30, 30), width=max(w // 40, 1)
    )
    for x in (0.38, 0.62):
        pen.ellipse(((x - 0.05) * w, 0.48 * h, (x + 0.05) * w, 0.58 * h), fill=(40, 30, 30))
    pen.arc((0.38 * w, 0.55 * h, 0.62 * w, 0.73 * h), 20, 160, fill=(170, 50, 50), width=max(w // 30, 1))
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    if channels < 3:
        small = small.convert("L" if channels == 1 else "LA")
    elif channels == 4:
        small = small.convert("RGBA")
    return np.asarray(small, np.uint8).reshape(height, width, channels)


def _room(known: Mapping[str, Any]) -> str:
    """Return the body of a page of a generator from noise: image grid, selected image with its controls, kept images."""
    noun = "shape" if known["unit"] == "volume" else "image"
    tile = f'<button class="tile" type="button" disabled aria-label="A {noun} not drawn yet"><canvas></canvas></button>'
    return _filled(
        "noise",
        noun=noun,
        tiles=tile * SHOWN,
        turn=asset("turn.html") if noun == "shape" else "",
        labels=controls.labels(known["labels"]),
        codes=controls.codes(known["codes"]),
        sliders=controls.sliders(known["directions"]),
    )


def _table(known: Mapping[str, Any]) -> str:
    """Return the body of a page of a translator: a place to drop an image, and its translation beside it."""
    radios = [
        f'<label class="tick"><input type="radio" name="to" value="{way["to"]}"{"" if n else " checked"}> to {way["to"]}</label>'
        for n, way in enumerate(known["ways"])
    ]
    sides = [f'<option value="{side}"{" selected" * (side == 256)}>{side}</option>' for side in SIDES]
    return _filled(
        "translate",
        fixed=" hidden" * all("fixed" in way for way in known["ways"]),
        single=" hidden" * (len(radios) < 2),
        radios="".join(radios),
        sides="".join(sides),
        hint=", to paint over where it should be filled" * any("mask" in way for way in known["ways"]),
    )
