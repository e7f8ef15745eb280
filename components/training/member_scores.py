"""Scores of each candidate alone, in the unit the model blends in, on the same out-of-sample rows as the blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.data.dataset import Dataset
from components.evaluation import metrics
from components.evaluation.splits import Folds
from components.models.contract import Model
from components.training.predictions import Predictions


def member_scores(
    model: Model,
    data: Dataset,
    folds: Folds,
    stored: Mapping[str, Predictions],
    horizons: Sequence[str],
    directional: bool,
) -> dict[str, dict[str, Any]]:
    """Return metrics by horizon and candidate.

    Parameters
    ----------
    model : Model
        Says what the candidates predict.
    data, folds
        What they were trained on.
    stored : mapping of str to Predictions
        By candidate.
    horizons : sequence of str
        Names of the predictions' columns.
    directional : bool
        Whether the blended value is a change, so that its sign is a direction.
    """
    actual = np.concatenate([model.blend_target(data.take(f.test)) for f in folds.folds])
    table: dict[str, dict[str, Any]] = {h: {} for h in horizons}
    for name, predictions in stored.items():
        called = np.concatenate([predictions.part(f.number, "test", f.test) for f in folds.folds])
        for h, horizon in enumerate(horizons):
            y, p = actual[:, h], called[:, h]
            row = {"rows": len(y), "rmse": metrics.rmse(y, p), "mae": metrics.mae(y, p), "r2": metrics.r2(y, p)}
            if directional:
                row["directional_accuracy"] = metrics.directional_accuracy(y, p)
                row["balanced_directional_accuracy"] = metrics.balanced_directional_accuracy(y, p)
            table[horizon][name] = row
    return table
