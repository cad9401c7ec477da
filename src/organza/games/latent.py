"""Latent GAN: first an autoencoder learns to draw, then the game is played on its latent codes, without labels or with them.

Esser et al. 2021, Taming Transformers, arXiv:2012.09841, and Rombach et al. 2022, Latent Diffusion, arXiv:2112.10752, train in these two
stages what then writes codes; here G writes them, against a discriminator of codes:
    warm-up      min_{E,R}  E_x |M x - M R(E(x) + n)|_1 + contrast |c(x) - c(R(E(x) + n))|_1          n ~ N(0, noise^2)
    game         min_G max_D  V(D, G; E(x)),  and the minimum of the warm-up goes on over a share of the batch
c is `local_contrast`: an absolute error alone is least where R draws the median of what may be there, without thin lines
(docs/lab-log.md, 96). With noise on its codes R learns to draw cleanly from what is not quite a code, as G's are: Ghosh et al.
2020, arXiv:1903.12436, section 3.1. M is what E sees, `colours.seen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.config import settings_of
from organza.errors import UserError
from organza.game import Batch, Duel
from organza.games.unconditional import Unconditional
from organza.losses import Adversarial
from organza.networks.ranges import covered
from organza.penalties import Penalty

LEVEL = 1 / 127.5
"""Difference of one level of 8 bits; half of it is the rounding of the files."""
FAINT = 0.02
"""Contrast that counts as none: two and a half levels."""
FITTED = 1_024
"""Number of images to fit the range to."""
JUDGED, CLEARLY = 64, 0.9
"""Number of images to judge the autoencoder by, and the largest error it may have, as a share of the
error without one."""


class LatentGAN(Unconditional):
    """Latent GAN: noise to latent codes to data, with `networks.latent.Generator` and a discriminator of codes.

    E and R go on learning in the game, at little cost: D follows codes that move slowly, so the warm-up need not be long
    (docs/lab-log.md, 59). No turn of the game's own reaches E, or it would make what is easily told apart alike.

    Args:
        G, D, adversarial, penalties: see `Game`.
        noise: standard deviation on the codes, whose reach is (-1, 1).
        share: share of each batch of the game that E and R keep learning from; one image at the least.
        contrast: weight of the difference in local contrast.

    Raises:
        UserError: if noise or contrast is negative, or the share is not from 0 to 1.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        adversarial: Adversarial,
        penalties: Sequence[Penalty] = (),
        noise: float = 0.3,
        share: float = 0.25,
        contrast: float = 0.0,
    ):
        super().__init__(G, D, adversarial, penalties)
        if noise < 0 or not 0 <= share <= 1:
            raise UserError(f"game.noise is {noise} and game.share {share}; noise is 0 or more, a share from 0 to 1.")
        if contrast < 0:
            raise UserError(f"game.contrast is {contrast}; it must be 0 or more.")
        self.noise, self.share, self.contrast = noise, share, contrast

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        shape = tuple(data.shape)
        known = settings_of(generator) or {}
        return generator.given(shape=shape), discriminator.given(
            shape=shape, **{name: known[name] for name in ("code", "reduction")}
        )

    def fit(self, data: Any) -> None:
        self.G.fit(data.at(range(FITTED))["image"])

    @torch.no_grad()
    def unready(self, data: Any) -> str:
        """Return the autoencoder's error beside the error without one, in words, or "" if it is clearly less.

        No autoencoder: one colour for all pixels of all images, or one image for all, whichever is nearer; medians, as the error is
        absolute.
        """
        known, x = data.at(range(JUDGED))["image"], data.referenced(range(JUDGED))["image"]
        colour = known.movedim(1, -1).flatten(0, -2).median(0).values[:, None, None]
        single = known.median(0).values
        training = self.training
        self.eval()
        error = self.error(self.again(x), x)
        self.train(training)
        plain = torch.stack([self.error(one.expand_as(x), x) for one in (colour, single)]).min()
        if error < CLEARLY * plain:
            return ""
        return f"the autoencoder's error is {error:.3f}, and one image for all has {plain:.3f}: its latent codes say nothing of the images"

    def play(self, batch: Batch) -> Batch:
        with torch.no_grad():
            real = self.G.encoder(batch["image"])
        return {"code": self.G.inner(batch["z"]), "real code": real}

    def make(self, batch: Batch) -> Tensor:
        return self.G(batch["z"])

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, made["real code"], made["code"])]

    def extra_generator_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        few = self.world.first(len(batch["image"]), self.share)
        x = batch["image"][few.items]
        with self.world.counting(few):
            terms = self.differences(self.again(x, few.whole), x)
        return terms if few.weight == 1 else {name: few.weight * value for name, value in terms.items()}

    def warm_up(self, batch: Batch) -> Batch:
        return {"image": self.again(batch["image"])}

    def warm_up_terms(self, batch: Batch, made: Batch) -> dict[str, Tensor]:
        return self.differences(made["image"], batch["image"])

    def again(self, x: Tensor, whole: int | None = None) -> Tensor:
        """Return R(E(x) + n), [N, C, H, W]; without noise in evaluation mode.

        Args:
            x: images.
            whole: number of items of all ranks that the noise is drawn for; None for equal shares.
        """
        q = self.G.encoder(x)
        noise = self.world.random_like(torch.randn_like, q, whole) if self.training else 0.0
        return self.G.decoder(q + self.noise * noise if self.training else q)

    def differences(self, y: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Return the terms of the autoencoder's loss for images x that it draws as y, [N, C, H, W] each."""
        terms = {"reconstruction": self.error(y, x)}
        if self.contrast:
            gap = local_contrast(covered(y, x)) - local_contrast(covered(x, x))
            terms["contrast"] = self.contrast * gap.abs().mean()
        return terms

    def error(self, y: Tensor, x: Tensor) -> Tensor:
        """Return |M y - M x|_1, the mean over all pixels of [N, C, H, W]; colours count as far as x is
        opaque, and differences below `LEVEL` not at all.
        """
        see, e = self.G.encoder.seen, covered(y, x) - covered(x, x)
        return see(e * (e.abs() > LEVEL)).abs().mean()


def local_contrast(x: Tensor) -> Tensor:
    """Return the logarithm of the contrast between neighbours, c = log sqrt(mean |grad x|^2 + `FAINT`^2), the mean over windows of 4x4
    pixels, every second one.

    The logarithm weighs thin faint lines as edges. Windows of 8x8, or a second scale, let lines go astray (docs/lab-log.md, 96).

    Args:
        x: images [N, C, H, W] in [-1, 1], at least 5x5 pixels.

    Returns:
        [N, C, H', W'].

    >>> x = torch.zeros(1, 1, 8, 8); x[..., 4] = 1.0
    >>> bool(local_contrast(x).max() > local_contrast(0.5 * x).max() > local_contrast(0 * x).max())
    True
    """
    down, across = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
    squares = down[..., 1:].square() + across[..., 1:, :].square()
    return (F.avg_pool2d(squares, 4, 2) + FAINT**2).log() / 2


class ConditionalLatentGAN(LatentGAN):
    """Latent GAN with labels: G(z, y) writes codes, and D judges codes beside the label y; E and R know no labels.

    Labels and codes of an item face each other as in `Conditional`: the fakes carry the labels of the real batch.
    """

    @classmethod
    def players(cls, generator: Any, discriminator: Any, data: Any) -> tuple[Any, Any]:
        labels = data.labels.width
        return super().players(generator.given(labels=labels), discriminator.given(labels=labels), data)

    def play(self, batch: Batch) -> Batch:
        with torch.no_grad():
            real = self.G.encoder(batch["image"])
        return {"code": self.G.inner(batch["z"], batch["label"]), "real code": real}

    def make(self, batch: Batch) -> Tensor:
        return self.G(batch["z"], batch["label"])

    def duels(self, batch: Batch, made: Batch) -> list[Duel]:
        return [Duel(self.D, made["real code"], made["code"], condition=batch["label"])]
