"""What published implementations were asked, so that tests can ask ours the same: images, and weights by chance under published names.

benchmarks/fidelity.py gives them to torch-fidelity and writes its answers to tests/fixtures/fidelity.json.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from organza.metrics.extractors.inception import LAYERS, Inception, Seen

COUNT = 80
BY = 5  # neighbours


def pictures(name: str) -> np.ndarray:
    """Soft blots on grey, uint8 [80, 32, 40, 3], not square; `fake` ones are fewer kinds and noisier."""
    draw = np.random.Generator(np.random.PCG64(len(name)))
    y, x = np.mgrid[0:32, 0:40].astype(np.float64)
    kinds, found = 40 if name == "real" else 12, []
    for _ in range(COUNT):
        kind = np.random.Generator(np.random.PCG64(int(draw.integers(kinds))))
        picture = np.full((32, 40, 3), 96.0)
        for _ in range(4):
            (top, left), size, colour = kind.uniform(4, 28, 2), kind.uniform(2, 8), kind.uniform(-120, 150, 3)
            top, left = top + draw.normal(0, 1.5), left + draw.normal(0, 1.5)
            picture += np.exp(-((y - top) ** 2 + (x - left) ** 2) / (2 * size**2))[..., None] * colour
        picture += draw.normal(0, 4 if name == "real" else 14, picture.shape)
        found.append(picture)
    return np.clip(np.rint(np.stack(found)), 0, 255).astype(np.uint8)


def folder(name: str, place: Path) -> Path:
    """The same as PNG files."""
    path = place / name
    path.mkdir(parents=True)
    for index, picture in enumerate(pictures(name)):
        Image.fromarray(picture).save(path / f"{index:03d}.png")
    return path


def inception_weights() -> dict[str, Tensor]:
    """By chance, in an order that is not the network's: names decide."""
    draw, found = torch.Generator().manual_seed(0), {}

    def around(middle: float, *shape: int) -> Tensor:
        return middle + 0.1 * torch.randn(shape, generator=draw)

    layers = [module for module in Inception().modules() if isinstance(module, Seen)]
    for name, layer in zip(LAYERS, layers, strict=True):
        size = (2 / layer.weight[0].numel()) ** 0.5
        found[f"{name}.conv.weight"] = size * torch.randn(layer.weight.shape, generator=draw)
        for part, middle in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            found[f"{name}.bn.{part}"] = around(middle, layer.out_channels)
        found[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)
    found |= {"fc.weight": around(0, 1008, 2048), "fc.bias": around(0, 1008)}
    return dict(sorted(found.items()))


def clip_weights() -> dict[str, Tensor]:
    """By chance, with half as many bits, as the published ones have."""
    shapes = {
        "class_embedding": (768,), "positional_embedding": (50, 768), "conv1.weight": (768, 3, 32, 32), "ln_pre.weight": (768,),
        "ln_pre.bias": (768,), "ln_post.weight": (768,), "ln_post.bias": (768,), "proj": (768, 512),
    } | {
        f"transformer.resblocks.{block}.{name}": shape for block in range(12) for name, shape in {
            "attn.in_proj_weight": (2304, 768), "attn.in_proj_bias": (2304,), "attn.out_proj.weight": (768, 768),
            "attn.out_proj.bias": (768,),
            "ln_1.weight": (768,), "ln_1.bias": (768,), "ln_2.weight": (768,), "ln_2.bias": (768,), "mlp.c_fc.weight": (3072, 768),
            "mlp.c_fc.bias": (3072,), "mlp.c_proj.weight": (768, 3072), "mlp.c_proj.bias": (768,),
        }.items()
    }  # fmt: skip
    found = {f"visual.{name}": value.half().float() for name, value in _by_chance(shapes).items()}
    return found | {"text_projection": torch.zeros(512, 512), "ln_final.weight": torch.ones(512)}


def dinov2_weights() -> dict[str, Tensor]:
    """By chance."""
    shapes = {
        "cls_token": (1, 1, 384), "pos_embed": (1, 1370, 384), "mask_token": (1, 384), "patch_embed.proj.weight": (384, 3, 14, 14),
        "patch_embed.proj.bias": (384,), "norm.weight": (384,), "norm.bias": (384,),
    } | {
        f"blocks.{block}.{name}": shape for block in range(12) for name, shape in {
            "norm1.weight": (384,), "norm1.bias": (384,), "norm2.weight": (384,), "norm2.bias": (384,), "attn.qkv.weight": (1152, 384),
            "attn.qkv.bias": (1152,), "attn.proj.weight": (384, 384), "attn.proj.bias": (384,), "ls1.gamma": (384,), "ls2.gamma": (384,),
            "mlp.fc1.weight": (1536, 384), "mlp.fc1.bias": (1536,), "mlp.fc2.weight": (384, 1536), "mlp.fc2.bias": (384,),
        }.items()
    }  # fmt: skip
    return _by_chance(shapes)


def _by_chance(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Matrices that keep sizes about as they are; vectors about 0, and those that scale about 1."""
    draw, found = torch.Generator().manual_seed(0), {}
    for name, shape in shapes.items():
        scales = "norm" in name or "ln_" in name or "gamma" in name
        middle = 1.0 if scales and not name.endswith("bias") else 0.0
        inputs = int(np.prod(shape[1:])) if len(shape) > 1 and "embed" not in name.split(".")[-1] else 100
        found[name] = middle + torch.randn(shape, generator=draw) * (inputs**-0.5)
    return found
