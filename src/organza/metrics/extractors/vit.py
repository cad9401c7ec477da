"""Vision transformers for features: CLIP's and DINOv2's are one network with small differences.
Inference only.

Dosovitskiy et al. 2020, "An Image is Worth 16x16 Words", https://arxiv.org/abs/2010.11929, section
3.1. Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
https://arxiv.org/abs/2103.00020; Oquab et al. 2023, "DINOv2: Learning Robust Visual Features
without Supervision", https://arxiv.org/abs/2304.07193.

    image [N, 3, 224, 224] -> patches after a class token [N, n + 1, d] -> blocks -> the class token [N, d] -> [N, features]
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from organza.metrics.extractors.downloaded_weights import Published, scripted, state_dict

SIDE = 224  # pixels a side of the input


class Block(nn.Module):
    """A transformer block: x + a * attention(norm(x)), then x + b * MLP(norm(x)): tokens [N, t, d]
    to the same.

    Args:
        width: dimension d of the tokens.
        heads: number of attention heads.
        epsilon: epsilon of the norms.
        quick: True for GELU as x * sigmoid(1.702 x), which CLIP was trained with.
    """

    def __init__(self, width: int, heads: int, epsilon: float, quick: bool):
        super().__init__()
        self.heads, self.quick = heads, quick
        self.norm1, self.norm2 = nn.LayerNorm(width, epsilon), nn.LayerNorm(width, epsilon)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale1, self.scale2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return attention and feed-forward, each added to x: [N, T, D] to [N, T, D]."""
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, d)
        x = x + self.scale1 * self.mix(seen)
        h = self.widen(self.norm2(x))
        h = h * torch.sigmoid(1.702 * h) if self.quick else F.gelu(h)
        return x + self.scale2 * self.narrow(h)


class Transformer(nn.Module):
    """The network: pixels [N, 3, 224, 224], normalised with MEAN and DEVIATION of its kind, to
    features.

    Args:
        patch: pixels a side of a patch.
        width: dimension of the tokens.
        depth: number of blocks.
        heads: number of attention heads.
        epsilon: epsilon of the norms.
        clip: True for a norm before the blocks, the quick GELU, and a projection to 512 features
            after them.
    """

    def __init__(self, patch: int, width: int, depth: int, heads: int, epsilon: float, clip: bool):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros(1, (SIDE // patch) ** 2 + 1, width))
        self.before = nn.LayerNorm(width, epsilon) if clip else nn.Identity()
        self.blocks = nn.Sequential(*(Block(width, heads, epsilon, clip) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, epsilon)
        self.head = nn.Linear(width, 512, bias=False) if clip else nn.Identity()

    def pooled(self, pixels: Tensor) -> Tensor:
        """Compute the class token, [N, features]."""
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(self.before(x))[:, 0]))


def clip() -> Transformer:
    """Return the image encoder of CLIP ViT-B/32: 88 million weights, [N, 512]."""
    return Transformer(32, 768, 12, 12, 1e-5, clip=True)


def dinov2() -> Transformer:
    """Return DINOv2 ViT-S/14: 22 million weights, [N, 384]."""
    return Transformer(14, 384, 12, 6, 1e-6, clip=False)


CLIP_NAMES = (
    (r"class_embedding", "first"), (r"positional_embedding", "places"), (r"conv1\.", "patches."), (r"ln_pre\.", "before."),
    (r"ln_post\.", "norm."), (r"proj", "head.weight"), (r"transformer\.resblocks\.(\d+)\.ln_([12])\.", r"blocks.\1.norm\2."),
    (r"transformer\.resblocks\.(\d+)\.attn\.in_proj_", r"blocks.\1.qkv."),
    (r"transformer\.resblocks\.(\d+)\.attn\.out_proj\.", r"blocks.\1.mix."),
    (r"transformer\.resblocks\.(\d+)\.mlp\.c_fc\.", r"blocks.\1.widen."),
    (r"transformer\.resblocks\.(\d+)\.mlp\.c_proj\.", r"blocks.\1.narrow."),
)  # fmt: skip
DINO_NAMES = (
    (r"cls_token", "first"), (r"pos_embed", "places"), (r"patch_embed\.proj\.", "patches."), (r"norm\.", "norm."),
    (r"blocks\.(\d+)\.norm([12])\.", r"blocks.\1.norm\2."), (r"blocks\.(\d+)\.attn\.qkv\.", r"blocks.\1.qkv."),
    (r"blocks\.(\d+)\.attn\.proj\.", r"blocks.\1.mix."), (r"blocks\.(\d+)\.ls([12])\.gamma", r"blocks.\1.scale\2"),
    (r"blocks\.(\d+)\.mlp\.fc1\.", r"blocks.\1.widen."), (r"blocks\.(\d+)\.mlp\.fc2\.", r"blocks.\1.narrow."),
)  # fmt: skip
"""Prefixes of published names, and ours."""


def renamed(published: dict[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """Return weights under our names, without those that have no known prefix.

    >>> list(renamed({"blocks.3.ls1.gamma": torch.ones(1), "mask_token": torch.ones(1)}, DINO_NAMES))
    ['blocks.3.scale1']
    """
    found = {}
    for name, value in published.items():
        for pattern, own in names:
            if match := re.match(pattern, name):
                found[match.expand(own) + name[match.end() :]] = value.float()
                break
    return found


def our_clip(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert CLIP's state dict to the network's own: in float32, patches with a bias of 0, without
    the text encoder.
    """
    seeing = {name.removeprefix("visual."): value for name, value in published.items() if name.startswith("visual.")}
    state = renamed(seeing, CLIP_NAMES)
    width = len(state["first"])
    state |= {
        "first": state["first"][None, None],
        "places": state["places"][None],
        "head.weight": state["head.weight"].T.contiguous(),
    }
    state["patches.bias"] = torch.zeros(width)
    return state | {f"blocks.{block}.scale{i}": torch.ones(width) for block in range(12) for i in (1, 2)}


def our_dinov2(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert DINOv2's state dict to our network's, with the positions of its 37x37 patches
    interpolated to 16x16, as by its authors.
    """
    state = renamed(published, DINO_NAMES)
    first, patches = state["places"][:, :1], state["places"][:, 1:]
    old, new = round(patches.shape[1] ** 0.5), SIDE // 14
    square = patches.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    scale = (new + 0.1) / old  # slightly too large, as in the authors' code, with which the weights were published
    square = F.interpolate(square, scale_factor=(scale, scale), mode="bicubic")
    return state | {"places": torch.cat([first, square.permute(0, 2, 3, 1).reshape(1, new * new, -1)], 1)}


CLIP = Published(
    "clip",
    "CLIP ViT-B/32",
    "https://openaipublic.azureedge.net/clip/models/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
    353_976_522,
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "MIT",
    our_clip,
    scripted,
)
DINOV2 = Published(
    "dinov2",
    "DINOv2 ViT-S/14",
    "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    88_283_115,
    "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    "Apache 2.0",
    our_dinov2,
    state_dict,
)
CLIP_MEAN, CLIP_DEVIATION = (
    (255 * 0.48145466, 255 * 0.4578275, 255 * 0.40821073),
    (255 * 0.26862954, 255 * 0.26130258, 255 * 0.27577711),
)
DINO_MEAN, DINO_DEVIATION = (255 * 0.485, 255 * 0.456, 255 * 0.406), (255 * 0.229, 255 * 0.224, 255 * 0.225)
"""Normalisation of pixels 0..255 in the networks' training."""
