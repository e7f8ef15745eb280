"""Random forests with monotone splits (scikit-learn): one for each component."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.models.contract import FloatArray
from components.models.onnx_trees import forest_graph
from components.models.portfolio.portfolio_health.columns import SIGNS
from components.models.portfolio.portfolio_health.members import Float32, Member
from components.models.portfolio.portfolio_health.rubric import COMPONENTS

GRID = 64
"""Leaves are whole multiples of 1/64 point. Their sums are then exact in single precision in any order, so that a batch
equals its rows to the last bit, and rounding keeps what is monotone monotone."""


class Forest(Member):
    """Breiman (2001), doi:10.1023/A:1010933404324, whose trees split so that no signed column acts against its sign.

    A split that would break a sign is not made, and values below it are bounded by the middle of its two sides, as
    scikit-learn's ``monotonic_cst`` does; the mean of monotone trees is monotone.
    """

    name = "forest"

    def _fit(self, x: Float32, ratings: FloatArray) -> None:
        from sklearn.ensemble import RandomForestRegressor

        p = self.params
        self.forests: list[Any] = []
        for component in range(len(COMPONENTS)):
            forest = RandomForestRegressor(
                p.trees,
                max_depth=p.depth,
                min_samples_leaf=p.leaf,
                max_features=p.share,
                monotonic_cst=SIGNS,
                random_state=p.seed + component,
                n_jobs=p.threads,
            )
            self.forests.append(_on_grid(forest.fit(x, ratings[:, component])))

    def _predict(self, x: Float32) -> FloatArray:
        columns: FloatArray = np.stack([forest.predict(x) for forest in self.forests], axis=1)
        return columns

    def export(self) -> dict[str, bytes]:
        """Return a graph per component."""
        return {
            f"forest_{name}": forest_graph(forest, "features", f"forest_{name}")
            for name, forest in zip(COMPONENTS, self.forests, strict=True)
        }


def _on_grid(forest: Any) -> Any:
    for estimator in forest.estimators_:
        values = estimator.tree_.value
        values[:] = np.rint(values * GRID) / GRID
    return forest
