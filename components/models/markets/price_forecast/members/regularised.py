"""Mean of ridge, lasso and elastic net on every standardised feature."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from components.features.definitions import NAMES
from components.lean import without
from components.models.contract import FloatArray
from components.models.markets.price_forecast.inputs import Prepared
from components.models.markets.price_forecast.members.base import Member, Standardiser, add_width
from components.models.onnx_graphs import GraphBuilder

RIDGE_ALPHAS = np.logspace(0, 5, 16)
SPLITS = 4
ENTITIES = 2
"""Rows of the same bar that the gap between the splits of the inner cross-validation allows for."""


class Regularised(Member):
    """Average of three penalised linear models per horizon; penalties chosen by time-ordered cross-validation in train.

    Targets are log returns in units of volatility, clipped at five of them, so that no crash decides the coefficients.
    """

    name = "regularised"

    def _fit(self, x: Prepared, y: FloatArray, held: Prepared, y_held: FloatArray) -> None:
        self.standard = Standardiser(x.tabular)
        features = self.standard(x.tabular).astype(np.float64)
        y = np.clip(y, -5, 5)
        fits = [self._three(features, y[:, h], int(step)) for h, step in enumerate(self.params.steps)]
        self.coefficients = np.stack([np.mean([m.coef_ for m in models], axis=0) for models in fits], axis=1)
        self.intercepts = np.array([np.mean([m.intercept_ for m in models]) for models in fits])
        self.facts["alphas"] = {
            horizon: {type(m).__name__: float(m.alpha_) for m in models}
            for horizon, models in zip(self.params.horizons, fits, strict=True)
        }

    def _three(self, features: FloatArray, y: FloatArray, step: int) -> list[Any]:
        with without("pandas"):
            from sklearn.exceptions import ConvergenceWarning
            from sklearn.linear_model import ElasticNetCV, LassoCV, RidgeCV
            from sklearn.model_selection import TimeSeriesSplit

        splits = list(TimeSeriesSplit(SPLITS, gap=step * ENTITIES).split(features))
        models = [
            RidgeCV(RIDGE_ALPHAS, cv=splits),
            LassoCV(alphas=20, eps=1e-2, cv=splits, precompute=True),
            ElasticNetCV(alphas=20, eps=1e-2, cv=splits, l1_ratio=0.5, precompute=True),
        ]
        with warnings.catch_warnings():
            # A path that stops early at a tiny penalty is never the one that cross-validation chooses on returns.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return [model.fit(features, y) for model in models]

    def _predict(self, x: Prepared) -> FloatArray:
        scores = self.standard(x.tabular).astype(np.float64)
        returns: FloatArray = (scores @ self.coefficients + self.intercepts) * self._width(x)
        return returns

    def export(self) -> bytes:
        """Return the graph ``(standardise(x) W + b) * width``."""
        graph = GraphBuilder(self.name)
        scores = self.standard.add(graph, "tabular")
        weights = [graph.constant("w", self.coefficients), graph.constant("b", self.intercepts)]
        add_width(graph, graph.node("Gemm", [scores, *weights], "units"), self.params.steps)
        horizons = len(self.params.horizons)
        return graph.build({"tabular": ["n", len(NAMES)], "scale": ["n", 1]}, {"log_return": ["n", horizons]})
