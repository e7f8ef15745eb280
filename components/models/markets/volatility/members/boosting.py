"""XGBoost on top of the log-HAR forecast: trees that multiply it, fitted by QLIKE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.lean import without
from components.models.contract import FloatArray
from components.models.markets.volatility.design import tree_design
from components.models.markets.volatility.inputs import Prepared, prepare
from components.models.markets.volatility.members.base import Member, realised
from components.models.markets.volatility.members.log_har import LogHar
from components.models.markets.volatility.params import Params
from components.models.markets.volatility.qlike import qlike
from components.models.onnx_graphs import merge_graphs, open_session

CONVERTER_OPSET = 15
"""The newest that onnxmltools writes for XGBoost; its operators mean the same in the merged graph's opset."""

PARITY_ROWS = 1024

Part = tuple[npt.NDArray[np.float32], FloatArray, FloatArray]
"""Design, the log-HAR forecast (log variance), and the variance that came."""

LARGEST_SURPRISE = 10.0
"""Ratio of realised to forecast variance beyond which a day pulls no harder: a crash must not decide a tree."""


class Boosting(Member):
    """A log-HAR regression, and gradient boosted trees that start from its forecast.

    One booster per horizon. The loss is QLIKE in the log of the variance (the deviance of the gamma distribution) with
    Fisher's curvature of one; what a tree adds is a factor on the variance. Served as one ONNX graph.
    """

    name = "xgboost"

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.har = LogHar(params)
        self.facts: dict[str, Any] = {}
        self.graph = b""
        self._session: Any = None

    def _fit(self, train: Dataset, validation: Dataset) -> None:
        self.har.fit(train, validation)
        parts = [self._part(train), self._part(validation)]
        boosters = [
            _boost(_horizon(parts[0], h), _horizon(parts[1], h), self.params) for h in range(len(self.params.horizons))
        ]
        self._open(merge_graphs({f"h{h}": _convert(booster) for h, booster in enumerate(boosters)}))
        check = parts[1][0][-PARITY_ROWS:]
        native = np.stack([booster.inplace_predict(check) for booster in boosters], axis=1)
        self.facts = {
            "rounds": [booster.num_boosted_rounds() for booster in boosters],
            "onnx_max_abs_diff": float(np.abs(native - self._factors(check)).max()),
            "seed": self.params.seed,
        }

    def _part(self, data: Dataset) -> Part:
        x = prepare(data.inputs, self.level)
        return tree_design(x), self.har.forecast(x), realised(data)

    def forecast(self, x: Prepared) -> FloatArray:
        """Return log variances of prepared rows, shape (rows, horizons)."""
        return self.har.forecast(x) + self._factors(tree_design(x))

    def _factors(self, design: npt.NDArray[np.float32]) -> FloatArray:
        return np.concatenate(self._session.run(None, {"design": design}), axis=1).astype(np.float64)

    def _open(self, graph: bytes) -> None:
        self.graph, self._session = graph, open_session(graph)

    def save(self, directory: Path) -> None:
        """Write ``xgboost.json``, and the trees as ``xgboost.onnx``."""
        (directory / f"{self.name}.onnx").write_bytes(self.graph)
        super().save(directory)

    def _state(self) -> dict[str, Any]:
        return {**self.facts, "har": self.har.state()}

    def _restore(self, state: dict[str, Any], directory: Path) -> None:
        self.har.restore(state["har"])
        self.facts = {name: state[name] for name in ("rounds", "onnx_max_abs_diff", "seed")}
        self._open((directory / f"{self.name}.onnx").read_bytes())


def _horizon(part: Part, h: int) -> Part:
    design, start, target = part
    return design, start[:, h], target[:, h]


def _boost(train: Part, held: Part, p: Params) -> Any:
    with without("sklearn", "pandas"):
        import xgboost as xgb

    settings = {
        "objective": "reg:squarederror",
        "disable_default_eval_metric": True,
        "tree_method": "hist",
        "max_depth": p.tree_depth,
        "learning_rate": p.tree_rate,
        "subsample": 0.7,
        "colsample_bytree": 0.5,
        "min_child_weight": p.tree_rows,
        "reg_lambda": 10.0,
        "base_score": 0.0,
        "nthread": p.threads,
        "seed": p.seed,
    }
    fit, stop = (xgb.DMatrix(design, label=y, base_margin=start) for design, start, y in (train, held))

    def gradient(margin: FloatArray, data: Any) -> tuple[FloatArray, FloatArray]:
        ratio = data.get_label() * np.exp(-margin)
        return 1 - np.minimum(ratio, LARGEST_SURPRISE), np.ones_like(margin)

    def loss(margin: FloatArray, data: Any) -> tuple[str, float]:
        return "qlike", float(qlike(data.get_label(), np.exp(margin)).mean())

    booster = xgb.train(
        settings,
        fit,
        p.tree_rounds,
        evals=[(stop, "validation")],
        obj=gradient,
        custom_metric=loss,
        early_stopping_rounds=p.tree_patience,
        verbose_eval=False,
    )
    kept = booster[: booster.best_iteration + 1]
    return kept


def _convert(booster: Any) -> bytes:
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    width = booster.num_features()
    model = convert_xgboost(
        booster, initial_types=[("design", FloatTensorType([None, width]))], target_opset=CONVERTER_OPSET
    )
    data: bytes = model.SerializeToString()
    return data
