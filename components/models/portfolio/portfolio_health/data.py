"""The dataset of the portfolio health score: simulated portfolios on real prices, rated by the rubric's panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.data.dataset import Dataset
from components.data.panel import Panel, build_panel
from components.models.portfolio.portfolio_health.rubric import rate
from components.models.portfolio.portfolio_health.simulate import PORTFOLIOS, SEED, simulate_portfolios

if TYPE_CHECKING:
    import pandas as pd

MIN_SHARE = 0.95
"""Stocks that began to trade later than this share of the panel would shorten it by more than they add."""


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """Return one row per simulated portfolio; see :func:`rated_portfolios`.

    Parameters
    ----------
    features : DataFrame
        Not used: a portfolio's figures are computed from prices here.
    bars : DataFrame
        Daily bars of several securities.
    horizons : tuple of str
        Not used.
    """
    return rated_portfolios(build_panel(bars, min_share=MIN_SHARE))


def rated_portfolios(panel: Panel, portfolios: int = PORTFOLIOS, seed: int = SEED) -> Dataset:
    """Return simulated portfolios with their labels.

    Returns
    -------
    Dataset
        Input ``features`` (portfolios, 26); target ``rating`` (portfolios, 5), points of 0 to 100: the health score
        and its four components. A rating is known when it is given, so label times are the times.
    """
    drawn = simulate_portfolios(panel, portfolios, seed)
    rated = rate(drawn.features, seed)
    return Dataset(
        inputs={"features": drawn.features},
        targets={"rating": np.column_stack([rated.health, rated.components])},
        times=drawn.times,
        label_times=drawn.times,
        entities=np.array([f"portfolio-{i:05d}" for i in range(portfolios)], dtype=object),
    )
