"""LSTM with additive attention over the 60-bar window (torch)."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.features.definitions import NAMES
from components.models.contract import FloatArray
from components.models.markets.price_forecast.inputs import INDEX, Prepared
from components.models.markets.price_forecast.members.base import Float32, Member, Standardiser, add_width
from components.models.onnx_graphs import GraphBuilder, Shapes, add_lstm

TORCH_GATES = (0, 3, 1, 2)
SCALARS = ("volatility_21", "rsi_14", "vix", "volume_ratio")
"""Features that the dense layer sees beside the attended window."""


class LstmAttention(Member):
    """One LSTM layer, additive attention over its states (Bahdanau et al. 2015, arXiv:1409.0473), one dense layer.

    The epoch with the least validation loss is kept. Weights leave torch as plain arrays into an ONNX graph built by
    hand, which is smaller than an exported one and needs no tracing.
    """

    name = "lstm_attention"

    def _fit(self, x: Prepared, y: FloatArray, held: Prepared, y_held: FloatArray) -> None:
        import torch

        from components.models.markets.price_forecast.members.attention_network import build_network, train_network

        torch.set_num_threads(self.params.threads)
        torch.manual_seed(self.params.seed)
        self.columns = np.array([INDEX[name] for name in SCALARS])
        self.standard = Standardiser(x.tabular[:, self.columns])
        network = build_network(x.sequence.shape[2], len(SCALARS), self.params.lstm_hidden, y.shape[1])
        tensors = [torch.from_numpy(a) for a in (*self._arrays(x), np.clip(y, -5, 5).astype(np.float32))]
        check = [torch.from_numpy(a) for a in (*self._arrays(held), np.clip(y_held, -5, 5).astype(np.float32))]
        self.facts["validation_loss"] = train_network(
            network, tensors, check, self.params.lstm_epochs, self.params.batch, self.params.lstm_rate, self.params.seed
        )
        self.network = network

    def _arrays(self, x: Prepared) -> tuple[Float32, Float32]:
        return x.sequence, self.standard(x.tabular[:, self.columns])

    def _predict(self, x: Prepared) -> FloatArray:
        import torch

        with torch.inference_mode():
            units = self.network(*[torch.from_numpy(a) for a in self._arrays(x)]).numpy()
        returns: FloatArray = units.astype(np.float64) * self._width(x)
        return returns

    def export(self) -> bytes:
        """Return the network as ONNX, from its weights."""
        w: dict[str, Any] = {k: v.numpy() for k, v in self.network.state_dict().items()}
        graph = GraphBuilder(self.name)
        steps_first = graph.node("Transpose", ["sequence"], "steps_first", perm=[1, 0, 2])
        bias = w["lstm.bias_ih_l0"] + w["lstm.bias_hh_l0"]
        states = add_lstm(graph, "lstm", steps_first, w["lstm.weight_ih_l0"], w["lstm.weight_hh_l0"], bias, TORCH_GATES)
        context = _add_attention(graph, states, w)
        picked = graph.node("Gather", ["tabular", graph.constant("columns", self.columns, np.int64)], "picked", axis=1)
        both = graph.node("Concat", [context, self.standard.add(graph, picked)], "both", axis=1)
        head = [graph.constant("head_w", w["head.weight"].T), graph.constant("head_b", w["head.bias"])]
        add_width(graph, graph.node("Gemm", [both, *head], "units"), self.params.steps)
        shapes: Shapes = {"tabular": ["n", len(NAMES)], "sequence": ["n", 60, 5], "scale": ["n", 1]}
        return graph.build(shapes, {"log_return": ["n", len(self.params.horizons)]})


def _add_attention(graph: GraphBuilder, states: str, w: dict[str, Any]) -> str:
    """Add softmax-weighted pooling of states (steps, rows, units); returns the context (rows, units)."""
    keys = graph.node("MatMul", [states, graph.constant("key_w", w["key.weight"].T)], "keys")
    keys = graph.node("Add", [keys, graph.constant("key_b", w["key.bias"])], "keys_b")
    energy = graph.node("Tanh", [keys], "energy")
    scores = graph.node("MatMul", [energy, graph.constant("score_w", w["score.weight"].T)], "step_scores")
    share = graph.node("Softmax", [scores], "share", axis=0)
    weighted = graph.node("Mul", [states, share], "weighted")
    return graph.node("ReduceSum", [weighted, graph.constant("steps_axis", [0], np.int64)], "context", keepdims=0)
