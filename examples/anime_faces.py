"""The tutorial: a DCGAN that learns to draw faces at 64x64, on your own images or on cartoon faces rendered here.

python examples/anime_faces.py                                  # renders 20,000 faces first
python examples/anime_faces.py --faces my/anime/faces --recipe dcgan --budget 3h
"""

from __future__ import annotations

import argparse
from pathlib import Path

import organza
from organza.data import render_faces
from organza.media.images import grid, save_png
from organza.run.events import Event, Sampled


def tell(event: Event) -> None:
    """One line for each sample grid; `train` shows the rest itself."""
    if isinstance(event, Sampled):
        print(f"{event.images:>10,}  samples in {event.path}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--faces", type=Path, help="a folder of faces; rendered when left out")
    arguments.add_argument("--run", type=Path, default=Path("runs/anime_faces"))
    arguments.add_argument("--recipe", default="dcgan", help="dcgan is the tutorial's; swift gets there sooner")
    arguments.add_argument("--budget", default="1h")
    arguments.add_argument("--count", type=int, default=20_000, help="how many faces to render")
    asked = arguments.parse_args()

    faces = asked.faces or render_faces(Path("faces"), count=asked.count, size=64)
    run = organza.train(faces, asked.run, recipe=asked.recipe, budget=asked.budget, size=64, channels=3, on_event=tell)

    # After training the generator alone makes images; the same seed makes the same ones.
    pictures = run.sample(64, seed=7)
    save_png(grid(pictures), asked.run / "faces.png")
    print(f"64 faces in {asked.run / 'faces.png'}")

    # The discriminator stays as a detective: the probability that each image is authentic.
    chances = run.judge(pictures)
    print(f"D takes its rival's images for real with a mean probability of {chances.mean():.2f}")


if __name__ == "__main__":
    main()
