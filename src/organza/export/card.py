"""The model card of a generator: use, data, scores and limits, filled from the run and from the user's statement.

Mitchell et al. 2019, Model Cards for Model Reporting, arXiv:1810.03993; the front matter is the hub's. A section
without facts is left out. A metric of our own has its own name, never `fid`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from organza.errors import UserError
from organza.export.files import Loss, OnnxFile
from organza.export.graphs import Trained
from organza.progress import words
from organza.run.folder import lines_of
from organza.shell import quoted
from organza.untrusted import printable, printable_form
from organza.version import __version__

KNOWN = (
    "apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0",
    "openrail", "creativeml-openrail-m", "gpl-3.0", "unlicense",
)  # fmt: skip
"""Identifiers that the hub knows; any other licence is `other`, with its name."""
MEANINGS = {
    "mmd": "distance of samples to held-out images (Gaussian-kernel MMD at three sizes; 0 is best)",
    "kid": "kernel inception distance on the same features",
    "variety": "spread of samples over that of real images (1 is as varied)",
    "pieces": "the distance that images have which were put together from pieces of nine real ones",
    "blurred": "the distance that blurred real images have",
    "D accuracy": "share of real and generated images that the discriminator tells apart (0.5 is equilibrium)",
    "l1": "mean absolute error of translations, in [0, 1]",
    "psnr": "peak signal-to-noise ratio of translations, dB",
    "ssim": "structural similarity of translations",
}
"""Numbers of evaluations.jsonl in words, in the order of the card."""
RANKED = "mmd", "kid", "variety", "l1", "psnr", "ssim"
"""Those of the generator itself, for the front matter."""


@dataclass(frozen=True)
class Statement:
    """Facts that only the user knows.

    Args:
        licence: licence of the weights and of their images, such as cc-by-4.0; "" for none.
        data: content and origin of the data.
        data_licence: licence of the data.
        attribution: names to credit.
        audit: outcome of a search for copies of training images among samples, in words.
    """

    licence: str = ""
    data: str = ""
    data_licence: str = ""
    attribution: str = ""
    audit: str = ""


def require_licence(statement: Statement) -> None:
    """Check that a licence is named.

    Raises:
        UserError: if none is named.
    """
    if not statement.licence.strip():
        raise UserError(
            "A folder to share needs a licence: name it with `licence`, such as cc-by-4.0, apache-2.0 or a name of your own; "
            "`to='onnx'` and `to='web'` need none."
        )


def card(
    run: Trained,
    name: str,
    statement: Statement,
    files: Sequence[OnnxFile] = (),
    judges: bool = False,
    halving: Loss | None = None,
) -> str:
    """Return README.md of an exported folder.

    Args:
        run: trained run.
        name: name of the generator.
        statement: facts from the user.
        files: ONNX files in the folder, with their measurements.
        judges: True if the discriminator is in the folder.
        halving: loss by weights in fp16; None if they are in fp32.
    """
    content = printable_form(run.content)
    parts = [
        _front(content, name, statement, run, files),
        f"# {name}\n\n![samples](preview.png)\n\n{_about(content, run)}",
        _use(name, run, files, judges),
        _trained_on(content, statement),
        _scores(run, halving),
        _files(files),
        _limits(run, statement, judges),
        _again(content),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(content: Any, name: str, statement: Statement, run: Trained, files: Sequence[OnnxFile]) -> str:
    """Return the metadata at the top of a model card, YAML between lines of ---."""
    licence = statement.licence.strip()
    known = licence.lower() in KNOWN
    lines = [f"license: {licence.lower() if known else 'other'}"]
    lines += [] if known else [f"license_name: {json.dumps(printable(licence))}"]
    lines += ["library_name: organza"]
    if len(run.shape) == 3:
        lines += [f"pipeline_tag: {_task(content)}"]
    tags = ["gan", "organza", *(["onnx"] if files else []), str(content["recipe"]["name"])]
    lines += ["tags:", *(f"- {json.dumps(tag)}" for tag in tags)]
    line = measured(run)
    if line is not None:
        lines += ["model-index:", f"- name: {json.dumps(name)}", "  results:", "  - task:"]
        lines += [f"      type: {_task(content) if len(run.shape) == 3 else 'other'}"]
        lines += [
            "    dataset:",
            f"      name: the held-out {_unit(run)} of its own data",
            "      type: private",
            "    metrics:",
        ]
        for key, (value, _) in ((key, found) for key, found in _numbers(line) if key in RANKED):
            lines += [f"    - type: {_metric(key, line)}", f"      value: {value:.4g}"]
    return "\n".join(["---", *lines, "---"])


def _metric(key: str, line: Mapping[str, Any]) -> str:
    """Return the name of a number together with its extractor: mmd-efficientnet-lite0-96px."""
    seen = (line.get("card") or {}).get("extractor") or {}
    where = (
        f"-{seen['name']}-{seen['resolution']}px" if key in ("mmd", "kid", "variety") and "resolution" in seen else ""
    )
    return f"{key.replace(' ', '-').lower()}{where}"


def _translates(content: Any) -> bool:
    return "source_shape" in content["data"]


def _task(content: Any) -> str:
    return "image-to-image" if _translates(content) else "unconditional-image-generation"


def _unit(run: Trained) -> str:
    return {1: "vectors", 4: "volumes"}.get(len(run.shape), "images")


def _size(shape: Sequence[int]) -> str:
    if len(shape) == 1:
        return f"{shape[0]} columns"
    channels = {1: "grey", 3: "colour", 4: "colour with transparency"}.get(shape[0], f"{shape[0]} channels")
    return f"{'x'.join(map(str, reversed(shape[1:])))} {'voxels' if len(shape) == 4 else 'pixels'}, {channels}"


def _about(content: Any, run: Trained) -> str:
    """Return the paragraph on kind, size, recipe and labels of the model."""
    unit = _unit(run)
    does = "translates images" if _translates(content) else f"draws {unit} from noise"
    labels = ""
    if run.labels is not None:
        labels = (
            f" What they show can be asked for by: {', '.join(printable(field.name) for field in run.labels.fields)}."
        )
    return (
        f"A generative adversarial network that {does}: {_size(run.shape)}. Recipe `{content['recipe']['name']}` of "
        f"Organza, {run.saved.facts['images']:,} images seen. **All {unit} that it makes are "
        f"synthetic.**{labels}\n\nThe preview shows {_shown(content)}."
    )


def _shown(content: Any) -> str:
    if _translates(content):
        return "a drawn pattern and its translation; no image of the training is in this folder"
    return "the first samples of seed 0, not chosen by hand"


def _use(name: str, run: Trained, files: Sequence[OnnxFile], judges: bool) -> str:
    """Three ways in three lines each."""
    translates = _translates(run.content)
    python = [
        "import organza",
        f'run = organza.load("{name}")  # the folder',
        "made = run.translate(images)  # uint8 [N, H, W, C]"
        if translates
        else f"made = run.sample(16, seed=7)  # [16, {run.shape[0]}], in the units of the data"
        if run.table is not None
        else "images = run.sample(16, seed=7)  # uint8 [N, H, W, C]",
    ]
    python += (
        [f"chances = run.judge({'images' if run.table is None else 'made'})  # 1 = authentic"]
        if judges and not translates
        else []
    )
    shell = (
        f"organza translate {quoted(name)} photos results"
        if translates
        else f"organza sample {quoted(name)} --count 64 --seed 7"
    )
    if run.table is not None:
        shell += " --out samples.csv"
    parts = ["## Use", "```python\n" + "\n".join(python) + "\n```", f"```sh\n{shell}\n```"]
    generators = [file for file in files if file.graph.name == "generator"]
    if generators:
        parts += [_alone(generators[0], run), _script(generators[0], run)]
    return "\n\n".join(parts)


def _alone(file: OnnxFile, run: Trained) -> str:
    """With onnxruntime and numpy alone."""
    given, laws = _given(file, run)
    lines = ["import numpy as np, onnxruntime", f'session = onnxruntime.InferenceSession("{file.path.name}")', *laws]
    lines += [
        f"{file.graph.output}, = session.run(None, {{{given}}})  # {'uint8' if run.table is None else 'float64 [N, columns]'}"
    ]
    return "Without Organza, with onnxruntime and numpy:\n\n```python\n" + "\n".join(lines) + "\n```"


def _given(file: OnnxFile, run: Trained) -> tuple[str, list[str]]:
    """Return the inputs of an ONNX session in Python, and the lines that make them."""
    facts = file.graph.facts
    if "prior" not in facts:
        return '"source": images', ["# images: uint8 [N, H, W, C]"]
    lines = [
        "rng, count = np.random.default_rng(0), 4",
        f"z = np.concatenate([{', '.join(_law(part) for part in facts['prior'])}], 1)",
    ]
    names = ['"z": z.astype(np.float32)']
    if "labels" in facts:
        width = sum(len(field["values"]) or 1 for field in facts["labels"])
        lines += [f"label = np.eye({width}, dtype=np.float32)[np.zeros(count, int)]  # one row each: see config.json"]
        names += ['"label": label']
    return ", ".join(names), lines


def _law(part: Mapping[str, Any]) -> str:
    """Return the NumPy expression that draws one part of the latent."""
    size = part["size"]
    if part["law"] == "normal":
        return f"rng.normal(0, {part['deviation']:g}, (count, {size}))"
    if part["law"] == "uniform":
        return f"rng.uniform({part['low']:g}, {part['high']:g}, (count, {size}))"
    return f"np.eye({size})[rng.integers(0, {size}, count)]"


def _script(file: OnnxFile, run: Trained) -> str:
    """In JavaScript, with onnxruntime-web or onnxruntime-node."""
    facts = file.graph.facts
    lines = [f'const session = await ort.InferenceSession.create("{file.path.name}");']
    if "prior" in facts:
        size = sum(part["size"] for part in facts["prior"])
        laws = "; ".join(f"{part['size']} {_told(part)}" for part in facts["prior"])
        lines += [f'const z = new ort.Tensor("float32", latent, [1, {size}]);  // latent: Float32Array, {laws}']
        label = ", label" if "labels" in facts else ""
        form = "uint8 [1, height, width, channels]" if run.table is None else "float64 [1, columns]"
        lines += [f"const {{ {file.graph.output} }} = await session.run({{ z{label} }});  // {form}"]
    else:
        lines += ['const source = new ort.Tensor("uint8", bytes, [1, height, width, channels]);']
        lines += ["const { image } = await session.run({ source });  // uint8 [1, height, width, channels]"]
    return "```js\n" + "\n".join(lines) + "\n```"


def _told(part: Mapping[str, Any]) -> str:
    if part["law"] == "normal":
        return f"numbers from N(0, {part['deviation']:g}^2)"
    if part["law"] == "uniform":
        return f"numbers from U({part['low']:g}, {part['high']:g})"
    return "numbers, one of them 1, the others 0"


def _trained_on(content: Any, statement: Statement) -> str:
    """Return the section on the data, its licence and its origin."""
    data = content["data"]
    held = int(data.get("held_out", 0))
    lines = [f"{int(data['count']):,} items, {held:,} of them kept from the networks to measure against."]
    lines += [f"Fingerprint of the data: `{data['fingerprint']}`."]
    lines += [f"{printable(statement.data).rstrip('.')}."] if statement.data else []
    lines += [f"Licence of the data: {printable(statement.data_licence) or 'unknown'}."]
    lines += [f"Attribution: {printable(statement.attribution)}."] if statement.attribution else []
    return "## Data\n\n" + " ".join(lines)


def measured(run: Trained) -> dict[str, Any] | None:
    """Return the evaluation of the exported checkpoint; None if there was none."""
    try:
        lines = list(lines_of(run.folder.evaluations))
    except UserError:
        return None
    return next((line for line in reversed(lines) if line.get("images") == run.saved.facts["images"]), None)


def _numbers(line: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, float]]]:
    for name in MEANINGS:
        found = line.get(name)
        if isinstance(found, Mapping) and all(isinstance(found.get(key), int | float) for key in ("value", "error")):
            yield name, (float(found["value"]), float(found["error"]))


def _scores(run: Trained, halving: Loss | None) -> str:
    """Return the section on the measured scores; "" if nothing was measured."""
    line = measured(run)
    if line is None:
        return ""
    small = (
        f" The weights in this folder are stored in fp16: PSNR {halving.psnr:.1f} dB to the measured ones."
        if halving
        else ""
    )
    rows = [f"| {name} | {value:.4g} | {error:.2g} | {MEANINGS[name]} |" for name, (value, error) in _numbers(line)]
    if not rows:
        return ""
    known = line.get("card") or {}
    seen = known.get("extractor") or {}
    features = f", features of {seen['name']} at {seen.get('resolution', '?')} pixels" if "name" in seen else ""
    sides = f"{known.get('fake', '?')} samples against {known.get('real', '?')} {known.get('split', '')} images"
    about = (
        f"Measured while it trained, at {run.saved.facts['images']:,} images: {sides}{features}, seed {known.get('seed', '?')}. "
        f"The scale is Organza's own and no FID; compare it with numbers of the same card alone.{small}"
    )
    return "\n".join(["## Scores", "", about, "", "| | value | standard error | |", "| --- | --- | --- | --- |", *rows])


def _files(files: Sequence[OnnxFile]) -> str:
    """Return the section on the ONNX files; "" without any."""
    if not files:
        return ""
    rows = [
        f"| {file.path.name} | {file.size:,} | {file.agreement.difference:.1e} | {file.loss_in_words()} |"
        for file in files
    ]
    about = (
        "Each file was run beside the original at batches of "
        f"{', '.join(map(str, files[0].agreement.batches))} before it was written; values are in [-1, 1], probabilities in [0, 1]."
    )
    return "\n".join(
        [
            "## ONNX",
            "",
            about,
            "",
            "| file | bytes | largest difference | loss by storage |",
            "| --- | --- | --- | --- |",
            *rows,
        ]
    )


def _limits(run: Trained, statement: Statement, judges: bool) -> str:
    """Return the section on the limits of the model."""
    data = run.content["data"]
    lines = [
        "It knows its training data and nothing else: gaps and biases of the data are gaps and biases of its images.",
        "Do not present its images as authentic.",
    ]
    if int(data["count"]) < 1000:
        lines.insert(
            0,
            f"It was trained on {int(data['count']):,} items: with so few, its images can resemble single training items.",
        )
    lines += (
        [f"Search for copies of training images among its samples: {printable(statement.audit).rstrip('.')}."]
        if statement.audit
        else []
    )
    lines += ["Its samples were not searched for copies of training images."] if not statement.audit else []
    lines += ["The discriminator in this folder may reveal whether an image was in the training set."] if judges else []
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _again(content: Any) -> str:
    """Return the section on training the model again."""
    seconds, seed = content["plan"].get("seconds"), content["asked"].get("seed") or 0
    budget = f" for {words(seconds)}" if seconds else ""
    versions = ", ".join(
        f"{name} {content['versions'][name]}" for name in ("organza", "torch") if name in content["versions"]
    )
    return (
        f"## Train it again\n\n`organza train DATA --recipe {quoted(content['recipe']['name'])} --seed {quoted(str(seed))}`"
        f"{budget}; all settings are in config.json (versions: {versions}).\n\n"
        f"{_began(content)}Sources: {content['recipe'].get('source', '')}\n\nExported by Organza {__version__}."
    )


def _began(content: Any) -> str:
    """Return the origin of the weights of a run that began with another run's."""
    known = content.get("began_with")
    if not isinstance(known, Mapping):
        return ""
    return f"It began with the weights of sha256 `{printable(str(known.get('sha256')))[:64]}` (`--from`).\n\n"
