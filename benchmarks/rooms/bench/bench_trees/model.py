"""XGBoost classifier: ONNX Runtime answers few rows, XGBoost's own predictor many."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from components.data.dataset import Dataset
from components.models.bench.bench_trees.data import COLUMNS
from components.models.contract import FloatArray
from components.models.engines import EngineTable, measure
from components.models.onnx_graphs import open_session
from components.models.schema import Batch, Schema, Tensor
from components.models.single import SingleModel
from components.models.xgboost_native import NativeBooster

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Params:
    """Hyper-parameters."""

    trees: int = 300
    depth: int = 6


class Trees:
    """The classifier: trained by XGBoost, served by whichever engine is fastest for the number of rows."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.source: Path | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Train; no early stopping, because the benchmark fixes the number of trees."""
        import xgboost

        self.classifier = xgboost.XGBClassifier(
            n_estimators=self.params.trees, max_depth=self.params.depth, learning_rate=0.1, random_state=7
        ).fit(train.inputs["features"], train.targets["label"][:, 0])
        self.pool = validation.inputs["features"]
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        """Return probabilities of shape (rows, 1)."""
        x = inputs["features"]
        if self.source is None:
            return np.asarray(self.classifier.predict_proba(x)[:, 1:], dtype=np.float64)
        return self.native.predict(x) if len(x) >= self.native_from else self.onnx(x)

    def save(self, directory: Path) -> None:
        """Write what was trained, or copy what was loaded."""
        if self.source is None:
            self.export(directory)
        else:
            copytree(self.source, directory, dirs_exist_ok=True)

    def export(self, directory: Path) -> None:
        """Write ``model.ubj``, ``model.onnx`` and the measured engine table."""
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        self.classifier.get_booster().save_model(directory / "model.ubj")
        inputs = [("features", FloatTensorType([None, len(COLUMNS)]))]
        graph = convert_xgboost(self.classifier, initial_types=inputs, target_opset=15)
        (directory / "model.onnx").write_bytes(graph.SerializeToString())
        onnx, native = _engines(directory)
        rows = _Rows(self.pool)
        table = measure(lambda n: onnx(rows.take(n)), lambda n: native.predict(rows.take(n)))
        (directory / "engines.json").write_text(json.dumps(table.to_dict()), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        trees = cls(Params())
        trees.source = directory
        trees.onnx, trees.native = _engines(directory)
        table = EngineTable.from_dict(json.loads((directory / "engines.json").read_text(encoding="utf-8")))
        trees.native_from = math.inf if table.native_from is None else table.native_from
        return trees


class _Rows:
    """Deals other rows on each call.

    Asked the same few rows again and again, the processor predicts every branch of the trees, and ONNX Runtime looks up
    to twice as fast on small batches as it is.
    """

    def __init__(self, pool: Rows) -> None:
        self.pool, self.start = pool, 0

    def take(self, count: int) -> Rows:
        self.start = (self.start + 97) % (len(self.pool) - count)
        return np.ascontiguousarray(self.pool[self.start : self.start + count])


def _engines(directory: Path) -> tuple[Callable[[Rows], Any], NativeBooster]:
    session = open_session((directory / "model.onnx").read_bytes())
    probabilities = [session.get_outputs()[1].name]
    native = NativeBooster((directory / "model.ubj").read_bytes())
    return lambda x: session.run(probabilities, {"features": x})[0][:, 1:], native


class BoostedTrees(SingleModel):
    """Probability of the label."""

    Params = Params
    Member: Any = Trees

    @property
    def input_schema(self) -> Schema:
        """Thirty bounded features."""
        return Schema((Tensor("features", "FP32", (len(COLUMNS),), COLUMNS),))

    @property
    def output_schema(self) -> Schema:
        """One probability per row."""
        return Schema((Tensor("probability", "FP32", (1,), unit="decimal"),))
