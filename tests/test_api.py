"""The Python interface: one signature, progress, data in memory, devices, outputs, and the end by Ctrl-C."""

from __future__ import annotations

import inspect
import logging
import signal
import sys
import types
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import organza
from organza.data.given import place_of
from organza.errors import UserError
from organza.evaluation import run_with_data
from organza.export.card import Statement
from organza.inference.load import Run
from organza.run.events import Event, Stopped, Tick
from organza.training.request import TrainArgs
from tests.contracts.discovery import small

QUICK = {"recipe": small(organza.get_recipe("mlp")), "budget": "16img", "evaluate": False, "report": False}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return organza.train(noise(40, 16, 16, 3), tmp_path_factory.mktemp("api") / "run", size=16, progress=False, **QUICK)


# ---- the signature ------------------------------------------------------------------------------------------------------------


def test_train_shows_every_argument_with_the_defaults_of_its_request():
    given = inspect.signature(organza.train).parameters
    assert not any(one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) for one in given.values())
    known = {field.name: field for field in fields(TrainArgs)}
    assert list(given) == [*known, "progress", "on_event"]
    for name, parameter in list(given.items())[1 : len(known)]:
        assert parameter.default == known[name].default, name
    for name in given:
        assert f"\n        {name}: " in (organza.train.__doc__ or ""), name


def test_the_public_names_are_those_that_load():
    assert sorted(organza._PUBLIC) == sorted(organza.__all__)
    for name in (*organza.__all__, "gan", "studio", "widgets"):
        assert getattr(organza, name) is not None
    assert (Path(organza.__file__).parent / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute tarin"):
        _ = organza.tarin  # type: ignore[attr-defined]


def test_a_users_mistake_is_a_value_error():
    with pytest.raises(ValueError, match="no recipe dcgann"):
        organza.get_recipe("dcgann")
    assert "dcgan" in organza.list_recipes()


# ---- data in memory -----------------------------------------------------------------------------------------------------------


class Faces(Dataset):
    """A dataset as torchvision has them: Pillow images, or tensors of floats, with labels."""

    def __init__(self, kind: str):
        self.kind, self.images = kind, noise(12, 8, 10, 3)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        image, label = self.images[index], torch.tensor(index % 2)
        if self.kind == "pil":
            return Image.fromarray(image), ("cat", "dog")[index % 2]
        return torch.from_numpy(image).permute(2, 0, 1) / 255, label


GREY, COLOUR = noise(12, 8, 10), noise(12, 8, 10, 3)


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (GREY, (12, 8, 10, 1)),
        (COLOUR, (12, 8, 10, 3)),
        (np.moveaxis(COLOUR, -1, 1), (12, 8, 10, 3)),
        (COLOUR / 255, (12, 8, 10, 3)),
        (torch.from_numpy(COLOUR).permute(0, 3, 1, 2), (12, 8, 10, 3)),
        (torch.from_numpy(COLOUR).permute(0, 3, 1, 2) / 127.5 - 1, (12, 8, 10, 3)),
        (torch.from_numpy(GREY) / 255, (12, 8, 10, 1)),
        (TensorDataset(torch.from_numpy(COLOUR).permute(0, 3, 1, 2).float()), (12, 8, 10, 3)),
    ],
    ids=["grey", "colour", "channels first", "floats", "tensor", "-1 to 1", "grey tensor", "TensorDataset"],
)
def test_arrays_tensors_and_datasets_become_the_same_bytes(data: object, shape: tuple[int, ...]):
    kept = np.load(place_of(data))  # type: ignore[arg-type]
    assert kept.shape == shape
    assert np.abs(kept.astype(int) - (COLOUR if shape[-1] == 3 else GREY[..., None])).max() == 0


@pytest.mark.parametrize("kind", ["pil", "tensor"])
def test_the_labels_of_a_dataset_become_classes(kind: str):
    place = place_of(Faces(kind))
    data = organza.Labelled(organza.Source(place, size=8))
    assert data.count == 12
    names = data.labels.fields[0].values
    assert names == (("cat", "dog") if kind == "pil" else ("0", "1"))
    assert place_of(Faces(kind)) == place  # equal content has the same place


def test_pillow_images_keep_their_sizes_and_modes():
    images = [Image.fromarray(noise(9, 9 + n, 3)).convert(mode) for n, mode in enumerate(("RGB", "L", "RGBA", "CMYK"))]
    pack = organza.open_data(place_of(images), size=organza.Source("", size=8).wanted)
    assert len(pack) == 4
    assert not pack.broken


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (noise(8), "array of shape"),
        (noise(16, 16, 3), r"\[16, 16, 3\], which looks like one image"),
        (np.zeros((3, 8, 8, 2), np.uint8), "C of 1, 3 or 4"),
        (np.linspace(-300, 300, 3 * 64).reshape(3, 8, 8), "values from -300"),
        ([], "an empty list"),
        ([noise(8, 8)], "a list"),
        (7, "a int"),
    ],
)
def test_what_is_no_data_is_refused_in_words(data: object, told: str):
    with pytest.raises(UserError, match=told):
        organza.train(data)  # type: ignore[arg-type]


def test_the_same_array_resumes_its_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    array = noise(40, 16, 16, 3)
    first = organza.train(array, size=16, progress=False, **QUICK)
    again = organza.train(array.copy(), size=16, progress=False, **{**QUICK, "budget": "32img"})
    assert first.path == again.path
    assert (first.images, again.images) == (16, 32)
    measured = organza.evaluate(str(first.path), count=20)  # finds the data again
    assert measured[0].card.real > 0


# ---- progress, events, the end -------------------------------------------------------------------------------------------------


def test_progress_is_shown_unless_it_is_declined(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    seen: list[Event] = []
    array = noise(40, 16, 16, 3)
    organza.train(array, tmp_path / "a", size=16, on_event=seen.append, **QUICK)
    told = capsys.readouterr()
    assert "40 images, 16x16" in told.err
    assert "stopped at 16 images" in told.err
    assert not told.out
    assert isinstance(seen[-1], Stopped)
    organza.train(array, tmp_path / "b", size=16, progress=False, **QUICK)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_progress_and_images_in_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run):
    shown: list[str] = []
    handle = types.SimpleNamespace(update=shown.append)
    display = types.ModuleType("IPython.display")
    display.HTML = str  # type: ignore[attr-defined]
    display.display = lambda html, display_id: (shown.append(html), handle)[1]  # type: ignore[attr-defined]
    notebook = types.ModuleType("IPython")
    notebook.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    organza.train(noise(40, 16, 16, 3), tmp_path / "run", size=16, **QUICK)
    for part in ("<progress", "data:image/png", "stopped at 16 images"):
        assert part in shown[-1]
    assert "data:image/png" in run._repr_html_()


def test_ctrl_c_in_train_is_no_success(tmp_path: Path):
    def interrupt(event: Event) -> None:
        if isinstance(event, Tick) and event.images == 8:
            signal.raise_signal(signal.SIGINT)

    array, asked = noise(40, 16, 16, 3), {**QUICK, "settings": ("batch=4",)}
    with pytest.raises(KeyboardInterrupt):
        organza.train(array, tmp_path / "run", size=16, progress=False, on_event=interrupt, **asked)
    assert organza.load(tmp_path / "run").images == 8
    assert organza.train(array, tmp_path / "run", progress=False, **asked).images == 16


def test_what_happens_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="organza"):
        organza.train(noise(40, 16, 16, 3), tmp_path / "run", size=16, progress=False, **QUICK)
    assert any(record.levelname == "WARNING" and "40 images are few" in record.message for record in caplog.records)
    assert any(record.levelname == "INFO" and "stopped at 16" in record.message for record in caplog.records)


# ---- a trained run -------------------------------------------------------------------------------------------------------------


def test_samples_come_as_arrays_pillow_images_or_tensors(run: Run):
    array, images, tensor = run.sample(5, 3), run.sample(5, 3, output="pil"), run.sample(5, 3, output="torch")
    assert array.shape == (5, 16, 16, 3)
    assert all(np.array_equal(np.asarray(image), one) for image, one in zip(images, array, strict=True))
    assert tensor.shape == (5, 3, 16, 16)
    assert np.array_equal(((tensor.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy(), array)
    with pytest.raises(UserError, match="numpy, pil, torch"):
        run.sample(5, output="jpeg")  # type: ignore[call-overload]


def test_images_are_saved_with_one_call(run: Run, tmp_path: Path):
    *files, sheet = run.save_images(tmp_path / "out", 5, seed=3)
    assert [file.name for file in files] == [f"{k:05d}.png" for k in range(5)]
    with Image.open(files[4]) as image:
        assert np.array_equal(np.asarray(image), run.sample(5, 3)[4])
        assert image.info  # marked as synthetic
    assert run.save_images(tmp_path / "grid", 5, seed=3, grid_only=True) == [tmp_path / "grid" / "grid.png"]
    assert sheet.is_file()


def test_a_run_tells_what_it_is(run: Run):
    for part in ("mlp", "16x16, 3 channels", "16 images seen", "on cpu"):
        assert part in repr(run)


@pytest.mark.parametrize("device", ["cpu", *["cuda"] * torch.cuda.is_available()])
def test_all_inference_runs_on_the_device_of_the_run(run: Run, device: str):
    moved = organza.load(run.path, recipe=QUICK["recipe"], device=device)
    assert next(moved.generator.parameters()).device.type == device
    images = moved.sample(4)
    assert images.shape == (4, 16, 16, 3)
    assert moved.judge(images).shape == (4,)
    assert np.abs(images.astype(int) - run.sample(4)).max() <= 1
    assert moved.to("cpu") is moved
    assert next(moved.discriminator.parameters()).device.type == "cpu"
    with pytest.raises(UserError, match="Did you mean cuda"):
        moved.to("cude")


def test_inputs_follow_the_networks_to_their_device(run: Run):
    moved = organza.load(run.path, recipe=QUICK["recipe"])
    seen = []
    moved.device = torch.device("meta")  # the only other device of a machine without a GPU; its tensors hold no values
    moved.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0].device.type))
    moved.discriminator.to("meta")
    with pytest.raises((NotImplementedError, RuntimeError, UserError)):
        moved.judge(run.sample(2))
    assert seen == ["meta"]


def test_an_evaluation_is_computed_where_its_run_is(run: Run, monkeypatch: pytest.MonkeyPatch):
    """On the meta device, whose images hold no values: they are counted as black ones."""
    moved = organza.load(run.path, recipe=QUICK["recipe"])
    moved.device, places = torch.device("meta"), set()

    def black(images: torch.Tensor) -> torch.Tensor:
        places.add(images.device.type)
        return torch.zeros(len(images), *images.shape[2:], images.shape[1], dtype=torch.uint8)

    trained = run_with_data.RunWithData(moved)
    monkeypatch.setattr(trained.data, "finished", black)
    made = trained.made(20, seed=0)
    assert made.images.shape == (20, 16, 16, 3)
    assert places == {"meta"}


class Mean:
    """The mean colour and its spread, as features."""

    name, dimension = "mean", 6

    def card(self) -> dict[str, str]:
        return {"name": "mean"}

    def __call__(self, images: np.ndarray | torch.Tensor) -> torch.Tensor:
        x = torch.as_tensor(np.asarray(images)).float() / 255
        return torch.cat([x.mean((1, 2)), x.std((1, 2))], 1)


def test_a_loaded_run_is_evaluated_and_exported_from_the_cpu(run: Run, tmp_path: Path):
    opened = organza.load(run.path, "latest", recipe=QUICK["recipe"])
    assert run_with_data.RunWithData(opened).run is opened
    with pytest.raises(UserError, match="at least 10 images"):
        organza.evaluate(opened, count=8)
    [found] = organza.evaluate(opened, count=12, extractors=[Mean()])
    assert found.of == f"{run.path} at 16 images"
    assert found.card.fake == 12
    opened.device = torch.device("meta")  # as if it were moved: the copy that is exported reads its weights again
    opened.export(tmp_path / "out", to=["folder"], statement=Statement(licence="cc0-1.0"))
    assert (tmp_path / "out" / "generator.safetensors").is_file()
