"""The generator that comes with the package: cartoon faces, the default recipe, one thread; its folder, and a sheet to look at.

    OMP_NUM_THREADS=1 python benchmarks/builtin_faces.py WORK [--budget 250kimg]

Renders 20,000 faces into WORK, trains the default recipe, `latent`, in the greatest width whose export stays below 1 MB, and writes the
export into the package: the generator in fp16, the card and a preview. Run again after an interruption, it resumes; with --export-only a
run that was stopped earlier is exported as it is, and its card tells the images seen.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

import organza
from organza.data import render_faces
from organza.export.card import Statement
from organza.export.places import PACKAGED
from organza.media.images import grid, save_png
from organza.recipes.swift import latent
from organza.report.build import copies_found
from organza.schedule import Share
from organza.training.auto import LONGEST, REHEARSAL, sized

WIDTH = 16
PREVIEWED = 16
MOST = 1_000_000
"""Largest folder in bytes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--budget", default="250kimg")
    parser.add_argument("--export-only", action="store_true", help="export the run as it is")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    faces, run = asked.work / "faces", asked.work / "runs" / "faces16"
    if not faces.is_dir():
        render_faces(faces, count=20_000)
    if not asked.export_only:
        recipe = replace(sized(latent(), WIDTH), generator_warmup=Share(REHEARSAL, LONGEST))  # as `auto` has it
        organza.train(faces, run, recipe=recipe, budget=asked.budget, seed=0)
    out = asked.work / "export"
    shutil.rmtree(out, ignore_errors=True)
    print(copies_found(run, faces))
    statement = Statement(
        "cc-by-4.0",
        data="20,000 cartoon faces of the style Adventurer, drawn by organza data faces; nobody is shown",
        data_licence="cc-by-4.0",
        attribution="remix of Adventurer (https://www.figma.com/community/file/1184595184137881796) by Lisa Wischofsky, CC BY 4.0",
    )
    trained = organza.load(run, device="cpu")
    trained.export(
        out, to=("folder",), parts=("generator",), precision="fp16", name="builtin:faces", statement=statement
    )
    save_png(
        grid(trained.sample(PREVIEWED)), out / "preview.png", trained.made_by(0)
    )  # fewer than usual, for their bytes
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    print(sizes, sum(sizes.values()))
    if sum(sizes.values()) >= MOST:
        raise SystemExit(f"the folder has {sum(sizes.values()):,} bytes, and {MOST:,} are the most")
    place = PACKAGED / "faces"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(out, place)


if __name__ == "__main__":
    main()
