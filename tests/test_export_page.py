"""The page in a browser without a network: opened from the disk, silent, equal to Python, and usable by mouse and keyboard."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import organza
from organza.export.web import drawn_pattern
from organza.media.provenance import XMP
from tests.contracts.exports import Exports
from tests.studio.server import wait_for

pytest.importorskip("onnx")
pytest.importorskip("playwright")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)
PLAIN = "latent-wide"
"""Recipe whose page has nothing but latents."""
READING = "Canvas2D: Multiple readback"
"""Message that `Opened.pixels` causes; the page itself reads no canvas back."""
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def shown(browser: Any, exports: Exports) -> Iterator[Callable[..., Opened]]:
    """A function: the page of a recipe, opened; closed after the test, as an open one goes on drawing."""
    pages: list[Opened] = []

    def of(name: str, phone: bool = False) -> Opened:
        pages.append(Opened(browser, *exports(name), phone))
        assert pages[-1].unnamed() == []
        return pages[-1]

    yield of
    for opened in pages:
        opened.page.context.close()


class Opened:
    """A page in a browser of its own, without a network."""

    def __init__(self, browser: Any, run: organza.Run, out: Path, phone: bool = False):
        self.run = run
        self.path = path = out / "index.html"
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
        self.told: list[str] = []
        self.page = browser.new_context(viewport=size, offline=True, accept_downloads=True).new_page()
        self.page.on("console", lambda message: self.told.append(message.text) if READING not in message.text else None)
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.on("request", lambda request: self.told.append(request.url) if request.url != path.as_uri() else None)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-state=ready]", timeout=120_000)

    def pixels(self, name: str) -> np.ndarray:
        """What a canvas shows, uint8 [H, W, 4]."""
        width, height, *values = self.page.evaluate(
            "(name) => { const c = document.getElementById(name); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " return [c.width, c.height, ...d]; }",
            name,
        )
        return np.array(values, np.uint8).reshape(height, width, 4)

    def says(self, text: str) -> None:
        """Wait for a text in the line of its state."""
        self.page.locator("#status", has_text=text).wait_for()

    def unnamed(self) -> list[str]:
        """The controls without a name."""
        return self.page.evaluate(
            "[...document.querySelectorAll('button, input, select, canvas[role=img]')].filter((e) => !(e.getAttribute('aria-label') "
            "|| e.textContent.trim() || (e.labels && [...e.labels].some((l) => l.textContent.trim())))).map((e) => e.outerHTML)"
        )


Show = Callable[..., Opened]


def test_a_page_names_its_own_script_and_style_and_nothing_else(exports: Exports):
    text = (exports(PLAIN)[1] / "index.html").read_text("utf8")
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert found
    assert found[1].startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in found[1].replace("'wasm-unsafe-eval'", "")
    for tag, kind in (("style", "style"), ('script type="module"', "script")):
        [code] = re.findall(rf"<{tag}>(.*?)</{kind}>", text, re.DOTALL)
        assert f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" in found[1]


def test_it_draws_what_python_draws_without_a_word_or_a_request(shown: Show):
    opened = shown(PLAIN)
    run, drawn = opened.run, opened.pixels("large")[..., :3]
    wanted = run.sample(1, seed=run.content["asked"]["seed"])[0]
    assert np.abs(drawn.astype(int) - wanted.astype(int)).max() <= 2  # weights in float16
    assert opened.told == []
    assert "24 images" in opened.page.inner_text("#status")


def test_new_images_sliders_kept_ones_and_the_way_between(shown: Show, tmp_path: Path):
    opened = shown(PLAIN, phone=True)
    page, before = opened.page, opened.pixels("large")
    page.keyboard.press("n")
    opened.says("just now")
    fresh = opened.pixels("large")
    assert (fresh != before).any()
    page.keyboard.press("k")
    page.locator("#sheet button").nth(3).click()
    wait_for(lambda: (opened.pixels("large") != fresh).any())
    page.keyboard.press("k")
    page.locator("#way").wait_for()
    if page.locator("#direction-1").count():
        kept = opened.pixels("large")
        page.locator("#direction-1").fill("3")
        wait_for(lambda: (opened.pixels("large") != kept).any())
        assert page.locator("#direction-1").get_attribute("aria-valuetext") == "+3.0"
    page.locator("#along").fill("0")
    wait_for(lambda: np.abs(opened.pixels("walked").astype(int) - fresh).max() <= 1)  # the way begins with the first
    page.locator("#along").fill("0.25")
    wait_for(lambda: (opened.pixels("walked") != fresh).any())
    with page.expect_download() as saved:
        page.keyboard.press("s")
    saved.value.save_as(tmp_path / "saved.png")
    image = Image.open(tmp_path / "saved.png")
    image.load()
    assert image.size == (32, 32)
    assert "trainedAlgorithmicMedia" in image.info[XMP]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390  # nothing sticks out of a phone
    assert opened.told == []


def test_labels_are_controls(shown: Show):
    opened = shown("cgan-swift")
    run = opened.run
    opened.page.locator("#label-0").select_option(label="flipped")
    opened.says("other labels")
    row = run.labels.encode({"class": "flipped"})  # type: ignore[union-attr]
    import torch

    z = run.latent(run.content["asked"]["seed"], 0)[None]
    wanted = organza.data.batches.to_uint8(run.generate(z, torch.from_numpy(row)[None]))[0].numpy()
    assert np.abs(opened.pixels("large")[..., :3].astype(int) - wanted).max() <= 2


def test_codes_are_controls(shown: Show):
    opened = shown("infogan-paper")
    before = opened.pixels("large")
    opened.page.locator("#category-1").select_option(index=9)
    opened.page.locator("#code-1").fill("-2")
    wait_for(lambda: (opened.pixels("large") != before).any())
    assert opened.told == []


def test_a_dropped_image_is_translated_both_ways(shown: Show, tmp_path: Path):
    opened = shown("cyclegan")
    run = opened.run
    pattern = drawn_pattern(32, 32, 3)
    assert np.array_equal(opened.pixels("original")[..., :3], pattern)
    for to in ("b", "a"):
        opened.page.locator(f"[name=to][value={to}]").check()
        wanted = run.translate(pattern[None], to)[0].astype(int)
        wait_for(lambda wanted=wanted: np.abs(opened.pixels("translation")[..., :3] - wanted).max() <= 2)
    file = tmp_path / "wide.png"
    Image.fromarray(np.tile(drawn_pattern(48, 40, 3), (1, 2, 1))).save(file)
    opened.page.locator("#file").set_input_files(file)
    opened.says("wide.png, 96x40")
    assert opened.pixels("translation").shape == (40, 96, 4)
    opened.page.locator("#file").set_input_files(opened.path)
    assert "That is no image" in opened.page.inner_text("#status")
    assert opened.told == []


def test_a_shape_turns(shown: Show):
    opened = shown("gan3d")
    begun = opened.pixels("large")
    opened.page.locator("#turn").fill("0")
    wait_for(lambda: (opened.pixels("large") != begun).any())
    first = opened.pixels("large")
    opened.page.locator("#turn").fill("1.5")
    wait_for(lambda: (opened.pixels("large") != first).any())
    assert opened.told == []


def test_a_hole_is_painted_and_filled_and_nothing_else_changes(shown: Show, tmp_path: Path):
    opened = shown("fill-light")
    assert (opened.pixels("original")[..., 3] == 0).any()  # the drawn pattern has a hole
    file = tmp_path / "x.png"
    pattern = drawn_pattern(64, 48, 3)
    Image.fromarray(pattern).save(file)
    opened.page.locator("#file").set_input_files(file)
    opened.page.get_by_text("x.png, 64x48 pixels, translated").wait_for()
    assert np.array_equal(opened.pixels("translation")[..., :3], pattern)  # no hole yet
    box = opened.page.locator("#original").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 20, y, steps=4)
    opened.page.mouse.up()
    wait_for(lambda: not np.array_equal(opened.pixels("translation")[..., :3], pattern))
    hole = opened.pixels("original")[..., 3] < 255
    made = opened.pixels("translation")[..., :3]
    assert 5 < hole.sum() < 1000
    assert np.array_equal(made[~hole], pattern[~hole])
    assert not np.array_equal(made[hole], pattern[hole])
    assert opened.told == []


def test_a_dropped_image_is_enlarged(shown: Show, tmp_path: Path):
    opened = shown("enlarge-light")
    pattern = drawn_pattern(20, 12, 3)
    Image.fromarray(pattern).save(tmp_path / "x.png")
    opened.page.locator("#file").set_input_files(tmp_path / "x.png")
    opened.page.get_by_text("x.png, 20x12 pixels, translated").wait_for()
    made = opened.pixels("translation")[..., :3].astype(int)
    assert made.shape == (48, 80, 3)
    assert np.abs(made - opened.run.translate(pattern.copy()[None])[0]).max() <= 2
