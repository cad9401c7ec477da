"""One ONNX file: trace it, compare it with the run, store it in a precision and measure the loss."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from organza.export import onnx as onnx_files
from organza.export.graphs import Graph, Trained
from organza.export.onnx import Agreement
from organza.export.precision import psnr, stored
from organza.media.volumes import pictured
from organza.metrics.extractors import efficientnet_lite
from organza.metrics.extractors.features import Extractor, offline_extractor
from organza.metrics.extractors.multiscale import Pyramid
from organza.metrics.kernels import Estimate
from organza.metrics.suite import distance
from organza.progress import Progress

if TYPE_CHECKING:
    import onnx

COMPARED = 64
"""Items that the loss of a precision is measured on."""
SAMPLES = 1_000
"""Samples of each side of a distance."""
AT_ONCE = 64
KINDS = "folder", "onnx", "web"


@dataclass(frozen=True)
class Loss:
    """Loss by a storage precision.

    Args:
        psnr: PSNR of images, or of values if the file makes no images, in dB.
        original: distance between two sets of samples of the float32 file; None if not measured.
        small: distance between one of these sets and samples of the small file.
    """

    psnr: float
    original: Estimate | None = None
    small: Estimate | None = None


@dataclass(frozen=True)
class OnnxFile:
    """A network as ONNX, ready to write.

    Args:
        graph: graph that it computes.
        path: file to write.
        model: content.
        agreement: difference from the run, in float32.
        precision: precision of the stored weights.
        loss: loss by that precision; None for float32.
        size: size in bytes.
    """

    graph: Graph
    path: Path
    model: onnx.ModelProto
    agreement: Agreement
    precision: str = "fp32"
    loss: Loss | None = None
    size: int = 0

    def in_precision(self, precision: str, thorough: bool = False, progress: Progress | None = None) -> OnnxFile:
        """Return the same file with its weights in another precision, with the measured loss.

        Args:
            precision: fp32, fp16 or int8.
            thorough: True to measure the distance of 1,000 samples as well, which takes a minute; for generators from noise.
            progress: function that takes (task, done, total).
        """
        small = stored(self.model, precision)
        if precision == "fp32":
            return self
        path = self.path.with_name(f"{self.path.stem}.{precision}.onnx")
        loss = measured_loss(self.graph, self.model, small, thorough, progress)
        return replace(self, path=path, model=small, precision=precision, loss=loss, size=small.ByteSize())

    def loss_in_words(self) -> str:
        """Return the loss by the precision in words."""
        if self.loss is None:
            return "none"
        if np.isinf(self.loss.psnr):
            return "none on 64 items"
        text = f"PSNR {self.loss.psnr:.1f} dB"
        if self.loss.small is not None and self.loss.original is not None:
            text += f"; distance of 1,000 samples {self.loss.small.value:.4f}, of the original's {self.loss.original.value:.4f}"
            text += f" ± {self.loss.original.error:.4f}"
        return text


def made(graph: Graph, run: Trained, folder: Path, facts: Mapping[str, Any]) -> OnnxFile:
    """Trace a graph and compare it with the run.

    Args:
        graph: graph to trace.
        run: trained run.
        folder: folder for the file.
        facts: facts of the run, for the metadata.

    Raises:
        UserError: if it cannot be traced, or differs from the run by more than `onnx.LARGEST_DIFFERENCE`.
    """
    traced, _ = onnx_files.traced(graph)
    agreement = onnx_files.compared(traced, graph)
    onnx_files.require_agreement(agreement, graph)
    name = f"{graph.name}.onnx"
    model = onnx_files.finished(traced, {"file": name, **facts, **graph.facts, "agreement": agreement.facts()})
    return OnnxFile(graph, folder / name, model, agreement, size=model.ByteSize())


def measured_loss(
    graph: Graph, full: onnx.ModelProto, small: onnx.ModelProto, thorough: bool, progress: Progress | None
) -> Loss:
    """Measure the loss by smaller weights: PSNR of 64 items and, if `thorough`, the distance of 1,000 samples."""
    given = {name: value.numpy() for name, value in graph.examples(COMPARED, seed=1).items()}
    original, other = onnx_files.session(full), onnx_files.session(small)
    wanted, image = (np.asarray(session.run(None, given)[0]) for session in (original, other))
    if wanted.dtype != np.uint8:  # values: as if their range were 255
        span = float(np.ptp(wanted)) or 1.0
        wanted, image = wanted / span * 255, image / span * 255
    loss = Loss(psnr(image, wanted))
    if not thorough or graph.output != "image" or graph.draw is None or not efficientnet_lite.WEIGHTS.installed():
        return loss
    look = Pyramid(offline_extractor)
    reference = _features(look, original, graph, range(SAMPLES), progress)
    again, lossy = (_features(look, one, graph, range(SAMPLES, 2 * SAMPLES), progress) for one in (original, other))
    return Loss(loss.psnr, distance(reference, again), distance(reference, lossy))


@torch.no_grad()
def halving_loss(graph: Graph) -> Loss:
    """Measure the loss by weights that are stored in fp16: PSNR of 64 items."""
    small = copy.deepcopy(graph.module)
    for value in (*small.parameters(), *small.buffers()):
        if value.dtype is torch.float32:
            value.copy_(value.half())
    given = tuple(graph.examples(COMPARED, seed=1).values())
    (_, wanted), (_, image) = graph.module(*given), small(*given)
    return Loss(psnr(image.numpy(), wanted.numpy()))


def _features(look: Extractor, session: Any, graph: Graph, series: range, progress: Progress | None) -> Tensor:
    """Return the features of images that an ONNX session generates, [N, D]."""
    assert graph.draw is not None
    images = []
    for start in range(0, len(series), AT_ONCE):
        some = series[start : start + AT_ONCE]
        given = {name: value.numpy() for name, value in graph.draw(some).items()}
        images.append(np.asarray(session.run(None, given)[0]))
        if progress:
            progress("measuring the loss", start + len(some), len(series))
    return look(pictured(np.concatenate(images)))


def listed(files: Iterable[OnnxFile]) -> list[dict[str, Any]]:
    """Return the entries of config.json for the ONNX files."""
    return [
        {"file": file.path.name, "bytes": file.size, **file.agreement.facts(), "precision": file.precision}
        for file in files
    ]
