"""What the artifact knows of each security: volatilities, correlations, expected returns as of the end of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.conditions import DAYS_PER_YEAR, DECAY
from components.models.portfolio.position_sizing.edge import Edge, shrink_means, shrink_slope
from components.models.portfolio.position_sizing.schemas import ACCOUNT

HALF_LIFE: Final = 252.0
"""Days after which a day's weight in the correlations is halved."""

PLAUSIBLE: Final = {"market_trend": 0.1, "sector_rotation": 0.5}
"""Prior standard deviations of what market and sector add to an expected return, annualised: 10 % a year for a market
with a trend against one without, 5 % for a sector that was 10 % ahead over the quarter."""

COLUMN: Final = {column.name: i for i, column in enumerate(ACCOUNT)}


@dataclass(frozen=True)
class SecurityTable:
    """Statistics of the universe.

    Attributes
    ----------
    names : tuple of str
        Securities.
    recent, long_run : ndarray of shape (securities,)
        RiskMetrics volatility at the end of training, and that of all of it; annualised decimals.
    correlation : ndarray of shape (securities, securities)
        Exponentially weighted, half-life a year.
    market : float
        Long-run volatility of the equal-weighted universe, annualised decimal.
    edge : Edge
        Expected returns.
    """

    names: tuple[str, ...]
    recent: FloatArray
    long_run: FloatArray
    correlation: FloatArray
    market: float
    edge: Edge

    @property
    def mean_correlation(self) -> FloatArray:
        """Mean correlation of each security with the others, shape (securities,)."""
        others = max(len(self.names) - 1, 1)
        mean: FloatArray = (self.correlation.sum(axis=1) - 1) / others
        return mean

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        arrays = {name: getattr(self, name).tolist() for name in ("recent", "long_run", "correlation")}
        return arrays | {"names": list(self.names), "market": self.market, "edge": self.edge.to_dict()}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        recent, long_run, correlation = (np.array(raw[name]) for name in ("recent", "long_run", "correlation"))
        edge = Edge.from_dict(raw["edge"])
        return cls(tuple(raw["names"]), recent, long_run, correlation, float(raw["market"]), edge)


def returns_of(data: Dataset) -> tuple[tuple[str, ...], FloatArray]:
    """Lay the rows' outcomes end to end: the universe and its daily returns, oldest first.

    Parameters
    ----------
    data : Dataset
        Rows of :func:`~components.models.portfolio.position_sizing.data.build_rows`, whose months do not overlap.

    Returns
    -------
    tuple of str
        Securities.
    ndarray of shape (days, securities)
        Simple returns.
    """
    names, place = np.unique(data.entities.astype(str), return_inverse=True)
    times, month = np.unique(data.times, return_inverse=True)
    months = np.zeros((len(times), data.targets["symbol_returns"].shape[1], len(names)))
    months[month, :, place] = data.targets["symbol_returns"]
    return tuple(map(str, names)), months.reshape(-1, len(names))


def learn_table(data: Dataset) -> SecurityTable:
    """Return the statistics of the rows' outcomes.

    Parameters
    ----------
    data : Dataset
        Rows whose outcomes are known.
    """
    names, returns = returns_of(data)
    correlation = weighted_correlation(returns)
    long_run = np.sqrt(DAYS_PER_YEAR) * returns.std(axis=0)
    decay = DECAY ** np.arange(len(returns) - 1, -1, -1)
    recent = np.sqrt(DAYS_PER_YEAR * (decay @ returns**2) / decay.sum())
    market = float(np.sqrt(DAYS_PER_YEAR) * returns.mean(axis=1).std())
    return SecurityTable(names, recent, long_run, correlation, market, learn_edge(data, names, returns))


def weighted_correlation(returns: FloatArray) -> FloatArray:
    """Return exponentially weighted correlations, shrunk to their mean by the inverse of how many days count.

    Parameters
    ----------
    returns : ndarray of shape (days, securities)
        Oldest first.
    """
    share = 0.5 ** (np.arange(len(returns) - 1, -1, -1) / HALF_LIFE)
    share = share / share.sum()
    centred = returns - share @ returns
    covariance = (centred * share[:, None]).T @ centred
    deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = covariance / np.outer(deviation, deviation)
    securities = len(correlation)
    if securities > 1:
        mean = (correlation.sum() - securities) / (securities * (securities - 1))
        kept = 1 / (1 + securities * float(share @ share))
        correlation = kept * correlation + (1 - kept) * mean
    np.fill_diagonal(correlation, 1.0)
    checked: FloatArray = correlation
    return checked


def learn_edge(data: Dataset, names: tuple[str, ...], returns: FloatArray) -> Edge:
    """Return expected returns, shrunk, and what trend and rotation add to them.

    Parameters
    ----------
    data : Dataset
        Rows, with their accounts.
    names : tuple of str
        Universe.
    returns : ndarray of shape (days, securities)
        As :func:`returns_of` lays them.
    """
    years = len(returns) / DAYS_PER_YEAR
    market = returns.mean(axis=1)
    own = np.sqrt(DAYS_PER_YEAR) * (returns - market[:, None]).std(axis=0) / np.sqrt(years)
    common = float(np.sqrt(DAYS_PER_YEAR) * market.std() / np.sqrt(years))
    mean, error = shrink_means(DAYS_PER_YEAR * returns.mean(axis=0), own, common)
    place = places(data.entities, names)
    outcome = DAYS_PER_YEAR * data.targets["symbol_returns"].mean(axis=1) - DAYS_PER_YEAR * returns.mean(axis=0)[place]
    drivers = [data.inputs["account"][:, COLUMN[name]] for name in PLAUSIBLE]
    trend, rotation = (
        shrink_slope(outcome, driver, data.times, prior)
        for driver, prior in zip(drivers, PLAUSIBLE.values(), strict=True)
    )
    # Slopes turn about the drivers' means: over the rows, what is expected is the shrunk mean.
    usual = trend * drivers[0].mean() + rotation * drivers[1].mean()
    return Edge(mean - usual, error, trend, rotation)


def places(wanted: npt.NDArray[Any], names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the column of each security, -1 for the unknown and the empty text; of the shape of ``wanted``."""
    column = {name: i for i, name in enumerate(names)}
    flat = [column.get(str(name), -1) for name in np.asarray(wanted, dtype=object).ravel()]
    return np.array(flat, dtype=np.int64).reshape(np.shape(wanted))
