"""ONNX: one file for each network, compared with the run before it is written.

>>> from organza import load                                           # doctest: +SKIP
>>> graph = next(graphs(load("runs/faces")))                           # doctest: +SKIP
>>> compared(traced(graph)[0], graph).difference                       # doctest: +SKIP
4.1e-06
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from organza.errors import UserError
from organza.export.baking import baked
from organza.export.graphs import Graph

if TYPE_CHECKING:
    import onnx
    import onnxruntime

LARGEST_DIFFERENCE = 1e-4
"""Largest difference of values in [-1, 1], or of a probability, between file and run: a fortieth of half a level of 8 bits."""
BATCHES = (1, 2, 5, 64)
OPSET = 20
NEEDED = ("onnx", "onnxscript", "onnxruntime")
KEY = "organza"
"""Key of the metadata that holds the facts, as JSON."""


@dataclass(frozen=True)
class Agreement:
    """Difference between a file and the run.

    Args:
        difference: largest difference of float values.
        levels: largest difference of image bytes, in levels; 0 if the file makes no images.
        batches: batch sizes compared.
    """

    difference: float
    levels: int
    batches: tuple[int, ...]

    def facts(self) -> dict[str, Any]:
        """Return the difference as JSON."""
        return {"difference": self.difference, "levels": self.levels, "batches": list(self.batches)}


def require_installed() -> None:
    """Check that the packages of the extra are there, without importing them: that takes seconds.

    Raises:
        UserError: if one is missing.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UserError(f"Export to ONNX needs {', '.join(missing)}: pip install 'organza[export]'")


def traced(graph: Graph) -> tuple[onnx.ModelProto, str]:
    """Return a graph as ONNX, with the float values as a second output, and the name of that.

    Raises:
        UserError: if the exporter does not support the network.
    """
    examples = tuple(example[:2] for example in graph.inputs.values())
    module = baked(graph.module, *examples)
    names = list(graph.inputs)
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                examples,
                dynamo=True,
                opset_version=OPSET,
                input_names=names,
                output_names=["values", graph.output],
                dynamic_shapes=_axes(module, graph),
                external_data=False,
                verbose=False,
            )
        assert program is not None
        model: onnx.ModelProto = program.model_proto
    except Exception as error:  # the exporter fails in many ways, at great length
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise UserError(
            f"The {graph.name} cannot be exported to ONNX: {reason}; use `to='folder'`, or another network."
        ) from error
    require_deterministic(model, graph)
    return model, "values"


def _axes(module: torch.nn.Module, graph: Graph) -> Any:
    """Return the free axes as the tracer takes them: one entry for each argument, those of `*given` in one."""
    axes = tuple(graph.axes[name] for name in graph.inputs)
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    single = sum(kind is not inspect.Parameter.VAR_POSITIONAL for kind in kinds)
    return axes if single == len(kinds) or len(axes) == single else (*axes[:single], axes[single:])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def require_deterministic(model: onnx.ModelProto, graph: Graph) -> None:
    """Check that a graph draws no random numbers and that its dynamic axes are dynamic.

    Raises:
        UserError: if it draws noise, which would differ from the run's, or an axis is static.
    """
    drawn = sorted({node.op_type for node in model.graph.node if node.op_type.startswith(("Random", "Bernoulli"))})
    if drawn:
        raise UserError(
            f"The {graph.name} draws noise inside ({', '.join(drawn)}), so no file can equal it; make the noise an input or a buffer."
        )
    for given in model.graph.input:
        for axis, name in graph.axes[given.name].items():
            if given.type.tensor_type.shape.dim[axis].dim_param != name:
                raise UserError(
                    f"The {graph.name} works for one {name} of its input {given.name} only; write it so that any {name} works."
                )


def session(model: onnx.ModelProto | bytes | Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Return a session of onnxruntime on the CPU, with one thread by default: more threads slow small networks down."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    given = model if isinstance(model, bytes) else str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])


@torch.no_grad()
def compared(model: onnx.ModelProto, graph: Graph, batches: tuple[int, ...] = BATCHES) -> Agreement:
    """Return the difference between a graph and the run's own network on the same inputs.

    Args:
        model: graph with float values as its first output.
        graph: graph whose module is the run's own network.
        batches: batch sizes.
    """
    started = session(model)
    difference, levels = 0.0, 0
    for count in batches:
        given = graph.examples(count, seed=count)
        values, made = started.run(["values", graph.output], {name: value.numpy() for name, value in given.items()})
        wanted, image = graph.module(*given.values())
        difference = max(difference, _largest(np.asarray(values), wanted))
        if image.dtype == torch.uint8:
            levels = max(levels, int(np.abs(np.asarray(made, int) - image.numpy().astype(int)).max()))
    return Agreement(difference, levels, batches)


def _largest(values: np.ndarray, wanted: Tensor) -> float:
    if values.shape != tuple(wanted.shape) or not np.isfinite(values).all():
        return float("inf")
    return float(np.abs(values - wanted.numpy()).max())


def finished(model: onnx.ModelProto, facts: Mapping[str, Any]) -> onnx.ModelProto:
    """Return a graph for the file: without the float output, with the facts in its metadata."""
    import onnx

    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    for output in list(kept.graph.output):
        if output.name == "values":
            kept.graph.output.remove(output)
    for node in kept.graph.node:  # the tracer notes source files of this machine
        del node.metadata_props[:]
        node.doc_string = ""
    del kept.metadata_props[:]
    del kept.graph.metadata_props[:]
    for value in (*kept.graph.value_info, *kept.graph.input, *kept.graph.output):
        del value.metadata_props[:]
    for tensor in kept.graph.initializer:
        del tensor.metadata_props[:]
    for function in kept.functions:
        del function.metadata_props[:]
    entry = kept.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(facts)
    kept.producer_name = "organza"
    kept.graph.name = str(facts.get("file", "organza"))
    onnx.checker.check_model(kept, full_check=True)
    return kept


def require_agreement(agreement: Agreement, graph: Graph) -> None:
    """Check that a file agrees with the run.

    Raises:
        UserError: if it does not.
    """
    if not agreement.difference <= LARGEST_DIFFERENCE:
        raise UserError(
            f"The {graph.name} was not exported: its ONNX file differs from the run by {agreement.difference:.2g}, and "
            f"{LARGEST_DIFFERENCE:g} is the most. Please report this, with the recipe's name."
        )
