"""Export as a user meets it: what is refused and in which words, what leaves in a folder, and what can be done with it."""

from __future__ import annotations

import getpass
import hashlib
import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import organza
from organza.errors import UserError
from organza.export import onnx as onnx_files
from organza.export import runtime
from organza.export.baking import baked
from organza.export.card import Statement
from organza.export.folder import halved
from organza.export.graphs import Graph, Made, require_law
from organza.export.precision import psnr, stored
from organza.latents.directions import jacobian_axes
from organza.media.images import grid
from organza.networks.priors import Normal, Uniform
from organza.networks.skips import Doubling
from organza.networks.unet import Dropout
from organza.recipes import get
from organza.report.build import conclude
from organza.run.events import Begun
from organza.training.request import TrainArgs
from tests.contracts.discovery import small
from tests.contracts.material import single
from tests.test_cli import call

pytest.importorskip("onnx")
pytestmark = pytest.mark.usefixtures("operators")
CC = Statement("cc-by-4.0", data="Drawings of this test", data_licence="cc0-1.0", attribution="Nobody")


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private") / "holiday-photographs"
    folder.mkdir()
    single(folder)
    return folder


@pytest.fixture(scope="module")
def run(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> organza.Run:
    place = tmp_path_factory.mktemp("runs") / "drawn"
    return organza.train(drawings, place, recipe=small(get("swift")), size=32, budget="64img", report=False)


@pytest.fixture(scope="module")
def folder(run: organza.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that can be exported, in one folder."""
    place = tmp_path_factory.mktemp("exported") / "out"
    written = run.export(place, to=("folder", "onnx", "web"), parts=("generator", "discriminator"), statement=CC)
    assert all(path.exists() for path in written.files)
    return place


# ---- the folder ---------------------------------------------------------------------------------------------------------------


def test_an_exported_folder_samples_and_judges_as_the_run_does(run: organza.Run, folder: Path, tmp_path: Path):
    moved = organza.load(shutil.copytree(folder, tmp_path / "elsewhere"))
    made = run.sample(5, seed=3)
    assert np.array_equal(moved.sample(5, seed=3), made)
    assert np.array_equal(moved.judge(made), run.judge(made))
    assert moved.made_by(3).text == run.made_by(3).text
    assert moved.images == run.images


def test_it_is_evaluated_against_its_own_data_or_other_images(run: organza.Run, folder: Path, drawings: Path):
    [own] = organza.evaluate(folder, count=20, data=drawings, extractors=[Mean()])
    [as_run] = organza.evaluate(run.path, count=20, extractors=[Mean()])
    assert own.metrics["mmd"] == as_run.metrics["mmd"]
    assert not (folder / "data.json").exists()  # it would tell where the data is kept
    [other] = organza.evaluate(folder, against=drawings, count=20, extractors=[Mean()])
    assert other.metrics["mmd"].value > 0
    with pytest.raises(UserError, match="was exported without its data; name the data's place with `data`"):
        organza.evaluate(folder, count=20, extractors=[Mean()])


class Mean:
    """The mean colour and its spread over rows and columns, as features."""

    name, dimension = "mean", 6

    def card(self) -> dict[str, str]:
        return {"name": "mean"}

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        x = torch.as_tensor(np.asarray(images)).float() / 255
        return torch.cat([x.mean((1, 2)), x.std((1, 2))], 1)


def test_nothing_of_the_machine_and_no_training_image_leaves(run: organza.Run, folder: Path, drawings: Path):
    told = [str(drawings), drawings.name, str(run.path.parent), str(Path.home()), str(Path.cwd())]
    told += [organza.__file__.rpartition("/organza/")[0], str(run.content["versions"]["cpu"]), "site-packages"]
    told += [
        name for name in (getpass.getuser(), socket.gethostname()) if len(name) > 5
    ]  # fewer letters are in any megabyte
    for file in folder.iterdir():
        content = file.read_bytes()
        for secret in told:
            assert secret.encode() not in content, (file.name, secret)
    assert {file.name for file in folder.iterdir()} == {
        "README.md", "config.json", "manifest.json", "generator.safetensors", "discriminator.safetensors",
        "generator.onnx", "discriminator.onnx", "index.html", "preview.png",
    }  # fmt: skip
    shown = np.asarray(Image.open(folder / "preview.png"))
    assert np.array_equal(shown, grid(run.sample(64, seed=0)))  # samples and nothing else


def test_the_card_is_filled_from_the_run(run: organza.Run, folder: Path):
    text = (folder / "README.md").read_text("utf8")
    head = text.split("---")[1]
    assert "license: cc-by-4.0" in head
    assert "pipeline_tag: unconditional-image-generation" in head
    for part in (
        "synthetic",
        f"{run.images} images seen",
        "Drawings of this test",
        "cc0-1.0",
        "Nobody",
        "organza.load(",
        "InferenceSession",
    ):
        assert part in text, part
    assert not [word for word in ("(None)", " nan", "TODO", "[More", "?") if word in text.replace("run(None", "run(")]
    lines = [json.loads(line) for line in (run.path / "evaluations.jsonl").read_text().splitlines()]
    line = next(one for one in lines if one["images"] == run.images)  # of the best checkpoint
    assert f"| mmd | {line['mmd']['value']:.4g} |" in text


def test_the_search_for_copies_that_the_report_made_is_on_the_card_from_python_too(run: organza.Run, tmp_path: Path):
    run.export(tmp_path / "before", to=("folder",), statement=CC)
    assert "were not searched for copies" in (tmp_path / "before" / "README.md").read_text("utf8")
    told = conclude(run.path).copies
    try:
        assert "near-copies" in told
        run.export(tmp_path / "after", to=("folder",), statement=CC)
        text = (tmp_path / "after" / "README.md").read_text("utf8")
        assert f"Search for copies of training images among its samples: {told.rstrip('.')}." in text
        organza.load(tmp_path / "after").export(tmp_path / "again", to=("folder",), statement=CC)
        assert told.rstrip(".") in (tmp_path / "again" / "README.md").read_text("utf8")
        run.folder.audited(run.images + 1, "of another checkpoint")
        assert not run.folder.audit(run.images)
    finally:
        run.folder.copies.unlink()


def test_a_folder_in_fp16_has_half_the_bytes_and_tells_its_loss(run: organza.Run, folder: Path, tmp_path: Path):
    run.export(tmp_path / "half", to=("folder",), precision="fp16", statement=CC)
    sizes = [(place / "generator.safetensors").stat().st_size for place in (tmp_path / "half", folder)]
    assert sizes[0] < 0.55 * sizes[1]
    small = organza.load(tmp_path / "half")
    assert {value.dtype for value in small.saved.tensors["generator"].values() if value.is_floating_point()} == {
        torch.float32
    }
    images, wanted = small.sample(16), run.sample(16)
    assert 55 < psnr(images, wanted) < 90
    text = (tmp_path / "half" / "README.md").read_text("utf8")
    told = float(text.split("stored in fp16: PSNR ")[1].split(" dB")[0])
    assert abs(told - psnr(small.sample(64), run.sample(64))) < 3
    with pytest.raises(UserError, match="w holds values beyond the range of fp16; export with `precision='fp32'`"):
        halved({"w": torch.tensor([1e6])})


def test_the_three_lines_of_the_card_run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    text = (folder / "README.md").read_text("utf8")
    code = text.split("numpy:\n\n```python\n")[1].split("```")[0]
    monkeypatch.chdir(folder)
    known: dict = {}
    exec(code, known)
    assert known["image"].shape == (4, 32, 32, 3)
    assert known["image"].dtype == np.uint8


def damaged(folder: Path, name: str, change) -> Path:
    file = folder / name
    file.write_bytes(change(file.read_bytes()))
    return folder


DAMAGE = [
    ("generator.safetensors", lambda b: b[:-1] + bytes([b[-1] ^ 1]), "was damaged since it was written"),
    ("config.json", lambda b: b.replace(b'"swift"', b'"swirl"'), "was changed since it was written"),
    ("manifest.json", lambda b: b.replace(b'"images": ', b'"images": 1', 1), "was changed or damaged"),
    ("manifest.json", lambda b: b"{", "cannot be read"),
    ("config.json", lambda b: b"", "was changed since it was written"),
]


@pytest.mark.parametrize(("name", "change", "words"), DAMAGE)
def test_a_damaged_folder_is_refused_in_a_sentence(folder: Path, tmp_path: Path, name: str, change, words: str):
    with pytest.raises(UserError, match=words):
        organza.load(damaged(Path(shutil.copytree(folder, tmp_path / "copy")), name, change))


def resealed(folder: Path, **changes: object) -> Path:
    """A folder whose manifest was changed by somebody who knows how its digest is made."""
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    manifest["facts"]["config"] = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    body = {key: value for key, value in manifest.items() if key != "self"}
    manifest["self"] = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_folder_of_a_newer_version_asks_for_an_upgrade(folder: Path, tmp_path: Path):
    copy = resealed(Path(shutil.copytree(folder, tmp_path / "copy")), format=99)
    with pytest.raises(UserError, match="newer organza"):
        organza.load(copy)


def test_a_stranger_s_folder_imports_and_runs_nothing(folder: Path, tmp_path: Path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    config["players"]["generator"] = {"part": "os:system"}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="which is not part of organza"):
        organza.load(resealed(copy)).sample(1)


def test_what_did_not_go_along_is_said(run: organza.Run, tmp_path: Path):
    run.export(tmp_path / "out", to=("folder",), statement=CC)
    alone = organza.load(tmp_path / "out")
    with pytest.raises(UserError, match="was exported without its discriminator"):
        alone.judge(alone.sample(2))
    with pytest.raises(UserError, match="holds one checkpoint"):
        organza.load(tmp_path / "out", "00000016")


# ---- mistakes -----------------------------------------------------------------------------------------------------------------

MISTAKES = [
    (["{run}", "--precision", "int4"], ", not int4. Did you mean int8?"),
    (["{run}", "--to", "tflite"], "not tflite"),
    (["{run}", "--to", "folder"], "needs a licence: name it with --license"),
    (["{run}", "--part", "encoder", "--to", "onnx"], "has no encoder to export"),
    (["{run}", "--part", "judge"], "not judge"),
    (["{run}", "--checkpoint", "00000017"], "has no checkpoint 00000017"),
    (["{run}", "--to", "onnx", "--size", "64"], "has one size; leave --size out"),
    (["{empty}"], "is not a run. It has no recipe.json."),
    (["{begun}"], "has no checkpoint yet"),
    (["{run}", "--out", "{file}"], "is a file; --out needs a folder"),
    (["{run}", "--out", "{run}"], "is a run; name another folder with --out"),
    (["{run}", "--part", "discriminator", "--to", "web"], "A page runs the generator"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES, ids=[words[:24] for _, words in MISTAKES])
def test_a_mistake_is_told_in_one_sentence(
    arguments: list[str], words: str, run: organza.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    shutil.copytree(run.path, tmp_path / "begun", ignore=shutil.ignore_patterns("checkpoints"))
    places = {name: tmp_path / name for name in ("empty", "file", "begun")} | {"run": run.path}
    code, _, told = call(capsys, "export", *(argument.format(**places) for argument in arguments))
    assert code == 2
    assert words in told
    assert "Traceback" not in told


def test_without_the_extra_what_to_install_is_said(run: organza.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(onnx_files, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(UserError, match=r"needs onnxscript: pip install 'organza\[export\]'"):
        run.export(tmp_path / "out", to=("onnx",))
    run.export(tmp_path / "out", to=("folder",), statement=CC)  # which needs none of them


# ---- what is refused, and what is measured ------------------------------------------------------------------------------------


class Linear(nn.Module):
    def __init__(self, by: float = 1.0, noise: bool = False):
        super().__init__()
        self.weight, self.noise = nn.Parameter(by * torch.linspace(-1, 1, 192).view(4, 48)), noise

    def forward(self, z: Tensor) -> Tensor:
        x = (z @ self.weight).view(-1, 3, 4, 4)
        return torch.tanh(x + 0.1 * torch.randn_like(x) if self.noise else x)


def of(network: nn.Module) -> Graph:
    return Graph("generator", Made(network).eval(), {"z": torch.randn(64, 4)}, {"z": {0: "batch"}}, "image")


def test_a_file_that_differs_from_the_run_is_refused():
    traced, _ = onnx_files.traced(of(Linear()))
    same = onnx_files.compared(traced, of(Linear()))
    assert same.difference < 1e-6
    onnx_files.require_agreement(same, of(Linear()))
    other = onnx_files.compared(traced, of(Linear(1.001)))
    assert 1e-4 < other.difference < 1e-2
    with pytest.raises(UserError, match="differs from the run by"):
        onnx_files.require_agreement(other, of(Linear(1.001)))


def test_a_network_that_draws_noise_inside_is_refused():
    with pytest.raises(UserError, match="draws noise inside"):
        onnx_files.traced(of(Linear(noise=True)))


def test_latents_of_another_law_than_the_prior_are_refused():
    z = torch.randn(64, 10)
    require_law((Normal(10),), z, "run")
    for wrong in ((Uniform(10),), (Normal(10, 2.0),), (Normal(9),)):
        with pytest.raises(UserError, match="another law"):
            require_law(wrong, z, "run")


def test_what_is_baked_computes_the_same():
    x = torch.randn(2, 4, 6, 6)
    for layer in (Doubling(4, 3), Dropout(0.5, 0.4, layer=2)):
        network = nn.Sequential(layer).eval()
        plain = baked(network, x)
        assert torch.equal(plain(x), network(x))
        assert not any(isinstance(inner, Doubling | Dropout) for inner in plain.modules())
    constrained = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 3))).eval()
    plain, wanted = baked(constrained, x), constrained(x)
    assert torch.equal(plain(x), wanted)
    assert torch.equal(constrained(x), wanted)  # and the original keeps its norm
    assert sorted(name for name, _ in plain.named_parameters()) == ["0.bias", "0.weight"]


@pytest.mark.parametrize(("precision", "share", "least"), [("fp16", 0.6, 55), ("int8", 0.45, 30)])
def test_smaller_files_lose_little(folder: Path, precision: str, share: float, least: float):
    import onnx

    full = onnx.load(str(folder / "generator.onnx"))
    lossy = stored(full, precision)
    onnx.checker.check_model(lossy, full_check=True)
    assert lossy.ByteSize() < share * full.ByteSize()
    z = np.random.default_rng(0).normal(size=(16, 100)).astype(np.float32)
    (wanted,), (made,) = (onnx_files.session(model).run(None, {"z": z}) for model in (full, lossy))
    assert least < psnr(np.asarray(made), np.asarray(wanted)) < 90


def test_precision_is_told_with_its_loss(run: organza.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("organza.export.files.SAMPLES", 20)  # a thousand take a minute
    told = run.export(tmp_path / "out", to=("onnx",), precision="int8")
    assert [path.name for path in told.files] == ["generator.int8.onnx"]
    assert "PSNR" in told.lines[0]
    assert "distance of 1,000 samples" in told.lines[0]


def test_directions_hold_on_latents_that_they_were_not_found_on():
    torch.manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(12, 12)).Q
    loud = torch.diag(torch.tensor([8.0, 5.0, *[1.0] * 10]))
    found = jacobian_axes(lambda z: z @ mixing @ loud, torch.randn(4, 12), torch.ones(12, dtype=torch.bool))
    assert len(found) == 2
    assert abs((found[0].axis @ mixing)[0]) > 0.99
    plain = jacobian_axes(lambda z: z @ mixing, torch.randn(4, 12), torch.ones(12, dtype=torch.bool))
    assert plain == []  # where no direction is louder than another, none is offered


# ---- the runtime of the page --------------------------------------------------------------------------------------------------


def test_the_runtime_is_npm_s_byte_for_byte():
    assert runtime.digests() == dict([runtime.SCRIPT, runtime.WASM])


def test_the_runtime_s_script_ends_in_a_table_and_cannot_end_its_element():
    script = runtime.script()
    assert script.rstrip().endswith("};")
    assert "const ort={InferenceSession:" in script
    assert "env:" in script.rpartition("const ort=")[2]
    assert "export{" not in script.rpartition("const ort=")[2]
    assert "</script" not in script


# ---- weights that another run begins with -------------------------------------------------------------------------------------


def test_a_run_begins_with_the_weights_of_an_exported_folder(folder: Path, drawings: Path, tmp_path: Path):
    asked = {"start": folder, "budget": "16img", "evaluate": False, "report": False}
    events = organza.train_events(TrainArgs(drawings, tmp_path / "tuned", **asked))
    assert any(isinstance(event, Begun) for event in events)
    events.close()  # killed before its first step  # type: ignore[attr-defined]
    first = organza.load(tmp_path / "tuned")
    assert first.images == 0
    assert first.content["recipe"]["name"] == "swift"
    for name in ("discriminator", "generator"):
        ours, theirs = first.saved.tensors[name], organza.load(folder).saved.tensors[name]
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert first.content["began_with"]["sha256"] == organza.load(folder).saved.digests["generator.safetensors"]
    assert str(folder) not in (tmp_path / "tuned" / "recipe.json").read_text()
    again = organza.train(drawings, tmp_path / "tuned", **asked | {"budget": "24img"})
    assert again.images == 24  # it goes on from its own checkpoint
    assert any((again.saved.tensors["generator"][key] != theirs[key]).any() for key in theirs if key.endswith("weight"))
    with pytest.raises(UserError, match="`start` needs weights of the same recipe"):
        organza.train(drawings, tmp_path / "wider", settings=["generator.width=9"], **asked)
