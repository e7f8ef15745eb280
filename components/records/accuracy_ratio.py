"""How a version does now, compared with how it did when it was trained; exported as ``arthaflow_model_accuracy_ratio``.

One means as good as in training, less means worse. Where predictions can be right or wrong it is recent accuracy over
the evaluation's. Else it is the evaluation's error over the recent one, of the first of MAPE, RMSE and MAE that both
have under the names of model_performance_metrics, so that both are in one unit; it is capped, because an error of zero
would make it infinite. Too few outcomes, or an evaluation without either figure: there is no ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import select

from components.records.database import Database
from components.records.figures import classes, error_figures
from components.records.performance import read_joined
from components.records.tables import ml_models

LEAST = 30
"""Outcomes from which on a ratio is told."""
CAP = 10.0
ERRORS = ("mean_absolute_percentage_error", "root_mean_squared_error", "mean_absolute_error")


@dataclass(frozen=True)
class AccuracyRatio:
    """Recent over training's figure.

    Attributes
    ----------
    value : float
        One: as good as in training; less: worse.
    kind : str
        ``accuracy``, or the error that was compared.
    recent, training : float
        The two figures.
    outcomes : int
        How many recent outcomes it is from.
    """

    value: float
    kind: str
    recent: float
    training: float
    outcomes: int


def accuracy_ratio(
    database: Database, model: str, version: str, now: datetime | None = None, days: int = 30
) -> AccuracyRatio | None:
    """Return the ratio over the predictions of the last ``days`` days whose outcome is known, or None."""
    now = now or datetime.now(UTC)
    m = ml_models.c
    with database.read() as connection:
        row = connection.execute(
            select(m.validation_accuracy, m.custom_metrics).where(m.model_name == model, m.model_version == version)
        ).first()
        joined = read_joined(connection, model, version, now - timedelta(days=days), now + timedelta(microseconds=1))
    if row is None:
        return None
    predicted, actual = classes(joined)
    if row.validation_accuracy and len(predicted) >= LEAST:
        recent = float(np.mean(predicted == actual))
        return AccuracyRatio(
            recent / row.validation_accuracy, "accuracy", recent, row.validation_accuracy, len(predicted)
        )
    return _by_error(row.custom_metrics or {}, error_figures(joined))


def _by_error(training: Mapping[str, Any], recent: Mapping[str, Any]) -> AccuracyRatio | None:
    known = (recent["error_distribution"] or {"count": 0})["count"]
    for name in ERRORS:
        before, now = training.get(name), recent[name]
        if known >= LEAST and before and now is not None:
            return AccuracyRatio(min(before / now, CAP) if now else CAP, name, now, before, known)
    return None
