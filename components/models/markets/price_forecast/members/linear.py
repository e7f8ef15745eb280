"""Document 2's linear model: ordinary least squares on its thirteen features, shared across price levels."""

from __future__ import annotations

import numpy as np

from components.features.definitions import DOCUMENT_2, NAMES
from components.lean import without
from components.models.contract import FloatArray
from components.models.markets.price_forecast.inputs import INDEX, Prepared
from components.models.markets.price_forecast.members.base import Member
from components.models.onnx_graphs import DOUBLE, SINGLE, GraphBuilder

COLUMNS = np.array([INDEX[name] for name in DOCUMENT_2])
LEAST_RATIO = -0.9
"""A linear forecast has no floor; a loss of more than 90 % is cut off before its logarithm is taken."""


class Linear(Member):
    """Scikit-learn's ``LinearRegression`` on the thirteen features of document 2.

    The document forecasts the next close as ``a + sum_i b_i f_i``, fitted on the last 100 bars of one security. Here
    one set of coefficients serves every price level: lagged closes, the moving average and the price volatility are
    divided by the current close and so is the target, volumes are divided by the mean of the last three. Without the
    intercept the document's form is homogeneous of degree one in the price, so dividing both sides by the close
    leaves its coefficients unchanged.
    """

    name = "linear"

    def _fit(self, x: Prepared, y: FloatArray, held: Prepared, y_held: FloatArray) -> None:
        with without("pandas"):
            from sklearn.linear_model import LinearRegression

        self.model = LinearRegression().fit(x.tabular[:, COLUMNS].astype(np.float64), np.expm1(y * self._width(x)))
        self.facts["coefficients"] = {
            horizon: dict(zip(DOCUMENT_2, row.tolist(), strict=True))
            for horizon, row in zip(self.params.horizons, self.model.coef_, strict=True)
        }

    def _predict(self, x: Prepared) -> FloatArray:
        ratio = self.model.predict(x.tabular[:, COLUMNS].astype(np.float64)).reshape(len(x.close), -1)
        returns: FloatArray = np.log1p(np.maximum(ratio, LEAST_RATIO))
        return returns

    def export(self) -> bytes:
        """Return the graph ``log(1 + max(x W + b, -0.9))``."""
        graph = GraphBuilder(self.name)
        coefficients = np.zeros((len(NAMES), len(self.params.horizons)))
        coefficients[COLUMNS] = self.model.coef_.T
        # Double precision: price_to_sma and sma_5 nearly mirror each other, and their large coefficients nearly cancel.
        double = graph.node("Cast", ["tabular"], "double", to=DOUBLE)
        weights = [
            graph.constant("w", coefficients, np.float64),
            graph.constant("b", self.model.intercept_, np.float64),
        ]
        ratio = graph.node("Gemm", [double, *weights], "ratio")
        floored = graph.node("Max", [ratio, graph.constant("floor", LEAST_RATIO, np.float64)], "floored")
        growth = graph.node("Add", [floored, graph.constant("one", 1.0, np.float64)], "growth")
        graph.node("Cast", [graph.node("Log", [growth], "log_growth")], "log_return", to=SINGLE)
        return graph.build({"tabular": ["n", len(NAMES)]}, {"log_return": ["n", len(self.params.horizons)]})
