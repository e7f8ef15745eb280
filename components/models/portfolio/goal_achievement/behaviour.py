"""How much of the plan a saver will pay: XGBoost on what was paid before, exported to ONNX.

Payments are measured in the saver's own typical payment, not in the planned one: whoever plans more does not thereby
become less reliable, and the amount that a solver proposes is answered as proposed when it is asked about again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.finance.goals import FloatArray
from components.models.onnx_graphs import max_difference, merge_graphs, open_session
from components.models.portfolio.goal_achievement.schemas import HISTORY_MONTHS, known_months
from components.models.schema import Batch

FEATURES = (
    "months_known",
    "typical_share",
    "last_3",
    "last_6",
    "last_12",
    "share_paid",
    "months_since_paid",
    "variation",
    "largest",
    "growth",
    "consistency",
    "consistency_given",
    "inflation",
    "months_to_target",
)
PAID = 0.5
"""Share of the typical payment that counts as having paid."""
QUANTILES = np.linspace(0, 1, 101)
LEAST_SPREAD = 0.01
CONVERTER_OPSET = 15
"""The newest that onnxmltools writes for XGBoost."""
PARTS = 4
"""Of the training rows: each part's residuals come from trees that did not see it."""


def behaviour_features(inputs: Batch, inflation: FloatArray) -> FloatArray:
    """Return features of past payments, shape (rows, len(FEATURES)).

    Parameters
    ----------
    inputs : mapping
        Tensors ``goal``, ``contributions``, ``history`` and ``given``.
    inflation : ndarray of shape (rows,)
        Annual, decimal: the given one, or the model's.
    """
    known = known_months(inputs["history"][:, 0])
    count = known.sum(axis=1)
    paid = np.where(known, inputs["contributions"], 0.0)
    typical = _median_paid(paid)
    units = np.clip(paid / np.where(typical > 0, typical, 1.0)[:, None], 0.0, 5.0)
    did = units >= PAID
    mean = units.sum(axis=1) / np.maximum(count, 1)
    spread = np.sqrt((np.where(known, units - mean[:, None], 0.0) ** 2).sum(axis=1) / np.maximum(count, 1))
    since = np.where(did.any(axis=1), np.argmax(did[:, ::-1], axis=1), count)
    older, newer = units[:, : HISTORY_MONTHS // 2].sum(axis=1), units[:, HISTORY_MONTHS // 2 :].sum(axis=1)
    given = inputs["given"][:, 3]
    return np.column_stack(
        [
            count,
            mean,
            *(units[:, -n:].sum(axis=1) / np.clip(count, 1, n) for n in (3, 6, 12)),
            did.sum(axis=1) / np.maximum(count, 1),
            since,
            spread,
            units.max(axis=1),
            np.where(count == HISTORY_MONTHS, newer / np.maximum(older, 1.0), 1.0),
            inputs["history"][:, 2] * given,
            given,
            inflation,
            inputs["goal"][:, 2],
        ]
    )


def typical_payment(inputs: Batch) -> FloatArray:
    """Return the median of what was paid in the months in which something was, rupees, shape (rows,); 0 without any."""
    known = known_months(inputs["history"][:, 0])
    return _median_paid(np.where(known, inputs["contributions"], 0.0))


def _median_paid(paid: FloatArray) -> FloatArray:
    """Return each row's median positive payment; 0 where there is none."""
    ordered = np.sort(paid, axis=1)
    positive = (paid > 0).sum(axis=1)
    width = paid.shape[1]
    rows = np.arange(len(paid))
    low = np.minimum(width - positive + (positive - 1) // 2, width - 1)
    high = np.minimum(width - positive + positive // 2, width - 1)
    return np.where(positive > 0, (ordered[rows, low] + ordered[rows, high]) / 2, 0.0)


@dataclass
class Behaviour:
    """Expected share of the plan that is paid, its spread, and the shape of what is left.

    Attributes
    ----------
    graph : bytes
        ONNX: outputs ``ratio`` and ``spread``.
    quantiles : ndarray of shape (101,)
        Of the standardised residuals, out of sample; mean 0 and standard deviation 1 nearly.
    unit : float
        Standard deviation for each unit that the graph answers as ``spread``, a mean absolute residual.
    least : float
        Smallest share that is ever assumed.
    parity : float
        Largest absolute difference between the graph and XGBoost.
    """

    graph: bytes
    quantiles: FloatArray
    unit: float
    least: float
    parity: float = 0.0
    _session: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._session = open_session(self.graph)

    def predict(self, row: FloatArray) -> tuple[float, float]:
        """Return expected share and spread of one row of features, shape (1, len(FEATURES))."""
        ratio, spread = self._session.run(["ratio", "spread"], {"behaviour": row.astype(np.float32)})
        return max(float(ratio[0, 0]), self.least), self.unit * max(float(spread[0, 0]), LEAST_SPREAD)

    def save(self, directory: Path) -> None:
        """Write ``behaviour.onnx`` and ``behaviour.json``."""
        (directory / "behaviour.onnx").write_bytes(self.graph)
        facts = {name: getattr(self, name) for name in ("unit", "least", "parity")}
        facts["quantiles"] = self.quantiles.tolist()
        (directory / "behaviour.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        facts = json.loads((directory / "behaviour.json").read_text(encoding="utf-8"))
        graph = (directory / "behaviour.onnx").read_bytes()
        return cls(graph, np.array(facts.pop("quantiles")), **facts)


@dataclass(frozen=True)
class Trees:
    """Settings of both ensembles."""

    rounds: int
    depth: int
    rate: float
    seed: int

    def fit(self, x: FloatArray, y: FloatArray) -> Any:
        """Train one ensemble on single-precision rows."""
        import xgboost as xgb

        settings = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "max_depth": self.depth,
            "learning_rate": self.rate,
            "subsample": 0.8,
            "colsample_bytree": 0.7,
            "min_child_weight": 12,
            "reg_lambda": 5.0,
            "base_score": float(y.mean()),
            "nthread": 1,
            "seed": self.seed,
        }
        return xgb.train(settings, xgb.DMatrix(x.astype(np.float32), y), self.rounds)


def fit_behaviour(x: FloatArray, ratio: FloatArray, trees: Trees) -> Behaviour:
    """Train the share and its spread, the latter on residuals of rows that the trees had not seen.

    Parameters
    ----------
    x : ndarray of shape (rows, len(FEATURES))
    ratio : ndarray of shape (rows,)
        Paid over planned.
    trees : Trees
    """
    part = np.random.default_rng(trees.seed).permutation(len(x)) % PARTS
    residual = np.empty(len(x))
    for held in range(PARTS):
        booster = trees.fit(x[part != held], ratio[part != held])
        residual[part == held] = ratio[part == held] - _answer(booster, x[part == held])
    size, share = trees.fit(x, np.abs(residual)), trees.fit(x, ratio)
    spread = np.maximum(_answer(size, x), LEAST_SPREAD)
    unit = float(np.sqrt(np.mean((residual / spread) ** 2)))
    quantiles = np.quantile(residual / (spread * unit), QUANTILES)
    graph = merge_graphs({"ratio": _convert(share), "spread": _convert(size)})
    feed = {"behaviour": x.astype(np.float32)}
    parity = max_difference(graph, feed, _answer(share, x)[:, None])
    return Behaviour(graph, quantiles, unit, float(max(np.quantile(ratio, 0.01), LEAST_SPREAD)), parity)


def _answer(booster: Any, x: FloatArray) -> FloatArray:
    values: FloatArray = booster.inplace_predict(x.astype(np.float32)).astype(np.float64)
    return values


def _convert(booster: Any) -> bytes:
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    kinds = [("behaviour", FloatTensorType([None, len(FEATURES)]))]
    data: bytes = convert_xgboost(booster, initial_types=kinds, target_opset=CONVERTER_OPSET).SerializeToString()
    return data
