"""Storage precisions: weights stored in fewer bits, converted to float32 before use.

Arithmetic in float16 or int8 is no faster on a CPU, and loses far more (docs/export.md): only the storage is small. A runtime folds the
widening when it loads the file, so speed is that of the full file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from organza.errors import UserError, nearest

if TYPE_CHECKING:
    import onnx

SMALL = 64
"""Largest size of a tensor that stays in float32: biases and constants are a hundredth of a file."""
COLUMNS = {"Conv": 0, "ConvTranspose": 1, "MatMul": 1}
"""Return the axis of the output channels of a weight, by its operator; of a Gemm it depends."""


def stored(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """Return a graph whose weights are stored in a precision.

    Args:
        model: graph in float32.
        precision: fp32, fp16, or int8 with one scale per output channel, w = scale q.

    Raises:
        UserError: if the precision is unknown.
    """
    forms: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
        "fp32": lambda model: model,
        "fp16": _halved,
        "int8": _quantised,
    }
    if precision not in forms:
        raise UserError(f"`precision` is {precision}; it can be {', '.join(forms)}.{nearest(precision, forms)}")
    return forms[precision](model)


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose weights are stored in fp16 and computed in fp32."""
    from onnx import TensorProto, helper, numpy_helper

    small, first = _copied(model), []
    for tensor in small.graph.initializer:
        values = _weights(tensor)
        if values is None or not np.isfinite(values.astype(np.float16)).all():
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_stored"))
        first.append(helper.make_node("Cast", [f"{name}_stored"], [name], to=TensorProto.FLOAT))
    return _begun_with(small, first)


def _quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose weights are stored as int8 with a scale for each output."""
    from onnx import helper, numpy_helper

    small, first, more = _copied(model), [], []
    axes = _axes(small)
    for tensor in small.graph.initializer:
        values = _weights(tensor)
        if values is None or tensor.name not in axes:
            continue
        name, axis = tensor.name, axes[tensor.name]
        rest = tuple(side for side in range(values.ndim) if side != axis)
        scale = np.maximum(np.abs(values).max(rest), np.float32(1e-12)) / np.float32(127)
        shape = [-1 if side == axis else 1 for side in range(values.ndim)]
        whole = np.round(values / scale.reshape(shape)).astype(np.int8)
        tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}_stored"))
        more.append(numpy_helper.from_array(scale, f"{name}_scale"))
        first.append(helper.make_node("DequantizeLinear", [f"{name}_stored", f"{name}_scale"], [name], axis=axis))
    small.graph.initializer.extend(more)
    return _begun_with(small, first)


def _axes(model: onnx.ModelProto) -> dict[str, int]:
    """Return the axis of the output channels of each weight of a convolution or linear layer."""
    axes = {}
    for node in model.graph.node:
        if node.op_type in COLUMNS:
            axes[node.input[1]] = COLUMNS[node.op_type]
        elif node.op_type == "Gemm":
            axes[node.input[1]] = 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return axes


def _weights(tensor: onnx.TensorProto) -> np.ndarray | None:
    """Return the values of a float32 tensor worth storing smaller; None for others."""
    from onnx import TensorProto, numpy_helper

    if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) <= SMALL:
        return None
    return numpy_helper.to_array(tensor)


def _copied(model: onnx.ModelProto) -> onnx.ModelProto:
    small = type(model)()
    small.CopyFrom(model)
    return small


def _begun_with(model: onnx.ModelProto, first: list[onnx.NodeProto]) -> onnx.ModelProto:
    nodes = [*first, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def psnr(image: np.ndarray, original: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of uint8 images in dB; inf if they are equal.

    >>> round(psnr(np.array([1], np.uint8), np.array([0], np.uint8)), 2)
    48.13
    """
    error = float(np.square(image.astype(float) - original.astype(float)).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))
