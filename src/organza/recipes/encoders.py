"""Images, with an encoder that maps them back to latents."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.games.aae import AAE
from organza.games.bigan import BiGAN
from organza.losses import relativistic
from organza.networks import aae as aae_networks
from organza.networks import bigan as bigan_networks
from organza.networks import dcgan as dcgan_networks
from organza.networks import resize as resize_networks
from organza.networks.layers import NetworkDict, no_norm
from organza.optimizers import SGD, Adam
from organza.penalties import Penalty, r1, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.schedule import Cosine, Linear


def bigan_paper() -> Recipe:
    """Return the recipe of the bidirectional GAN at the size of its paper's ImageNet images, 64x64."""
    rate = Linear(2e-4, 2e-6, begin=0.5)
    return Recipe(
        name="bigan-paper",
        source="Donahue et al. 2017, arXiv:1605.09782: z ~ U(-1, 1) of 200 numbers, batch 128, Adam 2e-4 (0.5, 0.999) whose rate falls in "
        "the second half (there exponentially, here linearly); E is DCGAN's pyramid instead of an AlexNet.",
        expect="Not trained to its end here: the paper trains for 400 passes over ImageNet. bigan was trained here.",
        game=Partial(BiGAN),
        generator=Partial(
            NetworkDict,
            generator=Partial(bigan_networks.Generator, z_dim=200),
            encoder=Partial(bigan_networks.Encoder),
        ),
        discriminator=Partial(bigan_networks.Discriminator),
        generator_optimizer=Adam(rate, 0.5, 0.999),
        discriminator_optimizer=Adam(rate, 0.5, 0.999),
        batch=128,
    )


def bigan() -> Recipe:
    """Return the bidirectional game with the loss and penalties that achieve most in minutes."""
    return replace(
        bigan_paper(),
        name="bigan",
        source="The game of Donahue et al. 2017, arXiv:1605.09782, with z ~ N(0, I) of 32 numbers, no normalisation in D, and the loss, "
        "penalties (on pairs), rates and generator of resize-r1, width 32 in all.",
        expect="Faces at 32x32: blots with the colours of a face after 5,200 images; needs far longer than aae.",
        generator=Partial(
            NetworkDict,
            generator=Partial(resize_networks.Generator, z_dim=32, width=32),
            encoder=Partial(bigan_networks.Encoder, width=32),
        ),
        discriminator=Partial(bigan_networks.Discriminator, width=32, norm=no_norm),
        adversarial=relativistic,
        penalties=(Penalty(r1_finite, weight=1.0), Penalty(r2_finite, weight=1.0)),
        generator_optimizer=Adam(Cosine(5e-4, 5e-5, begin=0.3), 0.0, 0.99),
        discriminator_optimizer=Adam(Cosine(5e-4, 5e-5, begin=0.3), 0.0, 0.99),
        batch=32,
        average=5_000,
    )


def aae_paper() -> Recipe:
    """Return the recipe of the paper's adversarial autoencoder: fully connected, eight numbers for
    an image.
    """
    return Recipe(
        name="aae-paper",
        source="Makhzani et al. 2015, arXiv:1511.05644, appendix A.1: two hidden layers of 1000 units in each network, z ~ N(0, 5^2) of 8 "
        "numbers, batch 100, SGD; both phases of a step in one turn.",
        expect="Fully connected, for small grey images; not trained to its end here. aae was trained here.",
        game=Partial(AAE),
        generator=Partial(
            NetworkDict,
            generator=Partial(aae_networks.Generator),
            encoder=Partial(aae_networks.Encoder),
        ),
        discriminator=Partial(aae_networks.Discriminator),
        generator_optimizer=SGD(0.01, 0.9),
        discriminator_optimizer=SGD(0.1, 0.1),
        batch=100,
    )


def aae() -> Recipe:
    """Return the adversarial autoencoder with DCGAN's convolutions: larger images, sharper
    reconstructions.
    """
    return replace(
        aae_paper(),
        name="aae",
        source="The game of Makhzani et al. 2015, arXiv:1511.05644, with DCGAN's generator as decoder, its mirror image as encoder, "
        "z ~ N(0, I) of 32 numbers, R1 on D, Adam 1e-3 (0.5, 0.99) falling to 1e-4, batch 32.",
        expect="Faces at 64x64: recognisable reconstructions, new faces with clear eyes and soft hair, after 40,000 images, five "
        "and a half minutes of one core.",
        generator=Partial(
            NetworkDict,
            generator=Partial(dcgan_networks.Generator, z_dim=32, width=32),
            encoder=Partial(bigan_networks.Encoder, width=32),
        ),
        discriminator=Partial(aae_networks.Discriminator, width=512),
        penalties=(Penalty(r1, weight=0.1),),
        generator_optimizer=Adam(Cosine(1e-3, 1e-4, begin=0.3), 0.5, 0.99),
        discriminator_optimizer=Adam(Cosine(1e-3, 1e-4, begin=0.3), 0.5, 0.99),
        batch=32,
        average=5_000,
    )
