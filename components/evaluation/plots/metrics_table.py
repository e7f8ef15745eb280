"""Metrics as tables: every candidate and the blend beside the baselines, tests in words, regimes and blend weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import table
from components.evaluation.plots.summary import summarise

if TYPE_CHECKING:
    import pandas as pd


def metrics_table(evaluation: Mapping[str, Any]) -> str:
    """Return the tables of an evaluation (``Evaluation.to_dict()``)."""
    return f"<pre>{f.label(list(evaluation))}</pre>"


def backtest_table(backtest: pd.DataFrame, level: float) -> str:
    """Key figures of a backtest by horizon, for when there is no evaluation."""
    rows = []
    for r in summarise(backtest, level):
        errors = (f.percent(r.rmse, 3), f.percent(r.rmse_base, 3), f.percent(r.coverage))
        others = (f.percent(r.score, 2), f.percent(r.score_base, 2), f.percent(r.direction), f.percent(r.constant_call))
        rows.append((f.horizon(r.horizon), f.count(r.rows), *errors, *others))
    head = (
        "horizon",
        "forecasts",
        "RMSE",
        "RMSE of a random walk",
        f"coverage (promised {f.percent(level, 0)})",
        "interval score",
        "score of the random walk's interval",
        "direction right",
        "always the commoner one",
    )
    return table("The backtest by horizon; errors and scores in percent of the price at the origin", head, rows)
