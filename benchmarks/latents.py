"""Latent tools on the built-in faces: inversion against its bound, and directions against a classifier that took no part.

    python benchmarks/latents.py RUN FACES HELD

RUN is a run on the faces of FACES (organza data faces FACES --count 2300 --size 64, of which HELD has the last 300, with their table).
Inversion: held-out images, z alone and with the inner inputs; PSNR beside the bound R(E(x)) and the mean image. Directions: found from the
table of FACES, then judged on new latents by a network that learned the lightness from HELD's images alone. Prints a Markdown table each.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import organza
from organza.data.size import Size
from organza.inference.judge_files import pictures_at
from organza.inference.load import Run
from organza.latents.directions import PLACES, Direction, correlation, place_along
from organza.latents.labelled import labelled
from organza.latents.readers import Reader, learned
from organza.latents.source import images, latents, law_of

FALLS = 0.0, 0.05, 0.1
"""Deviations that the attribute may fall at a step of a monotone row."""


def inversion(run: Run, held: Path, count: int) -> None:
    """Print PSNR and time of inversions of the first held-out images."""
    notes: list[str] = []
    files = sorted(held.glob("*.png"))[:count]
    pictures = np.stack([one for _, one, _ in pictures_at(files, Size(run.width, run.height), run.channels, notes)])
    print(f"\n{len(pictures)} held-out images\n")
    print(
        "| space | starts | steps | PSNR | bound | mean image | perceptual | mean image | CPU s/image |\n"
        + "|---" * 9
        + "|"
    )
    for inner, starts, steps in ((False, 4, 200), (True, 1, 100), (True, 4, 200)):
        before = time.process_time()
        found = run.invert(pictures, starts=starts, steps=steps, inner=inner)
        spent = (time.process_time() - before) / len(pictures)
        bound = "" if found.bound is None else f"{found.bound.mean():.2f}"
        print(
            f"| {'inner' if inner else 'z'} | {starts} | {steps} | {found.psnr.mean():.2f} | {bound} | {found.mean_psnr.mean():.2f} "
            f"| {found.perceptual.mean():.3f} | {found.mean_perceptual.mean():.3f} | {spent:.2f} |",
            flush=True,
        )


def moved(run: Run, one: Direction, judge: Reader, attribute: int, count: int = 512) -> tuple[float, Tensor]:
    """Return the correlation over random latents, and the attribute at `PLACES` of new latents, [places, N], in deviations."""
    law = law_of(run)
    z = latents(run, 2**40, range(1000))
    y = judge.read(images(run, z))[:, attribute]
    r = correlation(place_along(law, z, one.axis), y)
    z = latents(run, 2**41, range(count))
    here = place_along(law, z, one.axis)[:, None]
    rows = [judge.read(images(run, law.moved(z, one.axis, place - here)))[:, attribute] for place in PLACES]
    return r, torch.stack(rows) / y.std()


def directions(run: Run, faces: Path, held: Path) -> None:
    """Print the scores of directions by the network of the held-out images."""
    before = time.process_time()
    found = run.find_directions(labelled(run, faces))
    print(
        f"\ndirections found in {time.process_time() - before:.0f} CPU s; refused: {', '.join(one.name for one in found.refused)}\n"
    )
    real = labelled(run, held)
    wanted = [one for one in real.attributes if one.name.endswith("-lightness")]
    judge = learned(real.images, wanted)
    seen = {name: f"{r:.2f}" for name, r in zip(judge.names, judge.seen, strict=True)}
    print(f"the judge learned from {len(real.images)} held-out images; r on a fifth of them: {seen}\n")
    columns = "".join(f" monotone, falls of {fall:g} |" for fall in FALLS)
    print(
        f"| direction | own r | own monotone | judge's r | steps that rise |{columns}\n"
        + "|---" * (5 + len(FALLS))
        + "|"
    )
    for one in found.directions:
        if one.name not in judge.names or one.scores is None:
            continue
        r, values = moved(run, one, judge, judge.names.index(one.name))
        steps = values[1:] - values[:-1]
        shares = [((steps > -fall).all(0) & (steps.sum(0) > 0)).float().mean().item() for fall in FALLS]
        print(
            f"| {one.name} | {one.scores.correlation:.2f} | {one.scores.monotone:.0%} | {r:.2f} | {(steps > 0).float().mean().item():.0%} "
            f"|{''.join(f' {share:.0%} |' for share in shares)}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run, exported folder, or builtin:faces")
    parser.add_argument("faces", type=Path)
    parser.add_argument("held", type=Path)
    parser.add_argument("--count", type=int, default=32, help="held-out images to invert")
    asked = parser.parse_args()
    torch.set_flush_denormal(True)
    run = organza.load(asked.run, device="cpu")
    print(f"{asked.run}: {run.content['recipe']['name']}, {run.images:,} images seen")
    inversion(run, asked.held, asked.count)
    directions(run, asked.faces, asked.held)


if __name__ == "__main__":
    main()
