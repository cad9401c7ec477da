"""A loss, a penalty, networks and a game in one's own module, used by every command; mistakes in it are told where they are."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from organza.cli import main

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_parts.py"
MATERIAL = Path(__file__).parent / "own_gan.py"


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data and the researcher's module, as the current one."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save("data.npy", rng.integers(0, 256, (120, 16, 16, 3), dtype=np.uint8))
    return tmp_path


def test_a_module_of_ones_own_is_used_by_every_command(place: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copy(EXAMPLE, place / "mine_all.py")
    assert len((place / "mine_all.py").read_text().splitlines()) < 120
    asked = ["train", "data.npy", "--recipe", "mine_all:own", "--size", 16, "--run", "runs/mine", "--seed", "0,1"]
    code, out, err = call(capsys, *asked, "--budget", "32img")
    assert code == 0, err
    assert "next: organza compare runs/mine-seed-0 runs/mine-seed-1 --import mine_all" in out
    assert "next: organza sample runs/mine-seed-0 --count 64 --seed 7 --show --import mine_all" in out
    run = "runs/mine-seed-0"
    code, _, err = call(capsys, "train", "data.npy", "--run", run, "--budget", "64img")  # which needs the module
    assert code == 2
    assert "--import mine_all" in err
    assert call(capsys, "train", "data.npy", "--run", run, "--budget", "64img", "--import", "mine_all")[0] == 0
    report = (place / run / "report.html").read_bytes()
    code, _, err = call(capsys, "report", run)
    assert code == 2
    assert "is kept, as a new page would lack" in err
    assert (place / run / "report.html").read_bytes() == report
    trust = ["--import", "mine_all"]
    code, out, _ = call(capsys, "sample", run, "--count", 4, *trust)
    assert (code, "4 images" in out) == (0, True)
    images = place / run / "generated" / "seed-0"
    code, out, _ = call(capsys, "judge", run, images, *trust)
    assert code == 0
    assert "held-out real images:" in out
    assert "samples of this run:" in out
    assert call(capsys, "report", run, *trust)[0] == 0
    code, out, err = call(capsys, "evaluate", run, "--count", 16, "--extractor", "lite0", *trust)
    assert code == 0, err
    code, out, err = call(capsys, "compare", "runs/mine-seed-0", "runs/mine-seed-1", *trust)
    assert code == 0, err
    code, out, err = call(
        capsys, "sample", run, "--count", 2, "--recipe", "mine_all:own"
    )  # the spelling of the previous version
    assert code == 0
    assert "note: --recipe of sample is now --import" in err


MISTAKES = {
    "a layer that does not fit": (
        "z_dim, 2 * width", "z_dim, 3 * width",
        ("mistake_0.py, line", "in forward (return self.layers(z))", "RuntimeError"),
    ),
    "a logit of shape [N, 1]": ("1), nn.Flatten(0),", "1),", ("Critic returned [2, 1] for 2 items", "nn.Flatten(0)")),
    "channels last": ("return self.layers(z)", "return self.layers(z).permute(0, 2, 3, 1)", ("returned [2, 16, 16, 3]", "[2, 3, 16, 16]")),
    "a mean too early": (
        "softplus(MARGIN - real) + softplus(MARGIN + fake)", "(softplus(MARGIN - real) + softplus(MARGIN + fake)).mean()",
        ("The discriminator's loss returned a tensor of shape []", "without a mean"),
    ),
    "a forgotten return": ('return {"apart": self', 'told = {"apart": self', ("extra_generator_terms returned nothing (None)",)),
    "a term that is no scalar": ("(1 / (ratio + 0.1)).mean()", "1 / (ratio + 0.1)", ("it must be a scalar tensor: add .mean()",)),
    "a mistake while it is read": ("MARGIN = 0.5", "MARGIN = 1 / 0", ("mistake_6.py, line", "ZeroDivisionError")),
    "a mistake of syntax": ("MARGIN = 0.5", "MARGIN = = 5", ("mistake_7.py, line", "SyntaxError")),
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=list(MISTAKES))
def test_a_mistake_in_ones_own_module_is_told_where_it_is(number: int, place: Path, capsys: pytest.CaptureFixture[str]):
    before, after, words = list(MISTAKES.values())[number]
    text = MATERIAL.read_text()
    assert text.count(before) == 1
    (place / f"mistake_{number}.py").write_text(text.replace(before, after))
    asked = ["train", "data.npy", "--recipe", f"mistake_{number}:own_gan", "--size", 16, "--budget", "16img"]
    code, _, err = call(capsys, *asked)
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1, err
    for word in words:
        assert word in err
    assert not (place / "runs").exists()
    if "Error" in words[-1] and number == 0:
        code, _, err = call(capsys, *asked, "--traceback")
        assert code == 2
        assert "Traceback (most recent call last):" in err


def test_classes_of_a_script_are_told_of_before_training(place: Path, capsys: pytest.CaptureFixture[str]):
    (place / "script.py").write_text(
        MATERIAL.read_text()
        + "\n\nimport organza\nrun = organza.train('data.npy', recipe=own_gan(), size=16, budget='16img', evaluate=False, report=False)\n"
        "print(run.sample(2).shape)\n"
    )
    runpy.run_path("script.py", run_name="__main__")
    told = capsys.readouterr()
    assert told.out == "(2, 16, 16, 3)\n", told.err
    assert "defined in this script or notebook (`__main__`)" in told.err
