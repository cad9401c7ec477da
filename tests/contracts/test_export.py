"""Every recipe's networks as ONNX, run by onnxruntime and numpy in a process that has neither torch nor organza, equal the run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import organza
from organza.data.batches import to_float
from organza.export.graphs import require_law
from organza.losses import probability
from organza.networks.layers import Generator, Translator
from organza.seeding import stream
from tests.contracts.discovery import NETWORKS, RECIPES, SHAPES, SMALLEST, ingredients
from tests.contracts.exports import EXPORTED, FILES, PAGES, Exports, filled_quickly
from tests.contracts.material import SIZE
from tests.drawings import drawing

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

QUICK = {"swift", "acgan-paper", "pix2pix-paper", "infogan-paper"}
"""Recipes of a game each that `make test-fast` looks at, and whose files run in a process without torch; the others take a minute."""
Ran = Callable[..., tuple[np.ndarray, dict]]
BARE = """
import json, sys
for name in ("torch", "organza", "onnx", "PIL"):
    sys.modules[name] = None
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
given = dict(np.load(sys.argv[2]))
made, = session.run(None, given)
np.save(sys.argv[3], made)
print(json.dumps({"facts": json.loads(session.get_modelmeta().custom_metadata_map["organza"]),
    "free": {i.name: [side for side in i.shape if isinstance(side, str)] for i in session.get_inputs()}}))
"""


def ran(file: Path, **given: np.ndarray) -> tuple[np.ndarray, dict]:
    """What onnxruntime makes of inputs by a file, and what the file tells of itself."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (made,) = session.run(None, given)
    free = {i.name: [side for side in i.shape if isinstance(side, str)] for i in session.get_inputs()}
    return made, {"facts": json.loads(session.get_modelmeta().custom_metadata_map["organza"]), "free": free}


def bare(file: Path, **given: np.ndarray) -> tuple[np.ndarray, dict]:
    """The same as `ran`, in a process without torch and organza."""
    inputs, made = file.with_suffix(".in.npz"), file.with_suffix(".out.npy")
    np.savez(inputs, **given)
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(file), str(inputs), str(made)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.load(made), json.loads(done.stdout)


def apart(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    if one.dtype == np.float64:  # vectors in their own units
        return int(not np.allclose(one, other, rtol=1e-5, atol=1e-4 * other.std(0))) * 256
    assert one.dtype == other.dtype == np.uint8
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in EXPORTED]
)
def test_a_file_makes_what_the_run_makes(name: str, exports: Exports, monkeypatch: pytest.MonkeyPatch):
    filled_quickly(monkeypatch)
    run, out = exports(name)
    parts = EXPORTED[name]
    by = bare if name in QUICK else ran
    if "generator" in parts and isinstance(run.generator, Translator):
        translations(run, out, by)
    elif "generator" in parts:
        samples(run, out, by)
    if "discriminator" in parts:
        judgements(run, out, by)


def test_each_network_is_exported_and_those_looked_at_quickly_are_among_them():
    assert set(EXPORTED) >= QUICK | PAGES
    assert all("generator" in EXPORTED[name] for name in PAGES)
    assert {"discriminator", "generator"} == {part for name in QUICK for part in EXPORTED[name]}
    held = set().union(*(FILES[name, part] for name in EXPORTED for part in EXPORTED[name]))
    assert held == set().union(*FILES.values())
    named = set().union(*(ingredients(make()) for make in RECIPES.values()))
    assert {name for name in named if name.startswith("organza.networks.")} <= held


def samples(run: organza.Run, out: Path, by: Ran) -> None:
    z = torch.stack([run.latent(7, index) for index in range(5)])
    given = {"z": z.numpy()} | ({"label": run.label_rows(range(5), 7).numpy()} if run.labels else {})
    made, told = by(out / "generator.onnx", **given)
    assert apart(made, run.sample(5, seed=7)) <= 1
    assert all(free == ["batch"] for free in told["free"].values())
    assert sum(part["size"] for part in told["facts"]["prior"]) == z.shape[1]
    if (out / "encoder.onnx").exists():
        latents, _ = by(out / "encoder.onnx", image=made)
        assert np.abs(latents - run.encode(made).numpy()).max() < 1e-4


def translations(run: organza.Run, out: Path, by: Ran) -> None:
    for file in sorted(out.glob("generator*.onnx")):
        source = np.stack([np.asarray(drawing(k)) for k in range(3)])[:, :SIZE, :SIZE]
        to = json.loads(json.dumps(bare_facts(file)))["to"]
        channels = run.source_channels(to)
        if run.translator(to).masked:  # the last channel marks the dark pixels as the hole
            source = with_mask(source)
        made, told = by(file, source=source[..., :channels])
        assert apart(made, run.translate(source[..., :channels], to)) <= 1
        if "fixed" not in told["facts"]:
            assert told["free"]["source"] == ["batch", "height", "width"]
            odd = np.asarray(drawing(9).resize((SIZE + 21, SIZE + 8)))[None]
            odd = (with_mask(odd) if run.translator(to).masked else odd)[..., :channels]
            assert apart(by(file, source=odd)[0], run.translate(odd, to)) <= 1
        else:  # its mask is of one size, which can be chosen
            run.export(out / "wide", to=("onnx",), parts=("generator",), size=(SIZE, 2 * SIZE))
            wide = np.asarray(drawing(9).resize((2 * SIZE, SIZE)))[None, ..., :channels]
            made, told = by(out / "wide" / file.name, source=wide)
            assert apart(made, run.translate(wide, to)) <= 1
            assert told["facts"]["fixed"] == [SIZE, 2 * SIZE]


def with_mask(images: np.ndarray) -> np.ndarray:
    return np.concatenate([images, np.where(images[..., :1] < 100, 255, 0).astype(np.uint8)], 3)


def bare_facts(file: Path) -> dict:
    import onnx

    return json.loads(onnx.load(str(file)).metadata_props[0].value)


def judgements(run: organza.Run, out: Path, by: Ran) -> None:
    shape = (4, *run.shape[1:], run.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if run.content["players"]["discriminator"].get("condition"):
        source = np.random.default_rng(1).integers(0, 256, (*shape[:-1], run.source_channels()), np.uint8)
        given = {"image": images, "source": source}
        with torch.no_grad():
            logits = run.discriminator(to_float(images), to_float(source))
        wanted = probability(logits, run.saved.facts["neutral"]).numpy()
    elif getattr(run.discriminator, "labels", 0):
        rows = run.label_rows(range(4))
        given, wanted = {"image": images, "label": rows.numpy()}, run.judge_labelled(images, rows)
    elif run.table is not None:
        given = {"vector": run.sample(4)}
        wanted = run.judge(given["vector"])
    else:
        given, wanted = {"image": images}, run.judge(images)
    chances, told = by(out / "discriminator.onnx", **given)
    assert np.abs(chances - wanted).max() < 1e-4
    assert told["facts"]["makes"] == "probability"


GENERATORS = [name for name, network in NETWORKS.items() if issubclass(network, Generator)]


@pytest.mark.parametrize("name", GENERATORS)
def test_the_prior_tells_what_latents_are_drawn_from(name: str):
    settings = {"width": 4} | SMALLEST.get(name, {})
    network = NETWORKS[name](SHAPES[name][1], **settings)
    z = torch.stack([network.latent(stream("prior", index)) for index in range(64)])
    require_law(network.prior, z, name)
