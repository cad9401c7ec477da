"""The same GAN twice: once in plain PyTorch, once on organza's blocks. Both print the same losses.

    python examples/plain_loop.py

The data are drawn here: white discs on black, 16x16, so that nothing has to be downloaded. All is in float64: in float32 the
two orders of the same sums round unlike, and training doubles a difference in the last digit every few steps.
"""

import argparse
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from organza.game import discriminator_loss, generator_loss, update
from organza.games.unconditional import Unconditional
from organza.losses import nonsaturating

BATCH, LATENT = 32, 16
ADAM = {"lr": 5e-4, "betas": (0.5, 0.999)}


def discs(count: int, seed: int) -> Tensor:
    """Real images, [N, 1, 16, 16] in [-1, 1]: a disc of any radius from 2 to 6 pixels, anywhere inside."""
    chance = torch.Generator().manual_seed(seed)
    radius = 2 + 4 * torch.rand(count, 1, 1, generator=chance)
    y, x = (radius + (15 - 2 * radius) * torch.rand(count, 1, 1, generator=chance) for _ in range(2))
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    return torch.tanh(radius - ((rows - y) ** 2 + (columns - x) ** 2).sqrt())[:, None]


def latents(count: int, seed: int) -> Tensor:
    """Latents z ~ N(0, 1), [N, LATENT]."""
    return torch.randn(count, LATENT, generator=torch.Generator().manual_seed(1_000_000 + seed))


def generator() -> nn.Module:
    """Latents to images."""
    return nn.Sequential(
        nn.Linear(LATENT, 64 * 4 * 4), nn.Unflatten(1, (64, 4, 4)), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip


def discriminator() -> nn.Module:
    """Images to logits [N]; sigmoid(logit) is the probability that an image is authentic."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(64 * 4 * 4, 1), nn.Flatten(0),
    )  # fmt: skip


def plain(steps: int) -> Iterator[tuple[float, float]]:
    """Train in plain PyTorch, and yield the losses of D and of G."""
    torch.manual_seed(0)
    G, D = generator(), discriminator()
    adam_G, adam_D = torch.optim.Adam(G.parameters(), **ADAM), torch.optim.Adam(D.parameters(), **ADAM)
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
    for step in range(steps):
        x, z = discs(BATCH, step), latents(BATCH, step)
        fake = G(z)

        adam_D.zero_grad()  # D's turn: real images towards 1, fakes towards 0; detach() keeps the gradient from G
        loss_D = bce(D(x), ones) + bce(D(fake.detach()), zeros)
        loss_D.backward()
        adam_D.step()

        adam_G.zero_grad()
        loss_G = bce(D(fake), ones)  # G's turn: its fakes towards 1
        loss_G.backward()
        adam_G.step()
        yield loss_D.item(), loss_G.item()


def blocks(steps: int) -> Iterator[tuple[float, float]]:
    """Train on organza's blocks, and yield the losses of D and of G."""
    torch.manual_seed(0)
    game = Unconditional(generator(), discriminator(), nonsaturating)
    adam_G, adam_D = torch.optim.Adam(game.G.parameters(), **ADAM), torch.optim.Adam(game.D.parameters(), **ADAM)
    for step in range(steps):
        batch = {"image": discs(BATCH, step), "z": latents(BATCH, step)}
        game.G.requires_grad_(True)  # `update` leaves it frozen
        made = game.play(batch)
        turn_D = update(game.D, adam_D, partial(discriminator_loss, game, batch, made))
        turn_G = update(game.G, adam_G, partial(generator_loss, game, batch, made))
        yield turn_D.terms["discriminator"].item(), turn_G.terms["generator"].item()


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    (arguments := argparse.ArgumentParser()).add_argument("--steps", type=int, default=200)
    steps = arguments.parse_args().steps
    print("  step   plain: D       G    blocks: D       G")
    for step, ((D, G), (same_D, same_G)) in enumerate(zip(plain(steps), blocks(steps), strict=True)):
        if step % 50 == 0 or step == steps - 1:
            print(f"{step:6d}    {D:.4f}  {G:.4f}       {same_D:.4f}  {same_G:.4f}")
