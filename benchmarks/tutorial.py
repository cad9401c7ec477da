"""The PyTorch tutorial's DCGAN, written from its description, as an outside reference: https://pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html

Its networks are for 64x64 and have 64 feature maps; Adam 2e-4 (0.5, 0.999), batch 128, binary cross entropy. Three passes of D in a
step, memory as torch lays it out, no averaging, samples from the last weights with batch norm in training mode. Nothing here is
shared with organza.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIZE = 64


class Tutorial:
    """One run: `step` trains on a batch, `sample` draws images.

    Args:
        channels: of the images.
        seed: of the weights and latents.
        width: feature maps.
        latent: size of z.
    """

    batch = 128

    def __init__(self, channels: int, seed: int, width: int = 64, latent: int = 100):
        torch.manual_seed(seed)
        self.latent = latent
        self.G, self.D = _generator(latent, width, channels), _discriminator(width, channels)
        self.G.apply(_begin)
        self.D.apply(_begin)
        self.criterion = nn.BCELoss()
        self.for_D = torch.optim.Adam(self.D.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.for_G = torch.optim.Adam(self.G.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.fixed = torch.randn(1000, latent, 1, 1)

    def step(self, real: Tensor) -> None:
        """One iteration of the tutorial's loop on real images, float [-1, 1] [N, C, 64, 64]."""
        self.D.zero_grad()
        label = torch.full((len(real),), 1.0)
        loss_real = self.criterion(self.D(real).view(-1), label)
        loss_real.backward()
        fake = self.G(torch.randn(len(real), self.latent, 1, 1))
        label.fill_(0.0)
        loss_fake = self.criterion(self.D(fake.detach()).view(-1), label)
        loss_fake.backward()
        self.for_D.step()
        self.G.zero_grad()
        label.fill_(1.0)
        loss = self.criterion(self.D(fake).view(-1), label)
        loss.backward()
        self.for_G.step()
        loss.item()  # the tutorial keeps the losses of each step
        (loss_real + loss_fake).item()

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """Images from the fixed latents, float [-1, 1] [count, C, 64, 64]."""
        return torch.cat([self.G(self.fixed[start : start + 100]) for start in range(0, count, 100)])


def _generator(latent: int, width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(latent, width * 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(width * 8),
        nn.ReLU(True),
        nn.ConvTranspose2d(width * 8, width * 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width * 4),
        nn.ReLU(True),
        nn.ConvTranspose2d(width * 4, width * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(width * 2, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def _discriminator(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(width, width * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width * 2),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(width * 2, width * 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width * 4),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(width * 4, width * 8, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width * 8),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(width * 8, 1, 4, 1, 0, bias=False),
        nn.Sigmoid(),
    )


def _begin(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)
