"""What export costs and what its files are worth: bytes, difference from the run, loss by storage, and the page in a browser.

    python benchmarks/export.py RUN [RUN ...] [--pictures docs/pictures]

For each run a row: CPU seconds and, in brackets, wall seconds to trace and compare the generator, the largest difference, bytes and PSNR of
float16 and int8, milliseconds an image of onnxruntime on one thread at batches 1 and 64 beside torch's; then the two commands that a user
waits for; then, where Chromium and playwright are installed, seconds from opening the page to its first image and images a second. With
--pictures the page of the first run is drawn at the size of a desk and of a phone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import organza
from organza.export.card import Statement
from organza.export.files import OnnxFile, made
from organza.export.graphs import graphs
from organza.export.onnx import session
from organza.export.release import provenance

COMMAND = [sys.executable, "-m", "organza"]
MEASURED = 20
"""Passes whose median is told."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| run | recipe | export, CPU s | difference | fp32 bytes | fp16 | int8 | onnxruntime, torch: ms at 1 | ms at 64 |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    pages = []
    for path in asked.runs:
        run = organza.load(path)
        begun, started = time.process_time(), time.perf_counter()
        file = made(next(graphs(run)), run, Path(), provenance(run, Statement()))
        # CPU seconds as well, since other programs may share the cores
        spent = f"{time.process_time() - begun:.0f} ({time.perf_counter() - started:.0f})"
        print(row(run, file, spent), flush=True)
        pages.append((run, Path(tempfile.mkdtemp(prefix="organza-page-"))))
    print(
        "\n| run | export of everything, CPU s (wall) | load the folder and draw 64, CPU s (wall) |\n| --- | --- | --- |",
        flush=True,
    )
    for run, place in pages:
        print(whole(run, place), flush=True)
    print("\n| run | page bytes | first image s | images/s |\n| --- | --- | --- | --- |", flush=True)
    for number, (run, place) in enumerate(pages):
        run.export(place, to=("web",), name=run.path.name)
        print(opened(run, place / "index.html", asked.pictures if number == 0 else None), flush=True)
        shutil.rmtree(place)


def row(run: organza.Run, file: OnnxFile, spent: str) -> str:
    """One run's files."""
    cells = [run.path.name, str(run.content["recipe"]["name"]), spent]
    cells += [f"{file.agreement.difference:.1e}, {file.agreement.levels} levels", f"{file.size:,}"]
    for precision in ("fp16", "int8"):
        small = file.in_precision(precision)
        cells.append(f"{small.size:,} ({small.loss_in_words()})")
    started = session(file.model)
    for count in (1, 64):
        given = file.graph.examples(count)
        arrays = {name: value.numpy() for name, value in given.items()}
        ours = median(lambda arrays=arrays: started.run(None, arrays)) / count
        with torch.no_grad():
            theirs = median(lambda given=given: file.graph.module(*given.values())) / count
        cells.append(f"{1000 * ours:.2f}, {1000 * theirs:.2f}")
    return f"| {' | '.join(cells)} |"


def whole(run: organza.Run, place: Path) -> str:
    """The commands that a user waits for, each in a process of its own: a row."""
    export = [*COMMAND, "export", str(run.path), "--license", "cc-by-4.0", "--out", str(place)]
    sample = [*COMMAND, "sample", str(place), "--count", "64", "--out", str(place / "drawn")]
    told = []
    for command in (export, sample):
        before, begun = os.times(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        after, wall = os.times(), time.perf_counter() - begun  # Windows tells no times of children: 0 there
        cpu = sum(after[2:4]) - sum(before[2:4])
        told.append(f"{cpu:.1f} ({wall:.1f})")
    shutil.rmtree(place)
    return f"| {run.path.name} | {' | '.join(told)} |"


def median(work: Any) -> float:
    """CPU seconds of a pass."""
    found = []
    for _ in range(MEASURED):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return float(np.median(found))


def opened(run: organza.Run, path: Path, pictures: Path | None) -> str:
    """The page in a browser: a row."""
    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = started.new_context(viewport={"width": 1280, "height": 900}, offline=True).new_page()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-state=ready]", timeout=120_000)
        first = int(page.evaluate("document.documentElement.dataset.first")) / 1000
        rate = page.evaluate(RATE) if hasattr(run.generator, "latent") else float("nan")
        if pictures is not None:
            shown(page, pictures / "export-page.png")
            context = started.new_context(viewport={"width": 390, "height": 844}, offline=True, color_scheme="dark")
            phone = context.new_page()
            phone.goto(path.as_uri())
            phone.wait_for_selector("html[data-state=ready]", timeout=120_000)
            shown(phone, pictures / "export-phone.png")
        started.close()
    return f"| {run.path.name} | {path.stat().st_size:,} | {first:.1f} | {rate:.0f} |"


RATE = """async () => {
  const items = Array.from({ length: 8 }, (_, index) => organza.item(5, index));
  await organza.made(items);
  const begun = performance.now();
  for (let turn = 0; turn < 16; turn += 1) await organza.made(items);
  return 128 / ((performance.now() - begun) / 1000);
}"""


def shown(page: Any, path: Path) -> None:
    """A picture of the page as one sees it who keeps two images and moves a slider."""
    for tile in (1, 5):
        page.locator("#sheet button").nth(tile).click()
        page.wait_for_timeout(400)
        page.keyboard.press("k")
    if page.locator("#direction-1").count():
        page.locator("#direction-1").fill("2")
    page.locator("#along").fill("0.25")
    page.wait_for_timeout(600)
    page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main()
