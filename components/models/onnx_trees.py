"""Writes a scikit-learn forest as an ONNX graph that is small in memory.

The operator that converters emit, ``TreeEnsembleRegressor``, spells each node's mode as a string, and each leaf as a
node with unused fields. ONNX Runtime keeps such attributes for the life of a session (microsoft/onnxruntime#32047):
several times the trees themselves. ``TreeEnsemble`` (ai.onnx.ml 5) has one byte a mode, and leaves apart from interior
nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import ArthaflowError
from components.models.onnx_graphs import GraphBuilder

TREE_OPSET = 5
"""First version of ai.onnx.ml with ``TreeEnsemble``."""
AVERAGE, LESS_OR_EQUAL = 0, 0
"""Values of its attributes ``aggregate_function`` and ``nodes_modes``."""

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class UnsupportedForest(ArthaflowError):
    """The estimator is not a fitted forest with one output."""


def forest_graph(forest: Any, input_name: str, output_name: str, missing: bool = False) -> bytes:
    """Return the graph of a fitted forest: the mean over its trees, in single precision.

    Every single-precision row takes the branches that it takes in scikit-learn: see :func:`round_down`. Only the mean's
    last digits differ, as it is summed in single precision.

    Parameters
    ----------
    forest : RandomForestRegressor or ExtraTreesRegressor
        Fitted, with one output.
    input_name : str
        Input of shape (rows, features).
    output_name : str
        Output of shape (rows, 1).
    missing : bool
        Whether NaN takes the branch that scikit-learn chose for it. Otherwise it goes right everywhere, and the graph
        is a little smaller and faster: for inputs that are validated to be finite.

    Raises
    ------
    UnsupportedForest
        If the estimator is something else, is not fitted or has several outputs.
    """
    trees = _trees(forest)
    graph = GraphBuilder("forest")
    attributes = _attributes(trees, missing)
    graph.node("TreeEnsemble", [input_name], output_name, domain="ai.onnx.ml", **attributes)
    inputs, outputs = {input_name: ("rows", forest.n_features_in_)}, {output_name: ("rows", 1)}
    return graph.build(inputs, outputs, ml_opset=TREE_OPSET)


def round_down(thresholds: npt.NDArray[np.float64]) -> Floats:
    """Return the largest single-precision numbers that are not above the thresholds.

    scikit-learn asks whether a single-precision value is at most a double-precision threshold. No single-precision
    value lies between the threshold and the number returned, so comparing with that one gives the same answer. The
    nearest number may lie above the threshold, and would send a value equal to it the other way.
    """
    nearest = thresholds.astype(np.float32)
    above = nearest.astype(np.float64) > thresholds
    rounded: Floats = np.where(above, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    return rounded


def _trees(forest: Any) -> list[Any]:
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

    if not isinstance(forest, RandomForestRegressor | ExtraTreesRegressor):
        raise UnsupportedForest(
            f"{type(forest).__name__} is not a forest whose answer is the mean of its trees.",
            "Pass a RandomForestRegressor or an ExtraTreesRegressor, or convert the model with skl2onnx.",
        )
    if not hasattr(forest, "estimators_"):
        raise UnsupportedForest(f"This {type(forest).__name__} is not fitted.", "Call fit first.")
    if forest.n_outputs_ != 1:
        raise UnsupportedForest(
            f"This {type(forest).__name__} has {forest.n_outputs_} outputs, and a leaf of the graph has one.",
            "Fit one forest for each output.",
        )
    return [estimator.tree_ for estimator in forest.estimators_]


def _attributes(trees: Sequence[Any], missing: bool) -> dict[str, Any]:
    """Lay the trees one after the other, interior nodes and leaves each numbered through."""
    parts = []
    roots, nodes, leaves = [], 0, 0
    for tree in trees:
        parts.append(_lone_leaf(tree, leaves) if tree.node_count == 1 else _branches(tree, nodes, leaves))
        roots.append(nodes)
        nodes += len(parts[-1]["feature"])
        leaves += len(parts[-1]["weight"])
    whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    attributes = {
        "n_targets": 1,
        "aggregate_function": AVERAGE,
        "tree_roots": roots,
        "nodes_featureids": whole["feature"],
        "nodes_modes": _tensor(np.full(nodes, LESS_OR_EQUAL, dtype=np.uint8)),
        "nodes_splits": _tensor(round_down(whole["threshold"])),
        "nodes_truenodeids": whole["left"],
        "nodes_trueleafs": whole["left_leaf"],
        "nodes_falsenodeids": whole["right"],
        "nodes_falseleafs": whole["right_leaf"],
        "leaf_targetids": np.zeros(leaves, dtype=np.int64),
        "leaf_weights": _tensor(whole["weight"]),
    }
    return attributes | ({"nodes_missing_value_tracks_true": whole["missing_left"]} if missing else {})


def _branches(tree: Any, first_node: int, first_leaf: int) -> dict[str, npt.NDArray[Any]]:
    """Return a tree's arrays with its nodes and leaves numbered from the given ones."""
    is_leaf = tree.children_left < 0
    number = np.where(is_leaf, np.cumsum(is_leaf) + first_leaf, np.cumsum(~is_leaf) + first_node) - 1
    inner = np.flatnonzero(~is_leaf)
    left, right = tree.children_left[inner], tree.children_right[inner]
    return {
        "feature": tree.feature[inner],
        "threshold": tree.threshold[inner],
        "missing_left": tree.missing_go_to_left[inner].astype(np.int64),
        "left": number[left],
        "left_leaf": is_leaf[left].astype(np.int64),
        "right": number[right],
        "right_leaf": is_leaf[right].astype(np.int64),
        "weight": tree.value[is_leaf, 0, 0].astype(np.float32),
    }


def _lone_leaf(tree: Any, leaf: int) -> dict[str, npt.NDArray[Any]]:
    """Return a tree without a split as the operator wants it: a node whose branches are both the same leaf."""
    zero, one = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    return {
        "feature": zero,
        "threshold": np.zeros(1),
        "missing_left": zero,
        "left": zero + leaf,
        "left_leaf": one,
        "right": zero + leaf,
        "right_leaf": one,
        "weight": tree.value[:, 0, 0].astype(np.float32),
    }


def _tensor(array: npt.NDArray[Any]) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(array)
