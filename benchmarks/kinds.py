"""The default on folders of many kinds of images: is it alive on all of them, and do its words hold?

    apt-get download wesnoth-1.16-data stellarium-data ... ; dpkg -x ... packages     # the names: `python benchmarks/kinds.py list`
    python benchmarks/kinds.py run kinds --packages packages --budget 5m --seeds 1
    python benchmarks/kinds.py show kinds
    python benchmarks/kinds.py units kinds/data/faces kinds/data/pixel-art     # what distances mean on them

`run` writes each folder (see `folders.py`), types `organza train` on it as a user does, and measures what came of it: distance by two
networks that share no weights, precision, recall, coverage, near-copies, and the verdict's words. What is there already is not done
again; kinds whose package is not unpacked are left out and said. `show` prints the table and writes kinds.png, a row of real images and a
row of samples for each kind. With `--count 200 --budget 2kimg` it is a test of the benchmark itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import organza
from folders import DEGENERATE, KINDS, UNKNOWN, write
from organza import Images, Source
from organza.media.images import to_image
from organza.metrics.damage import Damage
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.report.build import verdict_of
from organza.report.record import Record
from organza.training.evaluator import Evaluator

SHOWN, CELL, LEFT = 12, 64, 150
"""Images of a row; pixels of a cell and of the words beside it."""
NETWORKS = ("efficientnet-lite0", "mobilenet-v2")
PROCESSOR_TIME = (
    "import runpy, time; time.perf_counter = time.process_time; runpy.run_module('organza', run_name='__main__')"
)
"""The command by a clock that stands still while others have the processor: on a busy machine a budget buys what it buys on a quiet one."""


def train(data: Path, run: Path, asked: argparse.Namespace, seed: int) -> str:
    """Type the command, and return what it printed last."""
    program = ["-c", PROCESSOR_TIME] if asked.processor_time else ["-m", "organza"]
    command = [sys.executable, *program, "train", str(data), "--run", str(run), "--budget", asked.budget]
    done = subprocess.run([*command, "--seed", str(seed), *asked.options], capture_output=True, text=True)
    (run.parent / f"{run.name}.txt").write_text(done.stdout + done.stderr)
    return f"exit {done.returncode}" if done.returncode else ""


def measured(run: Path, data: Path) -> dict[str, Any]:
    """Return the numbers and words of a run that is over, JSON."""
    command = [sys.executable, "-m", "organza", "evaluate", str(run), "--data", str(data), "--count", "500", "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    record = Record.of(run)
    said = verdict_of(record, None)
    likeness = next((one for one in said.findings if one.question.startswith("Do they look")), None)
    return {
        "numbers": told,
        "recipe": record.content["recipe"]["name"],
        "images": record.images,
        "minutes": record.seconds / 60,
        "treated": len(record.content.get("rollbacks", ())),
        "ended": (record.ended or {}).get("kind", ""),
        "title": said.title,
        "words": likeness.answer if likeness else "",
        "why": likeness.numbers if likeness else "",
    }


def row(images: np.ndarray, label: str) -> Image.Image:
    """Images side by side on grey, transparent ones as they are, with words to their left."""
    line = Image.new("RGB", (LEFT + SHOWN * CELL, CELL), "white")
    ImageDraw.Draw(line).text((4, CELL // 2 - 6), label, fill="black")
    for place, image in enumerate(images[:SHOWN]):
        picture = to_image(image).convert("RGBA")
        picture.thumbnail((CELL - 2, CELL - 2), Image.Resampling.LANCZOS)
        line.paste((200, 200, 200), (LEFT + place * CELL, 0, LEFT + (place + 1) * CELL, CELL))
        line.paste(picture, (LEFT + place * CELL + 1, 1), picture)
    return line


def page(out: Path, names: list[str]) -> Image.Image:
    """Return real images and samples of each kind, two rows each."""
    lines = []
    for name in names:
        run = organza.load(out / "runs" / name)
        real = [np.asarray(Image.open(path)) for path in sorted((out / "data" / name.rsplit("-", 1)[0]).glob("*.png"))]
        shapes = [image if image.ndim == 3 else image[..., None] for image in real[:SHOWN]]
        lines += [row(np.stack(shapes), name), row(run.sample(SHOWN, 1), "")]
    sheet = Image.new("RGB", (lines[0].width, CELL * len(lines)), "white")
    for place, line in enumerate(lines):
        sheet.paste(line, (0, place * CELL))
    return sheet


def units(folders: list[Path]) -> None:
    """Print how far real images of each folder stand from themselves, damaged."""
    for folder in folders:
        referee = Evaluator(Pyramid(offline_extractor), Images(Source(folder)))
        found = Damage(**{name: one.value for name, one in referee.damage.items()})
        print(f"| {folder.name} | {found.pieces:.3f} | {found.blurred:.3f} | {found.unit:.3f} |", flush=True)


def run_all(asked: argparse.Namespace) -> None:
    (asked.out / "runs").mkdir(parents=True, exist_ok=True)
    for kind in (*KINDS, *UNKNOWN, *DEGENERATE):
        if asked.only and kind.name not in asked.only:
            continue
        try:
            data = write(kind, asked.out / "data", asked.packages, count=asked.count)
        except FileNotFoundError as error:
            print(f"left out: {error}", flush=True)
            continue
        for seed in range(asked.seeds):
            run = asked.out / "runs" / f"{kind.name}-{seed}"
            kept = run.with_suffix(".json")
            if not kept.exists():
                trouble = train(data, run, asked, seed)
                try:
                    told = measured(run, data)  # an early end is no reason not to look
                except (subprocess.CalledProcessError, organza.UserError):
                    told = {"trouble": trouble or "not measured"}
                kept.write_text(json.dumps(told, indent=1))
            print(line(run.name, json.loads(kept.read_text())), flush=True)


def line(name: str, told: dict[str, Any]) -> str:
    """Return a row of the table."""
    if "numbers" not in told:
        return f"| {name} | {told['trouble']} |"
    scores = {network: scored(told["numbers"], network) for network in NETWORKS}
    cells = [" / ".join(shown(one.get(score)) for one in scores.values()) for score in SCORES]
    said = [told["treated"], told["words"], told["title"]]
    return f"| {' | '.join(map(str, (name, told['recipe'], told['images'], *cells, *said)))} |"


SCORES = ("mmd", "precision", "recall", "coverage")


def scored(entries: list[dict[str, Any]], network: str) -> dict[str, Any]:
    """Return the scores by a network, of what `organza evaluate --json` printed."""
    return next((one["metrics"] for one in entries if one["card"]["extractor"]["name"] == network), {})


def shown(score: Any) -> str:
    value = score.get("value") if isinstance(score, dict) else score
    return "" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="The default on folders of many kinds of images.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list")
    verbs.add_parser("units").add_argument("data", type=Path, nargs="+")
    for verb in ("run", "show"):
        one = verbs.add_parser(verb)
        one.add_argument("out", type=Path)
    running = verbs.choices["run"]
    running.add_argument("--packages", type=Path, default=Path("packages"))
    running.add_argument("--budget", default="5m")
    running.add_argument("--processor-time", action="store_true", help="budgets in seconds of processor time")
    running.add_argument("--seeds", type=int, default=1)
    running.add_argument("--count", type=int)
    running.add_argument("--only", nargs="*")
    running.add_argument("--options", nargs=argparse.REMAINDER, default=[])
    asked = parser.parse_args()
    if asked.verb == "list":
        for kind in (*KINDS, *UNKNOWN, *DEGENERATE):
            print(f"{kind.name:20s}{kind.count:6d}  {kind.package or 'drawn here'}")
        return
    if asked.verb == "units":
        units(asked.data)
        return
    if asked.verb == "run":
        run_all(asked)
    kept = sorted((asked.out / "runs").glob("*.json"))
    print("| kind | recipe | images | distance | precision | recall | coverage | treated | words | verdict |")
    for file in kept:
        print(line(file.stem, json.loads(file.read_text())))
    names = [file.stem for file in kept if "numbers" in json.loads(file.read_text())]
    if names:
        page(asked.out, names).save(asked.out / "kinds.png")
        print(f"wrote {asked.out / 'kinds.png'}", file=sys.stderr)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
