"""What an encoder is worth: reconstructions of held-out images against trivial ones, and its latents against the prior.

python benchmarks/encoders.py runs/faces-aae --out encoders.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import organza
from organza import Images, Source
from organza.inference.load import Run
from organza.metrics.extractors.features import offline_extractor
from organza.metrics.frechet import frechet_distance
from organza.metrics.kernels import gaussian_mmd, squared_distances
from organza.metrics.paired import faithfulness


def nearest(pictures: np.ndarray, among: np.ndarray) -> np.ndarray:
    """For each image the one that is nearest in mean squared error, uint8 [N, H, W, C]."""
    flat = [torch.from_numpy(np.array(part)).float().flatten(1) for part in (pictures, among)]
    return among[squared_distances(*flat).argmin(1).numpy()]


def reconstructions(run: Run, data: Images) -> dict[str, dict[str, float]]:
    """The faithfulness of what stands for held-out images: the reconstruction, the mean, the nearest of the training images."""
    held, train = data.images[data.parts.held_out], data.images[data.parts.train]
    mean = np.broadcast_to(np.round(train.mean(0)).astype(np.uint8), held.shape)
    stands = {"reconstruction": run.reconstruct(held), "nearest training image": nearest(held, train), "mean": mean}
    extractor, target = offline_extractor(), torch.from_numpy(held)
    return {
        name: {
            measure: round(estimate.value, 4)
            for measure, estimate in faithfulness(torch.from_numpy(np.array(made)), target, extractor).items()
        }
        for name, made in stands.items()
    }


def prior(run: Run, count: int, seed: int) -> Tensor:
    """Latents of the prior, [count, z_dim]."""
    return torch.stack([run.latent(seed, item) for item in range(count)])


@torch.no_grad()
def latents(run: Run, data: Images) -> dict[str, float]:
    """How near the latents of held-out images are to the prior, and how well E inverts G."""
    z = run.encode(data.images[data.parts.held_out])
    drawn, again = prior(run, len(z), 1), prior(run, len(z), 2)
    back = torch.cat([run.encoder(run.generate(some)) for some in drawn.split(64)])
    spread = drawn.std(0).mean()
    return {
        "largest |mean|, in deviations of the prior": (z.mean(0).abs().max() / spread).item(),
        "smallest deviation / prior's": (z.std(0).min() / spread).item(),
        "largest deviation / prior's": (z.std(0).max() / spread).item(),
        "largest |correlation| of two numbers": (torch.corrcoef(z.T) - torch.eye(z.shape[1])).abs().max().item(),
        "Fréchet distance to the prior / z_dim": frechet_distance(drawn, z) / z.shape[1],
        "the same of a second draw of the prior": frechet_distance(drawn, again) / z.shape[1],
        "share of z explained by E(G(z))": (1 - (back - drawn).square().mean() / drawn.var()).item(),
    }


def distance(run: Run, data: Images) -> dict[str, float]:
    """Squared MMD of 500 samples, and of the reconstructions, from the held-out images."""
    extractor = offline_extractor()
    held = data.images[data.parts.held_out]
    real = extractor(held)
    return {
        "samples": gaussian_mmd(real, extractor(run.sample(500, seed=1))).value,
        "reconstructions": gaussian_mmd(real, extractor(run.reconstruct(held))).value,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--checkpoint", default="best")
    arguments.add_argument("--out", type=Path)
    asked = arguments.parse_args()
    run = organza.load(asked.run, asked.checkpoint)
    data = Images(Source(run.content["data"]["source"], size=f"{run.width}x{run.height}", channels=run.channels))
    print(
        f"{asked.run}: {run.content['recipe']['name']}, {run.images:,} images seen, {len(data.parts.held_out)} held out"
    )
    found = {"stands for x": reconstructions(run, data), "latents": latents(run, data), "MMD": distance(run, data)}
    for name, values in found["stands for x"].items():
        print(f"{name:26}" + "  ".join(f"{measure} {value:7.4f}" for measure, value in values.items()))
    for group in ("latents", "MMD"):
        for name, value in found[group].items():
            print(f"{group}: {name:44}{value:8.4f}")
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
