"""What the codes of a trained InfoGAN are worth: are they found again in new images, and do categories match classes it was never told?

    python benchmarks/infogan.py runs/codes fashion --out codes.json

The first part makes images from latents that training never used, and asks Q for their codes. The second asks Q for the category of
held-out real images and compares with the classes of their folders; k-means with as many groups, on the pixels of the training images,
stands beside it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

import organza
from clusters import contingency, normalised_information, purity
from organza import Images, Labelled, Source
from organza.data.batches import to_float
from organza.seeding import permutation, stream


def networks(run: organza.Run) -> tuple[Any, Any]:
    """G with its codes, and D with the head that reads them.

    Raises:
        SystemExit: where the run has no categorical code.
    """
    if not getattr(getattr(run.generator, "codes", None), "categories", ()):
        raise SystemExit(f"{run.path} has no categorical code; train it with infogan or infogan.")
    return run.generator, run.discriminator


def recovered(run: organza.Run, count: int) -> dict[str, float]:
    """How often Q finds the category of an image made for it, and how its guesses of the continuous codes correlate with them."""
    G, D = networks(run)
    z = torch.stack([G.latent(stream(0, "unseen codes", item)) for item in range(count)])
    with torch.no_grad():
        said = torch.cat([D.recognise(G(some)) for some in z.split(250)])
    guesses, means = G.codes.split(said)
    chosen, values = G.codes.split(G.codes.of(z))
    found = {
        f"accuracy of categorical code {number}": (guess.argmax(1) == truth.argmax(1)).float().mean().item()
        for number, (guess, truth) in enumerate(zip(guesses, chosen, strict=True))
    }
    for number in range(values.shape[1]):
        pair = torch.stack([values[:, number], means[:, number]])
        found[f"correlation of continuous code {number}"] = torch.corrcoef(pair)[0, 1].item()
    return found


def categories(run: organza.Run, pictures: np.ndarray) -> np.ndarray:
    """The category of the first code that Q sees in real images, uint8 [N, H, W, C] to [N]."""
    G, D = networks(run)
    with torch.no_grad():
        said = [D.recognise(to_float(pictures[at : at + 250])) for at in range(0, len(pictures), 250)]
    return G.codes.split(torch.cat(said))[0][0].argmax(1).numpy()


def k_means(pixels: np.ndarray, groups: int, seed: int, turns: int = 50) -> np.ndarray:
    """The centres of Lloyd's algorithm, begun at items drawn by seed: float32 [N, P] to [groups, P]."""
    centres = pixels[permutation(len(pixels), "k-means", seed).numpy()[:groups]]
    for _ in range(turns):
        nearest = assigned(pixels, centres)
        centres = np.stack(
            [pixels[nearest == k].mean(0) if (nearest == k).any() else centres[k] for k in range(groups)]
        )
    return centres


def assigned(pixels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest centre of each item."""
    return ((centres**2).sum(1) - 2 * pixels @ centres.T).argmin(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data", help="what it was trained on, with a subfolder for each class")
    parser.add_argument("--checkpoint", default="best")
    parser.add_argument("--count", type=int, default=5000, help="images to read codes off")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    run = organza.load(asked.run, asked.checkpoint)
    source = Source(asked.data, f"{run.width}x{run.height}", run.channels)
    data = Labelled(source)
    if (
        Images(source).fingerprint != run.content["data"]["fingerprint"]
    ):  # labels, which the run never saw, have their own
        raise SystemExit(f"{asked.data} is not what {asked.run} was trained on.")
    numbers = recovered(run, asked.count)

    true = data.known[data.reference].argmax(1)
    found = categories(run, data.real())
    groups = networks(run)[0].codes.categories[0]
    train = data.parts.train[permutation(len(data.parts.train), "k-means").numpy()[:6000]]
    pixels = data.images[train].reshape(len(train), -1).astype(np.float32)
    held_out = data.real().reshape(len(true), -1).astype(np.float32)
    rivals = [assigned(held_out, k_means(pixels, groups, seed)) for seed in range(3)]
    numbers |= {"purity of the categories": purity(found, true), "NMI": normalised_information(found, true)}
    numbers |= {"purity of k-means on pixels": float(np.mean([purity(rival, true) for rival in rivals]))}
    numbers |= {"NMI of k-means": float(np.mean([normalised_information(rival, true) for rival in rivals]))}
    numbers |= {"purity by chance": float(np.bincount(true).max() / len(true))}

    print(
        f"{asked.run}, checkpoint {run.saved.directory.name}; {asked.count:,} new codes, {len(true):,} held-out images"
    )
    for name, value in numbers.items():
        print(f"{name:34s}{value:8.3f}")
    names = [str(name)[:10] for name in data.labels.fields[0].values]
    print("\n" + " " * 10 + "".join(f"{name:>11s}" for name in names))
    table = contingency(found, true)
    for category, row in enumerate(table):
        print(f"category {category}" + "".join(f"{count:11d}" for count in row))
    if asked.out:
        asked.out.write_text(json.dumps({"numbers": numbers, "classes": names, "table": table.tolist()}, indent=1))


if __name__ == "__main__":
    main()
