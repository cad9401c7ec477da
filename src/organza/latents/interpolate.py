"""Ways between latents that stay on their law.

    slerp(a, b; t) = (sin((1 - t) o) a / |a| + sin(t o) b / |b|) / sin o * |a|^(1 - t) |b|^t      cos o = a.b / (|a| |b|)
    circle(t)      = cos(2 pi t) u + sin(2 pi t) v

Shoemake 1985, Animating Rotation with Quaternion Curves; White 2016, arXiv:1609.04468: almost all of N(0, I) has length sqrt(z_dim), and
the middle of a straight line has 1 / sqrt 2 of that, a latent that G was never trained on. For u, v ~ N(0, I), each point of the circle is
~ N(0, I). Uniform numbers go straight; the ends of their law are not passed. Categories change halfway.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from organza.latents.law import Law

NARROW = 1e-3
"""Angle below which a straight line is taken."""


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Return the point at t of the arc from a to b, [..., n] each; lengths change geometrically.

    >>> round(slerp(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), 0.5).norm().item(), 4)
    2.0
    """
    long = [x.norm(dim=-1, keepdim=True).clamp_min(1e-12) for x in (a, b)]
    a, b = a / long[0], b / long[1]
    angle = (a * b).sum(-1, keepdim=True).clamp(-1, 1).acos()
    arc = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin().clamp_min(1e-12)
    close = (angle < NARROW) | (angle > math.pi - NARROW)
    return torch.where(close, torch.lerp(a, b, t), arc) * long[0] ** (1 - t) * long[1] ** t


def between(law: Law, a: Tensor, b: Tensor, t: float) -> Tensor:
    """Return the latent at t of the way from a to b, [..., z_dim].

    Args:
        law: law of the latents.
        a: first latents.
        b: last latents.
        t: share of the way, from 0 to 1.
    """
    way = torch.where(law.free, torch.lerp(a, b, t), a if t < 0.5 else b)
    if law.normal.any():
        way[..., law.normal] = slerp(a[..., law.normal], b[..., law.normal], t)
    return way


def eased(t: float) -> float:
    """Return 3 t^2 - 2 t^3, which starts and stops without a jerk.

    >>> eased(0.0), eased(0.5), eased(1.0)
    (0.0, 0.5, 1.0)
    """
    return t * t * (3 - 2 * t)


def walk(law: Law, keys: Tensor, frames: int, closed: bool = True) -> Iterator[Tensor]:
    """Yield the latents of a walk through keys, [cells, z_dim] each; it rests for a moment at each key.

    Args:
        law: law of the latents.
        keys: latents to pass through, [K, cells, z_dim].
        frames: number of latents.
        closed: True to return to the first key after the last: frame 0 follows the last frame.

    >>> from organza.networks.priors import Normal
    >>> keys = torch.randn(3, 1, 8)
    >>> path = list(walk(Law.of((Normal(8),)), keys, 12))
    >>> len(path), torch.allclose(path[4], keys[1], atol=1e-6)
    (12, True)
    """
    ways = len(keys) if closed else len(keys) - 1
    for frame in range(frames):
        at = frame / (frames if closed else max(frames - 1, 1)) * ways
        first = min(int(at), max(ways - 1, 0))
        yield between(law, keys[first], keys[(first + 1) % len(keys)], eased(at - first))


def circle(law: Law, u: Tensor, v: Tensor, frames: int) -> Iterator[Tensor]:
    """Yield the latents of a closed circle through u, [cells, z_dim] each.

    Normal numbers move on the circle through u and v at an even speed; uniform ones go to those of v and back. Categories stay.

    Args:
        law: law of the latents.
        u: latents to begin with, [cells, z_dim].
        v: latents a quarter of the way further, [cells, z_dim].
        frames: number of latents.
    """
    for frame in range(frames):
        angle = 2 * math.pi * frame / frames
        round_ = law.centre + math.cos(angle) * (u - law.centre) + math.sin(angle) * (v - law.centre)
        there = torch.lerp(u, v, (1 - math.cos(angle)) / 2)
        yield torch.where(law.normal, round_, torch.where(law.free, there, u))
