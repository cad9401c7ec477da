"""Runs that enlarge or fill beside simple and classical methods, on the same held-out patches, as a Markdown table.

    python benchmarks/beside.py runs/large runs/filled --count 240 [--picture beside.png]

For holes, classical methods join in where their libraries are installed: biharmonic inpainting (scikit-image; Chui and Mhaskar
2010), Telea's fast marching and the flow of Bertalmio et al. 2001 (OpenCV), and frequency-selective reconstruction (OpenCV with its
contributed modules; Seiler and Kaup 2010), which takes half a second for a patch. Conventions: see `metrics.methods.compare`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from organza.data.batches import to_uint8
from organza.data.degradation import Nearest
from organza.data.patches import Masked, Reduced
from organza.evaluation.evaluate import compared
from organza.evaluation.image_sets import ImageSet
from organza.evaluation.run_with_data import FIRST, RunWithData
from organza.evaluation.tables import BESIDE, shown
from organza.media.images import grid, side_by_side
from organza.metrics.extractors.features import offline_extractor


def biharmonic(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill a hole with scikit-image's biharmonic surface."""
    from skimage.restoration import inpaint_biharmonic  # pyright: ignore[reportMissingImports]

    made = inpaint_biharmonic(image, hole, channel_axis=-1)
    return np.where(hole[..., None], np.rint(np.clip(made, 0, 1) * 255), image).astype(np.uint8)


def telea(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill a hole with OpenCV's Telea."""
    import cv2  # pyright: ignore[reportMissingImports]

    made = cv2.inpaint(np.ascontiguousarray(image), hole.astype(np.uint8) * 255, 3, cv2.INPAINT_TELEA)
    return np.where(hole[..., None], made.reshape(image.shape), image).astype(np.uint8)


def flow(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill a hole with OpenCV's Navier-Stokes."""
    import cv2  # pyright: ignore[reportMissingImports]

    made = cv2.inpaint(np.ascontiguousarray(image), hole.astype(np.uint8) * 255, 3, cv2.INPAINT_NS)
    return np.where(hole[..., None], made.reshape(image.shape), image).astype(np.uint8)


def selective(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill a hole with OpenCV's frequency-selective reconstruction, the fast one."""
    import cv2  # pyright: ignore[reportMissingImports]

    made = np.zeros_like(image)
    known = np.where(hole, 0, 255).astype(np.uint8)
    cv2.xphoto.inpaint(np.ascontiguousarray(image), known, made, cv2.xphoto.INPAINT_FSR_FAST)
    return np.where(hole[..., None], made.reshape(image.shape), image).astype(np.uint8)


def installed(name: str) -> bool:
    """Return True if a library, or a part of it, is there."""
    library, _, part = name.partition(".")
    return find_spec(library) is not None and (not part or hasattr(import_module(library), part))


def in_place(small: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge by a cubic filter that knows which pixel of each cell was kept, uint8 [N, H, W, C]: see `degradation.Nearest`."""

    def along(x: np.ndarray, axis: int) -> np.ndarray:
        x = np.moveaxis(x, axis, 0)
        whole, u = np.divmod((np.arange(len(x) * factor) - factor // 2) / factor, 1)
        weights = (
            -u + 2 * u**2 - u**3,
            2 - 5 * u**2 + 3 * u**3,
            u + 4 * u**2 - 3 * u**3,
            u**3 - u**2,
        )  # Keys 1981, halved below
        near = [x[np.clip(whole.astype(int) + k - 1, 0, len(x) - 1)] for k in range(4)]
        made = sum(w.reshape(-1, *(1,) * (x.ndim - 1)) / 2 * part for w, part in zip(weights, near, strict=True))
        return np.moveaxis(np.asarray(made), 0, axis)

    return np.rint(np.clip(along(along(small.astype(float), 1), 2), 0, 255)).astype(np.uint8)


CLASSICAL: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "biharmonic": ("skimage", biharmonic),
    "Telea": ("cv2", telea),
    "Navier-Stokes": ("cv2", flow),
    "frequency-selective": ("cv2.xphoto", selective),
}


def outputs(run: RunWithData, count: int) -> tuple[ImageSet, np.ndarray]:
    """Return the run's outputs for held-out patches with those of all other methods, and the inputs."""
    made = run.made(count, 0)
    count = len(made)
    given = to_uint8(run.data.referenced(range(FIRST, FIRST + count))["a"]).numpy()
    rivals = dict(made.rivals)
    if isinstance(run.data, Masked):
        for name, (library, method) in CLASSICAL.items():
            if installed(library):
                parts = [method(image[..., :-1], image[..., -1] > 0) for image in given]
                rivals[name] = np.stack(parts)
    if isinstance(run.data, Reduced) and isinstance(run.data.degrade, Nearest):
        rivals["cubic, in place"] = in_place(given, run.data.factor)
    return replace(made, rivals=rivals), given


def table(run: RunWithData, made: ImageSet) -> str:
    """Return the metrics as Markdown."""
    lines = [f"{run.name}, {len(made)} held-out patches of {made.size}", ""]
    for group, methods in compared(offline_extractor(96), made).items():
        lines += [f"| {group} | {' | '.join(BESIDE.values())} |", "| --- " * (len(BESIDE) + 1) + "|"]
        for method, scores in methods.items():
            lines.append(f"| {method} | {' | '.join(shown(scores.get(name)) for name in BESIDE)} |")
        lines.append("")
    return "\n".join(lines)


def picture(made: ImageSet, given: np.ndarray, names: tuple[str, ...], rows: list[int]) -> Image.Image:
    """Return rows of inputs, methods, this run and the original, at twice the size."""
    side = made.images.shape[1]
    first = given[rows]
    if first.shape[1] < side:
        first = first.repeat(side // first.shape[1], 1).repeat(side // given.shape[2], 2)
    first = first[..., : made.images.shape[3]]
    parts = [first, *(made.rivals[name][rows] for name in names if name in made.rivals), made.images[rows]]
    assert made.targets is not None
    sheet = grid(side_by_side([*parts, made.targets[rows]]), 2, gap=6)
    return Image.fromarray(sheet).resize((2 * sheet.shape[1], 2 * sheet.shape[0]), Image.Resampling.NEAREST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--checkpoint", default="latest")
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    for path in asked.runs:
        run = RunWithData(path, asked.checkpoint)
        made, given = outputs(run, asked.count)
        print(table(run, made), flush=True)
        if asked.picture:
            busy = np.argsort(-np.abs(np.diff(made.targets.astype(int), axis=2)).mean((1, 2, 3)))  # type: ignore[union-attr]
            names = ("nearest pixel", "biharmonic", "Telea", "frequency-selective", "lanczos")
            picture(made, given, names, busy[: len(made) // 3 : max(1, len(made) // 36)][:12].tolist()).save(
                asked.picture
            )


if __name__ == "__main__":
    main()
