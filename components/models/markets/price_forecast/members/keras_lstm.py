"""Document 2's Keras LSTM: two layers of 50 units with dropout, dense 25, dense per horizon."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from components.lean import without
from components.models.contract import FloatArray
from components.models.markets.price_forecast.inputs import Prepared
from components.models.markets.price_forecast.members.base import Float32, Member, add_width
from components.models.onnx_graphs import GraphBuilder, add_lstm

SEQUENCE_LENGTH = 10
KERAS_GATES = (0, 3, 1, 2)
"""Keras stacks the gates i, f, c, o."""


class KerasLstm(Member):
    """The architecture of document 2, layer by layer, on ten steps of one feature.

    ``LSTM(50, return_sequences=True)``, ``Dropout(0.2)``, ``LSTM(50)``, ``Dropout(0.2)``, ``Dense(25)``,
    ``Dense(horizons)``; Adam, squared error.

    The one feature is the close-to-close log return in units of volatility, which unlike the close itself is
    stationary. tf2onnx does not read Keras 3 models, so the ONNX graph is built from the weights.
    """

    name = "keras_lstm"

    def _fit(self, x: Prepared, y: FloatArray, held: Prepared, y_held: FloatArray) -> None:
        network = self._network(y.shape[1])
        network.reset(self.params.seed)
        history = network.model.fit(
            _returns(x),
            np.clip(y, -5, 5).astype(np.float32),
            batch_size=self.params.batch,
            epochs=self.params.keras_epochs,
            shuffle=True,
            verbose=0,
        )
        self.weights: list[Float32] = network.model.get_weights()
        self.facts["train_loss"] = [float(v) for v in history.history["loss"]]

    def _network(self, horizons: int) -> _Network:
        return _compiled(self.params.keras_units, horizons, self.params.keras_rate, self.params.seed)

    def _predict(self, x: Prepared) -> FloatArray:
        model = self._network(len(self.params.horizons)).model
        model.set_weights(self.weights)
        units = np.asarray(model.predict_on_batch(_returns(x)), dtype=np.float64)
        returns: FloatArray = units * self._width(x)
        return returns

    def export(self) -> bytes:
        """Return the network as ONNX, from its weights; dropout does nothing at prediction."""
        k1, r1, b1, k2, r2, b2, w3, b3, w4, b4 = self.weights
        graph = GraphBuilder(self.name)
        bounds = [
            graph.constant(n, [v], np.int64) for n, v in (("start", 60 - SEQUENCE_LENGTH), ("stop", 60), ("axis", 1))
        ]
        recent = graph.node("Slice", ["sequence", *bounds], "recent")
        one = graph.node("Gather", [recent, graph.constant("channel", [0], np.int64)], "one", axis=2)
        steps = graph.node("Transpose", [one], "steps", perm=[1, 0, 2])
        first = add_lstm(graph, "lstm_1", steps, k1.T, r1.T, b1, KERAS_GATES)
        second = add_lstm(graph, "lstm_2", first, k2.T, r2.T, b2, KERAS_GATES)
        last = graph.node("Gather", [second, graph.constant("last", SEQUENCE_LENGTH - 1, np.int64)], "state", axis=0)
        dense = graph.node("Gemm", [last, graph.constant("w3", w3), graph.constant("b3", b3)], "dense")
        units = graph.node("Gemm", [dense, graph.constant("w4", w4), graph.constant("b4", b4)], "units")
        add_width(graph, units, self.params.steps)
        horizons = len(self.params.horizons)
        return graph.build({"sequence": ["n", 60, 5], "scale": ["n", 1]}, {"log_return": ["n", horizons]})


def _returns(x: Prepared) -> Float32:
    return np.ascontiguousarray(x.sequence[:, -SEQUENCE_LENGTH:, :1])


@dataclass(frozen=True)
class _Network:
    """A compiled model and the values that its variables started from.

    TensorFlow takes longer to trace and compile the model than to train it, so every fold starts from the same one.
    """

    model: Any
    variables: list[Any]
    start: list[Any]

    def reset(self, seed: int) -> None:
        """Forget all training: weights, the optimiser's state and the random states of the dropout layers."""
        import keras

        keras.utils.set_random_seed(seed)
        for variable, value in zip(self.variables, self.start, strict=True):
            variable.assign(value)


@lru_cache(maxsize=1)
def _compiled(units: int, horizons: int, rate: float, seed: int) -> _Network:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with without("pandas", "sklearn", "matplotlib", "PIL", "scipy", "pydot"):
        import keras

    keras.utils.set_random_seed(seed)
    model = _build(units, horizons)
    optimiser = keras.optimizers.Adam(rate)
    optimiser.build(model.trainable_variables)
    model.compile(optimizer=optimiser, loss="mse")
    variables = [*model.variables, *optimiser.variables]
    return _Network(model, variables, [np.array(v.numpy()) for v in variables])


def _build(units: int, horizons: int) -> Any:
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((SEQUENCE_LENGTH, 1)),
            layers.LSTM(units, return_sequences=True),
            layers.Dropout(0.2),
            layers.LSTM(units),
            layers.Dropout(0.2),
            layers.Dense(25),
            layers.Dense(horizons),
        ]
    )
