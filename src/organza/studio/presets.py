"""Presets of the classroom: what goes wrong between two players, and what cures it, each in five sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A game to look at.

    Args:
        name: short name, for addresses.
        title: title on the page.
        text: five sentences.
        settings: fields of `classroom.lesson.Settings`.
        cure: name of the preset that cures it; "" for none.
    """

    name: str
    title: str
    text: str
    settings: dict[str, Any] = field(default_factory=dict)
    cure: str = ""

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"name": self.name, "title": self.title, "text": self.text, "settings": self.settings, "cure": self.cure}


PRESETS = (
    Preset(
        "balance",
        "The game in balance",
        "The counterfeiter (generator) turns noise into points, and the detective (discriminator) says how likely each place is to be "
        "real. The arrows show where the detective's opinion pushes the fakes: uphill on its surface. With the relativistic loss it "
        "compares each real point with a fake one, and the penalties keep its surface smooth. So the fakes spread over all eight places "
        "instead of chasing one. When they lie where the real points lie, nothing is left to tell: the surface turns even, D = 0.5 "
        "everywhere, the equilibrium of the minimax game.",
        {"loss": "relativistic", "penalty": "R1 and R2", "weight": 0.1},
    ),
    Preset(
        "collapse",
        "Mode collapse",
        "The generator finds one place where the detective believes it, and sends all its points there. The detective learns to doubt "
        "that place, and the points jump to the next, all together. Nothing in the loss asks for variety: each fake is judged alone. "
        "Watch the number of places that are covered: it stays far below eight, however long the game goes on. On images the same thing "
        "shows as a page of nearly equal samples.",
        {"loss": "nonsaturating", "penalty": "none", "rate_g": 2e-3, "rate_d": 5e-4},
        cure="balance",
    ),
    Preset(
        "vanishing",
        "Vanishing gradients",
        "Here the detective has 200 steps alone before the counterfeiter begins, and then five turns for each of its one. It is sure "
        "of itself: D(x) is 1 and D(G(z)) is 0. In the original minimax loss, log(1 - D(G(z))) is flat where D is 0, so the arrows "
        "have no length, and a plain optimizer moves nothing; Adam, which divides by the size of the gradient, hides it. Goodfellow's "
        "remedy is to let G maximise log D(G(z)) instead, which is steep exactly there.",
        {"loss": "minimax", "optimizer": "SGD", "rate_g": 0.01, "rate_d": 3e-3, "warmup": 200, "turns": 5},
        cure="nonsaturating",
    ),
    Preset(
        "nonsaturating",
        "The same with the non-saturating loss",
        "The data, the networks, the warm-up and the five turns are those of vanishing gradients. Only the generator's loss is another: "
        "it trains its fakes towards the answer real. The detective is as sure as before, but now a fake that it sees through has the "
        "longest arrow of all. The points move at once. What remains is that they may crowd on a few places, which penalties and the "
        "relativistic loss take care of.",
        {"loss": "nonsaturating", "optimizer": "SGD", "rate_g": 0.01, "rate_d": 3e-3, "warmup": 200, "turns": 5},
        cure="balance",
    ),
    Preset(
        "oscillation",
        "Oscillation",
        "With the Wasserstein loss and nothing that limits the critic, both players can always win a little more. The critic tilts its "
        "surface, the points run down the slope, the critic tilts it back. The losses swing instead of settling, and so do the points. "
        "A game of two has no common quantity that both improve, so gradient steps may circle around the equilibrium. Slower steps only "
        "make the circles slower; what stops them is a brake on the critic.",
        {"loss": "wasserstein", "penalty": "none"},
        cure="wasserstein",
    ),
    Preset(
        "wasserstein",
        "The same with a gradient penalty",
        "The critic's slope is held near one everywhere between real and fake points: that is the gradient penalty. Now its surface "
        "measures a distance, how far the fakes have to be carried to become real, and it is the same for all of them. The arrows all "
        "have about the same length, near and far. The points settle on the ring, and the losses with them. The price is the penalty's "
        "second derivative, which makes each step slower; penalties by finite differences avoid it.",
        {"loss": "wasserstein", "penalty": "gradient penalty", "weight": 1.0, "turns": 3},
    ),
)
