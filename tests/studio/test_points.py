"""An address names one image, everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import organza
from organza.cli import main
from organza.errors import UserError
from organza.media.provenance import XMP
from organza.studio.points import Point
from tests.studio.conftest import FIXTURES

WRONG = [
    {"seed": -1}, {"seed": 1.5}, {"seed": True},
    {"index": 2**60}, {"kept": "../x"}, {"kept": 3}, {"toward": [[1, 2]]}, {"toward": [[1, 2, 3]]},
    {"moves": [9]}, {"moves": [float("nan")]}, {"moves": [0] * 99}, {"psi": 3}, {"labels": {"a": 1}}, {"codes": 3},
    {"mix": [1, 2]}, {"other": 1}, [], None, "at=1",
]  # fmt: skip


@pytest.mark.parametrize("given", WRONG, ids=str)
def test_a_wrong_point_is_refused(given: object):
    with pytest.raises(UserError):
        Point.of(given)


def test_an_address_and_a_point_are_the_same():
    address = "http://localhost:1/play/x?at=7.3&toward=9.1@0.3&moves=1.5,0,-2&psi=0.8&labels=hair:long%2C%20red&codes=code-1:0.5&mix=4.0.1"
    wanted = {
        "seed": 7, "index": 3, "toward": [[9, 1, 0.3]], "moves": [1.5, 0, -2], "psi": 0.8, "labels": {"hair": "long, red"},
        "codes": {"code-1": 0.5}, "mix": [4, 0, 1],
    }  # fmt: skip
    assert Point.parse(address.replace("%2C%20", "%252C%2520")) == Point.of(wanted)
    assert Point.parse("at=0123456789abcdef").kept == "0123456789abcdef"
    for wrong in ("at=x", "at=1.2&moves=a", "moves=9", "psi=-1"):
        with pytest.raises(UserError):
            Point.parse(wrong)


def test_the_line_of_python_and_of_the_shell_make_the_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = FIXTURES / "format-2"
    address = "at=3.2&toward=5.0@0.4&psi=0.7"
    shown = organza.studio.picture(run, address)
    assert np.array_equal(organza.studio.picture(run, "at=3.2"), organza.load(run).sample(1, seed=3, first=2)[0])
    assert not np.array_equal(organza.studio.picture(run, "at=3.2"), shown)
    with pytest.raises(SystemExit) as end:
        main(["sample", str(run), "--at", address, "--out", str(tmp_path)])
    assert end.value.code == 0
    with Image.open(capsys.readouterr().out.strip()) as image:
        assert np.array_equal(np.asarray(image).reshape(shown.shape), shown)
        assert XMP in image.info


def test_a_widget_follows_its_address():
    pytest.importorskip("anywidget")
    run = FIXTURES / "format-2"
    widget = organza.widgets.explore(run)
    first = widget.picture
    widget.address = "at=3.2&psi=0.7"
    assert np.array_equal(widget.picture, organza.studio.picture(run, "at=3.2&psi=0.7"))
    assert not np.array_equal(widget.picture, first)
    assert widget.image[:4] == b"\x89PNG"
    widget.address = "at=nothing"
    assert "is not the address" in widget.problem
