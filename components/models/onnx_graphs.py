"""Small helpers to write ONNX graphs, merge them into one, run them, and check them against the native model.

``onnx`` is a training library and is imported on use; running a graph needs ONNX Runtime alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET = 17
ML_OPSET = 3
IR_VERSION = 8
SINGLE, DOUBLE = 1, 11
"""``TensorProto.FLOAT`` and ``TensorProto.DOUBLE``."""

Shapes = Mapping[str, Sequence[int | str]]


class GraphBuilder:
    """Collects nodes and initialisers of one graph, value names first to last.

    Parameters
    ----------
    name : str
        Name of the graph, for error messages of the runtime.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.node_list: list[Any] = []
        self.initialisers: list[Any] = []

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add an initialiser and return its name."""
        from onnx import numpy_helper

        self.initialisers.append(numpy_helper.from_array(np.array(value, dtype=dtype, order="C"), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.nodes(kind, inputs, [output], **attributes)[0]

    def nodes(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        from onnx import helper

        self.node_list.append(helper.make_node(kind, list(inputs), list(outputs), **attributes))
        return list(outputs)

    def build(self, inputs: Shapes, outputs: Shapes, ml_opset: int = ML_OPSET) -> bytes:
        """Return the checked, serialised graph; inputs and outputs are single precision."""
        import onnx
        from onnx import TensorProto, helper

        def values(shapes: Shapes) -> list[Any]:
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in shapes.items()]

        graph = helper.make_graph(self.node_list, self.name, values(inputs), values(outputs), self.initialisers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ml_opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="arthaflow")
        onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString()
        return data


def add_lstm(
    graph: GraphBuilder,
    name: str,
    sequence: str,
    kernel: npt.NDArray[np.float32],
    recurrent: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    order: Sequence[int],
) -> str:
    """Add one LSTM layer and return its output of shape (steps, rows, units).

    Parameters
    ----------
    graph : GraphBuilder
        Receives the nodes.
    name : str
        Prefix of the names inside the graph.
    sequence : str
        Input of shape (steps, rows, features).
    kernel, recurrent, bias : ndarray of shape (4 * units, features), (4 * units, units), (4 * units,)
        Weights with the gates stacked in the library's order.
    order : sequence of int
        Where the library keeps the gates i, o, f, c that ONNX wants: Keras stacks i, f, c, o, so ``(0, 3, 1, 2)``;
        torch stacks i, f, g, o, the same.
    """
    units = recurrent.shape[1]

    def gates(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.concatenate([array[g * units : (g + 1) * units] for g in order])

    both = np.concatenate([gates(bias), np.zeros(4 * units, dtype=np.float32)])
    inputs = [
        sequence,
        graph.constant(f"{name}_w", gates(kernel)[None]),
        graph.constant(f"{name}_r", gates(recurrent)[None]),
        graph.constant(f"{name}_b", both[None]),
    ]
    steps = graph.node("LSTM", inputs, f"{name}_steps", hidden_size=units)
    return graph.node("Squeeze", [steps, graph.constant(f"{name}_axis", [1], np.int64)], f"{name}_out")


def merge_graphs(graphs: Mapping[str, bytes], ml_opset: int = ML_OPSET) -> bytes:
    """Merge graphs into one that shares inputs of the same name.

    Parameters
    ----------
    graphs : mapping of str to bytes
        Serialised graphs by name, each with a single output; in the merged graph that output has the name of the key.
    ml_opset : int
        Version of ai.onnx.ml that their operators need: that of :mod:`components.models.onnx_trees` where it has any.
    """
    import onnx
    from onnx import compose, helper

    inputs: dict[str, Any] = {}
    nodes, initialisers, outputs = [], [], []
    for name, data in graphs.items():
        model = onnx.load_model_from_string(data)
        model = compose.add_prefix(model, f"{name}/", rename_inputs=False)
        graph = model.graph
        inputs |= {value.name: value for value in graph.input}
        nodes += [*graph.node, helper.make_node("Identity", [graph.output[0].name], [name])]
        initialisers += list(graph.initializer)
        output = onnx.ValueInfoProto()
        output.CopyFrom(graph.output[0])
        output.name = name
        outputs.append(output)
    merged = helper.make_graph(nodes, "merged", list(inputs.values()), outputs, initialisers)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ml_opset)]
    model = helper.make_model(merged, opset_imports=opsets, ir_version=IR_VERSION, producer_name="arthaflow")
    onnx.checker.check_model(model, full_check=True)
    result: bytes = model.SerializeToString()
    return result


def open_session(graph: bytes | Path) -> Any:
    """Open a graph in ONNX Runtime with one thread: servers scale by processes, threads cost more than they give.

    It runs on a CUDA device where the installed build knows one (the ``cuda`` images), else on the CPU.

    Parameters
    ----------
    graph : bytes or Path
        Serialised graph, or its file. A session keeps the bytes it was opened with, so a large graph is better a file.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    known = ort.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in known]
    return ort.InferenceSession(graph, options, providers=providers)


def max_difference(data: bytes, feed: Mapping[str, npt.NDArray[Any]], native: npt.NDArray[Any]) -> float:
    """Return the largest absolute difference between a graph's first output and the native model's answer.

    Parameters
    ----------
    data : bytes
        Serialised graph.
    feed : mapping of str to ndarray
        At least the graph's inputs.
    native : ndarray
        The native model's answer on the same rows.
    """
    session = open_session(data)
    wanted = {value.name: feed[value.name] for value in session.get_inputs()}
    return float(np.max(np.abs(session.run(None, wanted)[0] - native)))
