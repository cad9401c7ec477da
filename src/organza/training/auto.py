"""Choice of the recipe of a run that names none, from its data, its budget and its machine, with the
reasons in words.

What decides is how many turns the players get. In minutes, thin networks that meet often beat wide ones that meet seldom
(docs/lab-log.md). So the budget and the speed measured here choose the width; the number of images says whether what D sees is
changed at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from organza.data.batches import Batches
from organza.data.detail import detail
from organza.data.shards.place import is_remote
from organza.data.source import Source
from organza.data.vector_files import is_vectors
from organza.distributed.world import ALONE, World
from organza.networks.latent import greatest_reduction
from organza.optimizers import Adam
from organza.recipe import Recipe
from organza.recipes import current
from organza.recipes.classic import dcgan_r1
from organza.recipes.conditional import cgan_swift
from organza.recipes.swift import SOON, falling, few_shot, latent, latent_wide, rates_of_r3, swift
from organza.recipes.vectors import vectors
from organza.schedule import Cosine, Share
from organza.training.feasibility import feasible
from organza.training.plan import Budget

AUTO = "auto"
WIDTHS = {12: 0, 16: 3_000, 24: 10_000, 32: 40_000, 48: 120_000, 64: 400_000}
"""Least number of turns at which a width is worth its cost. Up to 24 from docs/lab-log.md, 14 and 18;
beyond, a guess."""
ON_CODES = {8: 0, 16: 8_000, 24: 12_000, 32: 40_000, 48: 120_000, 64: 400_000}
"""Least number of turns for `latent`, whose players are smaller at one width: docs/lab-log.md, 51."""
ON_GPU = {48: 0, 96: 20_000, 192: 60_000}
"""Least number of turns for `latent-wide`: a guess, no GPU was at hand."""
ENOUGH = 2_000
"""Number of images below which `few_shot` replaces `swift`. `latent` needs no such help:
docs/lab-log.md, 53."""
PASSES = 5
"""Number of passes over the images after which D begins to memorise them: docs/lab-log.md, 18."""
REHEARSAL, LONGEST = 0.05, 20_000
"""Share of a run's images for the autoencoder warm-up of `latent`, and the number that is enough for
it in batches of 16: docs/lab-log.md, 59."""
THIN = 16
"""Least width of the autoencoder. At 24 its images are at 0.026 from real ones after 20,000, at 16 at 0.041; a step of it takes 1.7 times
as long (docs/lab-log.md, 96)."""
EIGHTH = 128
"""Least number of pixels of the shorter side for codes of an eighth of it in `latent-wide`: 16x16 places are enough for 256x256,
arXiv:2509.24935."""
KEPT, LOST = 0.35, (0.2, 0.6)
"""Limits of `data.detail` for codes of half the size instead of a quarter: largest share of contrast
kept at a quarter, least and largest share lost. They separate pixel art, nebulae and photographs
from drawings, thin lines and soft textures (docs/lab-log.md, 62)."""
LOOKED, PLACES = 256, 32 * 48
"""Number of images to measure for it, and largest number of places of a code: at twice the side a turn
of the game costs four times as much."""
GROWING = Cosine(0.0, 0.3, end=0.5)
"""Chance of augmentation in runs of many passes: young players learn faster without it."""


class Choice(NamedTuple):
    """A recipe, and the reasons for its choice, a sentence each."""

    recipe: Recipe
    reasons: tuple[str, ...]


def recipe_for(
    source: Source,
    budget: Budget,
    speed: Callable[[Recipe, Batches], float],
    gpu: bool = False,
    world: World = ALONE,
) -> Choice:
    """Return the recipe for the images or vectors of a source.

    Args:
        source: data; a conditional recipe is chosen if it names labels.
        budget: budget of the run.
        speed: function that measures a recipe's images a second on this machine.
        gpu: True if the run has a CUDA device, whose speed thin networks cannot use.
        world: ranks that share the batches.

    Raises:
        UserError: whatever opening the data raises; see `feasible`.
    """
    if not is_remote(source.path) and is_vectors(source.path):
        plain = vectors()
        data = world.after_first(lambda: plain.data(source))
        many = len(data.parts.train)
        return Choice(plain, (f"{many:,} vectors of {data.shape[0]} columns to learn from: recipe {plain.name}",))
    plain = (
        swift() if source.labels is None else cgan_swift()
    )  # `cgan-latent` begins to repeat itself: docs/lab-log.md, 70
    data = world.after_first(lambda: plain.data(source))
    images = len(data.parts.train)
    few = fine = False
    if source.labels is None and greatest_reduction(data.shape) == 4:
        fine = finely_drawn(data)
        plain = _latent_gan(data, fine, gpu)
    elif few := source.labels is None and images < ENOUGH:
        plain = few_shot()
    feasible(plain, data)

    def turns(recipe: Recipe) -> float:
        rate = speed(recipe, data) if budget.seconds else 1.0
        return budget.planned(images, rate) / recipe.batch

    width, count = widest(plain, turns)
    passes = count * plain.batch / images
    often = plain.augment is not None and (few or passes > PASSES)
    if often and not few:
        plain = changed(plain)
    why = f", since fewer than {ENOUGH:,} are soon memorised" if few else ""
    then = "what D sees is changed at random" if often else "too seldom for D to memorise it"
    if plain.generator_warmup:
        longest = LONGEST * plain.batch // latent().batch
        plain = replace(plain, generator_warmup=Share(REHEARSAL, longest))
        then = f"the first {plain.alone(round(count) * plain.batch):,} images are for the autoencoder alone"
    halved = ["codes of half the images' size, since a quarter of it would lose much of their detail"] if fine else []
    reasons = (
        f"{_data_in_words(data)}: recipe {plain.name}{why}",
        *halved,
        f"width {width}, the widest networks that still get the turns they need: about {count:,.0f} in {budget.text}",
        f"each image is seen {passes:,.1f} times: {then}",
    )
    return Choice(sized(plain, width), reasons)


def _latent_gan(data: Batches, fine: bool, gpu: bool) -> Recipe:
    """Return the latent GAN with codes that suit the size of the images, and their detail if it is fine."""
    plain, (_, height, width) = latent_wide() if gpu else latent(), data.shape
    if gpu and min(height, width) >= EIGHTH and not (height % 16 or width % 16):
        return replace(plain, generator=plain.generator.given(reduction=8))
    return replace(plain, generator=plain.generator.given(reduction=2, code=4)) if fine else plain


def _data_in_words(data: Batches) -> str:
    """Return number, colours and size of the images to learn from."""
    channels, height, width = data.shape
    colours = {1: "grey", 3: "colour", 4: "colour and opacity"}.get(channels, f"{channels} channels")
    return f"{len(data.parts.train):,} images to learn from, {colours}, {width}x{height}"


def finely_drawn(data: Batches) -> bool:
    """Return True if codes of half the size of the images are worth their cost."""
    _, height, width = data.shape
    found = detail(data.at(range(min(LOOKED, len(data.parts.train))))["image"], 4)
    return found.kept < KEPT and LOST[0] < found.lost < LOST[1] and height * width // 4 <= PLACES


def fallback_for(recipe: Recipe, data: Batches) -> Recipe | None:
    """Return the recipe to try if one that was chosen here fails on the data, not because of its
    learning rates; or None.

    The latent GAN gives way to a game on images, and that to the oldest networks with a penalty.
    """
    if recipe.name == "latent-wide":
        return sized(latent(), max(ON_CODES))
    if current(recipe.name) == "latent":
        plain = few_shot() if len(data.parts.train) < ENOUGH else swift()
        return sized(plain, min(WIDTHS))
    return dcgan_r1() if recipe.name in ("swift", "few-shot") else None


def changed(plain: Recipe) -> Recipe:
    """Return the recipe for many passes over the same images: augmentation with a growing chance."""
    return replace(plain, augment=plain.augment and replace(plain.augment, chance=GROWING))


def widest(plain: Recipe, turns: Callable[[Recipe], float]) -> tuple[int, float]:
    """Return the largest width that gets enough turns, and their number. Widths are tried upwards."""
    chosen, count = 0, 0.0
    for width, least in _widths(plain).items():
        found = turns(sized(plain, width))
        if chosen and found < least:
            break
        chosen, count = width, found
    return chosen, count


def sized(plain: Recipe, width: int) -> Recipe:
    """Return the recipe with players of this width, and the learning rate for it; an autoencoder of `latent` is as wide from 16 on."""
    rates = _rates(plain)(width)
    brush = {"brush": max(width, THIN)} if current(plain.name) == "latent" else {}
    return replace(
        plain,
        generator=plain.generator.given(width=width, **brush),
        discriminator=plain.discriminator.given(width=width),
        generator_optimizer=rates,
        discriminator_optimizer=rates,
    )


def _widths(plain: Recipe) -> dict[int, int]:
    if plain.name == "latent-wide":
        return ON_GPU
    return ON_CODES if plain.generator_warmup else WIDTHS


def _rates(plain: Recipe) -> Callable[[int], Adam]:
    if plain.name == "latent-wide":
        return rates_of_r3
    return partial(falling, begin=SOON) if plain.generator_warmup else falling
