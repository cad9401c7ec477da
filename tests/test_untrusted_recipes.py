"""Recipe files that mean harm: whatever they name, nothing is run, imported, written or deleted, and what is wrong is one sentence."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import organza
from organza.config import Partial, decode, encode
from organza.errors import UserError
from organza.inference.load import load
from organza.losses import Adversarial
from organza.metrics.extractors.multiscale import Pyramid
from organza.recipe import Recipe, recorded
from organza.run.folder import RunFolder
from tests.contracts.discovery import RECIPES, small
from tests.drawings import drawing
from tests.helpers import WHOLE, enough
from tests.test_cli import call

KINDS = ("part", "value", "the")
PURE = {
    "__future__",
    "abc",
    "collections",
    "dataclasses",
    "functools",
    "itertools",
    "math",
    "numpy",
    "organza",
    "torch",
    "typing",
}
"""What modules of pure mathematics import."""
ALARMS = (
    "os.system",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.rename",
    "shutil.rmtree",
    "subprocess.Popen",
    "os.exec",
    "socket.connect",
)


def modules() -> list[ModuleType]:
    """Every module of organza that can be imported here."""
    found = [organza]
    for info in pkgutil.walk_packages(organza.__path__, "organza."):
        if not info.name.endswith("__main__"):
            found.append(importlib.import_module(info.name))
    return found


def reachable() -> Iterator[str]:
    """The names of all that a dotted walk could reach from organza's modules: two steps, which includes os, sys and shutil. What many
    modules hold, such as torch, is entered through one of them; through each, which makes ten times as many names, in `make faults`.
    """
    entered: set[int] = set()
    for module in modules():
        for name, value in vars(module).items():
            yield f"{module.__name__}:{name}"
            if isinstance(value, ModuleType | type) and (WHOLE or id(value) not in entered):
                entered.add(id(value))
                yield from (f"{module.__name__}:{name}.{inner}" for inner in vars(value))


NAMES = sorted(set(reachable()))


@pytest.fixture
def alarm(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was done that reading must not do, noted by Python's own audit."""
    noted: list[str] = []
    active = True

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if active and (
            event in ALARMS or (event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"))
        ):
            noted.append(f"{event}{arguments[:2]}")
        if (
            active
            and event == "import"
            and arguments[0].partition(".")[0] not in ("organza", "torch", "numpy", *sys.stdlib_module_names)
        ):
            noted.append(f"import {arguments[0]}")

    sys.addaudithook(listen)  # for the rest of the process; after the test it no longer listens
    yield noted
    active = False


def test_nothing_that_can_be_reached_is_run_or_returned_but_recipe_values(alarm: list[str]):
    assert len(NAMES) > 5_000
    taken = []
    for name in NAMES:
        for kind in KINDS:
            for rest in ({}, {"path": "/tmp/x", "name": "os:system"}) if kind == "part" else ({},):
                try:
                    value = decode({kind: name, **rest})
                except UserError:
                    continue
                if kind != "value":
                    taken.append(value.make if isinstance(value, Partial) else value)
    assert not alarm
    for value in taken:
        harmless = isinstance(value, Adversarial) or value.__module__.startswith(
            ("organza.networks.", "organza.games.", "organza.penalties", "organza.augment", "organza.data.", "organza.optimizers",
             "organza.schedule", "organza.stop", "organza.recipe")
        )  # fmt: skip
        assert harmless, value
        assert not (value.__module__ == "organza.recipe" if hasattr(value, "__module__") else False) or value is Recipe
    assert {getattr(v, "__name__", "") for v in taken} >= {"Generator", "Recipe", "r1", "Images", "Penalty"}


def test_functions_that_a_recipe_may_name_know_nothing_of_files():
    """The modules whose functions count import nothing that reads, writes or runs."""
    import ast

    from organza.config.references import MODULES, PACKAGES, _is_function

    named = [name for name, kinds in MODULES.items() if _is_function in kinds]
    for package in (name for name, kinds in PACKAGES.items() if _is_function in kinds):
        named += [f"{package}.{info.name}" for info in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    assert len(named) > 20
    for name in named:
        tree = ast.parse(Path(str(importlib.import_module(name).__file__)).read_text("utf-8"))
        imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        imported |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        tops = {one.partition(".")[0] for one in imported}
        assert tops <= PURE, (name, tops)
        assert not called & {"open", "exec", "eval", "compile", "__import__", "input", "print"}, name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("organza.cli:os.system", "not a value that a recipe may hold"),
        ("organza.run.folder:shutil.rmtree", "not a value"),
        ("organza.recipes:imported", "not a value"),
        ("organza.recipes:get", "not a value"),
        ("organza.recipe:recorded", "not a value"),
        ("organza.disk:write_whole", "not a value"),
        ("organza.networks.layers:torch", "not a value"),
        ("organza.networks.layers:nn.Module", "not a value"),
        ("organza.networks.layers:UserError", "not a value"),
        ("organza.networks.resize:normal", "not a value"),  # a re-export
        ("organza.networks.layers:__builtins__", "not a value"),
        ("organza.networks.layers:Shape", "not a value"),
        ("organza.data.batches:ABC", "not a value"),
        ("organza.data.pack:open_data", "not a value"),
        ("organza:train", "not a value"),
        ("organza.__main__:main", "not a value"),
        ("organza.networks:x", "not a value"),
        ("organza.networks.nowhere:x", "no module"),
        ("organza.networks..layers:NetworkDict", "not a value"),
        ("organza.networks.layers:NetworkDict:x", "not"),
        ("organza.losses:hing", "Did you mean hinge?"),
        ("tests.drawings:drawing", "not part of organza"),
        ("__main__:main", "not part of organza"),
        ("torch.nn:Module", "not part of organza"),
        ("os:system", "not part of organza"),
        ("", "not"),
        (":", "not"),
        ("organza", "not"),
    ],
)
def test_names_that_are_no_recipe_values(name: str, said: str):
    for kind in KINDS:
        with pytest.raises(UserError, match=said.replace("?", r"\?")):
            decode({kind: name})


def test_a_module_of_the_users_counts_only_where_it_is_named():
    form = {"part": "tests.drawings:drawing"}
    import tests.drawings

    with pytest.raises(UserError, match=r"name its module: `modules=\['tests.drawings'\]`"):
        decode(form)
    assert decode(form, {"tests.drawings"}).make is tests.drawings.drawing
    with pytest.raises(UserError, match="not part of organza"):
        decode({"part": "tests.nowhere:drawing"}, {"tests.nowhere"})  # named, but not imported


NETWORK = {"part": "organza.networks.dcgan:Generator"}


@pytest.mark.parametrize(
    "form",
    [
        NETWORK | {"width": "64"},
        NETWORK | {"width": 10**9},
        NETWORK | {"width": True},
        NETWORK | {"width": 1.5},
        NETWORK | {"width": [64]},
        NETWORK | {"norm": 3},
        NETWORK | {"shape": [3, "x", 4]},
        NETWORK | {"shape": {"part": "organza.networks.dcgan:Generator"}},
        {"value": "organza.optimizers:Adam", "rate": "fast"},
        {"value": "organza.optimizers:Adam", "rate": float("nan")},
        {"value": "organza.stop:Plateau", "checks": None},
        {"value": "organza.penalties:Penalty", "of": "r1"},
        {"value": "organza.penalties:Penalty", "of": {"the": "organza.penalties:r1"}, "every": 10**12},
        {"value": "organza.recipe:Recipe"},
        {"value": "organza.data.labels:Field", "name": 3, "values": [], "shares": []},
        {"value": "organza.networks.dcgan:Generator"},
        {"part": "organza.losses:hinge"},
        {"part": "organza.optimizers:Adam", "rat": 1},
    ],
    ids=str,
)
def test_settings_of_other_kinds_are_refused(form: dict):
    with pytest.raises(UserError):
        decode(form)


@pytest.mark.parametrize(
    "form",
    [
        {"part": "x" * 20_000},
        {"x" * 20_000: 1},
        [[]] * 300_000,
        [{"the": "organza.losses:hinge"}] * 3_000,
        json.loads("[" * 200 + "]" * 200),
        {"part": "organza.networks.layers:NetworkDict", "a": json.loads('{"a":' * 100 + "1" + "}" * 100)},
    ],
    ids=["long name", "long key", "many", "many tables", "deep", "deep tables"],
)
def test_depth_count_and_length_are_bounded(form: Any):
    with pytest.raises(UserError, match="nested too deeply, or holds too much"):
        decode(form)


forms = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | st.text(max_size=20) | st.sampled_from(NAMES),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*KINDS, "width", "shape", "name", "of", "game", "generator", "rate"]), inner, max_size=5)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        | st.builds(
            lambda kind, name, rest: {**rest, kind: name},
            st.sampled_from(KINDS), st.sampled_from(NAMES), st.dictionaries(st.text(max_size=5), inner, max_size=3),
        )
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=enough(300, 3000), deadline=None)
@given(forms)
def test_any_structure_is_a_value_or_a_sentence(form: Any):
    for read in (decode, recorded):
        try:
            read(form)
        except UserError as error:
            assert len(str(error)) > 5  # noqa: PT017


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that begin with what is loaded")
def test_every_recipe_reads_the_same_whatever_is_loaded():
    """The names in recipe.json depend on definitions, not on which modules happen to be imported."""
    few = (
        "import importlib, json, os, sys, torch\nfrom organza.config import encode\n"
        "for module, name in zip(sys.argv[1::2], sys.argv[2::2]):\n"
        "    if os.fork() == 0:\n"  # with nothing loaded of the recipes before
        "        print(json.dumps(encode(getattr(importlib.import_module(module), name)())), flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    chosen = ("dcgan", "pix2pix", "cyclegan", "cgan", "swift")
    words = [word for name in chosen for word in (RECIPES[name].__module__, RECIPES[name].__name__)]
    alone = subprocess.run([sys.executable, "-c", few, *words], capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in alone.stdout.splitlines()] == [encode(RECIPES[name]()) for name in chosen]


# ---- whole runs from a stranger -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run with its data, to be made hostile."""
    root = tmp_path_factory.mktemp("honest")
    (root / "data").mkdir()
    for seed in range(24):
        drawing(seed).save(root / "data" / f"{seed}.png")
    organza.train(
        root / "data",
        root / "run",
        recipe=small(RECIPES["mlp"](), 4),
        budget="16img",
        size=16,
        evaluate=False,
        report=False,
    )
    return root


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features without a network: only what comes before and after them is tried here, sixty times."""

    def features(self: Pyramid, images: np.ndarray | Tensor) -> Tensor:
        values = torch.as_tensor(np.asarray(images)).flatten(1).float()
        return values.repeat(1, self.dimension // values.shape[1] + 1)[:, None, : self.dimension].repeat(
            1, len(self.looks), 1
        )

    monkeypatch.setattr(Pyramid, "__call__", features)


COMMANDS = {"os:system": "command", "organza.cli:os.system": "command", "organza.run.folder:shutil.rmtree": "path"}


def hostile(draw: random.Random, content: dict, target: Path) -> dict:
    """One hostile recipe.json: somewhere in it, something that would run, import, write or delete."""
    name = draw.choice(
        [*NAMES, *COMMANDS, "evil_module:f", "builtins:exec", "organza.disk:write_whole", "organza.recipes:imported"]
    )
    payload = {draw.choice(KINDS): name}
    payload |= draw.choice(
        [
            {},
            {"path": str(target), "ignore_errors": True},
            {"command": f"touch {target}/ran"},
            {"name": "evil_module:f", "option": "x"},
        ]
    )
    where = draw.choice(
        [
            ("players", "generator"), ("players", "discriminator"), ("recipe", "game"), ("recipe", "data"), ("recipe", "adversarial"),
            ("recipe", "generator_optimizer"), ("recipe", "augment"), ("recipe", "penalties"), ("recipe", "stop"),
        ]
    )  # fmt: skip
    table = content[where[0]]
    if draw.random() < 0.5 and isinstance(table.get(where[1]), dict):
        table[where[1]] = table[where[1]] | {draw.choice(["width", "shape", "norm", "source"]): payload}
    else:
        table[where[1]] = draw.choice([payload, [payload], payload])
    if draw.random() < 0.2:
        table[where[1]] = {"part": "organza.networks.layers:NetworkDict", "b": payload, "a": payload}
    return content


VERBS = {
    "sample": ["--count", "1"],
    "judge": ["{data}"],
    "evaluate": ["--count", "12", "--extractor", "lite0"],
    "report": [],
    "quiz": ["--count", "10"],
    "compare": ["{run}", "--out", "{place}/c.html"],
    "encode": ["{data}"],
    "translate": ["{data}", "{place}/out"],
}


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize("seed", range(enough(10, 200)))
def test_a_hostile_run_runs_nothing_on_any_verb(
    seed: int,
    honest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    alarm: list[str],
):
    from organza.cli import main

    draw = random.Random(seed)
    run, precious, place = tmp_path / "run", tmp_path / "precious", tmp_path / "here"
    shutil.copytree(honest / "run", run)
    precious.mkdir()
    (precious / "only copy").write_text("x")
    place.mkdir()
    (place / "evil_module.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\ndef f(): pass")
    content = hostile(draw, json.loads((run / "recipe.json").read_text()), precious)
    (run / "recipe.json").write_text(json.dumps(content))
    monkeypatch.chdir(place)
    before = sorted(tmp_path.iterdir())
    fill = {"data": str(honest / "data"), "run": str(honest / "run"), "place": str(place)}
    commands = [[verb, str(run), *(word.format(**fill) for word in rest)] for verb, rest in VERBS.items()]
    commands.append(["train", str(honest / "data"), "--run", str(run), "--no-report", "--no-evaluate"])
    alarm.clear()  # of what this test did itself
    for command in draw.sample(commands, 4):
        with pytest.raises(SystemExit) as end:
            main(command)
        assert end.value.code in (0, 2), (command, capsys.readouterr().err)
    assert sorted(tmp_path.iterdir()) == before
    assert (precious / "only copy").read_text() == "x"
    assert not [
        event
        for event in alarm
        if str(precious) in event or event.startswith(("os.system", "subprocess", "os.exec", "import evil"))
    ]


def test_sizes_are_compared_with_the_weights_before_memory_is_taken(honest: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(honest / "run", run)
    content = json.loads((run / "recipe.json").read_text())
    content["players"]["generator"]["width"] = 60_000  # two terabytes
    (run / "recipe.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="does not fit its recipe"):
        load(run).sample(1)
    one = {"part": "organza.networks.mlp:Discriminator", "shape": [1, 8, 8], "width": 4}
    content["players"]["generator"] = {
        "part": "organza.networks.layers:NetworkDict",
        **{f"n{i}": one for i in range(1500)},
    }
    (run / "recipe.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="too few for this network"):
        load(run).sample(1)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("name", ["checkpoints", "samples", "events.jsonl", "stats.jsonl", "lock", "generated"])
def test_nothing_is_written_through_a_link(name: str, honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from organza.cli import main

    run, outside = tmp_path / "run", tmp_path / "outside"
    shutil.copytree(honest / "run", run)
    source = run / name
    if source.is_dir():
        shutil.copytree(source, outside)
        shutil.rmtree(source)
    elif name == "generated":
        outside.mkdir()
    else:
        outside.write_text("the only copy\n")
        source.unlink(missing_ok=True)
    source.symlink_to(outside)
    before = {p: p.read_bytes() for p in [outside, *outside.rglob("*")] if p.is_file()}
    with pytest.raises(SystemExit) as trained:
        main(["train", str(honest / "data"), "--run", str(run), "--budget", "64img", "--no-report", "--no-evaluate"])
    with pytest.raises(SystemExit) as sampled:
        main(["sample", str(run), "--count", "1"])
    told = capsys.readouterr().err
    assert {trained.value.code, sampled.value.code} <= {0, 2}, told
    assert "link" in told
    assert {p: p.read_bytes() for p in [outside, *outside.rglob("*")] if p.is_file()} == before


def test_a_run_of_ones_own_recipe_opens_where_that_is_named(
    honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A user's module is trusted for the call that names it, and for no other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine_alone.py").write_text(
        "from dataclasses import replace\nfrom organza.networks import mlp\n"
        "from organza.config import Partial\nfrom organza.recipes import get\n"
        "class Mine(mlp.Generator): pass\n"
        "def recipe(): return replace(get('mlp'), name='mine', generator=Partial(Mine, width=4), batch=8)\n"
    )
    recipe = importlib.import_module("mine_alone").recipe
    asked = {"budget": "16img", "size": 16, "evaluate": False, "report": False, "progress": False}
    run = organza.train(honest / "data", "run", recipe=recipe(), **asked)
    assert run.sample(1).shape == (1, 16, 16, 3)
    with pytest.raises(UserError, match="not part of organza"):
        _ = organza.load("run").generator
    for named in (recipe(), "mine_alone:recipe"):
        assert organza.load("run", recipe=named).sample(2).shape == (2, 16, 16, 3)
    del sys.modules["mine_alone"]  # as in a process that has not imported it
    code, _, error = call(capsys, "sample", "run", "--count", 1)
    assert (code, "--import mine_alone" in error) == (2, True), error
    assert "mine_alone" not in sys.modules
    code, _, error = call(capsys, "sample", "run", "--count", 1, "--import", "mine_alone")
    assert code == 0, error
    assert RunFolder(tmp_path / "run").exists


def every_verb_ends_in_words(run: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that commands on a run succeed or are refused in a sentence."""
    from organza.cli import main

    training = ["train", data, "--run", run, "--budget", "24img", "--no-report"]
    evaluation = ["evaluate", run, "--count", 12, "--extractor", "lite0"]
    for command in (["sample", run, "--count", 2], ["judge", run, data], evaluation, training):
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in command])
        assert end.value.code in (0, 2)
        assert "Traceback" not in capsys.readouterr().err


PIECES = {
    "rollbacks is a number": lambda c: c.update(rollbacks=5),
    "rollbacks of one": lambda c: c.update(rollbacks=[[1]]),
    "chosen is a table": lambda c: c.update(chosen={"a": 1}),
    "threads are a text": lambda c: c["versions"].update(threads="many"),
    "versions is a list": lambda c: c.update(versions=[]),
    "a plan with more": lambda c: c["plan"].update(more=1),
    "a plan of noughts": lambda c: c["plan"].update(stats_every=0),
    "a plan below nought": lambda c: c["plan"].update(seconds=-1),
    "an endless plan": lambda c: c["plan"].update(images=10**30),
    "a flat shape": lambda c: c["data"].update(shape=[3]),
    "a huge shape": lambda c: c["data"].update(shape=[3, 10**6, 10**6]),
    "a shape of texts": lambda c: c["data"].update(shape=["3", "16", "16"]),
    "labels are a text": lambda c: c["data"].update(labels="cat"),
    "labels of nothing": lambda c: c["data"].update(labels=[{}]),
    "source_shape is a number": lambda c: c["data"].update(source_shape=3),
    "no players": lambda c: c.update(players={"generator": 3, "discriminator": None}),
    "a recipe of nothing": lambda c: c.update(recipe={"name": "x"}),
    "a recipe that is a network": lambda c: c.update(recipe={"name": "x", "part": "organza.networks.mlp:Generator"}),
    "a recipe whose game is a network": lambda c: c["recipe"].update(game={"part": "organza.networks.mlp:Generator"}),
    "a recipe whose data is a game": lambda c: c["recipe"].update(data={"part": "organza.games.voxel:Voxel"}),
    "data that takes a source": lambda c: c["recipe"].update(data={"part": "organza.data.batches:Images", "source": "x"}),
    "seed is a text": lambda c: c["asked"].update(seed="x"),
    "size is a text": lambda c: c["asked"].update(size="x"),
    "a list": lambda c: c.clear(),
}  # fmt: skip


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize("name", PIECES)
def test_a_recipe_json_of_another_form_is_one_sentence(
    name: str, honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):

    run = tmp_path / "run"
    shutil.copytree(honest / "run", run)
    content = json.loads((run / "recipe.json").read_text())
    PIECES[name](content)
    (run / "recipe.json").write_text(json.dumps(content))
    every_verb_ends_in_words(run, honest / "data", capsys)


FACTS = {
    "no images": lambda f: f.pop("images"), "images below nought": lambda f: f.update(images=-1),
    "images of text": lambda f: f.update(images="x"),
    "neutral of text": lambda f: f.update(neutral="x"), "neutral is nan": lambda f: f.update(neutral=float("nan")),
    "history of numbers": lambda f: f.update(history=[1, 2]), "history of tables": lambda f: f.update(history=[{}]),
    "sums of text": lambda f: f.update(sums={"a": "b"}), "a pulse of one": lambda f: f.update(pulse={"G step": [1]}),
    "vitals of text": lambda f: f.update(vitals=[["x"] * 20]), "planned at a text": lambda f: f.update({"planned at": "x"}),
    "history of nothing": lambda f: f.update(history=[[8, None, None, None, None, None]]),
    "history out of range": lambda f: f.update(history=[[8, 1e308, 1e308, 0.5, 0.1, 0.1]]),
    "vitals of nothing": lambda f: f.update(vitals=[[8, None, None]]), "vitals of lists": lambda f: f.update(vitals=[[8, 1, 1, []]]),
    "sums out of range": lambda f: f.update(sums={"D(x)": [1.7e308, 1.7e308]}),
    "a pulse of no step": lambda f: f.update(pulse={"G step": [0, 0, 0, 0], "D step": [0, 0, 0, 0]}),
    "rollbacks of text": lambda f: f.update(rollbacks="x"), "a recipe that runs": lambda f: f.update(recipe={"part": "os:system"}),
    "a recipe of text": lambda f: f.update(recipe="x"), "seconds without end": lambda f: f.update(seconds=float("inf")),
}  # fmt: skip


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize("name", FACTS)
def test_a_manifest_of_another_form_is_one_sentence(
    name: str, honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from organza.run import checkpoint

    run = tmp_path / "run"
    shutil.copytree(honest / "run", run)
    for file in run.glob("checkpoints/*/manifest.json"):
        manifest = json.loads(file.read_text())
        FACTS[name](manifest["facts"])
        manifest["self"] = checkpoint._own_digest(manifest)
        file.write_text(json.dumps(manifest))
    every_verb_ends_in_words(run, honest / "data", capsys)
