"""XGBoost: one small ensemble of trees per horizon, stopped early on validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.features.definitions import NAMES
from components.lean import without
from components.models.contract import FloatArray
from components.models.engines import ROWS, Engine, EngineTable, measure
from components.models.markets.price_forecast.inputs import Prepared
from components.models.markets.price_forecast.members.base import Float32, Member
from components.models.markets.price_forecast.trees import NATIVE, ONNX
from components.models.onnx_graphs import GraphBuilder, merge_graphs, open_session
from components.models.xgboost_native import NativeBooster

CONVERTER_OPSET = 15
"""The newest that onnxmltools writes for XGBoost; its operators mean the same in the merged graph's opset."""


class Boosting(Member):
    """Histogram gradient boosting on every scale-free feature; targets in units of volatility, clipped at five.

    One booster per horizon, because each stops at its own round. ``save`` adds ``trees_<h>.ubj``, which a server may
    use for large batches (see :mod:`components.models.engines`).
    """

    name = "xgboost"

    def _fit(self, x: Prepared, y: FloatArray, held: Prepared, y_held: FloatArray) -> None:
        with without("sklearn", "pandas"):
            import xgboost as xgb

        p = self.params
        settings = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "max_depth": p.tree_depth,
            "learning_rate": p.tree_rate,
            "subsample": 0.7,
            "colsample_bytree": 0.5,
            "min_child_weight": 50,
            "reg_lambda": 10.0,
            "base_score": 0.0,
            "nthread": p.threads,
            "seed": p.seed,
        }
        self.boosters: list[Any] = []
        for h in range(y.shape[1]):
            train = xgb.DMatrix(x.tabular, np.clip(y[:, h], -5, 5))
            stop = xgb.DMatrix(held.tabular, np.clip(y_held[:, h], -5, 5))
            booster = xgb.train(
                settings,
                train,
                p.tree_rounds,
                evals=[(stop, "validation")],
                early_stopping_rounds=p.tree_patience,
                verbose_eval=False,
            )
            self.boosters.append(booster[: booster.best_iteration + 1])
        self.facts["rounds"] = [b.num_boosted_rounds() for b in self.boosters]

    def _predict(self, x: Prepared) -> FloatArray:
        units = np.stack([b.inplace_predict(x.tabular) for b in self.boosters], axis=1).astype(np.float64)
        returns: FloatArray = units * self._width(x)
        return returns

    def export(self) -> bytes:
        """Return the graph ``concat(trees_h(x)) * width``, converted by onnxmltools."""
        trees = merge_graphs({f"h{h}": _convert(booster) for h, booster in enumerate(self.boosters)})
        return _widen(trees, len(self.boosters), self.params.steps)

    def save(self, directory: Path) -> None:
        """Add the native form beside the ONNX file, and the time that each takes by batch size."""
        assert self._check is not None, "fit before save"
        self.facts["engines"] = self._measure(self.export(), self._check.tabular).to_dict()
        super().save(directory)
        for h, booster in enumerate(self.boosters):
            booster.save_model(directory / f"trees_{h}.ubj")

    def _measure(self, graph: bytes, tabular: Float32) -> EngineTable:
        session = open_session(graph)
        boosters = [NativeBooster(bytes(b.save_raw("ubj"))) for b in self.boosters]
        scale = np.ones((len(tabular), 1), dtype=np.float32)
        engines: dict[str, Engine] = {
            ONNX: lambda rows: np.asarray(session.run(None, {"tabular": rows, "scale": scale[: len(rows)]})[0]),
            NATIVE: lambda rows: np.concatenate([b.predict(rows) for b in boosters], axis=1),
        }
        return measure(engines, tabular, tuple(r for r in ROWS if r <= len(tabular)), seconds=0.03)


def _convert(booster: Any) -> bytes:
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    model = convert_xgboost(
        booster,
        initial_types=[("tabular", FloatTensorType([None, len(NAMES)]))],
        target_opset=CONVERTER_OPSET,
    )
    data: bytes = model.SerializeToString()
    return data


def _widen(trees: bytes, count: int, steps: FloatArray) -> bytes:
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_model_from_string(trees)
    tail = GraphBuilder("tail")
    units = tail.node("Concat", [f"h{h}" for h in range(count)], "units", axis=1)
    width = tail.node("Mul", ["scale", tail.constant("root_steps", np.sqrt(steps))], "width")
    tail.node("Mul", [units, width], "log_return")
    graph = model.graph
    graph.node.extend(tail.node_list)
    graph.initializer.extend(tail.initialisers)
    graph.input.append(helper.make_tensor_value_info("scale", TensorProto.FLOAT, ["n", 1]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("log_return", TensorProto.FLOAT, ["n", count]))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data
