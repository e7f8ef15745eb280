"""The evaluation as one self-contained page, which the graph shows in the Kubeflow UI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.evaluation.plots.calibration import calibration
from components.evaluation.plots.fan_chart import fan_chart
from components.evaluation.plots.markup import page
from components.evaluation.plots.metrics_table import backtest_table, metrics_table
from components.evaluation.plots.residuals import residuals
from components.evaluation.plots.svg import esc

if TYPE_CHECKING:
    import pandas as pd


def evaluation_page(
    evaluation: Mapping[str, Any],
    backtest: pd.DataFrame,
    bars: pd.DataFrame | None = None,
    *,
    title: str = "Evaluation",
    level: float = 0.9,
    tolerance: float = 0.03,
) -> str:
    """Return the page.

    Parameters
    ----------
    evaluation : mapping
        ``Evaluation.to_dict()``.
    backtest : DataFrame
        ``Evaluation.backtest``.
    bars : DataFrame, optional
        For the fan chart.
    title : str
        Heading.
    level, tolerance : float
        Nominal coverage, and the gate's tolerance around it, decimal.
    """
    parts = [f'<header class="masthead"><h1>{esc(title)}</h1></header><main>']
    if not backtest.empty:
        parts.append(f"<section><h2>In short</h2>{backtest_table(backtest, level)}</section>")
    if bars is not None:
        parts.append(
            f"<section><h2>Forecasts against what happened</h2>{fan_chart(backtest, bars, level=level)}</section>"
        )
    parts.append(f"<section><h2>Metrics</h2>{metrics_table(evaluation)}</section>")
    parts.append(f"<section><h2>Calibration</h2>{calibration(backtest, level, tolerance)}</section>")
    parts.append(f"<section><h2>Residuals</h2>{residuals(backtest)}</section></main>")
    return page(title, "".join(parts))
