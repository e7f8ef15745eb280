"""What to expect of the portfolio's return and volatility, after weighing all that is said and known about them.

Four sources speak about the return: the saver (``expected_returns``), the market assumption, the training data's
long-run mean, and the portfolio's own last months. They are combined with weights inverse to their variances, which is
the posterior mean of a normal mean. The variance of the first three is how far they were off in training beyond what
chance explains (the mean's from blocks of time that it was not taken over, and its standard error), of the last that of
its few months, by far the largest. Errors count in proportion to the years they lasted. Volatility is combined likewise
on a log scale. What remains uncertain about the return widens every simulation: ``drift_sd``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.finance.goals import MONTHS, FloatArray
from components.models.portfolio.goal_achievement.schemas import known_months
from components.models.schema import Batch

LEAST_VARIANCE = 4e-4
"""No source is believed to better than two points a year."""
LEAST_VOLATILITY = 0.005
BLOCKS = 4
"""Of training time, when the error of the long-run mean is measured; rows come in time order."""
FEWEST_RETURNS = 6
"""Months before a history's own volatility is looked at."""


@dataclass(frozen=True)
class Beliefs:
    """Long-run figures and the variances of the sources; growth in annual log points, volatility annual decimal.

    Attributes
    ----------
    growth, growth_variance : float
        Mean log growth of the training portfolios, and its mean squared error as a forecast, less chance.
    stated_variance, market_variance : float
        Mean squared error of ``expected_returns`` and ``expected_market_return`` as forecasts, less chance.
    log_volatility, volatility_variance : float
        Mean and variance of the log volatility of the training portfolios.
    market_share : float
        Mean log ratio of a portfolio's volatility to the market volatility that was expected.
    market_volatility_variance : float
        Variance of that ratio.
    history_variance : float
        Variance of the change from a portfolio's past log volatility to its coming one.
    inflation : float
        Mean of what savers expected, decimal.
    drift_sd : float
        Standard deviation of the forecast of log growth per year, beyond chance.
    memory : float
        Years after which a persistent error of that forecast fades.
    """

    growth: float = 0.08
    growth_variance: float = 1e-3
    stated_variance: float = 1e-3
    market_variance: float = 1e-3
    log_volatility: float = -2.0
    volatility_variance: float = 0.1
    market_share: float = 0.0
    market_volatility_variance: float = 0.1
    history_variance: float = 0.05
    inflation: float = 0.05
    drift_sd: float = 0.03
    memory: float = 10.0

    def volatility(self, inputs: Batch) -> FloatArray:
        """Return annual volatility, decimal, shape (rows,)."""
        count, log_own = own_volatility(inputs)
        stated = inputs["assumptions"][:, 1] / 100
        market = np.log(np.maximum(stated, LEAST_VOLATILITY)) + self.market_share
        own_variance = self.history_variance + 0.5 / np.maximum(count - 1, 1)
        weights = [
            np.full(len(count), 1 / self.volatility_variance),
            inputs["given"][:, 1] / self.market_volatility_variance,
            np.where(count >= FEWEST_RETURNS, 1 / own_variance, 0.0),
        ]
        blended: FloatArray = np.exp(_blend([np.full(len(count), self.log_volatility), market, log_own], weights))
        return np.maximum(blended, LEAST_VOLATILITY)

    def log_growth(self, inputs: Batch, volatility: FloatArray) -> FloatArray:
        """Return expected log growth per year, shape (rows,)."""
        count, earned = own_growth(inputs)
        drag = volatility**2 / 2
        years = np.maximum(count, 1) / MONTHS
        weights = [
            np.full(len(count), 1 / self.growth_variance),
            np.full(len(count), 1 / self.stated_variance),
            inputs["given"][:, 0] / self.market_variance,
            np.where(count > 0, 1 / (volatility**2 / years + self.drift_sd**2), 0.0),
        ]
        stated = np.log1p(inputs["goal"][:, 5] / 100) - drag
        market = np.log1p(inputs["assumptions"][:, 0] / 100) - drag
        return _blend([np.full(len(count), self.growth), stated, market, earned], weights)

    def expected_inflation(self, inputs: Batch) -> FloatArray:
        """Return annual inflation, decimal: the given one as far as it is given, else the model's."""
        given = inputs["given"][:, 2]
        rate: FloatArray = given * inputs["assumptions"][:, 2] / 100 + (1 - given) * self.inflation
        return rate

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, float]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(**raw)


def horizon_weight(years: Any, memory: float) -> FloatArray:
    """Return for how many years an error of the drift counts that fades with this memory: ``m (1 - exp(-T / m))``."""
    weight: FloatArray = -memory * np.expm1(-np.asarray(years, dtype=np.float64) / memory)
    return weight


def own_growth(inputs: Batch) -> tuple[FloatArray, FloatArray]:
    """Return how many past returns are known, and the portfolio's log growth per year over them."""
    known = known_months(inputs["history"][:, 1])
    logs = np.where(known, np.log1p(np.maximum(inputs["portfolio_returns"], -99.9) / 100), 0.0)
    count = known.sum(axis=1).astype(np.float64)
    return count, logs.sum(axis=1) * MONTHS / np.maximum(count, 1)


def own_volatility(inputs: Batch) -> tuple[FloatArray, FloatArray]:
    """Return how many past returns are known, and the log of their annual volatility."""
    known = known_months(inputs["history"][:, 1])
    logs = np.where(known, np.log1p(np.maximum(inputs["portfolio_returns"], -99.9) / 100), 0.0)
    count = known.sum(axis=1).astype(np.float64)
    mean = logs.sum(axis=1) / np.maximum(count, 1)
    squares = (np.where(known, logs - mean[:, None], 0.0) ** 2).sum(axis=1)
    variance = squares / np.maximum(count - 1, 1) * MONTHS
    return count, 0.5 * np.log(np.maximum(variance, LEAST_VOLATILITY**2))


def fit_beliefs(data: Dataset, memory: float) -> Beliefs:
    """Learn the variances of the sources from what followed in training."""
    inputs = data.inputs
    years = inputs["goal"][:, 2] / MONTHS
    realised, log_realised = data.targets["log_growth"][:, 0], data.targets["log_volatility"][:, 0]
    # A standard deviation of n months scatters by about 1 / sqrt(2 (n - 1)) on a log scale.
    noise = 0.5 / np.maximum(inputs["goal"][:, 2] - 1, 1)
    count, log_own = own_volatility(inputs)
    ratio = log_realised - np.log(np.maximum(inputs["assumptions"][:, 1] / 100, LEAST_VOLATILITY))
    told, seen = inputs["given"][:, 1] > 0, count >= FEWEST_RETURNS
    half = Beliefs(
        log_volatility=float(log_realised.mean()),
        volatility_variance=_excess(log_realised - log_realised.mean(), noise),
        market_share=float(ratio[told].mean()) if told.any() else 0.0,
        market_volatility_variance=_excess(ratio[told] - ratio[told].mean(), noise[told]) if told.any() else 1.0,
        history_variance=_excess((log_realised - log_own)[seen], noise[seen] + 0.5 / np.maximum(count[seen] - 1, 1))
        if seen.any()
        else 1.0,
        inflation=_told_inflation(inputs),
        memory=memory,
    )
    return _fit_growth(half, data, realised, years)


def _fit_growth(half: Beliefs, data: Dataset, realised: FloatArray, years: FloatArray) -> Beliefs:
    inputs = data.inputs
    volatility = half.volatility(inputs)
    chance, drag = volatility**2 / years, volatility**2 / 2
    stated = np.log1p(inputs["goal"][:, 5] / 100) - drag - realised
    told = inputs["given"][:, 0] > 0
    market = (np.log1p(inputs["assumptions"][:, 0] / 100) - drag - realised)[told]
    span = float((data.label_times.max() - data.times.min()) / np.timedelta64(365, "D"))
    chance_of_mean = float(np.mean(volatility**2)) / span
    known = asdict(half) | {
        "growth": float(np.average(realised, weights=years)),
        "growth_variance": _excess(realised - _mean_of_others(realised, years), chance, years) + chance_of_mean,
        "stated_variance": _excess(stated, chance, years),
        "market_variance": _excess(market, chance[told], years[told]) if told.any() else 1.0,
    }
    whole = Beliefs(**known)
    error = whole.log_growth(inputs, volatility) - realised
    fading = (horizon_weight(years, half.memory) / years) ** 2
    beyond = np.average(error**2 - chance, weights=years) / np.average(fading, weights=years)
    drift = max(float(beyond), LEAST_VARIANCE)
    return Beliefs(**(known | {"drift_sd": float(np.sqrt(drift))}))


def _mean_of_others(realised: FloatArray, years: FloatArray) -> FloatArray:
    """Forecast each block of time by the mean of the other blocks; a mean flatters itself on its own rows."""
    block = np.arange(len(realised)) * BLOCKS // len(realised)
    forecast = np.empty(len(realised))
    for held in range(BLOCKS):
        others = block != held
        forecast[~others] = np.average(realised[others], weights=years[others])
    return forecast


def _told_inflation(inputs: Batch) -> float:
    told = inputs["given"][:, 2] > 0
    return float(inputs["assumptions"][told, 2].mean() / 100) if told.any() else 0.0


def _excess(error: FloatArray, chance: FloatArray, weights: FloatArray | None = None) -> float:
    """Return the (weighted) mean squared error beyond chance."""
    return max(float(np.average(error**2 - chance, weights=weights)), LEAST_VARIANCE)


def _blend(estimates: list[FloatArray], weights: list[FloatArray]) -> FloatArray:
    total = np.stack(weights)
    blended: FloatArray = np.einsum("sr,sr->r", total, np.stack(estimates)) / total.sum(axis=0)
    return blended
