"""A network that fills holes: waves continue what is striped or straight, a smooth surface carries the rest, and detail is copied from
where the image agrees with itself.

Nearby parts of an image are alike, and the distances at which they are alike are few: He and Sun 2012, Statistics of Patch Offsets for
Image Completion. So a pixel of the hole takes a mean of the pixels at fixed distances, weighted by how well the image agrees with itself
at each: attention (Yu et al. 2018, Generative Image Inpainting with Contextual Attention, arXiv:1801.07892) to a few dozen places.

Symbols: a = (x, m): image x [N, C, H, W] in [-1, 1] and mask m [N, 1, H, W], above 0 in the hole, in one tensor; u the smooth surface
(`surface`); z the waves from it (`waves`); n the share of known pixels in about 20x20 around p; v in [0, 1] how far waves are trusted;
h = s - mean of s in squares of 4x4, joined linearly; d a distance in rows and columns; e_d(p) the mean of |x(q) - x(q + d)| over known
q and q + d around p; w_d(p) the weights, softmax over d of c_d(p) - 30 e_d(p), with c, and o below, from convolutions.

    v(p) = sigmoid(o(p) + 8 (n(p) - 0.3));   s = u + v (z - u)
    t(p) = sum_d w_d(p) h(p + d) over known p + d
    y(p) = s(p) + min(2, (0.7 r_h(p) - r_s(p))+ / r_t(p)) t(p) + details(p)    in the hole;   x elsewhere, to the bit

A mean of unlike textures is fainter than each, and an edge copied into a plain surface is too strong. So what is copied gets the
contrast that s lacks: r_h, r_s and r_t are the squared means of sqrt|h| over known pixels and in the hole, and of sqrt|t| in the hole.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.networks import layers
from organza.networks.filler import Block, require_multiples
from organza.networks.layers import Shape
from organza.networks.refiner import he
from organza.networks.surface import biharmonic
from organza.networks.waves import continued

LEVELS = 3
"""Halvings of the map of disagreements, from a quarter of the size, that bring it into the hole."""
SHARPNESS = 30.0
"""Factor of the disagreement. With this and the two below, chosen on training patches before any training (docs/lab-log.md, 90)."""
CONTRAST = 0.7
"""Contrast of what is copied, relative to that of the surroundings."""
MOST = 2.0
"""Largest factor by which that is reached."""

Distance = tuple[int, int]


def directions(distances: tuple[int, ...]) -> list[Distance]:
    """Return rows and columns of eight directions at each distance, every second ring turned by a sixteenth.

    >>> directions((4,))[:3]
    [(0, 4), (3, 3), (4, 0)]
    """
    turns = [(far, math.tau * (k + 0.5 * (ring % 2)) / 8) for ring, far in enumerate(distances) for k in range(8)]
    return [(round(far * math.sin(turn)), round(far * math.cos(turn))) for far, turn in turns]


class Shifted:
    """An image seen from each of its pixels at a distance, 0 beyond the border: views, without a copy for each distance.

    >>> x = torch.arange(4.0).reshape(1, 1, 1, 4); Shifted(x, 2).at((0, 2)).flatten().tolist()
    [2.0, 3.0, 0.0, 0.0]
    """

    def __init__(self, x: Tensor, most: int):
        self.most = most
        self.wide = F.pad(x, (most, most, most, most))

    def at(self, distance: Distance) -> Tensor:
        """Return the image whose pixel p is x(p + distance), [N, C, H, W]."""
        (top, left), all_of_it = distance, 2 * self.most  # ends from behind: no sizes to compute in an exported file
        top, left = top + self.most, left + self.most
        return self.wide[..., top : top - all_of_it or None, left : left - all_of_it or None]


def spread(total: Tensor, count: Tensor, default: float = 0.0) -> Tensor:
    """Return means where there is enough to average, and those of a larger surrounding where there is not: [N, K, h, w].

    Args:
        total: sums of what is averaged, [N, K, h, w], sides multiples of 2^`LEVELS`.
        count: numbers of what is in them, at most 1.
        default: mean where nothing is near.

    >>> count = torch.zeros(1, 1, 8, 8); count[..., 0] = 1
    >>> torch.allclose(spread(0.3 * count, count), torch.tensor(0.3), atol=0.01)
    True
    """
    totals, counts = [total], [count]
    for _ in range(LEVELS):
        totals.append(F.avg_pool2d(totals[-1], 2))
        counts.append(F.avg_pool2d(counts[-1], 2))
    mean = (totals[-1] + 1e-3 * default) / (counts[-1] + 1e-3)
    for sums, numbers in zip(reversed(totals[:-1]), reversed(counts[:-1]), strict=True):
        mean = F.interpolate(mean, scale_factor=2.0, mode="bilinear")
        mean = mean + (20 * numbers).clamp(max=1.0) * (sums / numbers.clamp_min(1e-6) - mean)
        mean = F.avg_pool2d(F.pad(mean, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return mean


class Generator(layers.Translator):
    """u, z and the mask -> a convolution at the full size, two halvings, residual blocks with dilations 1, 2, 4, 8 -> v and weights of
    the distances; the same maps and two pixel shuffles -> details. They do not see what is copied: an absolute error would have them
    take it away.

    Args:
        shape: shape of the images, (channels, height, width), sides multiples of 32.
        width: feature maps after the first halving; twice as many at a quarter of the size.
        fine: feature maps at the full size.
        distances: pixels between a pixel and those that it may copy, 44 at most, in eight directions each.

    Raises:
        UserError: if a side is no multiple of 32.

    >>> G = Generator((3, 64, 64), width=8, fine=4); a = torch.zeros(2, 4, 64, 64)
    >>> G(a).shape, G.translate(a[..., :50, :37]).shape
    (torch.Size([2, 3, 64, 64]), torch.Size([2, 3, 50, 37]))
    """

    stride = least = 32
    masked = True
    reach = 0  # waves go from window to window through a hole, and round the border: no tiles

    def __init__(
        self, shape: Shape, *, width: int = 24, fine: int = 8, distances: tuple[int, ...] = (4, 8, 16, 28, 44)
    ):
        super().__init__()
        require_multiples(shape, self.stride)
        self.shape, wide, channels = tuple(shape), 2 * width, shape[0]
        self.distances, self.far = directions(distances), max(distances)
        self.enter = nn.Sequential(he(nn.Conv2d(2 * channels + 1, fine, 3, 1, 1)), nn.PReLU(fine, 0.2))
        self.first = nn.Sequential(he(nn.Conv2d(fine, width, 4, 2, 1)), nn.PReLU(width, 0.2))
        self.second = he(nn.Conv2d(width, wide, 4, 2, 1))
        self.agreement = he(nn.Conv2d(len(self.distances), wide, 1))
        self.blocks = nn.Sequential(nn.PReLU(wide, 0.2), *(Block(wide, d) for d in (1, 2, 4, 8)))
        self.choose = he(nn.Conv2d(wide, len(self.distances), 3, 1, 1), 0.01)
        self.trust = he(nn.Conv2d(wide, 1, 3, 1, 1), 0.01)
        self.up = nn.Sequential(he(nn.Conv2d(wide, 4 * width, 3, 1, 1)), nn.PixelShuffle(2))
        self.mix = nn.Sequential(nn.PReLU(width, 0.2), Block(width, 1))
        self.leave = nn.Sequential(he(nn.Conv2d(width, 4 * fine, 3, 1, 1)), nn.PixelShuffle(2))
        self.finish = nn.Sequential(
            nn.PReLU(fine, 0.2), he(nn.Conv2d(fine, channels, 3, 1, 1), 1e-4)
        )  # noise would be seen

    def forward(self, a: Tensor) -> Tensor:
        """Fill the holes of images, [N, C + 1, H, W] with the mask in the last channel, above 0 in the hole, to [N, C, H, W]."""
        return self.filled(a, copying=True)

    def structure(self, a: Tensor) -> Tensor:
        """Fill them with s and the details alone, which an absolute error may train: of a copied texture it would keep the mean, which
        is none. [N, C + 1, H, W] to [N, C, H, W].
        """
        return self.filled(a, copying=False)

    def filled(self, a: Tensor, copying: bool) -> Tensor:
        """Return y, with its second term or without it."""
        x, hole = a[:, :-1], (a[:, -1:] > 0).to(a.dtype)
        known = 1 - hole
        with torch.no_grad():  # none of them has weights
            smooth = torch.where(hole > 0, biharmonic(x, known), x)
            wavy = torch.where(hole > 0, continued(smooth, known).clamp(-1, 1), x)
            disagreement, share = self.compared(x.mean(1, keepdim=True), known)
        f = self.enter(torch.cat([smooth, wavy, 2 * hole - 1], 1))
        h = self.first(f)
        q = self.blocks(self.second(h) + self.agreement(10 * disagreement))
        s = smooth + larger(self.trusted(q, known)) * (wavy - smooth)
        y = s + self.finish(f + self.leave(self.mix(h + self.up(q))))
        if copying:
            y = y + self.copied(s, known, self.weights(q, disagreement, share))
        return torch.where(hole > 0, y.clamp(-1, 1), x)

    def trusted(self, q: Tensor, known: Tensor) -> Tensor:
        """Return v, [N, 1, H / 4, W / 4]."""
        near = F.avg_pool2d(F.avg_pool2d(known, 4), 5, 1, 2, count_include_pad=False)
        return torch.sigmoid(self.trust(q) + 8 * (near - 0.3))

    def compared(self, grey: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return e_d around each place and the share of known pixels at each distance, at a quarter of the size: [N, K, H / 4, W / 4]."""
        around, sums, counts, shares = Shifted(torch.cat([grey * known, known], 1), self.far), [], [], []
        for distance in self.distances:
            other, there = around.at(distance).split(1, 1)
            both = known * there
            sums.append(F.avg_pool2d((grey - other).abs() * both, 4))
            counts.append(F.avg_pool2d(both, 4))
            shares.append(F.avg_pool2d(there, 4))
        return spread(torch.cat(sums, 1), torch.cat(counts, 1), 1.0), torch.cat(shares, 1)

    def weights(self, q: Tensor, disagreement: Tensor, share: Tensor) -> Tensor:
        """Return w, [N, K, H / 4, W / 4]."""
        return torch.softmax(self.choose(q) - SHARPNESS * disagreement + (share + 1e-4).log(), 1)

    def copied(self, s: Tensor, known: Tensor, weights: Tensor) -> Tensor:
        """Return the second term of y, [N, C, H, W]."""
        fine = s - larger(F.avg_pool2d(s, 4))
        around = Shifted(torch.cat([fine * known, known], 1), self.far)
        total = torch.zeros_like(around.at((0, 0)))
        for weight, distance in zip(weights.split(1, 1), self.distances, strict=True):
            total = total + larger(weight) * around.at(distance)
        mean = total[:, :-1] / (total[:, -1:] + 2e-4)
        with torch.no_grad():
            there, has, own = contrast(fine, known), contrast(fine, 1 - known), contrast(mean, 1 - known)
            factor = ((CONTRAST * there - has) / (own + 2e-3)).clamp(0.0, MOST)
        return mean * larger(factor)


def contrast(x: Tensor, where: Tensor) -> Tensor:
    """Return the squared mean of sqrt|x| over the places of a mask around each place, at a quarter of the size: few strong edges
    count less than in a mean of |x|. [N, C, H, W], [N, 1, H, W] to [N, 1, H / 4, W / 4].
    """
    roots = x.abs().mean(1, keepdim=True).sqrt() * where
    return spread(F.avg_pool2d(roots, 4), F.avg_pool2d(where, 4)).square()


def larger(x: Tensor) -> Tensor:
    """Return a map four times as large, joined linearly."""
    return F.interpolate(x, scale_factor=4.0, mode="bilinear")
