"""A first GAN, whole: generator, discriminator, loss, training, inference.

    organza data fashion-mnist fashion --download  # 31 MB; without it, from Debian's package dataset-fashion-mnist
    python examples/first_gan.py fashion --steps 3000

Any folder of images will do, such as the cartoon faces of `organza data faces faces`.
The two networks are written out here; the turns of the game come from organza. A thousand steps take some six minutes of one core.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from organza import Images, Source
from organza.data.batches import to_uint8
from organza.game import discriminator_loss, generator_loss, update
from organza.games.unconditional import Unconditional
from organza.losses import nonsaturating
from organza.media.images import grid, save_png
from organza.seeding import stream


class Generator(nn.Module):
    """Turns a latent z [N, 64] into images [N, 1, 32, 32] in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 128 * 8 * 8), nn.Unflatten(1, (128, 8, 8)), nn.BatchNorm2d(128), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1), nn.Tanh(),
        )  # fmt: skip

    def latent(self, source: torch.Generator) -> Tensor:
        return torch.randn(64, generator=source)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(nn.Module):
    """Turns images into logits [N]; sigmoid(logit) is the probability that an image is authentic."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(128 * 8 * 8, 1), nn.Flatten(0),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", help="images to learn from")
    arguments.add_argument("--steps", type=int, default=3000)
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--out", type=Path, default=Path("first_gan.png"))
    asked = arguments.parse_args()

    # Data: real images, [-1, 1], 32x32, grey.
    data = Images(Source(asked.folder, size=32, channels=1))

    # The two players, and the loss: binary cross entropy with targets 1 for real and 0 for fake.
    torch.manual_seed(0)
    game = Unconditional(Generator(), Discriminator(), nonsaturating)
    adam = {"betas": (0.5, 0.999), "lr": 2e-4}
    for_G, for_D = torch.optim.Adam(game.G.parameters(), **adam), torch.optim.Adam(game.D.parameters(), **adam)

    # Training: D learns to tell real from fake, G untouched; then G learns to fool D, D untouched.
    for step in range(asked.steps):
        positions = range(step * asked.batch, (step + 1) * asked.batch)
        batch = data.at(positions) | game.latents([stream(0, "z", position) for position in positions])
        game.G.requires_grad_(True)
        made = game.play(batch)
        turn_D = update(game.D, for_D, partial(discriminator_loss, game, batch, made))
        turn_G = update(game.G, for_G, partial(generator_loss, game, batch, made))
        if step % 100 == 0 or step == asked.steps - 1:
            numbers = {name: round(value, 3) for name, value in (turn_D.numbers() | turn_G.numbers()).items()}
            print(f"step {step:5d}  {numbers}")

    # Inference: the generator alone.
    game.G.eval()
    with torch.no_grad():
        pictures = game.G(torch.randn(64, 64, generator=stream(7, "pictures")))
    save_png(grid(to_uint8(pictures).numpy()), asked.out)
    print(f"64 images in {asked.out}")


if __name__ == "__main__":
    main()
