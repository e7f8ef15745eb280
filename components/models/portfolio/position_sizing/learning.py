"""Fit the parts of position sizing on rows whose outcomes are known."""

from __future__ import annotations

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.book import Comovement, book_risk
from components.models.portfolio.position_sizing.conditions import DAYS_PER_YEAR
from components.models.portfolio.position_sizing.extremes import PathExtremes, learn_paths
from components.models.portfolio.position_sizing.forecast import VarianceForecast, fit_variance
from components.models.portfolio.position_sizing.questions import Questions, read_questions
from components.models.portfolio.position_sizing.table import SecurityTable, learn_table
from components.models.portfolio.position_sizing.trust import Trust, learn_trust

Learned = tuple[SecurityTable, VarianceForecast, Comovement, Trust, PathExtremes]


def learn(train: Dataset, validation: Dataset, paths: int, seed: int) -> Learned:
    """Return every part.

    Parameters
    ----------
    train, validation : Dataset
        In time order.
    paths, seed : int
        Of the simulated months.
    """
    table = learn_table(together(train, validation))
    asked = read_questions(train.inputs, learn_table(train))
    long_run = table.long_run[asked.place]
    realised, vix = train.targets["realised_volatility"][:, 0], asked.account["vix"]
    variance = fit_variance(realised, asked.symbol_recent, long_run, vix)
    forecast = variance.volatility(asked.symbol_recent, long_run, vix)
    comovement = fit_comovement(train, asked, table, variance)
    error = np.log(np.maximum(realised, 1e-4) / forecast)
    trust = learn_trust(error, asked.symbol_recent, long_run, vix)
    return table, variance, comovement, trust, learn_paths(train.targets["symbol_returns"], forecast, paths, seed)


def fit_comovement(data: Dataset, asked: Questions, table: SecurityTable, variance: VarianceForecast) -> Comovement:
    """Fit how correlations move with the VIX, so that books of two securities or more had the forecast variance.

    Parameters
    ----------
    data : Dataset
        Rows with the books' returns.
    asked : Questions
        The same rows, read.
    table, variance
        What is learned already.

    Notes
    -----
    Least QLIKE over books, as for the variances (see :func:`~.forecast.fit_variance`).
    """
    from scipy.optimize import minimize

    wide = (asked.weight > 0).sum(axis=1) >= 2
    if not wide.any():
        return Comovement(0.0, 0.0)
    vix = asked.account["vix"][wide]
    each = variance.volatility(asked.recent[wide], table.long_run, vix[:, None])
    exposure, place = asked.weight[wide] * each, asked.place[wide]
    came = DAYS_PER_YEAR * (data.targets["book_returns"][wide] ** 2).mean(axis=1)

    def loss(theta: FloatArray) -> float:
        shift = Comovement(float(theta[0]), float(theta[1])).shift(vix)
        expected = book_risk(exposure, table.correlation, place, shift)[0] ** 2
        return float(np.mean(came / expected + np.log(expected)))

    found = minimize(loss, np.zeros(2), bounds=[(-0.5, 0.9), (0.0, 1.0)], method="L-BFGS-B")
    return Comovement(float(found.x[0]), float(found.x[1]))


def together(first: Dataset, second: Dataset) -> Dataset:
    """Return the rows of both, in time order."""
    return Dataset(
        {name: np.concatenate([first.inputs[name], second.inputs[name]]) for name in first.inputs},
        {name: np.concatenate([first.targets[name], second.targets[name]]) for name in first.targets},
        np.concatenate([first.times, second.times]),
        np.concatenate([first.label_times, second.label_times]),
        np.concatenate([first.entities, second.entities]),
    )
