"""Volumes."""

from __future__ import annotations

from dataclasses import replace

from organza.config import Partial
from organza.data.volumes import Volumes
from organza.games.voxel import Voxel
from organza.losses import relativistic
from organza.networks import voxel
from organza.networks.layers import no_norm
from organza.optimizers import Adam
from organza.penalties import Penalty, r1_finite, r2_finite
from organza.recipe import Recipe
from organza.schedule import Cosine


def gan3d_paper() -> Recipe:
    """Return 3D-GAN with the paper's numbers."""
    return Recipe(
        name="gan3d-paper",
        source="Wu et al. 2016, arXiv:1610.07584: batch 100, Adam 2.5e-3 for G and 1e-5 for D (beta1 0.5), D trained only while it "
        "is right on at most 80 % of a batch; tanh instead of the sigmoid.",
        expect="Made for 64x64x64 and a GPU; not trained here.",
        game=Partial(Voxel),
        generator=Partial(voxel.Generator),
        discriminator=Partial(voxel.Discriminator),
        data=Partial(Volumes),
        generator_optimizer=Adam(2.5e-3, 0.5),
        discriminator_optimizer=Adam(1e-5, 0.5),
        batch=100,
        discriminator_limit=0.8,
    )


def gan3d() -> Recipe:
    """Return 3D-GAN's convolutions, narrower, with the loss and penalties of `dcgan-r1`: shapes in
    minutes.
    """
    falling = Adam(Cosine(1e-3, 1e-4, begin=0.5), 0.0, 0.99)
    # Real volumes and first samples are far apart, and D would win at once; later it must see thin legs.
    fading = Cosine(10.0, 1.0, end=0.4)
    return replace(
        gan3d_paper(),
        name="gan3d",
        source="3D-GAN's convolutions with 16 feature maps instead of 64, z of 64 numbers from U(-1, 1), layer norm in G, none in D; "
        "relativistic loss with R1 and R2 (Huang et al. 2024, arXiv:2501.05441) by finite differences on a quarter of the batch, their "
        "weight from 10 to 1; Adam 1e-3 falling to 1e-4 (0, 0.99), batch 8.",
        expect="218 pieces of furniture at 32x32x32: tables, benches and chairs of many shapes, rough, with crumbs, after 24,000 volumes, "
        "16 minutes of one core.",
        generator=Partial(voxel.Generator, z_dim=64, low=-1.0, width=16, norm=voxel.layer_norm),
        discriminator=Partial(voxel.Discriminator, width=16, norm=no_norm),
        data=Partial(Volumes, mirror=True),
        adversarial=relativistic,
        penalties=(Penalty(r1_finite, weight=fading), Penalty(r2_finite, weight=fading)),
        generator_optimizer=falling,
        discriminator_optimizer=falling,
        batch=8,
        discriminator_limit=1.0,
        average=5_000,
    )
